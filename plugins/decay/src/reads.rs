//! How warm each layer is, from what was remembered and what was read since.
//!
//! Rows that have a record go through one loop, of which there is a kind for each [`Source`]. Rows without one are few,
//! but for the first call: what they start with is in [`crate::newcomers`].

use std::borrow::Cow;

use thermocline_policy::history::{Stretch, Word};
use thermocline_policy::{Layers, Marks};

use crate::fading::Fading;
use crate::note::{Call, Next, Past, Source, Warmth};

/// The columns that tell about reads.
pub(crate) struct Reads<'a> {
    pub(crate) source: Source,
    /// Empty where nothing is counted.
    pub(crate) counts: Cow<'a, [u64]>,
    /// Empty where reads are counted.
    pub(crate) times: Cow<'a, [i64]>,
    /// Since when layers are resident. Empty where neither counts nor L0 layers ask for it.
    pub(crate) since: Cow<'a, [i64]>,
}

impl<'a> Reads<'a> {
    pub(crate) fn of(layers: &'a dyn Layers, has_l0s: bool) -> Self {
        let counts = layers.access_counts();
        if !is_nothing(&counts) {
            let since = layers.resident_times();
            return Reads { source: Source::Counts, counts, times: Cow::default(), since };
        }
        let times = layers.access_times();
        let source = if times.iter().any(|time| *time > 0) { Source::Times } else { Source::Nothing };
        let since = if has_l0s { layers.resident_times() } else { Cow::default() };
        Reads { source, counts: Cow::default(), times, since }
    }
}

#[inline(never)]
fn is_nothing(counts: &[u64]) -> bool {
    counts.iter().all(|count| *count == 0)
}

/// What a call knows of time.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: i64,
    /// Since the last call; 0 where there was none.
    pub(crate) since_last_s: f64,
    pub(crate) fading: Fading,
}

impl Moment {
    /// Seconds from `time` to now, of the future none.
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    pub(crate) fn since(&self, time: i64) -> f64 {
        self.now.saturating_sub(time).max(0) as f64
    }

    /// Now, as it is kept in a record.
    pub(crate) fn stamp(&self) -> u32 {
        stamp(self.now)
    }
}

/// A time, as it is kept in a record.
pub(crate) fn stamp(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

/// Brings the records of rows that had one to what they are by now; those of other rows are 0.
pub(crate) fn remember(
    next: &mut Next,
    past: &Past<'_>,
    stretches: &[Stretch],
    moment: &Moment,
    marks: &[u8],
    reads: &Reads<'_>,
) {
    let last = Call::of(past.fields());
    let change = Change {
        left: single(moment.fading.left(moment.since_last_s)),
        counts: single(moment.fading.mean(moment.since_last_s)),
        stamp: moment.stamp(),
    };
    for stretch in stretches {
        let Stretch::Kept { row, record, len } = *stretch else { continue };
        let [was_warm, was] = past.columns().map(|column| part(column, record, len));
        let [warm, is] = next.columns_mut().map(|column| column.get_mut(row..row + len).unwrap_or_default());
        let marks = part(marks, row, len);
        let rows = (marks, was_warm, was, warm, is);
        match reads.source {
            Source::Counts => {
                let (counts, since) = (part(&reads.counts, row, len), part(&reads.since, row, len));
                counted(change, rows, counts, since, last.at, last.source == Source::Counts);
            }
            Source::Times => timed(change, rows, part(&reads.times, row, len), last.source == Source::Times),
            Source::Nothing => faded(change, rows),
        }
    }
}

fn part<T>(column: &[T], from: usize, len: usize) -> &[T] {
    column.get(from..from + len).unwrap_or_default()
}

/// Warmth is kept in 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "rounded, and endless beyond the range")]
pub(crate) const fn single(number: f64) -> f32 {
    number as f32
}

/// What becomes of a warmth since the last call.
#[derive(Clone, Copy)]
struct Change {
    /// The share that is left of what was.
    left: f32,
    /// What a read since then counts.
    counts: f32,
    /// For layers that wait from now on.
    stamp: u32,
}

/// Rows next to each other that have records next to each other: marks, what was remembered, and where to write what is.
type Rows<'a> = (&'a [u8], &'a [Word], &'a [Word], &'a mut [Word], &'a mut [Word]);

/// Rows that a loop handles at a stretch: the host counts time at the end of each.
pub(crate) const STRETCH: usize = 4;

/// The pageserver counts reads since a layer became resident. What did so after the last call was read as often as it
/// says; what counts less than then was evicted in between; of all others the difference counts.
fn counted(change: Change, rows: Rows<'_>, counts: &[u64], since: &[i64], last_at: i64, were_counted: bool) {
    let (marks, was_warm, was, warm, is) = rows;
    each(change, marks, was_warm, was, counts, since, warm, is, |was, waited, count, since| {
        #[allow(clippy::cast_possible_truncation, reason = "the difference of two is right for as many reads")]
        let count = count as u32;
        let anew = waited | (count < was) | (since > last_at) | !were_counted;
        (count, count.wrapping_sub(was & !all_if(anew)))
    });
}

/// Nobody counts: a layer whose time of the last read moved was read once.
fn timed(change: Change, rows: Rows<'_>, times: &[i64], were_timed: bool) {
    let (marks, was_warm, was, warm, is) = rows;
    each(change, marks, was_warm, was, times, times, warm, is, |was, waited, time, _| {
        let time = stamp(time);
        (time, u32::from(were_timed & !waited & (time > was)))
    });
}

/// Nobody tells anything.
fn faded(change: Change, rows: Rows<'_>) {
    let (marks, was_warm, was, warm, is) = rows;
    each(change, marks, was_warm, was, marks, marks, warm, is, |_, _, _, _| (0, 0));
}

/// `read` makes of a record's second number, whether the layer waited, and its row in two columns what the number is now,
/// and how often it was read.
///
/// Without branches, and each column an argument of its own: so the compiler sees that none overlaps another, and does
/// four rows at a time.
#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "columns")]
fn each<A: Copy, B: Copy>(
    change: Change,
    marks: &[u8],
    was_warm: &[Word],
    was: &[Word],
    ones: &[A],
    others: &[B],
    warm: &mut [Word],
    is: &mut [Word],
    read: impl Fn(u32, bool, A, B) -> (u32, u32),
) {
    let before = was_warm.iter().zip(was).zip(marks).zip(ones.iter().zip(others));
    for ((((was_warm, was), mark), (one, other)), (warm, is)) in before.zip(warm.iter_mut().zip(is)) {
        let (was_warm, was, mark) = (Warmth(u32::from_le_bytes(*was_warm)), u32::from_le_bytes(*was), Marks(*mark));
        let waited = was_warm.waits();
        let (number, more) = read(was, waited, *one, *other);
        let waits = waits(mark);
        let since = was & all_if(waited) | change.stamp & !all_if(waited);
        #[allow(clippy::cast_precision_loss, reason = "reads, to six digits")]
        let warmth = was_warm.get() * change.left + more as f32 * change.counts;
        *warm = Warmth::new(warmth, waits, mark.is_l0()).0.to_le_bytes();
        *is = (since & all_if(waits) | number & !all_if(waits)).to_le_bytes();
    }
}

/// All bits, or none.
#[inline(always)]
pub(crate) const fn all_if(yes: bool) -> u32 {
    (yes as u32).wrapping_neg()
}

/// Whether a layer was taken over and is not here yet.
#[inline(always)]
pub(crate) const fn waits(marks: Marks) -> bool {
    !marks.is_resident() & (marks.is_inherited() | marks.is_inherited_cold())
}
