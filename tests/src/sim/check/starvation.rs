//! `starvation`: while the bucket works, every scheduled shard has its turn: three periods late it goes first, whatever
//! the policy says.

use std::collections::BTreeMap;
use std::time::Duration;

use thermocline::layer::TenantShardId;

use super::super::event::{Event, HostId, Location, NodeId};
use super::super::ledger::{Ledger, Place};
use super::Check;

/// Past these, a shard goes first.
const PERIODS_LATE: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct NobodyStarves {
    /// When each shard was last looked at.
    asked: BTreeMap<(HostId, TenantShardId), Duration>,
    /// Those that were told of, by the turn that they waited since.
    told: BTreeMap<(HostId, TenantShardId), Duration>,
}

impl Check for NobodyStarves {
    fn name(&self) -> &'static str {
        "starvation"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        match event {
            Event::Asked { host, shard, .. } => {
                self.asked.insert((*host, *shard), ledger.now);
                Vec::new()
            }
            Event::Tick if !ledger.bad_weather => {
                ledger.places.iter().filter_map(|(place, facts)| self.judge(ledger, *place, facts)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl NobodyStarves {
    fn judge(&mut self, ledger: &Ledger, (node, shard): (NodeId, TenantShardId), place: &Place) -> Option<String> {
        place.location.filter(Location::is_scheduled)?;
        let (id, host) = ledger.host_at(node)?;
        let asked = self.asked.get(&(id, shard)).copied().unwrap_or_default();
        let since = asked.max(ledger.fine_since).max(place.since).max(host.started);
        let untold = if place.told { Duration::ZERO } else { host.terms.rescan };
        // The period itself with its jitter, and then the lateness.
        let jitter = place.longest_period / 20;
        let within = (1 + PERIODS_LATE) * place.longest_period + jitter + untold + ledger.queue(id, host);
        if ledger.now.saturating_sub(since) <= within || self.told.insert((id, shard), since) == Some(since) {
            return None;
        }
        Some(format!("{shard} at {id:?} waits since {since:?}, for more than {within:?}"))
    }
}
