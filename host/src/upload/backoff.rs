//! How long to wait before another try.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::layer::TenantShardId;

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait, before jitter.
const LONGEST: Duration = Duration::from_secs(5);

/// The wait after failed try number `attempt`, counted from 1: doubled each time, up to a bound, and then a
/// share of it between a half and the whole. The share comes from the shard's id and the number of the try,
/// so that shards that failed together do not come back together, and a run can be repeated.
pub(super) fn wait_after(shard: TenantShardId, attempt: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    let mut hasher = SipHasher13::new();
    hasher.write(shard.tenant.as_bytes());
    hasher.write(&[shard.shard.number, shard.shard.count]);
    hasher.write_u32(attempt);
    let share = hasher.finish() % 1000;
    doubled / 2 + doubled / 2 * u32::try_from(share).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::TenantId;

    #[test]
    fn waits_grow_to_a_bound_and_differ_between_shards() {
        let shards = (0..50).map(|byte| TenantShardId::unsharded(TenantId::from_bytes([byte; 16])));
        let mut first = std::collections::BTreeSet::new();
        for shard in shards {
            let waits: Vec<_> = (1..40).map(|attempt| wait_after(shard, attempt)).collect();
            assert!(waits[0] >= FIRST / 2 && waits[0] < FIRST);
            assert!(waits.iter().all(|wait| *wait <= LONGEST));
            assert!(waits[10..].iter().all(|wait| *wait >= LONGEST / 2));
            first.insert(waits[0]);
        }
        assert!(first.len() > 40, "{first:?}");
    }
}
