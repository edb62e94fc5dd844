//! `idle`: a tenant that does not change costs nothing once its heatmap is in the bucket: no walk, and no put.

use std::collections::BTreeMap;

use super::super::event::{End, Event, HostId, Location};
use super::super::ledger::Ledger;
use super::Check;
use crate::doubles::Call;
use thermocline::layer::TenantShardId;

#[derive(Debug, Default)]
pub(super) struct Idle(BTreeMap<(HostId, TenantShardId), Known>);

#[derive(Debug, Default)]
struct Known {
    /// What the shard was at when the host looked last.
    asked: Option<(u64, Location)>,
    /// What it was at when the host walked it, if that is what it had been told before.
    walked: Option<(u64, Location)>,
    /// What the heatmap that the bucket took was made of, and which write it is.
    uploaded: Option<Uploaded>,
}

#[derive(Clone, Copy, Debug)]
struct Uploaded {
    state: u64,
    number: u64,
    location: Location,
}

impl Check for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        let (host, shard) = match event {
            Event::Asked { host, shard, .. }
            | Event::Walked { host, shard }
            | Event::Sent { host, shard, .. }
            | Event::Ended { host, shard, .. }
            | Event::Commanded { host, shard, .. } => (*host, *shard),
            _ => return Vec::new(),
        };
        let Some(terms) = ledger.hosts.get(&host).map(|host| host.terms).filter(|terms| terms.steady) else {
            return Vec::new();
        };
        let place = ledger.places.get(&(host.node, shard));
        let Some((place, location)) = place.and_then(|place| Some((place, place.location?))) else {
            return Vec::new();
        };
        let known = self.0.entry((host, shard)).or_default();
        // A command looks, whatever is known.
        if ledger.asked_by_name(host).contains(&shard) {
            known.uploaded = None;
        }
        match event {
            Event::Asked { .. } => known.asked = Some((place.state, location)),
            Event::Walked { .. } => {
                known.walked = known.asked.filter(|(state, _)| *state == place.state);
                if terms.trusted && known.is_right(ledger, shard, place.state, &location) {
                    return vec![format!("{host:?} walks {shard}, which did not change since it was uploaded")];
                }
            }
            Event::Sent { call: Call::Put, .. } if known.is_right(ledger, shard, place.state, &location) => {
                return vec![format!("{host:?} writes {shard}, which did not change since it was uploaded")];
            }
            Event::Ended { call: Call::Put, end, .. } => {
                known.uploaded = match (end, known.walked) {
                    (End::Well(Some(number)), Some((state, location))) => {
                        Some(Uploaded { state, number: *number, location })
                    }
                    _ => None,
                };
            }
            _ => {}
        }
        Vec::new()
    }
}

impl Known {
    /// Whether the bucket still has what the host was answered that it took, and nothing has changed since.
    fn is_right(&self, ledger: &Ledger, shard: TenantShardId, state: u64, location: &Location) -> bool {
        let there = ledger.objects.get(&shard).and_then(|object| object.current).map(|written| written.number);
        self.uploaded.is_some_and(|uploaded| {
            uploaded.state == state
                && Some(uploaded.number) == there
                && uploaded.location == *location
                && self.asked == Some((uploaded.state, uploaded.location))
        })
    }
}
