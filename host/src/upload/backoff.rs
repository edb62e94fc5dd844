//! How long to wait before another try.

use std::time::Duration;

use crate::random::Random;

/// The first wait, before jitter: a store that sheds load wants more than a moment.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait, before jitter.
const LONGEST: Duration = Duration::from_secs(5);

/// The wait after failed try number `attempt`, counted from 1: doubled each time, up to a bound, and then a share of it
/// between a half and the whole, so that shards that failed together do not come back together.
pub(crate) fn wait_after(random: &Random, attempt: u32) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    doubled / 2 + random.moment_in(doubled / 2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::upload::MAX_ATTEMPTS;

    #[test]
    fn waits_double_up_to_a_bound_with_jitter() {
        let doubled = [500, 1000, 2000, 4000, 5000, 5000, 5000].map(Duration::from_millis);
        let random = Random::seeded(1);
        for _ in 0..50 {
            for (attempt, doubled) in (1..).zip(doubled) {
                let wait = wait_after(&random, attempt);
                assert!((doubled / 2..doubled).contains(&wait), "{attempt}: {wait:?}");
            }
            assert!((LONGEST / 2..LONGEST).contains(&wait_after(&random, u32::MAX)));
        }
    }

    #[test]
    fn the_waits_of_an_upload_reach_the_bound_and_add_up_to_a_quarter_of_a_minute_at_most() {
        let random = Random::seeded(2);
        for _ in 0..50 {
            let waits: Vec<_> = (1..MAX_ATTEMPTS).map(|attempt| wait_after(&random, attempt)).collect();
            assert!(*waits.last().unwrap() >= LONGEST / 2);
            assert!(waits.iter().sum::<Duration>() <= Duration::from_secs(15));
        }
    }

    #[test]
    fn those_that_failed_together_do_not_come_back_together_and_a_run_can_be_repeated() {
        let first = |seed| {
            let random = Random::seeded(seed);
            (0..50).map(|_| wait_after(&random, 1)).collect::<BTreeSet<_>>()
        };
        assert!(first(3).len() > 40, "{:?}", first(3));
        assert_eq!(first(3), first(3));
        assert_ne!(first(3), first(4));
    }
}
