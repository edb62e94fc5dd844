//! What is listed, and in which order, in a few passes over two columns.
//!
//! The order is: hot layers before cold ones, L0 deltas last among the hot because compaction soon
//! replaces them, then newest LSN end first, and rows of equal standing as they are in the table. One
//! integer a row says all of that, so that sorting needs no comparison: the row, `class`, and the
//! distance from the newest LSN end, from the top down. Passes sort by the lowest digit and drop it,
//! so that after the last one the row is all that is left of a key.

use thermocline_policy::{Marks, Standing};

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

/// Resident and visible, or inherited and visible.
const fn class(marks: Marks) -> Class {
    match marks.standing() {
        Standing::Resident | Standing::Inherited if marks.is_l0() => HOT_L0,
        Standing::Resident | Standing::Inherited => HOT,
        Standing::InheritedCold => COLD,
        Standing::None => UNLISTED,
    }
}

/// Lists the rows of a table. `lsn_ends` is taken because its memory is reused.
///
/// Each loop over the rows is a function of its own that is not inlined: the compiler of the host is a quick one, and
/// what is alive around a loop would have it keep in memory what the loop itself needs in registers.
pub(crate) fn listed(marks: &[u8], lsn_ends: Vec<u64>) -> Listed {
    let extent = extent(marks, &lsn_ends);
    if extent.listed == 0 {
        return Listed { rows: Vec::new(), cold_from: 0 };
    }
    let layout = Layout::of(&extent);
    let row_bits = bits(marks.len() as u64 - 1);
    let rows = if layout.key_bits(row_bits) <= u64::BITS {
        rows_in_order::<u64>(marks, lsn_ends, extent.listed, layout)
    } else {
        rows_in_order::<u128>(marks, lsn_ends, extent.listed, layout)
    };
    Listed { rows, cold_from: extent.hot }
}

/// How many rows are listed, of which classes, and between which LSN ends.
struct Extent {
    listed: u32,
    hot: u32,
    /// A bit each.
    classes: u8,
    oldest: u64,
    newest: u64,
}

/// Rows that a loop handles at a stretch: the host counts time at the end of each.
const STRETCH: usize = 4;

#[inline(never)]
fn extent(marks: &[u8], lsn_ends: &[u64]) -> Extent {
    let mut extent = Extent { listed: 0, hot: 0, classes: 0, oldest: u64::MAX, newest: 0 };
    // Without branches, which would be mispredicted.
    let mut add = |mark: u8, lsn_end: u64| {
        let class = looked_up(mark);
        let listed = class != UNLISTED;
        extent.listed += u32::from(listed);
        extent.hot += u32::from(class < COLD);
        extent.classes |= 1 << class;
        extent.oldest = extent.oldest.min(if listed { lsn_end } else { u64::MAX });
        extent.newest = extent.newest.max(if listed { lsn_end } else { 0 });
    };
    let (stretches, rest) = marks.as_chunks::<STRETCH>();
    let (lsn_stretches, lsn_rest) = lsn_ends.as_chunks::<STRETCH>();
    for (marks, lsn_ends) in stretches.iter().zip(lsn_stretches) {
        marks.iter().zip(lsn_ends).for_each(|(&mark, &lsn_end)| add(mark, lsn_end));
    }
    rest.iter().zip(lsn_rest).for_each(|(&mark, &lsn_end)| add(mark, lsn_end));
    extent.classes &= !(1 << UNLISTED);
    extent
}

/// Bits that one pass sorts by. More make fewer passes, each over more places than a processor can write to at a time,
/// which WebAssembly suffers from more: its memory comes in small pages.
const DIGIT_BITS: u32 = 9;
const DIGITS: usize = 1 << DIGIT_BITS;

/// Where the parts of a key stand.
#[derive(Clone, Copy)]
struct Layout {
    newest: u64,
    lsn_bits: u32,
    /// How many passes it takes: the row stands above the last digit.
    passes: u32,
}

impl Layout {
    const fn of(extent: &Extent) -> Self {
        let lsn_bits = bits(extent.newest - extent.oldest);
        // One class needs no bits: what stands above the last digit is no part of the row if it is zero.
        let class_bits = if extent.classes == 1 << HOT { 0 } else { CLASS_BITS };
        Layout { newest: extent.newest, lsn_bits, passes: (lsn_bits + class_bits).div_ceil(DIGIT_BITS) }
    }

    const fn key_bits(self, row_bits: u32) -> u32 {
        self.passes * DIGIT_BITS + row_bits
    }
}

/// Bits that hold `0..=max`.
const fn bits(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

/// All that decides where a row is listed, and the row: 64 bits do for half a million layers
/// over the WAL of 2^43 bytes, and 128 for every table.
trait Key: Copy + Default + Ord {
    fn new(class: Class, lsn_end: u64, row: u32, layout: Layout) -> Self;
    /// The lowest [`DIGIT_BITS`].
    fn digit(self) -> usize;
    /// The key without its digit.
    fn rest(self) -> Self;
    /// The row below the digits instead of above them: as the rows are listed.
    fn turned(self, layout: Layout) -> Self;
    /// The row, where there are no digits.
    fn row(self) -> u32;
    /// Room for `len` keys, whatever they are now.
    fn room(lsn_ends: Vec<u64>, len: usize) -> Vec<Self>;
}

macro_rules! key {
    ($key:ty, $room:expr) => {
        impl Key for $key {
            #[inline(always)]
            fn new(class: Class, lsn_end: u64, row: u32, layout: Layout) -> Self {
                let distance = <$key>::from(layout.newest.wrapping_sub(lsn_end));
                let (class, row) = (<$key>::from(class), <$key>::from(row));
                (row << (layout.passes * DIGIT_BITS)) | (class << layout.lsn_bits) | distance
            }

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "the digit is what is wanted")]
            fn digit(self) -> usize {
                self as usize & (DIGITS - 1)
            }

            #[inline(always)]
            fn rest(self) -> Self {
                self >> DIGIT_BITS
            }

            #[inline(always)]
            fn turned(self, layout: Layout) -> Self {
                self.rotate_right(layout.passes * DIGIT_BITS)
            }

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "a row has at most 32 bits")]
            fn row(self) -> u32 {
                self as u32
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

/// Up to so many rows are put in order one by one: counting takes a look at every digit that there could be.
const FEW_ROWS: usize = 64;

fn rows_in_order<K: Key>(marks: &[u8], lsn_ends: Vec<u64>, listed: u32, layout: Layout) -> Vec<u32> {
    let mut keys = keys::<K>(marks, &lsn_ends, listed, layout);
    if keys.len() <= FEW_ROWS {
        return few_rows(keys, layout);
    }
    let Some(last) = layout.passes.checked_sub(1) else { return keys.iter().map(|key| key.row()).collect() };
    // The rows stand in order, and equal keys keep theirs.
    let mut room = K::room(lsn_ends, keys.len());
    for _ in 0..last {
        scatter(&keys, &mut room, &mut places(&keys), K::rest);
        std::mem::swap(&mut keys, &mut room);
    }
    let mut rows = vec![0; keys.len()];
    scatter(&keys, &mut rows, &mut places(&keys), |key| key.rest().row());
    rows
}

/// The keys of the listed rows.
#[inline(never)]
fn keys<K: Key>(marks: &[u8], lsn_ends: &[u64], listed: u32, layout: Layout) -> Vec<K> {
    let mut keys = Vec::with_capacity(listed as usize);
    let mut row = 0;
    // What is not listed is overwritten by the next.
    let mut stretch = [K::default(); STRETCH];
    let (stretches, rest) = marks.as_chunks::<STRETCH>();
    let (lsn_stretches, lsn_rest) = lsn_ends.as_chunks::<STRETCH>();
    for (marks, lsn_ends) in stretches.iter().zip(lsn_stretches) {
        let mut next = 0;
        for (&mark, &lsn_end) in marks.iter().zip(lsn_ends) {
            let class = looked_up(mark);
            if let Some(slot) = stretch.get_mut(next) {
                *slot = K::new(class, lsn_end, row, layout);
            }
            next += usize::from(class != UNLISTED);
            row += 1;
        }
        if next == STRETCH {
            keys.extend_from_slice(&stretch);
        } else {
            keys.extend(stretch.iter().take(next));
        }
    }
    for (&mark, &lsn_end) in rest.iter().zip(lsn_rest) {
        let class = looked_up(mark);
        if class != UNLISTED {
            keys.push(K::new(class, lsn_end, row, layout));
        }
        row += 1;
    }
    keys
}

/// Where the keys with each digit begin.
#[inline(never)]
fn places<K: Key>(keys: &[K]) -> [u32; DIGITS] {
    let mut places = [0; DIGITS];
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: K| places[key.digit()] += 1;
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    stretches.iter().for_each(|keys| keys.iter().for_each(|&key| add(key)));
    rest.iter().for_each(|&key| add(key));
    let mut next = 0;
    for place in &mut places {
        next += std::mem::replace(place, next);
    }
    places
}

/// Puts what is made of each key in the place of its digit.
#[inline(never)]
fn scatter<K: Key, T>(keys: &[K], room: &mut [T], places: &mut [u32; DIGITS], made: impl Fn(K) -> T) {
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: K| {
        let place = &mut places[key.digit()];
        if let Some(slot) = room.get_mut(*place as usize) {
            *slot = made(key);
        }
        *place += 1;
    };
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    stretches.iter().for_each(|keys| keys.iter().for_each(|&key| add(key)));
    rest.iter().for_each(|&key| add(key));
}

/// The same, for few: each is put where it belongs among those before it. Simple, because every byte of a component is
/// compiled at the start.
#[inline(never)]
fn few_rows<K: Key>(mut keys: Vec<K>, layout: Layout) -> Vec<u32> {
    for last in 1..keys.len() {
        let Some((key, before)) = keys.get(..=last).and_then(<[K]>::split_last) else { break };
        let place = before.partition_point(|other| other.turned(layout) < key.turned(layout));
        if let Some(behind) = keys.get_mut(place..=last) {
            behind.rotate_right(1);
        }
    }
    keys.into_iter().map(|key| (0..layout.passes).fold(key, |key, _| key.rest()).row()).collect()
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
            table in prop::collection::vec((any::<u8>(), any::<u64>()), 0..5 * FEW_ROWS),
            lsn_mask in prop::sample::select(vec![0, 7, 0xff00, 0xffff_ffff, 0xffff_ff00_0000, u64::MAX]),
        ) {
            // Masks make ties, digits that all share, and keys on both sides of 64 bits.
            let table: Vec<_> = table.into_iter().map(|(marks, lsn_end)| (marks, lsn_end & lsn_mask)).collect();
            prop_assert_eq!(list(&table), reference(&table));
        }
    }

    /// Tables whose keys take exactly 64 bits, and one more, which is a pass more.
    #[rstest]
    #[case::obeyed(52, 64)]
    #[case::violated(53, 73)]
    fn a_key_of_more_than_64_bits_sorts_like_one_of_fewer(#[case] lsn_bits: u32, #[case] key_bits: u32) {
        // 1,024 rows take 10 bits, the class 2.
        let newest = (1 << lsn_bits) - 1;
        let mut table: Vec<_> =
            (0..1022_u64).map(|row| (if row % 3 == 0 { R | V | L0 } else { R | V }, row * 31 % 97)).collect();
        table.extend([(V | INH_COLD, newest), (V | INH_COLD, 0)]);
        let (marks, lsn_ends): (Vec<_>, Vec<_>) = table.iter().copied().unzip();
        assert_eq!(Layout::of(&extent(&marks, &lsn_ends)).key_bits(10), key_bits);
        assert_eq!(list(&table), reference(&table));
    }

    #[rstest]
    #[case::obeyed(FEW_ROWS as u64)]
    #[case::violated(FEW_ROWS as u64 + 1)]
    fn many_rows_are_in_the_order_of_few(#[case] rows: u64) {
        let table: Vec<_> = (0..rows).map(|row| (R | V, row * 31 % 97)).collect();
        assert_eq!(list(&table), reference(&table));
    }

    #[test]
    fn many_rows_of_equal_standing_stay_as_they_are() {
        assert_eq!(list(&[(R | V, 7); 1000]).0, (0..1000).collect::<Vec<_>>());
        assert_eq!(list(&[(V | INH_COLD, 7); 1000]).1, (0..1000).collect::<Vec<_>>());
    }
}
