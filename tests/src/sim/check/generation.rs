//! `generation`: never a heatmap of a lower generation over a higher one, and none is removed on behalf of a lower one.

use std::collections::BTreeMap;

use thermocline::layer::TenantShardId;

use super::super::event::Event;
use super::super::ledger::Ledger;
use super::Check;

#[derive(Debug, Default)]
pub(super) struct NeverBack(BTreeMap<TenantShardId, u32>);

impl Check for NeverBack {
    fn name(&self) -> &'static str {
        "generation"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        match event {
            Event::Wrote { host, shard, written: Ok(written), .. } => {
                let before = self.0.insert(*shard, written.generation);
                let over = before.filter(|before| *before > written.generation);
                let wrong = over
                    .map(|before| format!("{host:?} wrote {shard} of generation {} over {before}", written.generation));
                wrong.into_iter().collect()
            }
            Event::Removed { host, shard, .. } => {
                let removed = self.0.remove(shard);
                let ours = ledger.last_generation(host.node, *shard);
                let wrong = removed.filter(|removed| ours.is_some_and(|ours| *removed > ours)).map(|removed| {
                    let ours = ours.unwrap_or_default();
                    format!("{host:?}, where it was last attached in generation {ours}, removed {shard} of {removed}")
                });
                wrong.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}
