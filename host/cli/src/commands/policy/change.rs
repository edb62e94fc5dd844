//! `thermocline policy activate|shadow|rollback|remove`: changes, each told in a sentence.

use serde_json::Value;
use thermocline::policies::{Action, Entry, PolicyRef};

use super::compared::compared;
use super::shown::{Card, digest, given, subject, whom};
use crate::Verdict;
use crate::args::{ActivateArgs, DaemonArgs, RemoveArgs, RollbackArgs, ShadowArgs};
use crate::client::Client;
use crate::output;
use crate::policy_answers::{ActivateBody, RollbackBody, ShadowBody, WatchedAnswer};

pub(crate) fn activate(args: &ActivateArgs) -> anyhow::Result<Verdict> {
    let body = ActivateBody {
        config: config(args.config.as_deref())?,
        tenant: args.tenant.map(|tenant| tenant.to_string()),
        why: args.why.clone(),
    };
    let answer = Client::new(&args.daemon)?.post(&path(&args.policy.to_string(), "activate"), &body)?;
    tell(&args.daemon, answer)
}

pub(crate) fn shadow(args: &ShadowArgs) -> anyhow::Result<Verdict> {
    let client = Client::new(&args.daemon)?;
    let answer = match &args.policy {
        Some(policy) => begin(&client, policy, args)?,
        None if args.end => client.delete(&["v1", "policy_shadow"], &given(&[("why", &args.why)]))?,
        None => return watched(&args.daemon, client.get(&["v1", "policy_shadow"], &[])?),
    };
    tell(&args.daemon, answer)
}

fn begin(client: &Client, policy: &PolicyRef, args: &ShadowArgs) -> anyhow::Result<Value> {
    let body = ShadowBody {
        config: config(args.config.as_deref())?,
        tenant: args.tenant.map(|tenant| tenant.to_string()),
        share: args.share,
        why: args.why.clone(),
    };
    client.post(&path(&policy.to_string(), "shadow"), &body)
}

/// How the policy compares that is watched.
fn watched(args: &DaemonArgs, answer: Value) -> anyhow::Result<Verdict> {
    if args.json {
        output::json(&answer)?;
        return Ok(Verdict::Good);
    }
    let WatchedAnswer { shadow } = serde_json::from_value(answer)?;
    match shadow {
        None => output::line("no policy is watched: `thermocline policy shadow POLICY` begins it")?,
        Some(shadow) => {
            let mut card = Card::default();
            card.field("policy", &format!("{} {} ({})", shadow.name, shadow.version, digest(&shadow.policy)));
            compared(&shadow, &mut card);
            card.print()?;
        }
    }
    Ok(Verdict::Good)
}

pub(crate) fn rollback(args: &RollbackArgs) -> anyhow::Result<Verdict> {
    if args.all_tenants {
        let client = Client::new(&args.daemon)?;
        return tell(&args.daemon, client.delete(&["v1", "policy_overrides"], &given(&[("why", &args.why)]))?);
    }
    let body = RollbackBody { tenant: args.tenant.map(|tenant| tenant.to_string()), why: args.why.clone() };
    tell(&args.daemon, Client::new(&args.daemon)?.post(&["v1", "policy_rollback"], &body)?)
}

pub(crate) fn remove(args: &RemoveArgs) -> anyhow::Result<Verdict> {
    let policy = args.policy.to_string();
    let answer = Client::new(&args.daemon)?.delete(&["v1", "policy", &policy], &given(&[("why", &args.why)]))?;
    tell(&args.daemon, answer)
}

fn path<'a>(policy: &'a str, change: &'a str) -> [&'a str; 4] {
    ["v1", "policy", policy, change]
}

fn config(text: Option<&str>) -> anyhow::Result<Option<Box<serde_json::value::RawValue>>> {
    let raw = text.map(serde_json::from_str).transpose();
    raw.map_err(|error| anyhow::anyhow!("--config must be JSON: {error}"))
}

fn tell(args: &DaemonArgs, answer: Value) -> anyhow::Result<Verdict> {
    if args.json {
        output::json(&answer)?;
    } else {
        // From text: an entry keeps a configuration as it was written.
        output::line(sentence(&serde_json::from_str(&answer.to_string())?))?;
    }
    Ok(Verdict::Good)
}

/// What holds now.
fn sentence(entry: &Entry) -> String {
    let before = entry.from.map(|from| digest(&from.to_string()));
    let (policy, whom) = (subject(entry), whom(entry.tenant.as_ref()));
    let told = match entry.action {
        Action::Install => format!("{policy} is installed"),
        Action::Remove => format!("{policy} is removed"),
        Action::Shadow => {
            format!("{policy} is watched on calls for {whom}: `thermocline policy shadow` says how it compares")
        }
        Action::EndShadow => format!("{} is watched no more", before.as_deref().unwrap_or("no policy")),
        Action::EndOverrides => "no tenant has a policy of its own any more".to_owned(),
        Action::Activate | Action::Rollback => {
            let back = if entry.action == Action::Rollback { "again" } else { "now" };
            let before = before.map(|before| format!(", before it was {before}")).unwrap_or_default();
            format!("{policy} decides for {whom} {back}{before}")
        }
    };
    format!("{told} (entry {} of the log)", entry.seq)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::activate(json!({"action": "activate"}), "hot 1.2.3 (sha256:abababababab) decides for all tenants now, before it was built-in (entry 7 of the log)")]
    #[case::for_one(json!({"action": "activate", "tenant": "0a330000000000000000000000000003"}), "hot 1.2.3 (sha256:abababababab) decides for tenant 0a330000000000000000000000000003 now, before it was built-in (entry 7 of the log)")]
    #[case::rollback(json!({"action": "rollback"}), "hot 1.2.3 (sha256:abababababab) decides for all tenants again, before it was built-in (entry 7 of the log)")]
    #[case::shadow(json!({"action": "shadow", "share": 0.5, "tenant": "0a330000000000000000000000000003-0102"}), "hot 1.2.3 (sha256:abababababab) is watched on calls for shard 0a330000000000000000000000000003-0102: `thermocline policy shadow` says how it compares (entry 7 of the log)")]
    #[case::end(json!({"action": "end-shadow"}), "built-in is watched no more (entry 7 of the log)")]
    #[case::all_tenants(json!({"action": "end-overrides"}), "no tenant has a policy of its own any more (entry 7 of the log)")]
    #[case::remove(json!({"action": "remove"}), "hot 1.2.3 (sha256:abababababab) is removed (entry 7 of the log)")]
    fn a_change_is_a_sentence(#[case] more: Value, #[case] said: &str) {
        let mut entry = json!({
            "seq": 7, "at": "2026-11-22T12:30:00Z", "from": "built-in", "to": format!("sha256:{}", "ab".repeat(32)),
            "name": "hot", "version": "1.2.3", "by": "alice", "result": "ok",
        });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(sentence(&serde_json::from_str(&entry.to_string()).unwrap()), said);
    }

    #[test]
    fn a_configuration_keeps_its_text() {
        let raw = config(Some(r#"{"b": 1.50, "a": 2}"#)).unwrap().unwrap();
        assert_eq!(raw.get(), r#"{"b": 1.50, "a": 2}"#);
        assert!(config(Some("{")).unwrap_err().to_string().starts_with("--config must be JSON: "));
    }
}
