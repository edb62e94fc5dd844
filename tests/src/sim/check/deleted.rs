//! `deleted`: once a deletion was answered with success, no heatmap of the tenant is there, and none comes back from a
//! request that was made after it.

use std::collections::{BTreeMap, BTreeSet};

use thermocline::layer::TenantShardId;

use super::super::event::{Deletion, Event};
use super::super::ledger::Ledger;
use super::Check;

#[derive(Debug, Default)]
pub(super) struct Deleted {
    gone: BTreeSet<TenantShardId>,
    /// Puts that were under way when the deletion was answered: nobody can call them back.
    before: BTreeMap<TenantShardId, u64>,
    last: u64,
}

impl Check for Deleted {
    fn name(&self) -> &'static str {
        "deleted"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        match event {
            Event::Sent { request, .. } => self.last = *request,
            Event::Attached { shard, .. } => _ = self.gone.remove(shard),
            Event::Deleted { host, shard, reply: Deletion::Done, .. } => {
                if ledger.places.iter().any(|((_, at), place)| at == shard && place.location.is_some()) {
                    return Vec::new();
                }
                self.gone.insert(*shard);
                self.before.insert(*shard, self.last);
                if ledger.objects.get(shard).is_some_and(|object| object.current.is_some()) {
                    return vec![format!("{host:?} has deleted the heatmap of {shard}, and it is still there")];
                }
            }
            Event::Wrote { host, request, shard, .. } => {
                let under_way = self.before.get(shard).is_some_and(|last| request <= last);
                if self.gone.contains(shard) && !under_way {
                    return vec![format!("{host:?} wrote a heatmap of {shard} after it was deleted")];
                }
            }
            _ => {}
        }
        Vec::new()
    }
}
