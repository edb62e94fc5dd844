//! What layers start with of which nothing is remembered.
//!
//! At the first call, that is all of them. What was counted so far is spread evenly from when a layer became resident to
//! when it was last read, and has faded since; and each counts as read once more, when it was last read, or written.
//!
//! Later on a layer is new, and mostly takes the place of others, whose reads are now its own. The most counts of:
//!
//! - the mean warmth of the layers that went where it came: compaction replaces layers by others of the same keys, and
//!   these stand in the same place of the order. The mean, since their number says little about how many of them each
//!   read needs;
//! - the warmth of the layer right before it, if that is of the same keys: an image above another one, which is covered
//!   from then on, or a delta above an image, through which every read of these goes;
//! - for a delta that is no L0, its share, by size, of the warmth of the L0 layers of its timeline that went: compaction
//!   made it of them. That of the warmest, since every read goes through each of them, and all together would count it as
//!   often.
//!
//! A layer that takes nobody's place starts as warm, by size, as the resident ones are: neither ahead of them nor behind.
//! Of such ones the newest LSN is first.
//!
//! Whatever a layer starts with fades as all does, while its own reads come.

use std::borrow::Cow;
use std::ops::Range;

use thermocline_policy::history::{Stretch, Word};
use thermocline_policy::{Layers, Marks};

use crate::REQUEST_BYTES;
use crate::note::{Source, Warmth};
use crate::reads::{Moment, Reads, Records, single, stamp, waits};

/// A layer at the first call was read so often beside what was counted.
const FIRST_READS: f64 = 1.0;

/// Fills in the records of rows that had none. `was_warm` is how warm all was that had a record at the last call, in the
/// order of then; empty if nothing is remembered.
pub fn fill(
    records: &mut Records<'_>,
    was_warm: &[Word],
    stretches: &[Stretch],
    moment: &Moment,
    marks: &[u8],
    reads: &Reads<'_>,
    layers: &dyn Layers,
) {
    let came = || {
        stretches.iter().filter_map(|stretch| match stretch {
            Stretch::Changed { rows, records } if !rows.is_empty() => Some((rows, records)),
            _ => None,
        })
    };
    if came().next().is_none() {
        return;
    }
    let last_reads = if reads.times.is_empty() { layers.access_times() } else { Cow::Borrowed(&*reads.times) };
    let Records { warm, numbers } = records;
    let mut newcomers = Newcomers { warm, numbers, moment, marks, reads, last_reads: &last_reads };
    if was_warm.is_empty() {
        came().for_each(|(rows, _)| newcomers.first_seen(rows.clone()));
        return;
    }
    let places = Places::of(layers);
    let left = moment.fading.left(moment.since_last_s);
    let compactions = Compactions::of(stretches, was_warm, &newcomers, &places);
    let usual = newcomers.usual(&places);
    for (rows, records) in came() {
        let went = mean(was_warm.get(records.clone()).unwrap_or_default()) * left;
        for row in rows.clone() {
            if reads.source == Source::Nothing || !newcomers.mark(row).is_resident() {
                newcomers.first_seen(row..row + 1);
                continue;
            }
            let below = if places.has_the_keys_before(row) { newcomers.warmth(row - 1) } else { 0.0 };
            let of_l0s = if newcomers.is_l1(row) { compactions.share(row, &places) * left } else { 0.0 };
            let taken_over = went.max(below).max(of_l0s);
            let start = if taken_over > 0.0 { taken_over } else { usual * places.bytes(row) };
            newcomers.starts(row, start);
        }
    }
}

fn note(word: &Word) -> Warmth {
    Warmth(u32::from_le_bytes(*word))
}

/// Of the layers that are no L0: what went through those goes elsewhere.
fn mean(records: &[Word]) -> f64 {
    let warmth = || records.iter().map(note).filter(|note| !note.is_l0()).map(|note| f64::from(note.get()));
    warmth().sum::<f64>() / f64::from(u32::try_from(warmth().count().max(1)).unwrap_or(u32::MAX))
}

/// L0 layers of a timeline that went, and the deltas that came.
struct Compaction {
    timeline: u32,
    /// Of the warmest that went.
    warmth: f64,
    /// Of those that came.
    bytes: f64,
}

/// By timelines, in their order.
struct Compactions(Vec<Compaction>);

impl Compactions {
    fn of(stretches: &[Stretch], was_warm: &[Word], newcomers: &Newcomers<'_>, places: &Places<'_>) -> Self {
        let mut compactions = Compactions(Vec::new());
        for stretch in stretches {
            let Stretch::Changed { rows, records } = stretch else { continue };
            let went = was_warm.get(records.clone()).unwrap_or_default().iter().map(note);
            let warmth = went.filter(|note| note.is_l0()).map(|note| f64::from(note.get())).fold(0.0, f64::max);
            if warmth > 0.0 {
                // L0 layers stand at the beginning of their timeline, and what stands where they went is of it, too.
                compactions.add(places.timeline(rows.start), warmth, 0.0);
            }
            for row in rows.clone().filter(|row| newcomers.is_l1(*row)) {
                compactions.add(places.timeline(row), 0.0, places.bytes(row));
            }
        }
        compactions
    }

    /// Adds to a timeline, which does not come before those that something was added to.
    fn add(&mut self, timeline: u32, warmth: f64, bytes: f64) {
        match self.0.last_mut() {
            Some(last) if last.timeline == timeline => {
                last.warmth = last.warmth.max(warmth);
                last.bytes += bytes;
            }
            _ => self.0.push(Compaction { timeline, warmth, bytes }),
        }
    }

    /// What a delta takes over that came.
    fn share(&self, row: usize, places: &Places<'_>) -> f64 {
        let timeline = places.timeline(row);
        let place = self.0.binary_search_by_key(&timeline, |compaction| compaction.timeline);
        let Some(Compaction { warmth, bytes, .. }) = place.ok().and_then(|place| self.0.get(place)) else { return 0.0 };
        if *bytes > 0.0 { warmth * places.bytes(row) / bytes } else { 0.0 }
    }
}

struct Newcomers<'a> {
    warm: &'a mut [Word],
    numbers: &'a mut [Word],
    moment: &'a Moment,
    marks: &'a [u8],
    reads: &'a Reads<'a>,
    /// Access times, also where reads are counted.
    last_reads: &'a [i64],
}

impl Newcomers<'_> {
    fn mark(&self, row: usize) -> Marks {
        self.marks.get(row).map_or(Marks::NONE, |mark| Marks(*mark))
    }

    fn is_l1(&self, row: usize) -> bool {
        let mark = self.mark(row);
        mark.is_delta() && !mark.is_l0()
    }

    fn warmth(&self, row: usize) -> f64 {
        self.warm.get(row).map_or(0.0, |word| f64::from(note(word).get()))
    }

    fn count(&self, row: usize) -> u64 {
        self.reads.counts.get(row).copied().unwrap_or_default()
    }

    fn set(&mut self, row: usize, warmth: f64) {
        let mark = self.mark(row);
        #[allow(clippy::cast_possible_truncation, reason = "the difference of two is right for as many reads")]
        let number = match self.reads.source {
            _ if waits(mark) => self.moment.stamp(),
            Source::Counts => self.count(row) as u32,
            Source::Times => stamp(self.reads.times.get(row).copied().unwrap_or_default()),
            Source::Nothing => 0,
        };
        if let (Some(warm), Some(slot)) = (self.warm.get_mut(row), self.numbers.get_mut(row)) {
            *warm = Warmth::new(single(warmth), waits(mark), mark.is_l0()).0.to_le_bytes();
            *slot = number.to_le_bytes();
        }
    }

    /// Layers of which it is not known what was before.
    fn first_seen(&mut self, rows: Range<usize>) {
        let (moment, fading) = (*self.moment, self.moment.fading);
        let time = |column: &[i64], row: usize| column.get(row).copied().filter(|time| *time > 0);
        for row in rows {
            let read = time(self.last_reads, row);
            let left = read.map_or(1.0, |read| fading.left(moment.since(read)));
            let warmth = match self.reads.source {
                Source::Nothing => 0.0,
                Source::Times => read.map_or(0.0, |_| FIRST_READS * left * moment.weight),
                Source::Counts => {
                    let until_s = read.map_or(0.0, |read| moment.since(read));
                    let from_s = time(&self.reads.since, row).map_or(0.0, |since| moment.since(since));
                    (FIRST_READS + as_f64(self.count(row)) * fading.mean(from_s - until_s)) * left * moment.weight
                }
            };
            self.set(row, warmth);
        }
    }

    /// A layer that starts with so much, and was read since.
    fn starts(&mut self, row: usize, warmth: f64) {
        let read = as_f64(self.count(row)) * self.moment.fading.mean(self.moment.since_last_s) * self.moment.weight;
        self.set(row, warmth + read);
    }

    /// The warmth of a byte of what is resident, of the rows that are not new.
    fn usual(&self, places: &Places<'_>) -> f64 {
        let (mut warmth, mut bytes) = (0.0, 0.0);
        for row in 0..self.marks.len() {
            let known = self.warmth(row);
            if known > 0.0 && self.mark(row).is_resident() {
                warmth += known;
                bytes += places.bytes(row);
            }
        }
        if bytes > 0.0 { warmth / bytes } else { 0.0 }
    }
}

/// Where layers are, for the few that are new.
struct Places<'a> {
    sizes: Cow<'a, [u64]>,
    timelines: Cow<'a, [u32]>,
    keys: [Cow<'a, [u64]>; 4],
}

impl<'a> Places<'a> {
    fn of(layers: &'a dyn Layers) -> Self {
        Places {
            sizes: layers.file_sizes(),
            timelines: layers.timelines(),
            keys: [layers.key_starts_high(), layers.key_starts_low(), layers.key_ends_high(), layers.key_ends_low()],
        }
    }

    /// Of a row, and behind the last one of that.
    fn timeline(&self, row: usize) -> u32 {
        self.timelines.get(row).or(self.timelines.last()).copied().unwrap_or_default()
    }

    /// What fetching the layer costs.
    fn bytes(&self, row: usize) -> f64 {
        as_f64(self.sizes.get(row).copied().unwrap_or_default().saturating_add(REQUEST_BYTES))
    }

    /// Whether the row has the keys of the one before it.
    fn has_the_keys_before(&self, row: usize) -> bool {
        fn same<T: PartialEq>(column: &[T], row: usize) -> bool {
            row.checked_sub(1).is_some_and(|before| column.get(before) == column.get(row))
        }
        same(&self.timelines, row) && self.keys.iter().all(|keys| same(keys, row))
    }
}

#[allow(clippy::cast_precision_loss, reason = "reads and bytes, to fifteen digits")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use thermocline_policy::Columns;

    use super::*;
    use crate::fading::Fading;

    const L1: u8 = Marks::RESIDENT.0 | Marks::VISIBLE.0 | Marks::DELTA.0;
    const IMAGE: u8 = Marks::RESIDENT.0 | Marks::VISIBLE.0;

    fn words(warmth: &[(f32, bool)]) -> Vec<Word> {
        warmth.iter().map(|(warmth, l0)| Warmth::new(*warmth, false, *l0).0.to_le_bytes()).collect()
    }

    /// Two timelines, of which each has an image that stays; before it were L0 layers so warm, and behind it come deltas
    /// of so many bytes each. What these start with, half a life later.
    fn compacted(l0s: [&[f32]; 2], deltas: [&[u64]; 2]) -> Vec<f32> {
        let (mut was, mut stretches, mut table) = (Vec::new(), Vec::new(), Columns::default());
        for (timeline, (l0s, deltas)) in (0..).zip(l0s.into_iter().zip(deltas)) {
            let (row, record) = (table.marks.len(), was.len());
            was.extend(l0s.iter().map(|warmth| (*warmth, true)));
            was.push((0.0, false));
            stretches.push(Stretch::Changed { rows: row..row, records: record..record + l0s.len() });
            stretches.push(Stretch::Kept { row, record: record + l0s.len(), len: 1 });
            let came = row + 1..row + 1 + deltas.len();
            stretches.push(Stretch::Changed { rows: came, records: was.len()..was.len() });
            table.marks.push(IMAGE);
            table.marks.extend(deltas.iter().map(|_| L1));
            table.file_sizes.push(1 << 20);
            table.file_sizes.extend(deltas.iter().map(|bytes| bytes - REQUEST_BYTES));
            table.timelines.resize(table.marks.len(), timeline);
        }
        let rows = table.marks.len();
        // All have keys of their own.
        table.key_starts_high = (0..rows as u64).collect();
        table.access_counts = vec![0; rows];
        table.access_counts[0] = 1;
        table.access_times = vec![0; rows];
        let was_warm = words(&was);
        let (mut warm, mut numbers) = (vec![Word::default(); rows], vec![Word::default(); rows]);
        let mut records = Records { warm: &mut warm, numbers: &mut numbers };
        let fading = Fading::new(60);
        let moment = Moment { now: 160, until: 160, since_last_s: 60.0, fading, weight: 1.0 };
        let reads = Reads::of(&table, true);
        fill(&mut records, &was_warm, &stretches, &moment, &table.marks, &reads, &table);
        let came = warm.iter().zip(&table.marks).filter(|(_, mark)| **mark == L1);
        came.map(|(word, _)| note(word).get()).collect()
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn deltas_share_what_the_warmest_l0_layer_leaves() {
        let came = compacted([&[4.0, 8.0, 2.0], &[]], [&[MIB, 3 * MIB], &[]]);
        assert_eq!(came, [1.0, 3.0], "half of 8");
        // However many there were.
        assert_eq!(compacted([&[8.0], &[]], [&[MIB, 3 * MIB], &[]]), came);
    }

    #[test]
    fn a_timeline_has_what_its_own_l0_layers_leave() {
        assert_eq!(compacted([&[8.0], &[2.0, 2.0]], [&[MIB], &[MIB]]), [4.0, 1.0]);
        assert_eq!(compacted([&[8.0], &[]], [&[MIB], &[MIB]]), [4.0, 0.0]);
    }
}
