//! How warm each layer is, from what was remembered and what was read since.
//!
//! Rows that have a record go through one loop, of which there is a kind for each [`Source`]. Rows without one are few,
//! but for the first call: what they start with is in [`crate::newcomers`].

use std::borrow::Cow;

use thermocline_policy::history::{Stretch, Word};
use thermocline_policy::{Layers, Marks};

use crate::fading::Fading;
use crate::note::{Call, Next, Past, Source, VERSION, Warmth};

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
        if counts.iter().any(|count| *count > 0) {
            let since = layers.resident_times();
            return Reads { source: Source::Counts, counts, times: Cow::default(), since };
        }
        let times = layers.access_times();
        let source = if times.iter().any(|time| *time > 0) { Source::Times } else { Source::Nothing };
        let since = if has_l0s { layers.resident_times() } else { Cow::default() };
        Reads { source, counts: Cow::default(), times, since }
    }
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

/// A record for each row that had one, as it is by now; those of other rows are 0.
pub(crate) fn remembered(
    past: &Past<'_>,
    stretches: &[Stretch],
    moment: &Moment,
    marks: &[u8],
    ids: &[u64],
    reads: &Reads<'_>,
) -> Next {
    let last = Call::of(past.fields());
    let mut next = Next::new(VERSION, Call { at: moment.now, source: reads.source }.fields(), ids);
    let change = Change {
        left: single(moment.fading.left(moment.since_last_s)),
        counts: single(moment.fading.mean(moment.since_last_s)),
        stamp: moment.stamp(),
    };
    for stretch in stretches {
        let Stretch::Kept { row, record, len } = *stretch else { continue };
        let [was_warm, was] = past.columns().map(|column| part(column, record, len));
        let [warm, is] = next.columns_mut().map(|column| column.get_mut(row..row + len).unwrap_or_default());
        let rows = Rows { marks: part(marks, row, len), was_warm, was, warm, is };
        match reads.source {
            Source::Counts => {
                let columns = part(&reads.counts, row, len).iter().zip(part(&reads.since, row, len));
                rows.counted(change, columns, last.at, last.source == Source::Counts);
            }
            Source::Times => rows.timed(change, part(&reads.times, row, len), last.source == Source::Times),
            Source::Nothing => rows.faded(change),
        }
    }
    next
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

/// Rows next to each other that have records next to each other.
struct Rows<'a> {
    marks: &'a [u8],
    was_warm: &'a [Word],
    was: &'a [Word],
    warm: &'a mut [Word],
    is: &'a mut [Word],
}

impl Rows<'_> {
    /// The pageserver counts reads since a layer became resident. What did so after the last call was read as often as
    /// it says; what counts less than then was evicted in between; of all others the difference counts.
    #[inline(never)]
    fn counted<'a>(
        self,
        change: Change,
        columns: impl Iterator<Item = (&'a u64, &'a i64)>,
        last_at: i64,
        were_counted: bool,
    ) {
        self.each(change, columns, |was, waited, (count, since)| {
            #[allow(clippy::cast_possible_truncation, reason = "the difference of two is right for as many reads")]
            let count = *count as u32;
            let anew = waited | (count < was) | (*since > last_at) | !were_counted;
            (count, count - if anew { 0 } else { was })
        });
    }

    /// Nobody counts: a layer whose time of the last read moved was read once.
    #[inline(never)]
    fn timed(self, change: Change, times: &[i64], were_timed: bool) {
        self.each(change, times.iter(), |was, waited, time| {
            let time = stamp(*time);
            (time, u32::from(were_timed & !waited & (time > was)))
        });
    }

    /// Nobody tells anything.
    #[inline(never)]
    fn faded(self, change: Change) {
        self.each(change, std::iter::repeat(()), |_, _, ()| (0, 0));
    }

    /// `read` makes of a record's second number, whether the layer waited, and its row what the number is now, and how
    /// often it was read.
    #[inline(always)]
    fn each<T>(self, change: Change, columns: impl Iterator<Item = T>, read: impl Fn(u32, bool, T) -> (u32, u32)) {
        let Rows { marks, was_warm, was, warm, is } = self;
        let before = was_warm.iter().zip(was).zip(marks);
        let after = warm.iter_mut().zip(is);
        for ((((was_warm, was), mark), column), (warm, is)) in before.zip(columns).zip(after) {
            let (was_warm, was, mark) = (Warmth(u32::from_le_bytes(*was_warm)), u32::from_le_bytes(*was), Marks(*mark));
            let waited = was_warm.waits();
            let (number, more) = read(was, waited, column);
            let waits = waits(mark);
            let since = if waited { was } else { change.stamp };
            #[allow(clippy::cast_precision_loss, reason = "reads, to six digits")]
            let warmth = was_warm.get() * change.left + more as f32 * change.counts;
            *warm = Warmth::new(warmth, waits, mark.is_l0()).0.to_le_bytes();
            *is = (if waits { since } else { number }).to_le_bytes();
        }
    }
}

/// Whether a layer was taken over and is not here yet.
#[inline(always)]
pub(crate) const fn waits(marks: Marks) -> bool {
    !marks.is_resident() && (marks.is_inherited() || marks.is_inherited_cold())
}
