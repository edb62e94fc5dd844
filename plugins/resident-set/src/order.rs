//! What is listed, and in which order, in a few passes over two columns.
//!
//! The order is: hot layers before cold ones, L0 deltas last among the hot because compaction soon
//! replaces them, then newest LSN end first, and rows of equal standing as they are in the table. One
//! integer a row says all of that, so that sorting needs no comparison: `class`, the distance from
//! the newest LSN end, and the row, from the top down.

use thermocline_policy::Marks;

/// Rows to list, in download order.
pub(crate) struct Listed {
    pub(crate) rows: Vec<u32>,
    /// `rows[cold_from..]` are cold.
    pub(crate) cold_from: u32,
}

/// What becomes of a row. Less is listed earlier.
type Class = u8;
const HOT: Class = 0;
const HOT_L0: Class = 1;
const COLD: Class = 2;
const UNLISTED: Class = 3;
/// Bits that hold a listed row's class.
const CLASS_BITS: u32 = 2;

/// The class of each combination of marks: looked up, since a branch a row would be mispredicted.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the compiler evaluates it")]
static CLASSES: [Class; 256] = {
    let mut classes = [UNLISTED; 256];
    let mut marks = 0;
    while marks < classes.len() {
        classes[marks] = class(Marks(marks as u8));
        marks += 1;
    }
    classes
};

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "there is an entry for each value of a byte")]
fn looked_up(mark: u8) -> Class {
    CLASSES[mark as usize]
}

/// Resident and visible, or inherited and visible. What is resident is no longer inherited, whatever
/// the marks say.
const fn class(marks: Marks) -> Class {
    if !marks.is_visible() {
        UNLISTED
    } else if marks.is_resident() || marks.is_inherited() {
        if marks.is_l0() { HOT_L0 } else { HOT }
    } else if marks.is_inherited_cold() {
        COLD
    } else {
        UNLISTED
    }
}

/// Lists the rows of a table. `lsn_ends` is taken because its memory is reused.
///
/// Each loop over the rows is a function of its own that is not inlined: the compiler of the host is a quick one, and
/// what is alive around a loop would have it keep in memory what the loop itself needs in registers.
pub(crate) fn listed(marks: &[u8], lsn_ends: Vec<u64>) -> Listed {
    let Extent { listed, hot, oldest, newest } = extent(marks, &lsn_ends);
    if listed == 0 {
        return Listed { rows: Vec::new(), cold_from: 0 };
    }
    let layout = Layout { newest, lsn_bits: bits(newest - oldest), row_bits: bits(marks.len() as u64 - 1) };
    let rows = if layout.key_bits() <= u64::BITS {
        rows_in_order::<u64>(marks, lsn_ends, listed, layout)
    } else {
        rows_in_order::<u128>(marks, lsn_ends, listed, layout)
    };
    Listed { rows, cold_from: hot }
}

/// How many rows are listed, and between which LSN ends.
struct Extent {
    listed: u32,
    hot: u32,
    oldest: u64,
    newest: u64,
}

/// Rows that a loop handles at a stretch: the host counts time at the end of each.
const STRETCH: usize = 8;

#[inline(never)]
fn extent(marks: &[u8], lsn_ends: &[u64]) -> Extent {
    let mut extent = Extent { listed: 0, hot: 0, oldest: u64::MAX, newest: 0 };
    // Without branches, which would be mispredicted.
    let mut add = |mark: u8, lsn_end: u64| {
        let class = looked_up(mark);
        let listed = class != UNLISTED;
        extent.listed += u32::from(listed);
        extent.hot += u32::from(class < COLD);
        extent.oldest = extent.oldest.min(if listed { lsn_end } else { u64::MAX });
        extent.newest = extent.newest.max(if listed { lsn_end } else { 0 });
    };
    let (stretches, rest) = marks.as_chunks::<STRETCH>();
    let (lsn_stretches, lsn_rest) = lsn_ends.as_chunks::<STRETCH>();
    for (marks, lsn_ends) in stretches.iter().zip(lsn_stretches) {
        marks.iter().zip(lsn_ends).for_each(|(&mark, &lsn_end)| add(mark, lsn_end));
    }
    rest.iter().zip(lsn_rest).for_each(|(&mark, &lsn_end)| add(mark, lsn_end));
    extent
}

/// Where the parts of a key stand.
#[derive(Clone, Copy)]
struct Layout {
    newest: u64,
    lsn_bits: u32,
    row_bits: u32,
}

impl Layout {
    const fn key_bits(self) -> u32 {
        CLASS_BITS + self.lsn_bits + self.row_bits
    }
}

/// Bits that hold `0..=max`.
const fn bits(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

/// All that decides where a row is listed, and the row: 64 bits do for a million layers over the WAL
/// of 2^42 bytes, and 128 for every table.
trait Key: Copy + Default {
    fn new(class: Class, lsn_end: u64, row: u32, layout: Layout) -> Self;
    /// The lowest [`DIGIT_BITS`] of the key from `shift` on.
    fn digit(self, shift: u32) -> usize;
    fn row(self, layout: Layout) -> u32;
    /// Room for `len` keys, whatever they are now.
    fn room(lsn_ends: Vec<u64>, len: usize) -> Vec<Self>;
}

macro_rules! key {
    ($key:ty, $room:expr) => {
        impl Key for $key {
            #[inline(always)]
            fn new(class: Class, lsn_end: u64, row: u32, layout: Layout) -> Self {
                let distance = <$key>::from(layout.newest.wrapping_sub(lsn_end));
                let class = <$key>::from(class);
                (((class << layout.lsn_bits) | distance) << layout.row_bits) | <$key>::from(row)
            }

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "the digit is what is wanted")]
            fn digit(self, shift: u32) -> usize {
                (self >> shift) as usize & (DIGITS - 1)
            }

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "a row has at most 32 bits")]
            fn row(self, layout: Layout) -> u32 {
                (self & ((1 << layout.row_bits) - 1)) as u32
            }

            fn room(lsn_ends: Vec<u64>, len: usize) -> Vec<Self> {
                let room: fn(Vec<u64>, usize) -> Vec<Self> = $room;
                room(lsn_ends, len)
            }
        }
    };
}

key!(u64, |mut lsn_ends, len| {
    lsn_ends.truncate(len);
    lsn_ends
});
key!(u128, |_, len| vec![0; len]);

fn rows_in_order<K: Key>(marks: &[u8], lsn_ends: Vec<u64>, listed: u32, layout: Layout) -> Vec<u32> {
    let mut keys = vec![K::default(); listed as usize];
    make(&mut keys, marks, &lsn_ends, layout);
    let mut room = K::room(lsn_ends, keys.len());
    // The rows stand in order already, and equal keys keep theirs, so the passes begin above the row.
    for shift in (layout.row_bits..layout.key_bits()).step_by(DIGIT_BITS as usize) {
        let mut places = count(&keys, shift);
        // A digit that all keys share takes no pass.
        if places.iter().any(|&count| count as usize == keys.len()) {
            continue;
        }
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        scatter(&keys, &mut room, &mut places, shift);
        std::mem::swap(&mut keys, &mut room);
    }
    rows(&keys, layout)
}

/// Makes the keys of the listed rows. Those of others are overwritten by the next.
#[inline(never)]
fn make<K: Key>(keys: &mut [K], marks: &[u8], lsn_ends: &[u64], layout: Layout) {
    let (mut next, mut row) = (0, 0);
    let mut add = |mark: u8, lsn_end: u64| {
        let class = looked_up(mark);
        if let Some(slot) = keys.get_mut(next) {
            *slot = K::new(class, lsn_end, row, layout);
        }
        next += usize::from(class != UNLISTED);
        row += 1;
    };
    let (stretches, rest) = marks.as_chunks::<STRETCH>();
    let (lsn_stretches, lsn_rest) = lsn_ends.as_chunks::<STRETCH>();
    for (marks, lsn_ends) in stretches.iter().zip(lsn_stretches) {
        marks.iter().zip(lsn_ends).for_each(|(&mark, &lsn_end)| add(mark, lsn_end));
    }
    rest.iter().zip(lsn_rest).for_each(|(&mark, &lsn_end)| add(mark, lsn_end));
}

/// Bits that one pass sorts by, the lowest first.
const DIGIT_BITS: u32 = 8;
const DIGITS: usize = 1 << DIGIT_BITS;

/// How often each digit occurs.
#[inline(never)]
fn count<K: Key>(keys: &[K], shift: u32) -> [u32; DIGITS] {
    let mut counts = [0; DIGITS];
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: K| counts[key.digit(shift)] += 1;
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    stretches.iter().for_each(|keys| keys.iter().for_each(|&key| add(key)));
    rest.iter().for_each(|&key| add(key));
    counts
}

/// Moves each key to the place of its digit.
#[inline(never)]
fn scatter<K: Key>(keys: &[K], room: &mut [K], places: &mut [u32; DIGITS], shift: u32) {
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: K| {
        let place = &mut places[key.digit(shift)];
        if let Some(slot) = room.get_mut(*place as usize) {
            *slot = key;
        }
        *place += 1;
    };
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    stretches.iter().for_each(|keys| keys.iter().for_each(|&key| add(key)));
    rest.iter().for_each(|&key| add(key));
}

#[inline(never)]
fn rows<K: Key>(keys: &[K], layout: Layout) -> Vec<u32> {
    keys.iter().map(|key| key.row(layout)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const R: u8 = Marks::RESIDENT.0;
    const V: u8 = Marks::VISIBLE.0;
    const D: u8 = Marks::DELTA.0;
    const L0: u8 = Marks::DELTA.0 | Marks::L0.0;
    const INH: u8 = Marks::INHERITED.0;
    const INH_COLD: u8 = Marks::INHERITED_COLD.0;

    /// Hot rows, then cold ones, of a table of (marks, LSN end).
    fn list(table: &[(u8, u64)]) -> (Vec<u32>, Vec<u32>) {
        let (marks, lsn_ends): (Vec<_>, Vec<_>) = table.iter().copied().unzip();
        let Listed { mut rows, cold_from } = listed(&marks, lsn_ends);
        let cold = rows.split_off(cold_from as usize);
        (rows, cold)
    }

    #[rstest]
    #[case::resident_and_visible(R | V, "hot")]
    #[case::resident_and_covered(R, "unlisted")]
    #[case::neither(0, "unlisted")]
    #[case::visible_but_elsewhere(V, "unlisted")]
    #[case::inherited(V | INH, "hot")]
    #[case::inherited_and_covered(INH, "unlisted")]
    #[case::inherited_cold(V | INH_COLD, "cold")]
    #[case::inherited_cold_and_covered(INH_COLD, "unlisted")]
    #[case::inherited_and_here_by_now(R | V | INH, "hot")]
    #[case::inherited_cold_and_here_by_now(R | V | INH_COLD, "hot")]
    #[case::inherited_both_ways(V | INH | INH_COLD, "hot")]
    #[case::here_covered_and_inherited(R | INH | INH_COLD, "unlisted")]
    #[case::a_mark_of_a_later_host(R | V | 0b1100_0000, "hot")]
    fn marks_decide_whether_and_how_a_row_is_listed(#[case] marks: u8, #[case] how: &str) {
        for delta in [0, D, L0] {
            let (hot, cold) = list(&[(marks | delta, 7)]);
            let listed = match (&*hot, &*cold) {
                ([0], []) => "hot",
                ([], [0]) => "cold",
                _ => "unlisted",
            };
            assert_eq!(listed, how, "with delta marks {delta:b}");
        }
    }

    #[rstest]
    #[case::empty(&[], &[], &[])]
    #[case::one(&[(R | V, 0)], &[0], &[])]
    #[case::newest_first(&[(R | V, 5), (R | V, 9), (R | V | D, 7)], &[1, 2, 0], &[])]
    #[case::equal_ones_as_they_are(&[(R | V, 5), (R | V | D, 5), (R | V, 6), (R | V, 5)], &[2, 0, 1, 3], &[])]
    #[case::l0_last_among_the_hot(&[(R | V | L0, 9), (R | V, 1), (R | V | L0, 8), (V | INH | D, 2)], &[3, 1, 0, 2], &[])]
    #[case::cold_behind_all(&[(V | INH_COLD, 9), (R | V | L0, 1), (V | INH_COLD, 10)], &[1], &[2, 0])]
    #[case::l0_like_others_among_the_cold(&[(V | INH_COLD | L0, 9), (V | INH_COLD, 8)], &[], &[0, 1])]
    #[case::the_whole_range_of_lsns(&[(R | V, 0), (R | V, u64::MAX), (V | INH_COLD, u64::MAX), (R | V, 1)], &[1, 3, 0], &[2])]
    fn the_order_is_the_download_order(#[case] table: &[(u8, u64)], #[case] hot: &[u32], #[case] cold: &[u32]) {
        assert_eq!(list(table), (hot.to_vec(), cold.to_vec()));
    }

    /// The rule as one reads it, with a comparison sort.
    fn reference(table: &[(u8, u64)]) -> (Vec<u32>, Vec<u32>) {
        let rows = || (0_u32..).zip(table).map(|(row, &(marks, lsn_end))| (row, Marks(marks), lsn_end));
        let wanted = |marks: Marks| marks.is_visible() && (marks.is_resident() || marks.is_inherited());
        let mut hot: Vec<_> = rows().filter(|(_, marks, _)| wanted(*marks)).collect();
        hot.sort_by_key(|&(row, marks, lsn_end)| (marks.is_l0(), std::cmp::Reverse(lsn_end), row));
        let mut cold: Vec<_> =
            rows().filter(|(_, marks, _)| !wanted(*marks) && marks.is_visible() && marks.is_inherited_cold()).collect();
        cold.sort_by_key(|&(row, _, lsn_end)| (std::cmp::Reverse(lsn_end), row));
        let row = |(row, _, _)| row;
        (hot.into_iter().map(row).collect(), cold.into_iter().map(row).collect())
    }

    proptest! {
        #[test]
        fn the_answer_is_that_of_the_rule(
            table in prop::collection::vec((any::<u8>(), any::<u64>()), 0..300),
            lsn_mask in prop::sample::select(vec![0, 7, 0xff00, 0xffff_ffff, 0xffff_ff00_0000, u64::MAX]),
        ) {
            // Masks make ties, digits that all share, and keys on both sides of 64 bits.
            let table: Vec<_> = table.into_iter().map(|(marks, lsn_end)| (marks, lsn_end & lsn_mask)).collect();
            prop_assert_eq!(list(&table), reference(&table));
        }
    }

    /// Tables whose keys take exactly 64 bits, and one more: the longest of the short keys, and the shortest of
    /// the long ones.
    #[rstest]
    #[case::obeyed(54)]
    #[case::violated(55)]
    fn a_key_of_more_than_64_bits_sorts_like_one_of_fewer(#[case] lsn_bits: u32) {
        // 256 rows take 8 bits, the class 2.
        let newest = (1 << lsn_bits) - 1;
        let mut table: Vec<_> =
            (0..254_u64).map(|row| (if row % 3 == 0 { R | V | L0 } else { R | V }, row * 31 % 97)).collect();
        table.extend([(V | INH_COLD, newest), (V | INH_COLD, 0)]);
        let layout = Layout { newest, lsn_bits: bits(newest), row_bits: bits(table.len() as u64 - 1) };
        assert_eq!(layout.key_bits(), 10 + lsn_bits);
        assert_eq!(list(&table), reference(&table));
    }
}
