//! Which layers are within a budget, in an order that is not made.
//!
//! The order of a hundred thousand layers takes long to make, and here four are only asked how far a budget reaches. A
//! layer has a score, and more is earlier. Two passes add up bytes by parts of the score, from the top down, and find
//! the score where the budget ends, to twenty-two of its thirty-two bits; what has just that score is taken as it comes.

/// Of a layer that takes no part.
pub(crate) const NO_SCORE: u32 = 0;

/// What one pass tells apart.
const PART_BITS: u32 = 11;
const PARTS: u32 = 1 << PART_BITS;
const DROPPED_BITS: u32 = u32::BITS - 2 * PART_BITS;

/// Where a budget ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    /// The upper bits of a score. What is above it is within the budget.
    prefix: u32,
    /// And of what has it, so many bytes.
    room_bytes: u64,
}

/// Calls `put` with each row, and whether it is within the budget, where more score is earlier.
pub(crate) fn each(scores: &[u32], sizes: &[u64], room_bytes: u64, put: impl FnMut(usize, bool)) {
    fitting(scores, sizes, end(scores, sizes, room_bytes), put);
}

fn end(scores: &[u32], sizes: &[u64], room_bytes: u64) -> End {
    let upper = |score: u32| score >> (u32::BITS - PART_BITS);
    let (part, room_bytes) = part(scores, sizes, room_bytes, |score| (score != NO_SCORE).then(|| upper(score)));
    let lower = |score: u32| (score >> DROPPED_BITS) & (PARTS - 1);
    let within = |score: u32| (score != NO_SCORE && upper(score) == part).then(|| lower(score));
    let (rest, room_bytes) = self::part(scores, sizes, room_bytes, within);
    End { prefix: part << PART_BITS | rest, room_bytes }
}

/// The highest part that does not fit as a whole, and what is left for it. The lowest, if all fit.
#[inline(always)]
fn part(scores: &[u32], sizes: &[u64], mut room_bytes: u64, of: impl Fn(u32) -> Option<u32>) -> (u32, u64) {
    let mut bytes = vec![0_u64; PARTS as usize];
    for (score, size_bytes) in scores.iter().zip(sizes) {
        if let Some(slot) = of(*score).and_then(|part| bytes.get_mut(part as usize)) {
            *slot = slot.saturating_add(*size_bytes);
        }
    }
    for (part, bytes) in (0..PARTS).zip(&bytes).rev() {
        match room_bytes.checked_sub(*bytes) {
            Some(left) if part > 0 => room_bytes = left,
            _ => return (part, room_bytes),
        }
    }
    (0, room_bytes)
}

#[inline(always)]
fn fitting(scores: &[u32], sizes: &[u64], end: End, mut put: impl FnMut(usize, bool)) {
    let mut room_bytes = end.room_bytes;
    for (row, (score, size_bytes)) in scores.iter().zip(sizes).enumerate() {
        let prefix = score >> DROPPED_BITS;
        let mut fits = prefix > end.prefix;
        if prefix == end.prefix && *score != NO_SCORE && *size_bytes <= room_bytes {
            room_bytes -= *size_bytes;
            fits = true;
        }
        put(row, fits);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn within(scores: &[u32], sizes: &[u64], room_bytes: u64) -> Vec<usize> {
        let mut within = Vec::new();
        each(scores, sizes, room_bytes, |row, fits| within.extend(fits.then_some(row)));
        within
    }

    const HIGH: u32 = 1 << 31;

    #[rstest]
    #[case::nothing(&[], &[], 10, &[])]
    #[case::the_highest(&[HIGH, HIGH | 1 << 20, 1 << 20], &[5, 5, 5], 5, &[1])]
    #[case::at_its_edge(&[HIGH, HIGH | 1 << 20, 1 << 20], &[5, 5, 5], 10, &[0, 1])]
    #[case::all(&[HIGH, HIGH | 1 << 20, 1 << 20], &[5, 5, 5], 15, &[0, 1, 2])]
    #[case::some_take_no_part(&[NO_SCORE, HIGH, NO_SCORE], &[0, 5, 5], u64::MAX, &[1])]
    #[case::equals_as_they_come(&[HIGH, HIGH, HIGH], &[5, 7, 4], 9, &[0, 2])]
    #[case::low_scores(&[1, 2, 3], &[5, 5, 5], 15, &[0, 1, 2])]
    #[case::no_room(&[HIGH, 9], &[5, 5], 0, &[])]
    #[case::sizes_beyond_all(&[HIGH, HIGH | 1 << 20, 1], &[u64::MAX, u64::MAX, 3], 9, &[])]
    fn the_highest_scores_are_within(
        #[case] scores: &[u32],
        #[case] sizes: &[u64],
        #[case] room_bytes: u64,
        #[case] rows: &[usize],
    ) {
        assert_eq!(within(scores, sizes, room_bytes), rows);
    }

    proptest! {
        #[test]
        fn they_are_within_and_nothing_better_is_left_out(
            table in prop::collection::vec((prop_oneof![any::<u32>(), 0..4_u32, HIGH..HIGH + 4096], 0..100_u64), 0..200),
            room_bytes in 0..6000_u64,
        ) {
            let (scores, sizes): (Vec<_>, Vec<_>) = table.into_iter().unzip();
            let rows = within(&scores, &sizes, room_bytes);
            let bytes: u64 = rows.iter().map(|row| sizes[*row]).sum();
            prop_assert!(bytes <= room_bytes && rows.iter().all(|row| scores[*row] != NO_SCORE));
            let lowest = rows.iter().map(|row| scores[*row] >> DROPPED_BITS).min().unwrap_or(u32::MAX);
            for row in (0..scores.len()).filter(|row| !rows.contains(row) && scores[*row] != NO_SCORE) {
                prop_assert!(scores[row] >> DROPPED_BITS <= lowest || rows.is_empty() || sizes[row] + bytes > room_bytes);
            }
        }
    }
}
