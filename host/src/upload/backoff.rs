//! How long to wait before another try.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::layer::TenantShardId;

/// The first wait, before jitter: a store that sheds load wants more than a moment.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait, before jitter.
const LONGEST: Duration = Duration::from_secs(5);

/// The wait after failed try number `attempt`, counted from 1: doubled each time, up to a bound, and then a
/// share of it between a half and the whole. The share comes from the shard's id and the number of the try,
/// so that shards that failed together do not come back together, and a run can be repeated.
pub(crate) fn wait_after(shard: TenantShardId, attempt: u32) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    let mut hasher = SipHasher13::new();
    hasher.write(shard.tenant.as_bytes());
    hasher.write(&[shard.shard.number, shard.shard.count]);
    hasher.write_u32(attempt);
    let thousandths = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
    doubled / 2 + doubled / 2 * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::layer::{ShardIndex, TenantId};
    use crate::upload::MAX_ATTEMPTS;

    fn shards() -> impl Iterator<Item = TenantShardId> {
        (0..50).map(|byte| TenantShardId::unsharded(TenantId::from_bytes([byte; 16])))
    }

    #[test]
    fn waits_double_up_to_a_bound_with_jitter() {
        let doubled = [500, 1000, 2000, 4000, 5000, 5000, 5000].map(Duration::from_millis);
        for shard in shards() {
            for (attempt, doubled) in (1..).zip(doubled) {
                let wait = wait_after(shard, attempt);
                assert!((doubled / 2..doubled).contains(&wait), "{attempt}: {wait:?}");
                assert_eq!(wait, wait_after(shard, attempt), "a run can be repeated");
            }
            assert!((LONGEST / 2..LONGEST).contains(&wait_after(shard, u32::MAX)));
        }
    }

    #[test]
    fn the_waits_of_an_upload_reach_the_bound_and_add_up_to_a_quarter_of_a_minute_at_most() {
        for shard in shards() {
            let waits: Vec<_> = (1..MAX_ATTEMPTS).map(|attempt| wait_after(shard, attempt)).collect();
            assert!(*waits.last().unwrap() >= LONGEST / 2);
            assert!(waits.iter().sum::<Duration>() <= Duration::from_secs(15));
        }
    }

    #[test]
    fn shards_that_failed_together_do_not_come_back_together() {
        let first: BTreeSet<_> = shards().map(|shard| wait_after(shard, 1)).collect();
        assert!(first.len() > 40, "{first:?}");
        // Nor do the shards of one tenant.
        let tenant = TenantId::from_bytes([7; 16]);
        let of_one_tenant = (0..50).map(|number| TenantShardId { tenant, shard: ShardIndex { number, count: 50 } });
        let first: BTreeSet<_> = of_one_tenant.map(|shard| wait_after(shard, 1)).collect();
        assert!(first.len() > 40, "{first:?}");
    }
}
