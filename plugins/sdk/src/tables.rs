//! What the host shows a policy, by column.

use std::borrow::Cow;

/// The layers of one tenant shard, all timelines together, in canonical order: by timeline id, then
/// key start, key end, LSN. Row `i` is the same layer in every column.
///
/// In WebAssembly each call copies one column out of the host; natively it borrows. Read a column
/// once, outside of loops.
pub trait Layers {
    /// Number of rows.
    fn rows(&self) -> u32;
    /// One byte a row: see [`Marks`](crate::Marks).
    fn marks(&self) -> Cow<'_, [u8]>;
    /// Stable identity of the row's layer (timeline and name), the same at every call. Not an order.
    fn ids(&self) -> Cow<'_, [u64]>;
    /// Ordinal of the row's timeline; rows of a timeline are adjacent.
    fn timelines(&self) -> Cow<'_, [u32]>;
    /// Start of the key range, inclusive: upper 64 bits of the compact key.
    fn key_starts_high(&self) -> Cow<'_, [u64]>;
    /// Start of the key range, inclusive: lower 64 bits of the compact key.
    fn key_starts_low(&self) -> Cow<'_, [u64]>;
    /// End of the key range, exclusive: upper 64 bits of the compact key.
    fn key_ends_high(&self) -> Cow<'_, [u64]>;
    /// End of the key range, exclusive: lower 64 bits of the compact key.
    fn key_ends_low(&self) -> Cow<'_, [u64]>;
    /// Start of the LSN range, inclusive. An image layer at LSN n spans n..n+1.
    fn lsn_starts(&self) -> Cow<'_, [u64]>;
    /// End of the LSN range, exclusive.
    fn lsn_ends(&self) -> Cow<'_, [u64]>;
    /// Size of the layer's file, bytes.
    fn file_sizes(&self) -> Cow<'_, [u64]>;
    /// Last read, seconds since the Unix epoch.
    fn access_times(&self) -> Cow<'_, [i64]>;
    /// Reads since the layer became resident; 0 where the pageserver does not count.
    fn access_counts(&self) -> Cow<'_, [u64]>;
    /// Since when the layer has been resident, seconds since the Unix epoch; 0 where that is not known, or it is
    /// not resident. With the access counts, how often it is read.
    fn resident_times(&self) -> Cow<'_, [i64]>;
}

/// Tenant shards whose heatmap upload is due now. Row `i` is the same shard in every column.
pub trait Uploads {
    /// Number of rows.
    fn rows(&self) -> u32;
    /// Milliseconds past the due time.
    fn overdue(&self) -> Cow<'_, [u64]>;
    /// Milliseconds since the heatmap in the bucket was written; `u64::MAX` where there is none.
    fn ages(&self) -> Cow<'_, [u64]>;
    /// Configured upload period, milliseconds.
    fn periods(&self) -> Cow<'_, [u64]>;
    /// Bytes of the layers the last heatmap listed as hot.
    fn hot_bytes(&self) -> Cow<'_, [u64]>;
    /// Layer changes since the last upload.
    fn changes(&self) -> Cow<'_, [u64]>;
    /// Failed attempts in a row.
    fn failures(&self) -> Cow<'_, [u32]>;
}

/// Rows of the queue, the one whose heatmap is oldest against its own period first: a shard without
/// a heatmap before all others, and among equals the one longest overdue. What
/// [`Policy::rank_uploads`](crate::Policy::rank_uploads) answers unless a policy does better.
pub fn oldest_first(queue: &dyn Uploads) -> Vec<u32> {
    let (ages, periods, overdue) = (queue.ages(), queue.periods(), queue.overdue());
    let mut keyed: Vec<_> = (0..queue.rows())
        .zip(ages.iter().zip(periods.iter()).zip(overdue.iter()))
        .map(|(row, ((&age_ms, &period_ms), &overdue_ms))| {
            // Thousandths of a period, in integers: the same order on every machine.
            let staleness = u128::from(age_ms) * 1000 / u128::from(period_ms.max(1));
            let missing = age_ms == u64::MAX;
            (std::cmp::Reverse((missing, staleness, overdue_ms)), row)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::Queue;

    /// A queue of (age, period, overdue).
    fn queue(rows: &[(u64, u64, u64)]) -> Queue {
        Queue {
            ages: rows.iter().map(|row| row.0).collect(),
            periods: rows.iter().map(|row| row.1).collect(),
            overdue: rows.iter().map(|row| row.2).collect(),
            ..Queue::default()
        }
    }

    #[rstest]
    #[case::nothing(&[], &[])]
    #[case::oldest_first(&[(1, 1, 0), (3, 1, 0), (2, 1, 0)], &[1, 2, 0])]
    #[case::against_its_own_period(&[(600, 600, 0), (120, 60, 0)], &[1, 0])]
    #[case::none_in_the_bucket_before_all(&[(u64::MAX - 1, 1, 9), (u64::MAX, u64::MAX, 0)], &[1, 0])]
    #[case::among_equals_the_longest_overdue(&[(2, 1, 0), (4, 2, 5)], &[1, 0])]
    #[case::equal_ones_as_they_are(&[(1, 1, 1), (1, 1, 1)], &[0, 1])]
    #[case::a_period_of_nothing(&[(1, 1, 0), (2, 0, 0)], &[1, 0])]
    fn the_oldest_upload_is_first(#[case] rows: &[(u64, u64, u64)], #[case] order: &[u32]) {
        assert_eq!(oldest_first(&queue(rows)), order);
    }

    proptest! {
        #[test]
        fn every_upload_is_ranked_once(rows: Vec<(u64, u64, u64)>) {
            let mut ranked = oldest_first(&queue(&rows));
            ranked.sort_unstable();
            prop_assert_eq!(ranked, (0..u32::try_from(rows.len()).unwrap()).collect::<Vec<_>>());
        }
    }
}
