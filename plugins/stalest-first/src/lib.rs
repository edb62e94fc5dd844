//! Whose heatmap upload goes first: a ranking that policies share.
//!
//! Only so many uploads run at a time, so that some that are due wait. Meanwhile their tenants' standbys follow heatmaps
//! that are no longer right, and a failover finds less there than it might. What it would cost is about
//!
//! ```text
//! (1 + periods since the heatmap was written) * (1 + changes of the layer set since) * (1 + MiB that are hot)
//! ```
//!
//! Its logarithm ranks the uploads, each factor with its weight, and to it comes the time that an upload has waited, in
//! periods:
//!
//! - **Age** is counted in periods of the shard's own, since who sets a long period does not mind. Above
//!   [`MOST_PERIODS`] it counts no further: a tenant at rest keeps an old heatmap that is right.
//! - **Changes** count half as much as age, since many of them come of one compaction.
//! - **Size** counts least: it never makes up for more than two or three periods, however large a tenant is. Otherwise
//!   large tenants would be served and small ones not.
//! - **Waiting** has no bound, and all the rest has one. So nobody starves: whoever waits comes first in the end.
//! - **Failures** in a row set an upload back by [`FAILURE_COST`] each, up to [`MOST_FAILURES`] of them. A shard whose
//!   bucket or data is broken fails again at every try, and takes a place and its timeouts each time; those that work go
//!   before it. It is set back by four periods at most, which waiting makes up for.
//! - **Nothing in the bucket** is worse than anything old: such a shard goes before all others, unless it failed
//!   [`TRIES_AHEAD`] times. Then it is ranked as one with a very old heatmap, so that a handful of new shards that cannot
//!   be uploaded do not keep every place for themselves.
//!
//! All is done in integers, so that the order is the same on every machine. Where two are ranked alike, what is larger
//! decides, down to the last byte; what is equal in everything stays as it is in the queue.

use std::cmp::Reverse;

use thermocline_policy::Uploads;

/// What a doubling, or a period of waiting, is worth: weights are shares of it.
const POINT: u64 = 1 << POINT_BITS;
const POINT_BITS: u32 = 10;

/// What twice the age is worth.
pub const AGE_WEIGHT: u64 = POINT / 2;

/// What twice the changes are worth.
pub const CHANGE_WEIGHT: u64 = POINT / 4;

/// What twice the hot bytes are worth: a terabyte against a megabyte makes up for a period and a quarter.
pub const SIZE_WEIGHT: u64 = POINT / 16;

/// So old a heatmap grows no staler.
pub const MOST_PERIODS: u64 = 1 << 12;

/// What a failure costs, in what a period of waiting is worth.
pub const FAILURE_COST: u64 = POINT;

/// So many failures in a row cost something.
pub const MOST_FAILURES: u32 = 4;

/// So often an upload without a heatmap in the bucket is tried ahead of all others.
pub const TRIES_AHEAD: u32 = 3;

/// Longer times are cut off before they are multiplied: it is a hundred thousand years.
const MOST_MS: u64 = 1 << 52;

/// All rows of the queue, each once, the most urgent first.
pub fn stalest_first(queue: &dyn Uploads) -> Vec<u32> {
    let (ages, periods, overdue) = (queue.ages(), queue.periods(), queue.overdue());
    let (hot_bytes, changes, failures) = (queue.hot_bytes(), queue.changes(), queue.failures());
    let times = ages.iter().zip(&*periods).zip(&*overdue);
    let rest = changes.iter().zip(&*hot_bytes).zip(&*failures);
    let uploads = times.zip(rest).map(|(((age, period), overdue), ((changes, hot_bytes), failures))| Upload {
        age_ms: *age,
        period_ms: *period,
        overdue_ms: *overdue,
        changes: *changes,
        hot_bytes: *hot_bytes,
        failures: *failures,
    });
    let mut ranked: Vec<_> = (0..queue.rows()).zip(uploads).map(|(row, upload)| (upload.rank(), row, upload)).collect();
    ranked.sort_unstable_by(|(rank, row, upload), (other_rank, other_row, other)| {
        let apart = || upload.size().cmp(&other.size()).reverse();
        other_rank.cmp(rank).then_with(apart).then(row.cmp(other_row))
    });
    ranked.into_iter().map(|(_, row, _)| row).collect()
}

/// A row of the queue.
#[derive(Clone, Copy, Debug)]
struct Upload {
    age_ms: u64,
    period_ms: u64,
    overdue_ms: u64,
    changes: u64,
    hot_bytes: u64,
    failures: u32,
}

impl Upload {
    /// More is ranked earlier.
    fn rank(&self) -> (bool, u64) {
        let missing = self.age_ms == u64::MAX;
        let age = AGE_WEIGHT * doublings(self.periods(self.age_ms).min(MOST_PERIODS * POINT)) / POINT;
        let changes = CHANGE_WEIGHT * doublings(self.changes.min(u64::MAX >> (POINT_BITS + 1)) << POINT_BITS) / POINT;
        let size = SIZE_WEIGHT * doublings(self.hot_bytes >> (20 - POINT_BITS)) / POINT;
        let waited = self.periods(self.overdue_ms);
        let failed = FAILURE_COST * u64::from(MOST_FAILURES - self.failures.min(MOST_FAILURES));
        (missing && self.failures < TRIES_AHEAD, age + changes + size + waited + failed)
    }

    /// What decides between two of one rank: more is ranked earlier. Failures as far as they no longer count.
    const fn size(&self) -> (u64, u64, u64, u64, Reverse<u32>) {
        (self.age_ms, self.changes, self.hot_bytes, self.overdue_ms, Reverse(self.failures))
    }

    /// A time in periods, in [`POINT`]s each.
    fn periods(&self, time_ms: u64) -> u64 {
        time_ms.min(MOST_MS) * POINT / self.period_ms.clamp(1, MOST_MS)
    }
}

/// How often 1 has to be doubled to get to 1 and `points`, in [`POINT`]s: its binary logarithm, on a straight line
/// between powers of two. More gives no less.
const fn doublings(points: u64) -> u64 {
    let number = points.saturating_add(POINT);
    let whole = number.ilog2();
    // The bits below the highest one, as many as a point has.
    let part = (number ^ (1 << whole)) << (u64::BITS - 1 - whole) >> (u64::BITS - 1 - POINT_BITS);
    (whole as u64) * POINT + part - POINT_BITS as u64 * POINT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use thermocline_policy::Queue;

    use super::*;

    const MINUTE: u64 = 60_000;

    /// A minute old, of a minute, due now.
    const PLAIN: Upload =
        Upload { age_ms: MINUTE, period_ms: MINUTE, overdue_ms: 0, changes: 1, hot_bytes: 1 << 30, failures: 0 };
    const MISSING: Upload = Upload { age_ms: u64::MAX, ..PLAIN };

    fn ranked(uploads: &[Upload]) -> Vec<u32> {
        stalest_first(&Queue {
            overdue: uploads.iter().map(|upload| upload.overdue_ms).collect(),
            ages: uploads.iter().map(|upload| upload.age_ms).collect(),
            periods: uploads.iter().map(|upload| upload.period_ms).collect(),
            hot_bytes: uploads.iter().map(|upload| upload.hot_bytes).collect(),
            changes: uploads.iter().map(|upload| upload.changes).collect(),
            failures: uploads.iter().map(|upload| upload.failures).collect(),
        })
    }

    #[rstest]
    #[case::older(Upload { age_ms: MINUTE + 1, ..PLAIN }, PLAIN)]
    #[case::older_against_its_own_period(
        Upload { age_ms: 3 * MINUTE, ..PLAIN },
        Upload { age_ms: 10 * MINUTE, period_ms: 10 * MINUTE, ..PLAIN }
    )]
    #[case::more_changed(Upload { changes: 2, ..PLAIN }, PLAIN)]
    #[case::larger(Upload { hot_bytes: (1 << 30) + 1, ..PLAIN }, PLAIN)]
    #[case::longer_overdue(Upload { overdue_ms: 1, ..PLAIN }, PLAIN)]
    #[case::less_failed(PLAIN, Upload { failures: 1, ..PLAIN })]
    #[case::failed_less_where_it_counts_no_more(Upload { failures: 5, ..PLAIN }, Upload { failures: 6, ..PLAIN })]
    #[case::changed_before_old_and_at_rest(
        Upload { changes: 1_000, ..PLAIN },
        Upload { changes: 0, age_ms: 10 * MINUTE, ..PLAIN }
    )]
    #[case::old_before_large(
        Upload { age_ms: 8 * MINUTE, hot_bytes: 1 << 20, ..PLAIN },
        Upload { hot_bytes: 1 << 36, ..PLAIN }
    )]
    #[case::nothing_in_the_bucket(MISSING, Upload { age_ms: u64::MAX - 1, changes: u64::MAX, ..PLAIN })]
    #[case::nothing_in_the_bucket_and_failed(Upload { failures: TRIES_AHEAD - 1, ..MISSING }, PLAIN)]
    #[case::failed_too_often_to_go_ahead(
        Upload { overdue_ms: 10 * MINUTE, ..PLAIN },
        Upload { failures: TRIES_AHEAD, ..MISSING }
    )]
    #[case::waited_for_long_enough(
        Upload { overdue_ms: 40 * MINUTE, hot_bytes: 0, changes: 0, age_ms: 0, failures: u32::MAX, ..PLAIN },
        Upload { hot_bytes: u64::MAX, changes: 1 << 40, age_ms: 1 << 40, ..PLAIN }
    )]
    fn one_goes_before_the_other(#[case] first: Upload, #[case] second: Upload) {
        assert_eq!(ranked(&[first, second]), [0, 1]);
        assert_eq!(ranked(&[second, first]), [1, 0]);
    }

    #[test]
    fn equal_ones_stay_as_they_are() {
        assert_eq!(ranked(&[PLAIN; 5]), [0, 1, 2, 3, 4]);
        assert_eq!(ranked(&[]), [0_u32; 0]);
    }

    #[rstest]
    #[case::nothing(0, 0)]
    #[case::one(POINT, POINT)]
    #[case::three(3 * POINT, 2 * POINT)]
    #[case::between(2 * POINT, POINT + POINT / 2)]
    #[case::all(u64::MAX, 54 * POINT - 1)]
    fn doublings_are_a_logarithm(#[case] points: u64, #[case] expected: u64) {
        assert_eq!(doublings(points), expected);
    }

    fn any_upload() -> impl Strategy<Value = Upload> {
        // Small numbers make ties, and every size of number comes.
        let number = || (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift);
        (number(), number(), number(), number(), number(), 0..8_u32).prop_map(
            |(age_ms, period_ms, overdue_ms, changes, hot_bytes, failures)| Upload {
                age_ms,
                period_ms,
                overdue_ms,
                changes,
                hot_bytes,
                failures,
            },
        )
    }

    proptest! {
        #[test]
        fn every_upload_is_ranked_once(uploads in prop::collection::vec(any_upload(), 0..200)) {
            let mut rows = ranked(&uploads);
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..u32::try_from(uploads.len()).unwrap()).collect::<Vec<_>>());
        }

        #[test]
        fn the_place_in_the_queue_does_not_matter(uploads in prop::collection::vec(any_upload(), 0..50)) {
            let in_order = |uploads: &[Upload]| -> Vec<_> {
                ranked(uploads).into_iter().map(|row| format!("{:?}", uploads[row as usize])).collect()
            };
            let turned: Vec<_> = uploads.iter().rev().copied().collect();
            // What differs in nothing but the period may be ranked alike: it says so itself.
            let apart = |upload: &Upload| (upload.rank(), upload.size());
            prop_assume!(uploads.iter().enumerate().all(|(at, one)| {
                uploads[..at].iter().all(|other| apart(one) != apart(other))
            }));
            prop_assert_eq!(in_order(&uploads), in_order(&turned));
        }

        /// All else equal: older, more changed, larger, longer overdue, less failed goes first.
        #[test]
        fn more_to_lose_goes_first(upload in any_upload(), more in 1..u64::MAX, what in 0..5_u8) {
            let mut other = upload;
            let larger = |number: u64| number.saturating_add(more);
            match what {
                0 => other.age_ms = larger(upload.age_ms),
                1 => other.changes = larger(upload.changes),
                2 => other.hot_bytes = larger(upload.hot_bytes),
                3 => other.overdue_ms = larger(upload.overdue_ms),
                _ => other.failures = upload.failures.saturating_sub(1 + u32::try_from(more % 8).unwrap()),
            }
            prop_assume!(upload.rank() != other.rank() || upload.size() != other.size());
            prop_assert_eq!(ranked(&[upload, other]), [1, 0]);
            prop_assert_eq!(ranked(&[other, upload]), [0, 1]);
        }

        /// Whatever the rest of it, an upload goes first once it has waited for this much longer.
        #[test]
        fn nobody_starves(upload in any_upload(), other in any_upload()) {
            const PERIODS: u64 = 40;
            prop_assume!(other.rank().0 <= upload.rank().0);
            let period_ms = 60_000;
            let other = Upload { period_ms, overdue_ms: 0, ..other };
            let upload = Upload { period_ms, overdue_ms: PERIODS * period_ms, ..upload };
            prop_assert_eq!(ranked(&[other, upload]), [1, 0]);
        }
    }
}
