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
