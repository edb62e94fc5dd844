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

/// A layer to list, and how hot it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked(Key);

/// The row, and above which heats it stands: less is listed earlier.
type Key = u64;

impl Ranked {
    /// A row, with its heat. What is no heat counts as none, and endless heat as the most there is.
    #[inline(always)]
    pub const fn new(row: u32, heat: f32) -> Self {
        // Comparisons, since the functions for it are calls in WebAssembly.
        let heat = if heat > 0.0 { heat } else { 0.0 };
        let heat = if heat < f32::MAX { heat } else { f32::MAX };
        Ranked::at(row, MOST - (heat.to_bits() >> DROPPED_BITS))
    }

    #[inline(always)]
    const fn at(row: u32, place: u32) -> Self {
        Ranked((row as Key) << u32::BITS | place as Key)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "what stands above the place")]
    const fn row(self) -> u32 {
        (self.0 >> u32::BITS) as u32
    }

    /// Less for more heat.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "what stands below the row")]
    const fn place(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    const fn heat(self) -> f32 {
        f32::from_bits((MOST - self.place()) << DROPPED_BITS)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the digit is what is wanted")]
    const fn digit(self, pass: u32) -> usize {
        (self.0 >> (pass * DIGIT_BITS)) as usize & (DIGITS - 1)
    }
}

/// Lists layers to download, and others that are known and not to be downloaded, with their heats. Each kind MUST come in
/// the order of the table. `lsn_ends` is asked for that column where heats are equal.
pub fn hottest_first<L: AsRef<[u64]>>(hot: Vec<Ranked>, cold: Vec<Ranked>, lsn_ends: impl FnOnce() -> L) -> Selection {
    let cold_from = hot.len();
    let mut rows = vec![0; hot.len() + cold.len()];
    let mut heats = vec![0.0; hot.len() + cold.len()];
    let mut ties = Vec::new();
    for (kind, first) in [(hot, 0), (cold, cold_from)] {
        let end = first + kind.len();
        let rows = rows.get_mut(first..end).unwrap_or_default();
        let heats = heats.get_mut(first..end).unwrap_or_default();
        sort(kind, rows, heats);
        find_ties(heats, first, &mut ties);
    }
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

/// Pairs of heats that are compared at a time.
const PAIRS: usize = 8;

/// Where more than one in a row has the same heat, behind so many others.
#[inline(never)]
#[allow(clippy::float_cmp, reason = "the same to the bit")]
fn find_ties(heats: &[f32], first: usize, ties: &mut Vec<Range<usize>>) {
    let (ones, others) = (heats, heats.get(1..).unwrap_or_default());
    let steps = ones.chunks(PAIRS).zip(others.chunks(PAIRS));
    for (start, (ones, others)) in (first..).step_by(PAIRS).zip(steps) {
        // Hardly ever one is.
        let tied = match (ones.first_chunk::<PAIRS>(), others.first_chunk::<PAIRS>()) {
            (Some(ones), Some(others)) => {
                ones.iter().zip(others).fold(false, |tied, (one, other)| tied | (one == other))
            }
            _ => true,
        };
        if !tied {
            continue;
        }
        for (one, _) in (start..).zip(ones.iter().zip(others)).filter(|(_, (heat, other))| heat == other) {
            match ties.last_mut().filter(|tie| tie.end == one + 1) {
                Some(tie) => tie.end = one + 2,
                None => ties.push(one..one + 2),
            }
        }
    }
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
        let keys = rows.iter().map(|row| Ranked::at(*row, part(*row))).collect();
        counted(keys, |place, key| put(rows, place, key.row()));
    }
}

/// By the place, and rows of one place by their number: the rows, and their heats.
fn sort(mut keys: Vec<Ranked>, rows: &mut [u32], heats: &mut [f32]) {
    let mut take_apart = |place: usize, key: Ranked| {
        put(rows, place, key.row());
        put(heats, place, key.heat());
    };
    if keys.len() > FEW {
        return counted(keys, take_apart);
    }
    keys.sort_unstable_by_key(|key| key.0.rotate_left(u32::BITS));
    keys.into_iter().enumerate().for_each(|(place, key)| take_apart(place, key));
}

#[inline(always)]
fn put<T>(column: &mut [T], place: usize, entry: T) {
    if let Some(slot) = column.get_mut(place) {
        *slot = entry;
    }
}

/// Hands over keys with where they belong by their place; those of one place stay as they are.
///
/// Each loop is a function of its own that is not inlined: the compiler of the host is a quick one, and what is alive
/// around a loop would have it keep in memory what the loop itself needs in registers.
fn counted(mut keys: Vec<Ranked>, mut listed: impl FnMut(usize, Ranked)) {
    let places = places(&keys);
    // What is the same in all keys puts nothing in order.
    let mut passes = (0..).zip(places).filter(|(_, places)| !places.contains(&WHOLE)).peekable();
    if passes.peek().is_none() {
        return keys.into_iter().enumerate().for_each(|(place, key)| listed(place, key));
    }
    let mut room = Vec::new();
    while let Some((pass, mut places)) = passes.next() {
        if passes.peek().is_none() {
            return scatter(&keys, &mut places, pass, listed);
        }
        room.resize(keys.len(), Ranked(0));
        scatter(&keys, &mut places, pass, |place, key| put(&mut room, place, key));
        std::mem::swap(&mut keys, &mut room);
    }
}

/// In the place of a digit that every key has.
const WHOLE: u32 = u32::MAX;

/// Keys that a loop handles at a stretch: the host counts time at the end of each.
const STRETCH: usize = 4;

/// Where the keys with each digit begin, for each pass.
fn places(keys: &[Ranked]) -> [[u32; DIGITS]; PASSES as usize] {
    let mut places = [[0; DIGITS]; PASSES as usize];
    count(keys, &mut places);
    for places in &mut places {
        let mut next = 0;
        for place in places {
            let count = std::mem::replace(place, next);
            next += count;
            if count as usize == keys.len() {
                *place = WHOLE;
            }
        }
    }
    places
}

/// One loop for all digits: heats are much alike in their upper bits, and one count that is added to again and again
/// would have a processor wait for itself.
#[inline(never)]
fn count(keys: &[Ranked], [low, middle, high]: &mut [[u32; DIGITS]; PASSES as usize]) {
    // Every other key is counted here.
    let mut high_too = [0; DIGITS];
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: Ranked, high: &mut [u32; DIGITS]| {
        low[key.digit(0)] += 1;
        middle[key.digit(1)] += 1;
        high[key.digit(2)] += 1;
    };
    let (stretches, rest) = keys.as_chunks::<STRETCH>();
    for [one, two, three, four] in stretches {
        add(*one, high);
        add(*two, &mut high_too);
        add(*three, high);
        add(*four, &mut high_too);
    }
    rest.iter().for_each(|key| add(*key, high));
    high.iter_mut().zip(high_too).for_each(|(count, more)| *count += more);
}

/// Hands over each key with the place of its digit.
#[inline(never)]
fn scatter(keys: &[Ranked], places: &mut [u32; DIGITS], pass: u32, mut listed: impl FnMut(usize, Ranked)) {
    #[allow(clippy::indexing_slicing, reason = "a digit is below DIGITS, and the compiler sees it")]
    let mut add = |key: Ranked| {
        let place = &mut places[key.digit(pass)];
        listed(*place as usize, key);
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
        let kind = |cold: bool| {
            let rows = (0..).zip(table).filter(|(_, row)| row.2 == cold);
            rows.map(|(row, (heat, ..))| Ranked::new(row, *heat)).collect()
        };
        hottest_first(kind(false), kind(true), || table.iter().map(|row| row.1).collect::<Vec<_>>())
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
        let hot = vec![Ranked::new(0, 1.0), Ranked::new(1, 2.0)];
        let cold = vec![Ranked::new(2, 1.0)];
        assert_eq!(hottest_first(hot, cold, || -> Vec<u64> { panic!("no two are equal") }).rows, [1, 0, 2]);
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
                (*cold, Ranked::new(row, *heat).place(), Reverse(*lsn), row)
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
