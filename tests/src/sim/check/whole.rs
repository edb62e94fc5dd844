//! `whole`: every object that ever is in the bucket is a valid heatmap, of its tenant, and says what the tenant was at
//! some moment.

use super::super::event::{Event, Location, Written};
use super::super::ledger::Ledger;
use super::Check;

#[derive(Debug, Default)]
pub(super) struct Whole;

impl Check for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        let Event::Wrote { host, shard, written, .. } = event else { return Vec::new() };
        let written = match written {
            Ok(written) => written,
            Err(why) => return vec![format!("{host:?} wrote what is no heatmap of {shard}: {why}")],
        };
        let Some(place) = ledger.places.get(&(host.node, *shard)) else {
            return vec![format!("{host:?} wrote {shard}, which it never had")];
        };
        if !place.seen.contains_key(&written.picture.exact) {
            return vec![format!("{host:?} wrote of {shard} what it never was")];
        }
        let header = |location: &Location| {
            let period_ms = (!location.period.is_zero()).then_some(location.period.as_millis());
            (location.generation, period_ms) == (written.generation, written.period_ms)
        };
        if !place.was.iter().filter_map(|(_, location)| location.as_ref()).any(header) {
            let Written { generation, period_ms, .. } = written;
            return vec![format!(
                "{host:?} wrote of {shard} generation {generation} with a period of {period_ms:?} ms"
            )];
        }
        Vec::new()
    }
}
