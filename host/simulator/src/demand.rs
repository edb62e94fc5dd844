//! What is read after a failover.

use crate::dense::Dense;
use crate::needs::NeedId;
use crate::store::{LayerId, Store};
use crate::trace::{Access, Op};

/// The windows after a failover in which reads are counted, milliseconds.
pub const WINDOWS_MS: [u32; 3] = [10_000, 60_000, 600_000];

/// Reads after a failover that need the same layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Which: at least one.
    pub(crate) layers: Vec<LayerId>,
    /// How many there are in each of the [windows](WINDOWS_MS).
    pub(crate) reads: [u64; 3],
}

/// What the accesses after `at_ms` read, by what that needs as the layers are now. Pages that were in no layer at the
/// failover come from the write-ahead log and do not count.
pub(crate) fn demand_after(at_ms: u32, coming: &[Access], store: &Store) -> Vec<Demand> {
    let mut reads = Dense::<NeedId, [u64; 3]>::filled([0; 3], store.needs().count());
    let [.., longest_ms] = WINDOWS_MS;
    for access in coming.iter().take_while(|access| access.at_ms - at_ms <= longest_ms) {
        if access.op == Op::Read {
            let counts = &mut reads[store.need(access.page)];
            for (count, window_ms) in counts.iter_mut().zip(WINDOWS_MS) {
                *count += u64::from(access.at_ms - at_ms <= window_ms);
            }
        }
    }
    let needed = |(need, counts): (NeedId, &[u64; 3])| {
        let some = need != NeedId::NOTHING && counts.iter().any(|count| *count > 0);
        some.then(|| Demand { layers: store.needs().layers(need).to_vec(), reads: *counts })
    };
    reads.iter().filter_map(needed).collect()
}

/// How many reads in each window find all their layers.
pub(crate) fn hits(demand: &[Demand], held: impl Fn(LayerId) -> bool) -> [u64; 3] {
    let served = demand.iter().filter(|demand| demand.layers.iter().all(|layer| held(*layer)));
    sum(served)
}

/// How many reads there are in each window.
pub(crate) fn reads(demand: &[Demand]) -> [u64; 3] {
    sum(demand.iter())
}

fn sum<'a>(demand: impl Iterator<Item = &'a Demand>) -> [u64; 3] {
    demand.fold([0; 3], |mut sum, demand| {
        sum.iter_mut().zip(demand.reads).for_each(|(sum, reads)| *sum += reads);
        sum
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::dense::Id;
    use crate::store::Rules;
    use crate::trace::{Fork, PAGE_BYTES, Page, Trace};

    const RULES: Rules = Rules {
        layer_bytes: 4 * PAGE_BYTES,
        checkpoint_distance_bytes: 3_000,
        checkpoint_timeout_ms: 1_000,
        change_bytes: 1_000,
        compaction_threshold: 3,
        image_creation_threshold: 2,
    };

    proptest! {
        /// Each read is a hit or a miss, and is counted in every window that it falls into.
        #[test]
        fn hits_and_misses_are_all_reads(
            accesses in vec((0_u32..700_000, any::<bool>(), 0_u32..30), 1..200),
            at_ms in 0_u32..700_000,
            holds in vec(any::<bool>(), 200),
        ) {
            let page = |block| Page { fork: Fork { db: 1, rel: 2, fork: 0 }, block };
            let op = |read| if read { Op::Read } else { Op::Write };
            let accesses = accesses.into_iter().map(|(at_ms, read, block)| (at_ms, op(read), page(block)));
            let trace = Trace::new("t".into(), accesses.collect());
            let mut store = Store::laid(&trace, RULES);
            let behind = trace.accesses().partition_point(|access| access.at_ms <= at_ms);
            let (before, coming) = trace.accesses().split_at(behind);
            before.iter().filter(|access| access.op == Op::Write).for_each(|access| store.write(access.page, access.at_ms));

            let held = |layer: LayerId| holds[layer.index() % holds.len()];
            let demand = demand_after(at_ms, coming, &store);
            let (reads, hits) = (reads(&demand), hits(&demand, held));
            for (window, window_ms) in WINDOWS_MS.into_iter().enumerate() {
                let within = coming.iter().filter(|access| access.op == Op::Read && access.at_ms - at_ms <= window_ms);
                let needs = within.map(|access| store.needs().layers(store.need(access.page)));
                let (mut hit, mut missed) = (0, 0);
                for layers in needs.filter(|layers| !layers.is_empty()) {
                    if layers.iter().all(|layer| held(*layer)) { hit += 1 } else { missed += 1 }
                }
                prop_assert_eq!((hits[window], reads[window] - hits[window]), (hit, missed));
            }
        }
    }
}
