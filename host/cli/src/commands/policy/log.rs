//! `thermocline policy log`: who changed what.

use std::collections::VecDeque;

use serde_json::{Value, json};
use thermocline::policies::{Action, Entry, Outcome};

use super::shown::{digest, subject};
use crate::Verdict;
use crate::args::LogArgs;
use crate::client::Client;
use crate::output::{self, Table, quoted};
use crate::policy_answers::MAX_ENTRIES;

pub(crate) fn log(args: &LogArgs) -> anyhow::Result<Verdict> {
    let client = Client::new(&args.daemon)?;
    let entries = match args.after {
        Some(after) => page(&client, after, args.limit)?.0,
        None => last(&client, usize::try_from(args.limit)?)?,
    };
    if args.daemon.json {
        output::json(&json!({ "entries": entries }))?;
        return Ok(Verdict::Good);
    }
    let entries: Vec<Entry> = serde_json::from_str(&Value::from(entries).to_string())?;
    match &entries[..] {
        [] => output::line("the log has no such entries")?,
        entries => output::line(table(entries).to_string())?,
    }
    Ok(Verdict::Good)
}

/// Entries after a number, and after which the next page begins.
fn page(client: &Client, after: u64, limit: u64) -> anyhow::Result<(Vec<Value>, Option<u64>)> {
    let query = [("after", after.to_string()), ("limit", limit.to_string())];
    let mut answer = client.get(&["v1", "policy_log"], &query)?;
    let Some(Value::Array(entries)) = answer.get_mut("entries").map(Value::take) else {
        anyhow::bail!("the daemon's answer has no entries: {answer}");
    };
    Ok((entries, answer.get("next").and_then(Value::as_u64)))
}

/// The last entries. The log is read from its beginning: nobody but operators makes it grow.
fn last(client: &Client, limit: usize) -> anyhow::Result<Vec<Value>> {
    let (mut last, mut after) = (VecDeque::new(), Some(0));
    while let Some(from) = after {
        let (entries, next) = page(client, from, MAX_ENTRIES as u64)?;
        last.extend(entries);
        last.drain(..last.len().saturating_sub(limit));
        after = next.filter(|next| *next > from);
    }
    Ok(last.into())
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&[">", "WHEN", "WHAT", "POLICY", "FOR", "BEFORE", "BY", "RESULT"]);
    for entry in entries {
        table.row([
            entry.seq.to_string(),
            entry.at.clone(),
            action(entry).to_owned(),
            subject(entry),
            whom(entry),
            entry.from.map_or_else(|| "-".to_owned(), |from| digest(&from.to_string())),
            entry.by.clone(),
            result(entry),
        ]);
    }
    table
}

const fn action(entry: &Entry) -> &'static str {
    match entry.action {
        Action::Install => "install",
        Action::Remove => "remove",
        Action::Shadow => "shadow",
        Action::EndShadow => "end shadow",
        Action::Activate => "activate",
        Action::Rollback => "rollback",
        Action::EndOverrides => "end overrides",
    }
}

fn whom(entry: &Entry) -> String {
    let decides = matches!(entry.action, Action::Activate | Action::Rollback | Action::Shadow);
    let share = entry.share.filter(|share| *share < 1.0).map(|share| format!("{}% of ", share * 100.0));
    match (&entry.tenant, decides) {
        (Some(tenant), _) => format!("{}{tenant}", share.unwrap_or_default()),
        (None, true) => format!("{}all", share.unwrap_or_default()),
        (None, false) => "-".to_owned(),
    }
}

/// What came of it, with what, and why.
fn result(entry: &Entry) -> String {
    let mut words = vec![match &entry.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Refused(error) => format!("REFUSED: {error}"),
    }];
    words.extend(entry.config.as_ref().filter(|config| config.get() != "{}").map(|config| format!("with {config}")));
    words.extend(entry.source.as_ref().map(|source| format!("from {}", quoted(source))));
    words.extend(entry.why.as_ref().map(|why| format!("because: {why}")));
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_has_a_line() {
        let hot = format!("sha256:{}", "ab".repeat(32));
        let entries = json!([
            {"seq": 1, "at": "2026-11-22T12:30:00Z", "action": "install", "to": hot, "name": "hot", "version": "1.2.3",
             "source": "my hot.wasm", "size_bytes": 7, "by": "alice (says 127.0.0.1)", "result": "ok"},
            {"seq": 2, "at": "2026-11-22T12:31:00Z", "action": "shadow", "to": hot, "name": "hot", "version": "1.2.3",
             "share": 0.25, "config": {"limit": 3}, "by": "alice", "why": "a try", "result": "ok"},
            {"seq": 3, "at": "2026-11-22T12:32:00Z", "action": "activate", "from": "built-in", "to": hot, "name": "hot",
             "version": "1.2.3", "tenant": "0a330000000000000000000000000003", "config": {}, "by": "alice", "result": "ok"},
            {"seq": 4, "at": "2026-11-22T12:33:00Z", "action": "end-shadow", "from": hot, "by": "alice", "result": "ok"},
            {"seq": 5, "at": "2026-11-22T12:34:00Z", "action": "install", "to": format!("sha256:{}", "cd".repeat(32)),
             "source": "b.wasm", "by": "bob", "result": "refused", "error": "this is not WebAssembly"},
            {"seq": 6, "at": "2026-11-22T12:35:00Z", "action": "rollback", "from": hot, "to": "built-in",
             "name": "resident-set", "version": "1.0.0", "by": "thermocline", "why": "5 of 10 calls failed",
             "result": "ok"},
        ]);
        let entries: Vec<Entry> = serde_json::from_str(&entries.to_string()).unwrap();
        insta::assert_snapshot!(table(&entries).to_string());
    }
}
