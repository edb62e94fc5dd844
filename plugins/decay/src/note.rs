//! What is remembered of a layer: 12 bytes a row, of the 24 that there are.

use thermocline_policy::history::{History, NextHistory};

use crate::reads::all_if;

/// Says what the fields and the columns mean. Another one reads nothing of this.
pub(crate) const VERSION: u32 = 1;

/// Of a record.
pub(crate) const COLUMNS: usize = 2;

pub(crate) type Past<'a> = History<'a, COLUMNS>;
pub(crate) type Next = NextHistory<COLUMNS>;

/// The first number of a record: the bits of the layer's warmth, and two that a warmth does not need, its sign and its
/// last digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Warmth(pub(crate) u32);

/// The layer is inherited and not resident; the second number says since when that was seen. Of others it says what was
/// counted.
const WAITS: u32 = 1 << 31;
/// The layer is an L0 delta.
const L0: u32 = 1;

/// Whatever is less is nothing: numbers that are too small to be written as others are would be slow to reckon with.
const LEAST: f32 = 1e-20;
/// More than all reads there are; what damaged memory says beyond counts as nothing.
const MOST: f32 = 1e20;

impl Warmth {
    #[inline(always)]
    pub(crate) fn new(warmth: f32, waits: bool, l0: bool) -> Self {
        // Without branches: it is done for all rows.
        #[allow(clippy::manual_range_contains, reason = "both are compared, whatever the first says")]
        let warmth = warmth.to_bits() & all_if((warmth >= LEAST) & (warmth <= MOST));
        Warmth(warmth & !(WAITS | L0) | WAITS & all_if(waits) | L0 & all_if(l0))
    }

    #[inline(always)]
    pub(crate) const fn get(self) -> f32 {
        f32::from_bits(self.0 & !(WAITS | L0))
    }

    #[inline(always)]
    pub(crate) const fn waits(self) -> bool {
        self.0 & WAITS != 0
    }

    #[inline(always)]
    pub(crate) const fn is_l0(self) -> bool {
        self.0 & L0 != 0
    }
}

/// What reads are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Neither counts nor times.
    Nothing,
    /// The pageserver counts them.
    Counts,
    /// When a layer was last read: if that moved since the last call, it was read.
    Times,
}

/// What is remembered beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// When the call was.
    pub(crate) at: i64,
    pub(crate) source: Source,
}

impl Call {
    pub(crate) const fn fields(self) -> [u64; 4] {
        let source = match self.source {
            Source::Nothing => 0,
            Source::Counts => 1,
            Source::Times => 2,
        };
        [self.at.cast_unsigned(), source, 0, 0]
    }

    pub(crate) const fn of(fields: [u64; 4]) -> Self {
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
