//! Download order by heat.
//!
//! The order is: hot layers before cold ones, the hottest first, of equal heat the one that reaches up to the newest LSN
//! first, and equals as they are in the table. A key is 64 bits, the row above the heat, and is sorted by counting, nine
//! bits a pass: the bits of a float that is not negative have the order of the floats. Four bits of 32 are let go, so
//! that three passes do: heats are told apart that differ by a millionth or so, and so that the order is that of the
//! heats that are listed, these are without the four bits, too.

use std::cmp::Reverse;
use std::ops::Range;

use crate::Selection;

/// Bits of a heat that count, below the sign.
const HEAT_BITS: u32 = PASSES * DIGIT_BITS;
const PASSES: u32 = 3;
/// What one pass sorts by. More make fewer passes, each over more places than a processor can write to at a time.
const DIGIT_BITS: u32 = 9;
const DIGITS: usize = 1 << DIGIT_BITS;

/// Bits of a heat that do not.
const DROPPED_BITS: u32 = u32::BITS - 1 - HEAT_BITS;
const MOST: u32 = (1 << HEAT_BITS) - 1;

/// Up to so many keys are compared: counting takes a look at every digit that there could be.
const FEW: usize = 256;

/// Layers to list, as they come, until they are put in order.
#[derive(Clone, Debug, Default)]
pub struct HottestFirst {
    hot: Vec<Key>,
    cold: Vec<Key>,
}

/// The row, and above which heats it stands: less is listed earlier.
type Key = u64;

const fn key(row: u32, place: u32) -> Key {
    (row as u64) << u32::BITS | place as u64
}

#[allow(clippy::cast_possible_truncation, reason = "what stands above the place")]
const fn row_of(key: Key) -> u32 {
    (key >> u32::BITS) as u32
}

#[allow(clippy::cast_possible_truncation, reason = "what stands below the row")]
const fn place_of(key: Key) -> u32 {
    key as u32
}

/// Less for more heat. What is no heat counts as none, and endless heat as the most there is.
#[inline(always)]
const fn place_of_heat(heat: f32) -> u32 {
    let heat = if heat > 0.0 { heat.min(f32::MAX) } else { 0.0 };
    MOST - (heat.to_bits() >> DROPPED_BITS)
}

#[inline(always)]
const fn heat_at(place: u32) -> f32 {
    f32::from_bits((MOST - place) << DROPPED_BITS)
}

impl HottestFirst {
    /// With room for so many hot layers.
    #[must_use]
    pub fn with_capacity(hot: usize) -> Self {
        HottestFirst { hot: Vec::with_capacity(hot), cold: Vec::new() }
    }

    /// A layer to download. Rows MUST come in the order of the table.
    #[inline(always)]
    pub fn hot(&mut self, row: u32, heat: f32) {
        self.hot.push(key(row, place_of_heat(heat)));
    }

    /// A layer that is known, and not to be downloaded. Rows MUST come in the order of the table.
    #[inline(always)]
    pub fn cold(&mut self, row: u32, heat: f32) {
        self.cold.push(key(row, place_of_heat(heat)));
    }

    /// All of them in order, with their heats. `lsn_ends` is asked for that column where heats are equal.
    pub fn selection<L: AsRef<[u64]>>(self, lsn_ends: impl FnOnce() -> L) -> Selection {
        let cold_from = self.hot.len();
        let (hot, cold) = (sorted(self.hot), sorted(self.cold));
        let mut rows = Vec::with_capacity(hot.len() + cold.len());
        let mut heats = Vec::with_capacity(hot.len() + cold.len());
        for keys in [&hot, &cold] {
            rows.extend(keys.iter().map(|key| row_of(*key)));
            heats.extend(keys.iter().map(|key| heat_at(place_of(*key))));
        }
        let ties = ties(&heats, cold_from);
        if !ties.is_empty() {
            let lsn_ends = lsn_ends();
            for tie in ties {
                if let Some(rows) = rows.get_mut(tie) {
                    newest_first(rows, lsn_ends.as_ref());
                }
            }
        }
        // A table has at most u32::MAX rows, and no row may be listed twice.
        let cold_from = u32::try_from(cold_from).unwrap_or(u32::MAX);
        Selection { rows, cold_from, heats: Some(heats), ..Selection::default() }
    }
}

/// Where more than one in a row has the same heat, among the hot and among the cold.
fn ties(heats: &[f32], cold_from: usize) -> Vec<Range<usize>> {
    let (hot, cold) = heats.split_at_checked(cold_from).unwrap_or_default();
    let alike = |one: &f32, other: &f32| one.to_bits() == other.to_bits();
    let mut ties = Vec::new();
    let mut next = 0;
    for run in hot.chunk_by(alike).chain(cold.chunk_by(alike)) {
        let range = next..next + run.len();
        next = range.end;
        if run.len() > 1 {
            ties.push(range);
        }
    }
    ties
}

/// Rows that are in the order of the table, newest LSN end first.
fn newest_first(rows: &mut [u32], lsn_ends: &[u64]) {
    let lsn_end = |row: u32| lsn_ends.get(row as usize).copied().unwrap_or_default();
    if rows.len() <= FEW {
        rows.sort_unstable_by_key(|row| (Reverse(lsn_end(*row)), *row));
        return;
    }
    // From the lowest bits up, as many at a time as a key holds.
    let newest = rows.iter().map(|row| lsn_end(*row)).max().unwrap_or_default();
    let oldest = rows.iter().map(|row| lsn_end(*row)).min().unwrap_or_default();
    let bits = u64::BITS - (newest - oldest).leading_zeros();
    for shift in (0..bits).step_by(HEAT_BITS as usize) {
        #[allow(clippy::cast_possible_truncation, reason = "the part is what is wanted")]
        let part = |row: u32| ((newest - lsn_end(row)) >> shift) as u32 & MOST;
        let keys = counted(rows.iter().map(|row| key(*row, part(*row))).collect());
        rows.iter_mut().zip(keys).for_each(|(row, key)| *row = row_of(key));
    }
}

/// By the place, and rows of one place by their number.
fn sorted(mut keys: Vec<Key>) -> Vec<Key> {
    if keys.len() > FEW {
        return counted(keys);
    }
    keys.sort_unstable_by_key(|key| key.rotate_left(u32::BITS));
    keys
}

/// Keys by their place; those of one place stay as they are.
///
/// Each loop is a function of its own that is not inlined: the compiler of the host is a quick one, and what is alive
/// around a loop would have it keep in memory what the loop itself needs in registers.
fn counted(mut keys: Vec<Key>) -> Vec<Key> {
    let mut room = vec![0; keys.len()];
    for pass in 0..PASSES {
        let mut places = places(&keys, pass);
        // What is the same in all keys puts nothing in order.
        if places.contains(&WHOLE) {
            continue;
        }
        scatter(&keys, &mut room, &mut places, pass);
        std::mem::swap(&mut keys, &mut room);
    }
    keys
}

/// In the place of a digit that every key has.
const WHOLE: u32 = u32::MAX;

/// Keys that a loop handles at a stretch: the host counts time at the end of each.
const STRETCH: usize = 4;

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the digit is what is wanted")]
const fn digit(key: Key, pass: u32) -> usize {
    (key >> (pass * DIGIT_BITS)) as usize & (DIGITS - 1)
}

/// Where the keys with each digit begin.
#[inline(never)]
fn places(keys: &[Key], pass: u32) -> [u32; DIGITS] {
    let mut places = [0; DIGITS];
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: Key| places[digit(key, pass)] += 1;
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    stretches.iter().for_each(|keys| keys.iter().for_each(|key| add(*key)));
    rest.iter().for_each(|key| add(*key));
    let mut next = 0;
    for place in &mut places {
        let count = std::mem::replace(place, next);
        next += count;
        if count as usize == keys.len() {
            *place = WHOLE;
        }
    }
    places
}

/// Puts each key in the place of its digit.
#[inline(never)]
fn scatter(keys: &[Key], room: &mut [Key], places: &mut [u32; DIGITS], pass: u32) {
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: Key| {
        let place = &mut places[digit(key, pass)];
        if let Some(slot) = room.get_mut(*place as usize) {
            *slot = key;
        }
        *place += 1;
    };
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    stretches.iter().for_each(|keys| keys.iter().for_each(|key| add(*key)));
    rest.iter().for_each(|key| add(*key));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// Rows of (heat, LSN end, whether it is cold), as they are listed.
    fn listed(table: &[(f32, u64, bool)]) -> Selection {
        let mut order = HottestFirst::with_capacity(table.len());
        for (row, (heat, _, cold)) in (0..).zip(table) {
            match cold {
                true => order.cold(row, *heat),
                false => order.hot(row, *heat),
            }
        }
        order.selection(|| table.iter().map(|row| row.1).collect::<Vec<_>>())
    }

    #[rstest]
    #[case::nothing(&[], &[])]
    #[case::hottest_first(&[(1.0, 9, false), (3.0, 1, false), (2.0, 5, false)], &[1, 2, 0])]
    #[case::of_equal_heat_the_newest(&[(1.0, 7, false), (1.0, 9, false), (2.0, 1, false)], &[2, 1, 0])]
    #[case::equals_as_they_are(&[(1.0, 7, false), (1.0, 7, false), (1.0, 7, false)], &[0, 1, 2])]
    #[case::cold_behind_all(&[(9.0, 7, true), (1.0, 7, false), (9.0, 8, true)], &[1, 2, 0])]
    #[case::no_heat_is_none(&[(f32::NAN, 1, false), (-1.0, 2, false), (0.0, 3, false), (f32::MIN_POSITIVE, 0, false)], &[3, 2, 1, 0])]
    #[case::endless_heat(&[(1.0, 0, false), (f32::INFINITY, 0, false)], &[1, 0])]
    fn the_hottest_is_first(#[case] table: &[(f32, u64, bool)], #[case] rows: &[u32]) {
        let answer = listed(table);
        assert_eq!(answer.rows, rows);
        assert_eq!(answer.cold_from as usize, table.iter().filter(|row| !row.2).count());
    }

    #[test]
    fn the_column_is_asked_for_where_heats_are_equal() {
        let mut order = HottestFirst::default();
        order.hot(0, 1.0);
        order.hot(1, 2.0);
        order.cold(2, 1.0);
        assert_eq!(order.selection(|| -> Vec<u64> { panic!("no two are equal") }).rows, [1, 0, 2]);
    }

    #[rstest]
    #[case::obeyed(1.0, 1.0 + f32::EPSILON * 8.0, true)]
    #[case::violated(1.0, 1.0 + f32::EPSILON * 16.0, false)]
    fn heats_that_are_told_apart_are_listed_so(#[case] one: f32, #[case] other: f32, #[case] alike: bool) {
        let heats = listed(&[(one, 9, false), (other, 1, false)]).heats.unwrap();
        assert_eq!(heats[0] == heats[1], alike);
    }

    proptest! {
        /// The rule as one reads it, with a comparison sort.
        #[test]
        fn the_order_is_that_of_the_rule(
            table in prop::collection::vec((0..5_u8, any::<u32>(), any::<u64>(), prop::bool::weighted(0.2)), 0..5 * FEW),
            mask in prop::sample::select(vec![0, 7, 0xff00, 0xffff_ffff_0000, u64::MAX]),
        ) {
            let heat = |kind: u8, bits: u32| match kind {
                0 => 0.0,
                1 => f32::from_bits(bits),
                kind => f32::from(kind) + f32::from(u8::try_from(bits % 7).unwrap()) / 7.0,
            };
            let table: Vec<_> = table.into_iter().map(|(kind, bits, lsn, cold)| (heat(kind, bits), lsn & mask, cold)).collect();
            let answer = listed(&table);
            let mut rule: Vec<_> = (0..).zip(&table).map(|(row, (heat, lsn, cold))| {
                (*cold, place_of_heat(*heat), Reverse(*lsn), row)
            }).collect();
            rule.sort_unstable();
            prop_assert_eq!(&answer.rows, &rule.iter().map(|row| row.3).collect::<Vec<_>>());
            for (heat, row) in answer.heats.unwrap().into_iter().zip(&answer.rows) {
                let given = table[*row as usize].0;
                let given = if given > 0.0 { given.min(f32::MAX) } else { 0.0 };
                prop_assert!(heat.is_finite() && heat >= 0.0 && heat <= given && given - heat <= given * 2e-6 + 1e-38);
            }
        }
    }
}
