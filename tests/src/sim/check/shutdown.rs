//! `shutdown`: it ends within its limit; nothing is asked for or written afterwards, and nothing stays held open.

use std::time::Duration;

use super::super::event::{Event, HostId};
use super::super::ledger::Ledger;
use super::Check;

/// What ending takes beside waiting for uploads: to cut them off, and to keep the state.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Shutdown;

impl Check for Shutdown {
    fn name(&self) -> &'static str {
        "shutdown"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        let after = |host: &HostId, what: &str| {
            let ended = ledger.hosts.get(host).and_then(|host| host.ended)?;
            Some(format!("{host:?}, which was shut down at {ended:?}, {what}"))
        };
        let wrong = match event {
            Event::Listed { host } => after(host, "lists its shards"),
            Event::Asked { host, shard, .. } => after(host, &format!("looks at {shard}")),
            Event::Walked { host, shard } => after(host, &format!("walks {shard}")),
            Event::Held { host, shard } => after(host, &format!("holds {shard} open")),
            Event::Sent { host, shard, call, .. } => after(host, &format!("sends a request: {call:?} {shard}")),
            Event::ShutdownEnded { host, cut_off } => return ended(ledger, *host, *cut_off),
            Event::Tick | Event::Finished => return still_going(ledger),
            _ => None,
        };
        wrong.into_iter().collect()
    }
}

fn ended(ledger: &Ledger, id: HostId, cut_off: usize) -> Vec<String> {
    let Some(host) = ledger.hosts.get(&id) else { return Vec::new() };
    let mut wrong = Vec::new();
    let took = ledger.now.saturating_sub(host.stopping.unwrap_or_default());
    if took > host.terms.shutdown_limit + GRACE {
        wrong.push(format!("{id:?} took {took:?} to shut down, of {:?}", host.terms.shutdown_limit));
    }
    if cut_off > 0 && took < host.terms.shutdown_limit {
        wrong.push(format!("{id:?} cut off {cut_off} uploads after {took:?}, of {:?}", host.terms.shutdown_limit));
    }
    if let Some((shard, _)) = host.held.first_key_value() {
        wrong.push(format!("{id:?} was shut down and still holds {shard} open"));
    }
    // Whoever waits for a deletion notices in a moment.
    let deleting = |shard| ledger.deletions.values().any(|deletion| deletion.host == id && deletion.shard == shard);
    if let Some(open) = ledger.open.values().find(|open| open.host == id && !deleting(open.shard)) {
        wrong.push(format!("{id:?} was shut down and still waits for a request: {:?} {}", open.call, open.shard));
    }
    wrong
}

fn still_going(ledger: &Ledger) -> Vec<String> {
    let late = ledger.hosts.iter().filter(|(_, host)| {
        let limit = host.terms.shutdown_limit + GRACE;
        let late = host.stopping.is_some_and(|began| ledger.now.saturating_sub(began) > limit);
        late && host.ended.is_none() && !host.crashed
    });
    late.map(|(id, _)| format!("{id:?} is still shutting down")).collect()
}
