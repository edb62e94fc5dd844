//! `fresh`: while the bucket works, the heatmap of every tenant that is attached, active and scheduled is right: it says
//! what the tenant was at some moment of the last two periods.

use std::collections::BTreeMap;
use std::time::Duration;

use thermocline::layer::TenantShardId;

use super::super::event::{Event, HostId, Location, NodeId, Written};
use super::super::ledger::{HostFacts, Ledger, Place};
use super::Check;

/// The longest wait between two tries of an upload: one that was waiting when the bucket began to work.
const BACK_OFF: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// A put that landed after its writer had stopped waiting, and when: nobody can know of it before the bucket is
    /// asked again.
    landed_late: BTreeMap<TenantShardId, Duration>,
    told: BTreeMap<(NodeId, TenantShardId), u64>,
}

impl Check for Fresh {
    fn name(&self) -> &'static str {
        "fresh"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        match event {
            Event::Wrote { request, shard, .. } | Event::Removed { request, shard, .. } => {
                if !ledger.open.contains_key(request) {
                    self.landed_late.insert(*shard, ledger.now);
                }
                Vec::new()
            }
            Event::Tick if !ledger.bad_weather => {
                ledger.places.iter().filter_map(|(place, facts)| self.judge(ledger, *place, facts)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Fresh {
    fn judge(&mut self, ledger: &Ledger, (node, shard): (NodeId, TenantShardId), place: &Place) -> Option<String> {
        let location = place.location.filter(Location::is_scheduled)?;
        let object = ledger.objects.get(&shard)?;
        if object.newest != Some(location.generation) {
            return None;
        }
        let (id, host) = ledger.host_at(node)?;
        let within = within(ledger, id, host, place);
        let mut since = ledger.fine_since.max(place.since).max(host.started);
        if let Some(landed) = self.landed_late.get(&shard) {
            since = since.max(*landed + host.terms.recheck);
        }
        let from = ledger.now.checked_sub(within).filter(|from| *from >= since)?;
        let wrong = match &object.current {
            None => "there is none".to_owned(),
            Some(written) => wrong(written, place, &location, from)?,
        };
        // Once for each state of the tenant.
        if self.told.insert((node, shard), place.state) == Some(place.state) {
            return None;
        }
        Some(format!("the heatmap of {shard} at {node:?} is not right within {within:?}: {wrong}"))
    }
}

/// How long a heatmap may take to become right. The second period leaves room for the jitter of the first.
fn within(ledger: &Ledger, id: HostId, host: &HostFacts, place: &Place) -> Duration {
    let untold = if place.told { Duration::ZERO } else { host.terms.rescan };
    2 * place.longest_period + untold + BACK_OFF + host.terms.job + ledger.queue(id, host)
}

fn wrong(written: &Written, place: &Place, location: &Location, from: Duration) -> Option<String> {
    if written.generation != location.generation {
        return Some(format!("it is of generation {}, not {}", written.generation, location.generation));
    }
    if written.period_ms != Some(location.period.as_millis()) {
        return Some(format!("its period is {:?}, not {:?}", written.period_ms, location.period));
    }
    let right = |seen: Option<&super::super::ledger::Seen>| {
        seen.is_some_and(|seen| seen.until.is_none_or(|until| until >= from))
    };
    if right(place.seen.get(&written.picture.exact)) {
        return None;
    }
    let small = written.picture.hot_bytes < location.checkpoint;
    if small && right(place.seen_content.get(&written.picture.content)) {
        return None;
    }
    Some(format!("write {} says what it was before {from:?}", written.number))
}
