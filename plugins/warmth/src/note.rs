//! What is remembered of a layer: a word that says how warm it is, and one that says what was counted.

use crate::reads::all_if;

/// How warm a layer is, as a record keeps it: the bits of its warmth, and two that a warmth does not need, its sign and its
/// last digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warmth(pub u32);

/// The layer is inherited and not resident; the other number of its record says since when that was seen. Of others it
/// says what was counted.
const WAITS: u32 = 1 << 31;
/// The layer is an L0 delta.
const L0: u32 = 1;

/// Whatever is less is nothing: numbers that are too small to be written as others are would be slow to reckon with.
const LEAST: f32 = 1e-20;
/// More than all reads there are; what damaged memory says beyond counts as nothing.
const MOST: f32 = 1e20;

impl Warmth {
    /// A warmth, whether the layer waits, and whether it is an L0 delta.
    #[inline(always)]
    pub fn new(warmth: f32, waits: bool, l0: bool) -> Self {
        // Without branches: it is done for all rows.
        #[allow(clippy::manual_range_contains, reason = "both are compared, whatever the first says")]
        let warmth = warmth.to_bits() & all_if((warmth >= LEAST) & (warmth <= MOST));
        Warmth(warmth & !(WAITS | L0) | WAITS & all_if(waits) | L0 & all_if(l0))
    }

    /// How warm the layer is.
    #[inline(always)]
    pub const fn get(self) -> f32 {
        f32::from_bits(self.0 & !(WAITS | L0))
    }

    /// Whether the layer was inherited and is not resident.
    #[inline(always)]
    pub const fn waits(self) -> bool {
        self.0 & WAITS != 0
    }

    /// Whether the layer is an L0 delta.
    #[inline(always)]
    pub const fn is_l0(self) -> bool {
        self.0 & L0 != 0
    }

    /// For how many seconds more an inherited layer is listed, of which this and `number` are remembered.
    pub fn left_s(self, number: u32, now: u32, inherited_for_s: u64) -> u64 {
        let since = if self.waits() { number } else { now };
        inherited_for_s.saturating_sub(u64::from(now.saturating_sub(since)))
    }
}

/// What reads are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Neither counts nor times.
    Nothing,
    /// The pageserver counts them.
    Counts,
    /// When a layer was last read: if that moved since the last call, it was read.
    Times,
}

/// What is remembered beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// When the call was.
    pub at: i64,
    /// What told of reads.
    pub source: Source,
}

impl Call {
    /// As fields of a history, of which the last two are 0.
    pub const fn fields(self) -> [u64; 4] {
        let source = match self.source {
            Source::Nothing => 0,
            Source::Counts => 1,
            Source::Times => 2,
        };
        [self.at.cast_unsigned(), source, 0, 0]
    }

    /// What [`fields`](Self::fields) said.
    pub const fn of(fields: [u64; 4]) -> Self {
        let [at, source, ..] = fields;
        let source = match source {
            1 => Source::Counts,
            2 => Source::Times,
            _ => Source::Nothing,
        };
        Call { at: at.cast_signed(), source }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::some(12.5, 12.5)]
    #[case::none(0.0, 0.0)]
    #[case::the_least(LEAST, LEAST)]
    #[case::less(LEAST / 2.0, 0.0)]
    #[case::the_most(MOST, MOST)]
    #[case::more(MOST * 2.0, 0.0)]
    #[case::no_number(f32::NAN, 0.0)]
    #[case::negative(-1.0, 0.0)]
    fn a_warmth_and_two_marks_fit_in_a_word(#[case] warmth: f32, #[case] kept: f32) {
        for (waits, l0) in [(false, false), (false, true), (true, false), (true, true)] {
            let note = Warmth::new(warmth, waits, l0);
            assert!((note.get() - kept).abs() <= kept * 1e-6);
            assert_eq!((note.waits(), note.is_l0()), (waits, l0));
        }
    }

    #[test]
    fn a_call_is_read_as_it_was_written() {
        for source in [Source::Nothing, Source::Counts, Source::Times] {
            for at in [i64::MIN, -1, 0, 1_700_000_000, i64::MAX] {
                assert_eq!(Call::of(Call { at, source }.fields()), Call { at, source });
            }
        }
    }
}
