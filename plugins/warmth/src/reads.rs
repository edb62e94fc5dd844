//! How warm each layer is, from what was remembered and what was read since.
//!
//! Rows that have a record go through one loop, of which there is a kind for each [`Source`]. Rows without one are few,
//! but for the first call: what they start with is in [`crate::newcomers`].

use std::borrow::Cow;

use thermocline_policy::history::{Stretch, Word};
use thermocline_policy::{Layers, Marks};

use crate::fading::Fading;
use crate::note::{Call, Source, Warmth};

/// The columns that tell about reads.
#[derive(Debug)]
pub struct Reads<'a> {
    /// What there is.
    pub source: Source,
    /// Empty where nothing is counted.
    pub counts: Cow<'a, [u64]>,
    /// Empty where reads are counted.
    pub times: Cow<'a, [i64]>,
    /// Since when layers are resident. Empty where neither counts nor L0 layers ask for it.
    pub since: Cow<'a, [i64]>,
}

impl<'a> Reads<'a> {
    /// Reads those that are needed.
    pub fn of(layers: &'a dyn Layers, has_l0s: bool) -> Self {
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

/// What was remembered of layers: how warm each was, and the number that goes with it.
#[derive(Clone, Copy, Debug)]
pub struct Was<'a> {
    /// How warm layers were, as [`Warmth`].
    pub warm: &'a [Word],
    /// What was counted of each, or since when it waits.
    pub numbers: &'a [Word],
    /// When that was.
    pub last: Call,
}

/// What is to be remembered of layers, as in [`Was`].
#[derive(Debug)]
pub struct Is<'a> {
    /// How warm layers are.
    pub warm: &'a mut [Word],
    /// What is counted of each, or since when it waits.
    pub numbers: &'a mut [Word],
}

/// What a call knows of time, and of what reads count.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// Until then reads fade. It is `now`, unless nothing was read of late and that is not to matter.
    pub until: i64,
    /// For so many seconds reads faded since the last call; 0 where there was none.
    pub since_last_s: f64,
    /// How reads fade.
    pub fading: Fading,
    /// What a read since the last call counts before it fades.
    pub weight: f64,
}

impl Moment {
    /// Seconds for which what was read at `time` faded, of the future none.
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    pub fn since(&self, time: i64) -> f64 {
        self.until.saturating_sub(time).max(0) as f64
    }

    /// Now, as it is kept in a record.
    pub fn stamp(&self) -> u32 {
        stamp(self.now)
    }
}

/// A time, as it is kept in a record.
pub fn stamp(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

/// Brings the records of rows that had one to what they are by now; those of other rows are 0.
pub fn remember(
    next: &mut Is<'_>,
    past: &Was<'_>,
    stretches: &[Stretch],
    moment: &Moment,
    marks: &[u8],
    reads: &Reads<'_>,
) {
    let change = Change {
        left: single(moment.fading.left(moment.since_last_s)),
        counts: single(moment.fading.mean(moment.since_last_s) * moment.weight),
        stamp: moment.stamp(),
    };
    for stretch in stretches {
        let Stretch::Kept { row, record, len } = *stretch else { continue };
        let [was_warm, was] = [past.warm, past.numbers].map(|column| part(column, record, len));
        let [warm, is] =
            [&mut *next.warm, &mut *next.numbers].map(|column| column.get_mut(row..row + len).unwrap_or_default());
        let marks = part(marks, row, len);
        let rows = (marks, was_warm, was, warm, is);
        match reads.source {
            Source::Counts => {
                let (counts, since) = (part(&reads.counts, row, len), part(&reads.since, row, len));
                counted(change, rows, counts, since, past.last);
            }
            Source::Times => timed(change, rows, part(&reads.times, row, len), past.last),
            Source::Nothing => faded(change, rows),
        }
    }
}

/// How often each row was read since the last call; one that had no record, since it became resident.
pub fn since_last(past: &Was<'_>, stretches: &[Stretch], rows: usize, reads: &Reads<'_>) -> Vec<u32> {
    let mut more = vec![0; rows];
    for stretch in stretches {
        match stretch {
            Stretch::Kept { row, record, len } => {
                let (row, len) = (*row, *len);
                let [was_warm, was] = [past.warm, past.numbers].map(|column| part(column, *record, len));
                let more = more.get_mut(row..row + len).unwrap_or_default();
                match reads.source {
                    Source::Counts => {
                        let read = by_count(past.last);
                        let columns = part(&reads.counts, row, len).iter().zip(part(&reads.since, row, len));
                        each_more(more, was_warm, was, columns, |was, waited, (count, since)| {
                            read(was, waited, *count, *since).1
                        });
                    }
                    Source::Times => {
                        let read = by_time(past.last);
                        let times = part(&reads.times, row, len).iter();
                        each_more(more, was_warm, was, times, |was, waited, time| read(was, waited, *time).1);
                    }
                    Source::Nothing => {}
                }
            }
            Stretch::Changed { rows, .. } => {
                let counts = part(&reads.counts, rows.start, rows.len());
                for (more, count) in more.get_mut(rows.clone()).unwrap_or_default().iter_mut().zip(counts) {
                    *more = u32::try_from(*count).unwrap_or(u32::MAX);
                }
            }
        }
    }
    more
}

/// A loop for each kind of column.
#[inline(never)]
fn each_more<T>(
    more: &mut [u32],
    was_warm: &[Word],
    was: &[Word],
    columns: impl Iterator<Item = T>,
    read: impl Fn(u32, bool, T) -> u32,
) {
    for ((more, (was_warm, was)), column) in more.iter_mut().zip(was_warm.iter().zip(was)).zip(columns) {
        let waited = Warmth(u32::from_le_bytes(*was_warm)).waits();
        *more = read(u32::from_le_bytes(*was), waited, column);
    }
}

/// The pageserver counts reads since a layer became resident. What did so after the last call was read as often as it
/// says; what counts less than then was evicted in between; of all others the difference counts.
///
/// Of what was counted, whether the layer waited, the count and since when the layer is resident: the number to keep,
/// and how often it was read.
#[inline(always)]
fn by_count(last: Call) -> impl Fn(u32, bool, u64, i64) -> (u32, u32) {
    let (last_at, were_counted) = (last.at, last.source == Source::Counts);
    move |was, waited, count, since| {
        #[allow(clippy::cast_possible_truncation, reason = "the difference of two is right for as many reads")]
        let count = count as u32;
        let anew = waited | (count < was) | (since > last_at) | !were_counted;
        (count, count.wrapping_sub(was & !all_if(anew)))
    }
}

/// Nobody counts: a layer whose time of the last read moved was read once.
#[inline(always)]
fn by_time(last: Call) -> impl Fn(u32, bool, i64) -> (u32, u32) {
    let were_timed = last.source == Source::Times;
    move |was, waited, time| {
        let time = stamp(time);
        (time, u32::from(were_timed & !waited & (time > was)))
    }
}

fn part<T>(column: &[T], from: usize, len: usize) -> &[T] {
    column.get(from..from + len).unwrap_or_default()
}

/// Warmth is kept in 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "rounded, and endless beyond the range")]
pub const fn single(number: f64) -> f32 {
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

/// Rows that a loop handles at a stretch. The host counts time at the end of each, and what a loop needs in registers it
/// has its code put aside for that and take back.
pub const STRETCH: usize = 16;

fn counted(change: Change, rows: Rows<'_>, counts: &[u64], since: &[i64], last: Call) {
    let (marks, was_warm, was, warm, is) = rows;
    each(change, marks, was_warm, was, counts, since, warm, is, by_count(last));
}

fn timed(change: Change, rows: Rows<'_>, times: &[i64], last: Call) {
    let (marks, was_warm, was, warm, is) = rows;
    let read = by_time(last);
    each(change, marks, was_warm, was, times, times, warm, is, |was, waited, time, _| read(was, waited, time));
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
    let row = |((((was_warm, was), mark), (one, other)), (warm, is)): Row<'_, A, B>| {
        let (was_warm, was, mark) = (Warmth(u32::from_le_bytes(*was_warm)), u32::from_le_bytes(*was), Marks(*mark));
        let waited = was_warm.waits();
        let (number, more) = read(was, waited, *one, *other);
        let waits = waits(mark);
        // A clock that was ahead when the layer was taken over does not keep it for longer.
        let since = (was | !all_if(waited)).min(change.stamp);
        #[allow(clippy::cast_precision_loss, reason = "reads, to six digits")]
        let warmth = was_warm.get() * change.left + more as f32 * change.counts;
        *warm = Warmth::new(warmth, waits, mark.is_l0()).0.to_le_bytes();
        *is = (since & all_if(waits) | number & !all_if(waits)).to_le_bytes();
    };
    let (was_warm, was, marks) = (was_warm.as_chunks::<STRETCH>(), was.as_chunks::<STRETCH>(), marks.as_chunks());
    let (ones, others) = (ones.as_chunks::<STRETCH>(), others.as_chunks::<STRETCH>());
    let (warm, is) = (warm.as_chunks_mut::<STRETCH>(), is.as_chunks_mut::<STRETCH>());
    let before = was_warm.0.iter().zip(was.0).zip(marks.0).zip(ones.0.iter().zip(others.0));
    for ((((was_warm, was), marks), (ones, others)), (warm, is)) in before.zip(warm.0.iter_mut().zip(is.0)) {
        let marks: &[u8; STRETCH] = marks;
        let before = was_warm.iter().zip(was).zip(marks).zip(ones.iter().zip(others));
        before.zip(warm.iter_mut().zip(is)).for_each(row);
    }
    let before = was_warm.1.iter().zip(was.1).zip(marks.1).zip(ones.1.iter().zip(others.1));
    before.zip(warm.1.iter_mut().zip(is.1)).for_each(row);
}

/// What a row has: its record, marks, entries of two columns, and where its next record goes.
type Row<'a, A, B> = ((((&'a Word, &'a Word), &'a u8), (&'a A, &'a B)), (&'a mut Word, &'a mut Word));

/// All bits, or none.
#[inline(always)]
pub const fn all_if(yes: bool) -> u32 {
    (yes as u32).wrapping_neg()
}

/// Whether a layer was taken over and is not here yet.
#[inline(always)]
pub const fn waits(marks: Marks) -> bool {
    !marks.is_resident() & (marks.is_inherited() | marks.is_inherited_cold())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Of a row that counted 10 at the last call, at 100.
    #[rstest]
    #[case::some(15, 50, false, 5)]
    #[case::none(10, 50, false, 0)]
    #[case::evicted_and_back(3, 50, false, 3)]
    #[case::came_since(15, 120, false, 15)]
    #[case::waited_until_now(15, 50, true, 15)]
    fn reads_since_the_last_call_are_what_is_counted_more(
        #[case] count: u64,
        #[case] since: i64,
        #[case] waited: bool,
        #[case] more: u32,
    ) {
        let warm = [Warmth::new(1.0, waited, false).0.to_le_bytes()];
        let numbers = [10_u32.to_le_bytes()];
        let was = Was { warm: &warm, numbers: &numbers, last: Call { at: 100, source: Source::Counts } };
        let reads = Reads {
            source: Source::Counts,
            counts: vec![count, u64::MAX, 7].into(),
            times: Cow::default(),
            since: vec![since, 0, 0].into(),
        };
        // The other rows are new.
        let stretches = [Stretch::Kept { row: 0, record: 0, len: 1 }, Stretch::Changed { rows: 1..3, records: 1..1 }];
        assert_eq!(since_last(&was, &stretches, 3, &reads), [more, u32::MAX, 7]);
        // That is what becomes warmth, by its weight.
        let (mut is_warm, mut is_numbers) = ([Word::default(); 3], [Word::default(); 3]);
        let mut is = Is { warm: &mut is_warm, numbers: &mut is_numbers };
        let moment = Moment { now: 100, until: 100, since_last_s: 0.0, fading: Fading::new(60), weight: 0.5 };
        remember(&mut is, &was, &stretches, &moment, &[Marks::RESIDENT.0; 3], &reads);
        let warmth = Warmth(u32::from_le_bytes(is_warm[0])).get();
        #[allow(clippy::cast_precision_loss, reason = "a few")]
        let expected = 1.0 + more as f32 / 2.0;
        assert!((warmth - expected).abs() < 1e-5, "{warmth} {expected}");
    }
}
