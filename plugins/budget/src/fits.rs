//! Which layers are within a budget, in an order that is not made.
//!
//! The order of a hundred thousand layers takes long to make, and here four are only asked how far a budget reaches. A
//! layer has a score, and more is earlier. Two passes add up bytes by parts of the score, and from the top down it is
//! found where budgets end, to twenty-two bits of the score's thirty-two; what has just that score is taken as it comes.

use std::cmp::Reverse;

/// Of a layer that takes no part.
pub(crate) const NO_SCORE: u32 = 0;

/// What one pass tells apart.
const PART_BITS: u32 = 11;
const PARTS: usize = 1 << PART_BITS;
const DROPPED_BITS: u32 = u32::BITS - 2 * PART_BITS;

/// Up to so many scores are put in order: adding up by parts takes a look at each part that there could be.
const FEW: usize = 256;

/// Rows that a loop handles at a stretch: the host counts time at the end of each.
pub(crate) const STRETCH: usize = 16;

/// Where a budget ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The upper bits of a score. What is above it is within the budget.
    prefix: u32,
    /// And of what has it, so many bytes.
    room_bytes: u64,
}

/// Calls `put` with each row that is within the budget, where more score is earlier.
pub(crate) fn each(scores: &[u32], sizes: &[u64], room_bytes: u64, mut put: impl FnMut(usize)) {
    let [mut end] = ends(scores, sizes, [room_bytes]);
    for (row, (score, size_bytes)) in scores.iter().zip(sizes).enumerate() {
        if end.takes(*score, *size_bytes) {
            put(row);
        }
    }
}

/// Where budgets of so much room end.
pub(crate) fn ends<const BUDGETS: usize>(scores: &[u32], sizes: &[u64], rooms_bytes: [u64; BUDGETS]) -> [End; BUDGETS] {
    if scores.len() <= FEW {
        return ends_of_few(scores, sizes, rooms_bytes);
    }
    let upper = by_upper_part(scores, sizes);
    let tops = rooms_bytes.map(|room_bytes| last(&upper, room_bytes));
    let mut parts = tops.map(|(part, _)| part).to_vec();
    parts.sort_unstable();
    parts.dedup();
    let lower: Vec<_> = parts.into_iter().map(|part| (part, by_lower_part(scores, sizes, part))).collect();
    tops.map(|(part, room_bytes)| {
        let lower = lower.iter().find(|(top, _)| *top == part);
        let (rest, room_bytes) = lower.map_or((0, room_bytes), |(_, lower)| last(lower, room_bytes));
        End { prefix: part << PART_BITS | rest, room_bytes }
    })
}

/// Bytes by a part of the score.
type Bytes = [u64; PARTS];

const fn upper(score: u32) -> u32 {
    score >> (u32::BITS - PART_BITS)
}

#[inline(never)]
#[allow(clippy::indexing_slicing, reason = "a part is below PARTS, and the compiler sees it")]
fn by_upper_part(scores: &[u32], sizes: &[u64]) -> Box<Bytes> {
    let mut bytes = Box::new([0_u64; PARTS]);
    let mut add = |score: &u32, size_bytes: &u64| {
        let slot = &mut bytes[upper(*score) as usize & (PARTS - 1)];
        *slot = slot.saturating_add(if *score == NO_SCORE { 0 } else { *size_bytes });
    };
    let ((scores, last_scores), (sizes, last_sizes)) = (scores.as_chunks::<STRETCH>(), sizes.as_chunks::<STRETCH>());
    for (scores, sizes) in scores.iter().zip(sizes) {
        scores.iter().zip(sizes).for_each(|(score, size_bytes)| add(score, size_bytes));
    }
    last_scores.iter().zip(last_sizes).for_each(|(score, size_bytes)| add(score, size_bytes));
    bytes
}

/// Of the scores that have this upper part.
#[inline(never)]
#[allow(clippy::indexing_slicing, reason = "a part is below PARTS, and the compiler sees it")]
fn by_lower_part(scores: &[u32], sizes: &[u64], part: u32) -> Box<Bytes> {
    let mut bytes = Box::new([0_u64; PARTS]);
    let mut add = |score: &u32, size_bytes: &u64| {
        let takes_part = (upper(*score) == part) & (*score != NO_SCORE);
        let slot = &mut bytes[(*score >> DROPPED_BITS) as usize & (PARTS - 1)];
        *slot = slot.saturating_add(if takes_part { *size_bytes } else { 0 });
    };
    let ((scores, last_scores), (sizes, last_sizes)) = (scores.as_chunks::<STRETCH>(), sizes.as_chunks::<STRETCH>());
    for (scores, sizes) in scores.iter().zip(sizes) {
        // Of most stretches none has.
        if scores.iter().fold(false, |any, score| any | (upper(*score) == part)) {
            scores.iter().zip(sizes).for_each(|(score, size_bytes)| add(score, size_bytes));
        }
    }
    last_scores.iter().zip(last_sizes).for_each(|(score, size_bytes)| add(score, size_bytes));
    bytes
}

/// The highest part that does not fit as a whole, and what is left for it. The lowest, if all fit.
fn last(bytes: &Bytes, mut room_bytes: u64) -> (u32, u64) {
    for (part, bytes) in (0..1 << PART_BITS).zip(bytes).rev() {
        match room_bytes.checked_sub(*bytes) {
            Some(left) if part > 0 => room_bytes = left,
            _ => return (part, room_bytes),
        }
    }
    (0, room_bytes)
}

/// The same, from the scores in their order.
fn ends_of_few<const BUDGETS: usize>(scores: &[u32], sizes: &[u64], rooms_bytes: [u64; BUDGETS]) -> [End; BUDGETS] {
    let scored = scores.iter().zip(sizes).filter(|(score, _)| **score != NO_SCORE);
    let mut ordered: Vec<_> = scored.map(|(score, size_bytes)| (score >> DROPPED_BITS, *size_bytes)).collect();
    ordered.sort_unstable_by_key(|(prefix, _)| Reverse(*prefix));
    rooms_bytes.map(|mut room_bytes| {
        for alike in ordered.chunk_by(|one, other| one.0 == other.0) {
            let prefix = alike.first().map_or(0, |(prefix, _)| *prefix);
            let bytes = alike.iter().fold(0_u64, |bytes, (_, size_bytes)| bytes.saturating_add(*size_bytes));
            match room_bytes.checked_sub(bytes) {
                Some(left) if prefix > 0 => room_bytes = left,
                _ => return End { prefix, room_bytes },
            }
        }
        End { prefix: 0, room_bytes }
    })
}

impl End {
    /// Whether the next row is within the budget. Without branches, which would be mispredicted where many have one score.
    #[inline(always)]
    fn takes(&mut self, score: u32, size_bytes: u64) -> bool {
        let prefix = score >> DROPPED_BITS;
        let is_last = (prefix == self.prefix) & (score != NO_SCORE) & (size_bytes <= self.room_bytes);
        self.room_bytes -= if is_last { size_bytes } else { 0 };
        (prefix > self.prefix) | is_last
    }

    /// Which of the next rows are within the budget: 1, or 0.
    #[inline(always)]
    pub(crate) fn takes_of<const ROWS: usize>(&mut self, scores: &[u32; ROWS], sizes: &[u64; ROWS]) -> [u8; ROWS] {
        let mut taken = [0; ROWS];
        let mut at_the_end = false;
        for (taken, score) in taken.iter_mut().zip(scores) {
            let prefix = score >> DROPPED_BITS;
            *taken = u8::from(prefix > self.prefix);
            at_the_end |= (prefix == self.prefix) & (*score != NO_SCORE);
        }
        if at_the_end {
            let mut end = *self;
            for (taken, (score, size_bytes)) in taken.iter_mut().zip(scores.iter().zip(sizes)) {
                *taken = u8::from(end.takes(*score, *size_bytes));
            }
            *self = end;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn within(scores: &[u32], sizes: &[u64], room_bytes: u64) -> Vec<usize> {
        let mut within = Vec::new();
        each(scores, sizes, room_bytes, |row| within.push(row));
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

    fn table(most: usize) -> impl Strategy<Value = Vec<(u32, u64)>> {
        prop::collection::vec((prop_oneof![any::<u32>(), 0..4_u32, HIGH..HIGH + 4096], 0..100_u64), 0..most)
    }

    proptest! {
        /// Of many, by parts and some rows at a time, and of few, by their order and one by one.
        #[test]
        fn budgets_end_at_one_place_however_it_is_found(table in table(5 * FEW), rooms_bytes: [u16; 3]) {
            let (scores, sizes): (Vec<_>, Vec<_>) = table.into_iter().unzip();
            let rooms_bytes = rooms_bytes.map(u64::from);
            let ends = ends(&scores, &sizes, rooms_bytes);
            prop_assert_eq!(ends, ends_of_few(&scores, &sizes, rooms_bytes));
            for (end, room_bytes) in ends.into_iter().zip(rooms_bytes) {
                let (mut one_by_one, mut at_once) = (end, end);
                for (scores, sizes) in scores.as_chunks::<7>().0.iter().zip(sizes.as_chunks::<7>().0) {
                    let taken = at_once.takes_of(scores, sizes);
                    for (taken, (score, size_bytes)) in taken.into_iter().zip(scores.iter().zip(sizes)) {
                        prop_assert_eq!(taken == 1, one_by_one.takes(*score, *size_bytes));
                    }
                }
                prop_assert_eq!(one_by_one, at_once);
                prop_assert!(end.room_bytes <= room_bytes);
            }
        }

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
