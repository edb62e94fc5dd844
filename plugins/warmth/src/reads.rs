//! How warm each layer is, from what was remembered and what was read since.
//!
//! Rows that have a record go through one loop, of which there is a kind for each [`Source`]. Rows without one are few,
//! but for the first call: what they start with is in [`crate::newcomers`].

use std::array::{from_mut, from_ref};
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

/// What is remembered of layers: as the last call left it, and then as this one does.
#[derive(Debug)]
pub struct Records<'a> {
    /// How warm layers are, as [`Warmth`].
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

/// Brings the records of rows that had one at the `last` call to what they are by now.
pub fn remember(
    records: &mut Records<'_>,
    last: Call,
    stretches: &[Stretch],
    moment: &Moment,
    marks: &[u8],
    reads: &Reads<'_>,
) {
    let change = Change::of(moment);
    for (row, len) in kept(stretches) {
        let marks = part(marks, row, len);
        let warm = records.warm.get_mut(row..row + len).unwrap_or_default();
        let numbers = records.numbers.get_mut(row..row + len).unwrap_or_default();
        match reads.source {
            Source::Counts => {
                let (counts, since) = (part(&reads.counts, row, len), part(&reads.since, row, len));
                each(change, marks, warm, numbers, counts, since, by_count(last));
            }
            Source::Times => {
                let times = part(&reads.times, row, len);
                each(change, marks, warm, numbers, times, times, by_time(last));
            }
            Source::Nothing => each(change, marks, warm, numbers, marks, marks, |_, _, _, _| (0, 0)),
        }
    }
}

/// The first part of [`remember`]: brings the numbers of records to what they are by now, and tells how often each row was
/// read since the last call; one that had no record, since it became resident.
pub fn since_last(
    records: &mut Records<'_>,
    last: Call,
    stretches: &[Stretch],
    moment: &Moment,
    marks: &[u8],
    reads: &Reads<'_>,
) -> Vec<u32> {
    let stamp = moment.stamp();
    let mut more = vec![0; marks.len()];
    for (row, len) in kept(stretches) {
        let (marks, warm) = (part(marks, row, len), &*records.warm.get_mut(row..row + len).unwrap_or_default());
        let numbers = records.numbers.get_mut(row..row + len).unwrap_or_default();
        let more = more.get_mut(row..row + len).unwrap_or_default();
        match reads.source {
            Source::Counts => {
                let (counts, since) = (part(&reads.counts, row, len), part(&reads.since, row, len));
                each_more(stamp, more, marks, warm, numbers, counts, since, by_count(last));
            }
            Source::Times => {
                let times = part(&reads.times, row, len);
                each_more(stamp, more, marks, warm, numbers, times, times, by_time(last));
            }
            Source::Nothing => each_more(stamp, more, marks, warm, numbers, marks, marks, |_, _, _, _| (0, 0)),
        }
    }
    for stretch in stretches {
        let Stretch::Changed { rows, .. } = stretch else { continue };
        let counts = part(&reads.counts, rows.start, rows.len());
        for (more, count) in more.get_mut(rows.clone()).unwrap_or_default().iter_mut().zip(counts) {
            *more = u32::try_from(*count).unwrap_or(u32::MAX);
        }
    }
    more
}

/// The rest of [`remember`]: of rows that had a record and were read so often since.
pub fn fade(warm: &mut [Word], more: &[u32], stretches: &[Stretch], moment: &Moment, marks: &[u8]) {
    let change = Change::of(moment);
    for (row, len) in kept(stretches) {
        let warm = warm.get_mut(row..row + len).unwrap_or_default();
        each_faded(change, warm, part(more, row, len), part(marks, row, len));
    }
}

/// Rows that had records.
fn kept(stretches: &[Stretch]) -> impl Iterator<Item = (usize, usize)> {
    stretches.iter().filter_map(|stretch| match stretch {
        Stretch::Kept { row, len, .. } => Some((*row, *len)),
        Stretch::Changed { .. } => None,
    })
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
fn by_time(last: Call) -> impl Fn(u32, bool, i64, i64) -> (u32, u32) {
    let were_timed = last.source == Source::Times;
    move |was, waited, time, _| {
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

impl Change {
    fn of(moment: &Moment) -> Self {
        Change {
            left: single(moment.fading.left(moment.since_last_s)),
            counts: single(moment.fading.mean(moment.since_last_s) * moment.weight),
            stamp: moment.stamp(),
        }
    }
}

/// Rows that a loop handles at a stretch: the host counts time at the end of each, and its code puts aside for that what a
/// loop has in registers.
pub const STRETCH: usize = 16;

/// `read` makes of a record's second number, whether the layer waited, and its row in two columns what the number is now,
/// and how often it was read.
///
/// Without branches, and each column an argument of its own: so the compiler sees that none overlaps another, and does
/// four rows at a time.
#[inline(never)]
fn each<A: Copy, B: Copy>(
    change: Change,
    marks: &[u8],
    warm: &mut [Word],
    numbers: &mut [Word],
    ones: &[A],
    others: &[B],
    read: impl Fn(u32, bool, A, B) -> (u32, u32),
) {
    let ((marks, last_marks), (ones, last_ones), (others, last_others)) =
        (marks.as_chunks::<STRETCH>(), ones.as_chunks(), others.as_chunks());
    let ((warm, last_warm), (numbers, last_numbers)) = (warm.as_chunks_mut(), numbers.as_chunks_mut());
    let columns = ones.iter().zip(others).zip(marks);
    for (((ones, others), marks), (warm, numbers)) in columns.zip(warm.iter_mut().zip(numbers)) {
        let more = read_on(change.stamp, marks, warm, numbers, ones, others, &read);
        faded(change, warm, &more, marks);
    }
    let columns = last_ones.iter().zip(last_others).zip(last_marks);
    for (((one, other), mark), (warm, number)) in columns.zip(last_warm.iter_mut().zip(last_numbers)) {
        let (mark, warm) = (from_ref(mark), from_mut(warm));
        let more = read_on(change.stamp, mark, warm, from_mut(number), from_ref(one), from_ref(other), &read);
        faded(change, warm, &more, mark);
    }
}

/// As [`each`], without the warmth.
#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "columns")]
fn each_more<A: Copy, B: Copy>(
    stamp: u32,
    more: &mut [u32],
    marks: &[u8],
    warm: &[Word],
    numbers: &mut [Word],
    ones: &[A],
    others: &[B],
    read: impl Fn(u32, bool, A, B) -> (u32, u32),
) {
    let ((marks, last_marks), (ones, last_ones), (others, last_others)) =
        (marks.as_chunks::<STRETCH>(), ones.as_chunks(), others.as_chunks());
    let ((warm, last_warm), (numbers, last_numbers)) = (warm.as_chunks(), numbers.as_chunks_mut());
    let (more, last_more) = more.as_chunks_mut();
    let columns = ones.iter().zip(others).zip(marks.iter().zip(warm));
    for (((ones, others), (marks, warm)), (more, numbers)) in columns.zip(more.iter_mut().zip(numbers)) {
        *more = read_on(stamp, marks, warm, numbers, ones, others, &read);
    }
    let columns = last_ones.iter().zip(last_others).zip(last_marks.iter().zip(last_warm));
    for (((one, other), (mark, warm)), (more, number)) in columns.zip(last_more.iter_mut().zip(last_numbers)) {
        let (mark, warm) = (from_ref(mark), from_ref(warm));
        [*more] = read_on(stamp, mark, warm, from_mut(number), from_ref(one), from_ref(other), &read);
    }
}

/// And the warmth alone.
#[inline(never)]
fn each_faded(change: Change, warm: &mut [Word], more: &[u32], marks: &[u8]) {
    let ((marks, last_marks), (more, last_more)) = (marks.as_chunks::<STRETCH>(), more.as_chunks());
    let (warm, last_warm) = warm.as_chunks_mut();
    for (warm, (more, marks)) in warm.iter_mut().zip(more.iter().zip(marks)) {
        faded(change, warm, more, marks);
    }
    for (warm, (more, mark)) in last_warm.iter_mut().zip(last_more.iter().zip(last_marks)) {
        faded(change, from_mut(warm), from_ref(more), from_ref(mark));
    }
}

/// Brings numbers to what they are by now, and tells how often each row was read.
#[inline(always)]
fn read_on<const ROWS: usize, A: Copy, B: Copy>(
    stamp: u32,
    marks: &[u8; ROWS],
    warm: &[Word; ROWS],
    numbers: &mut [Word; ROWS],
    ones: &[A; ROWS],
    others: &[B; ROWS],
    read: &impl Fn(u32, bool, A, B) -> (u32, u32),
) -> [u32; ROWS] {
    let mut all_more = [0; ROWS];
    let columns = ones.iter().zip(others).zip(marks.iter().zip(warm));
    for (((one, other), (mark, warm)), (number, more)) in columns.zip(numbers.iter_mut().zip(&mut all_more)) {
        let (was, waited) = (u32::from_le_bytes(*number), Warmth(u32::from_le_bytes(*warm)).waits());
        let now;
        (now, *more) = read(was, waited, *one, *other);
        // A clock that was ahead when the layer was taken over does not keep it for longer.
        let since = (was | !all_if(waited)).min(stamp);
        let waits = all_if(waits(Marks(*mark)));
        *number = (since & waits | now & !waits).to_le_bytes();
    }
    all_more
}

/// Brings warmth to what it is by now.
#[inline(always)]
fn faded<const ROWS: usize>(change: Change, warm: &mut [Word; ROWS], more: &[u32; ROWS], marks: &[u8; ROWS]) {
    for (word, (more, mark)) in warm.iter_mut().zip(more.iter().zip(marks)) {
        // Of numbers with a sign, processors make floats in one step, and no layer is read so often.
        #[allow(clippy::cast_precision_loss, reason = "reads, to six digits")]
        let more = (*more).min(i32::MAX.cast_unsigned()).cast_signed() as f32;
        let warmth = Warmth(u32::from_le_bytes(*word)).get() * change.left + more * change.counts;
        *word = Warmth::new(warmth, waits(Marks(*mark)), Marks(*mark).is_l0()).0.to_le_bytes();
    }
}

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
        let new = Word::default();
        let (warm, numbers) =
            ([Warmth::new(1.0, waited, false).0.to_le_bytes(), new, new], [10_u32.to_le_bytes(), new, new]);
        let last = Call { at: 100, source: Source::Counts };
        let reads = Reads {
            source: Source::Counts,
            counts: vec![count, u64::MAX, 7].into(),
            times: Cow::default(),
            since: vec![since, 0, 0].into(),
        };
        // The other rows are new.
        let stretches = [Stretch::Kept { row: 0, record: 0, len: 1 }, Stretch::Changed { rows: 1..3, records: 1..1 }];
        let (moment, marks) = (
            Moment { now: 100, until: 100, since_last_s: 0.0, fading: Fading::new(60), weight: 0.5 },
            [Marks::RESIDENT.0; 3],
        );
        let (mut parts_warm, mut parts_numbers) = (warm, numbers);
        let mut records = Records { warm: &mut parts_warm, numbers: &mut parts_numbers };
        let since = since_last(&mut records, last, &stretches, &moment, &marks, &reads);
        assert_eq!(since, [more, u32::MAX, 7]);
        fade(&mut parts_warm, &since, &stretches, &moment, &marks);
        // That is what becomes warmth, by its weight, in one step or in two.
        let (mut is_warm, mut is_numbers) = (warm, numbers);
        remember(
            &mut Records { warm: &mut is_warm, numbers: &mut is_numbers },
            last,
            &stretches,
            &moment,
            &marks,
            &reads,
        );
        assert_eq!((is_warm, is_numbers), (parts_warm, parts_numbers));
        assert_eq!(is_numbers[0], u32::try_from(count).unwrap().to_le_bytes());
        let warmth = Warmth(u32::from_le_bytes(is_warm[0])).get();
        #[allow(clippy::cast_precision_loss, reason = "a few")]
        let expected = 1.0 + more as f32 / 2.0;
        assert!((warmth - expected).abs() < 1e-5, "{warmth} {expected}");
    }
}
