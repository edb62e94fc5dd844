//! A policy of Thermocline: the best bytes first, under a budget of bytes a tenant.
//!
//! A standby that may hold a part of what its pageserver holds should hold the part that serves most reads after a
//! failover. How often a layer is going to be read is told by how often it was: of late, and in the long run, each with
//! its half-life (`thermocline_warmth`). A failover may come in any minute, so that each minute counts alike, however
//! much was read in it (`WEIGHED_READS`). What bytes are worth is told by the reads of a region, the image and the
//! deltas above it together (`regions`).
//!
//! That is right for most tenants, and wrong for some. So four orders compete, and the tenant's own reads tell which
//! serves it best (`earnings`, `scores`, `fits`). A part of the budget keeps a tenant startable that sleeps (`floor`).
//!
//! What is within the budget is hot, in the order that decides; the rest of what is resident or inherited is cold
//! (`listing`). A small tenant is hot as a whole, and one that sleeps keeps its order. The heat of a layer is the reads an hour that are expected for each MiB that it takes to fetch, or where
//! a less hot one is listed before hotter ones, that of the hottest of these: heats fall in the order of download.
//!
//! Where nobody counts, a layer whose access time moved was read. Where there are no access times either, nothing is
//! known of heat: what is newest is within the budget, without scores.

mod earnings;
mod fits;
mod floor;
mod listing;
mod note;
mod orders;
mod reasons;
mod regions;
mod scores;
mod settings;
#[cfg(test)]
mod tests;

use thermocline_policy::history::Word;
use thermocline_policy::{
    Description, Layers, Marks, Policy, Ranked, Selection, Tenant, Uploads, hottest_first, reasons_wanted,
};
use thermocline_warmth::fading::Fading;
use thermocline_warmth::l0::Lives;
use thermocline_warmth::note::{Call, Source, Warmth};
use thermocline_warmth::reads::{Moment, Reads, Records, single};
use thermocline_warmth::{l0, newcomers, reads};

use self::earnings::{Earnings, ORDERS, Order};
use self::fits::STRETCH;
use self::floor::Floor;
use self::listing::{Class, Classes, images_first, within};
use self::note::{Notes, VERSION};
use self::orders::{IS_KEPT, Orders};
use self::reasons::Decided;
use self::regions::Regions;
use self::settings::Settings;

/// Of a period with so many reads each counts half, of one with many more all together count about as much as these. So
/// a report that reads everything once does not drown what an idle tenant reads in all the other minutes.
const WEIGHED_READS: f64 = 1000.0;

/// At the first call it is not known how long a period is.
const USUAL_PERIOD_S: f64 = 60.0;

/// What was observed for less says little.
const LEAST_OBSERVED_S: f64 = 10.0;

/// What is read in the long run counts so much beside what is read of late.
const SLOW_SHARE: f64 = 0.15;

/// What is read of late matters to the order until it expects less than this share of the reads.
const MATTERS: f64 = 0.01;

const HOUR_S: f64 = 3600.0;
const MIB: f64 = (1 << 20) as f64;

/// The policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    settings: Settings,
}

impl Policy for Budget {
    fn describe() -> Description {
        Description {
            name: "budget".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Lists what serves most reads for its bytes, up to a budget, images and deltas of a region \
                      together, and the rest as cold."
                .into(),
            config_schema: Settings::schema(),
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Budget { settings: Settings::read(config)? })
    }

    fn select(&self, tenant: &Tenant, layers: &dyn Layers, memory: &[u8]) -> Result<Selection, String> {
        self.select_in_place(tenant, layers, memory.to_vec())
    }

    fn select_in_place(&self, tenant: &Tenant, layers: &dyn Layers, memory: Vec<u8>) -> Result<Selection, String> {
        let mut notes = Notes::of(VERSION, memory, &layers.ids());
        let marks = layers.marks();
        let sizes = layers.file_sizes();
        let warm = Warm::of(&self.settings, tenant, layers, &mut notes, &marks, &sizes);
        let Notes { mut next, stretches, .. } = notes;
        next.set_fields(note::fields(Call { at: tenant.now, source: warm.source }, &warm.earnings));
        let [was_warm, numbers, ..] = next.columns();
        let now = reads::stamp(tenant.now);
        let classes = Classes::of(&self.settings, now, tenant.checkpoint_distance, &marks, &sizes, was_warm, numbers);

        let starts = [layers.key_starts_high(), layers.key_starts_low()];
        let starts = [&*starts[0], &*starts[1]];
        let lsn_ends = layers.lsn_ends();
        let regions = Regions::of(layers, &marks, &classes.of, &warm.expected, &sizes, starts, &lsn_ends);
        let mut orders = Orders {
            by_lsn: scores::by_lsn(&classes.of, &marks, &lsn_ends),
            by_age: scores::by_age(&classes.of, &layers.access_times(), tenant.now),
            by_worth: scores::by_worth(&classes.of, &regions.worth),
            read_bytes: warm.read_bytes,
        };
        let fits = orders.fits(&sizes, classes.budget_bytes);

        let floor_bytes = listing::share_of(self.settings.floor, classes.budget_bytes);
        let room_bytes = [floor_bytes, classes.budget_bytes];
        let floor = Floor::of(layers, &marks, &classes.of, &sizes, starts, &regions.worth, &orders.by_lsn, room_bytes);
        let deciding = if warm.source == Source::Nothing { Order::Newest } else { warm.earnings.deciding };
        let worth_of = |mark: u8, worth: &f32| images_first(*worth, Marks(mark));
        let ranked = match deciding {
            Order::Worth => ranked(&marks, &classes.of, &floor.rows, &regions.worth, worth_of),
            // What is equally hot is listed newest first.
            Order::Newest => ranked(&marks, &classes.of, &floor.rows, &marks, |mark, _| l0::by_kind(Marks(mark))),
            Order::Ahead | Order::LeastRecent => {
                ranked(&marks, &classes.of, &floor.rows, &orders.turns(deciding, &fits), worth_of)
            }
        };
        drop(orders);
        let order = hottest_first(ranked.wanted, ranked.known, || &*lsn_ends);
        let wanted = order.rows.get(..order.cold_from as usize).unwrap_or_default();
        let (hot, mut cold) = within(&floor.rows, wanted, &sizes, &regions.image_of, classes.budget_bytes);
        cold.extend(order.rows.get(order.cold_from as usize..).unwrap_or_default());
        if reasons_wanted() {
            let decided = Decided {
                settings: &self.settings,
                now,
                source: warm.source,
                marks: &marks,
                classes: &classes.of,
                warm: was_warm,
                numbers,
                expected: &warm.expected,
                joined: &regions.joined,
                image_of: &regions.image_of,
                earnings: &warm.earnings,
                floor: &floor,
                hot: &hot,
            };
            reasons::give(&decided, &stretches);
        }
        let heats = (warm.source != Source::Nothing).then(|| {
            let scale = single(HOUR_S * MIB * f64::from(warm.earnings.unit));
            let mut heats = falling(&hot, &regions.worth, scale);
            heats.extend(falling(&cold, &regions.worth, scale));
            heats
        });
        let [_, _, _, fitted] = next.columns_mut();
        remember(fitted, &fits);
        let valid_for = [warm.changes_in_s, classes.first_dropped_s].into_iter().min().filter(|in_s| *in_s < u64::MAX);
        let cold_from = u32::try_from(hot.len()).unwrap_or(u32::MAX);
        let rows = hot.into_iter().chain(cold).collect();
        Ok(Selection { rows, cold_from, heats, valid_for, memory: next.into_memory() })
    }

    fn rank_uploads(&self, _now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        Ok(thermocline_stalest_first::stalest_first(queue))
    }
}

thermocline_policy::export!(Budget);

/// What is known of reads.
struct Warm {
    source: Source,
    /// Of each row, a second, by the weights of periods.
    expected: Vec<f32>,
    earnings: Earnings,
    /// Of layers that were read since the last call.
    read_bytes: u64,
    /// In so many seconds the order may be another one without any read.
    changes_in_s: u64,
}

impl Warm {
    fn of(
        settings: &Settings,
        tenant: &Tenant,
        layers: &dyn Layers,
        notes: &mut Notes,
        marks: &[u8],
        sizes: &[u64],
    ) -> Self {
        let l0s = l0::rows(marks);
        let reads = Reads::of(layers, !l0s.is_empty());
        let Notes { next, stretches, fields, before } = notes;
        let [fast, numbers, slow, fitted] = next.columns_mut();
        let (now, fading) = (tenant.now, Fading::new(settings.half_life_s));
        let mut moment = Moment { now, until: now, since_last_s: 0.0, fading, weight: 1.0 };
        let mut earnings = Earnings::default();
        let (mut read_bytes, mut was_read, mut more) = (0, false, Vec::new());
        if let Some(fields) = *fields {
            let last = Call::of(fields);
            moment.since_last_s = moment.since(last.at);
            let mut records = Records { warm: fast, numbers };
            more = reads::since_last(&mut records, last, stretches, &moment, marks, &reads);
            let period = Period::of(&more, fitted, sizes);
            earnings = note::earnings(fields);
            earnings.add(period.reads, period.served);
            moment.weight = weight(as_f64(period.reads));
            let left = moment.fading.left(moment.since_last_s);
            earnings.unit = single(f64::from(earnings.unit) * left + moment.weight.recip() * (1.0 - left));
            (read_bytes, was_read) = (period.bytes, period.reads > 0);
        }
        let is_first = fields.is_none();
        let slowly = in_the_long_run(settings, &moment, was_read, || match is_first {
            true => layers.access_times().iter().copied().filter(|time| *time <= now).max(),
            false => None,
        });
        let [was_fast, _, was_slow, _] = before.columns();
        for (moment, was_warm, warm) in [(&moment, was_fast, &mut *fast), (&slowly, was_slow, &mut *slow)] {
            reads::fade(warm, &more, stretches, moment, marks);
            let mut records = Records { warm, numbers };
            newcomers::fill(&mut records, was_warm, stretches, moment, marks, &reads, layers);
        }
        if is_first {
            // Where only times are known, a layer was read once, however long it has been here.
            if reads.source == Source::Counts {
                for (fading, warm) in [(moment.fading, &mut *fast), (slowly.fading, &mut *slow)] {
                    as_if_for_long(warm, &reads.since, &Moment { fading, ..moment });
                }
            }
            let reads = sum(fast) * moment.fading.reads_in(USUAL_PERIOD_S);
            earnings.unit = single(weight(reads).recip());
            [&mut *fast, &mut *slow].into_iter().for_each(|warm| weigh(warm, |_| weight(reads)));
        }
        let shares = [1.0 / (1.0 + SLOW_SHARE), SLOW_SHARE / (1.0 + SLOW_SHARE)];
        let rates = [moment.fading.reads_in(shares[0]), slowly.fading.reads_in(shares[1])];
        let (of_late, in_the_long_run) = (sum(fast) * rates[0], sum(slow) * rates[1]);
        let changes = of_late > MATTERS * in_the_long_run && of_late > 0.0;
        let mut expected = expected(fast, slow, rates.map(single));
        if !l0s.is_empty() {
            let lives = Lives::of(layers, l0s, &reads.since, settings.compaction_threshold);
            for row in lives.rows() {
                if let Some(expected) = expected.get_mut(row) {
                    *expected *= lives.worth(row);
                }
            }
        }
        let changes_in_s = if changes { settings.half_life_s / 2 } else { u64::MAX };
        Warm { source: reads.source, expected, earnings, read_bytes, changes_in_s }
    }
}

/// Time in which nobody reads is none in the long run: a tenant that sleeps for days is going to read what it read
/// before. When it wakes, or where the host had no reason to ask for long, half is forgotten at most. At the first call
/// it is the last read that tells since when it sleeps.
fn in_the_long_run(
    settings: &Settings,
    moment: &Moment,
    was_read: bool,
    last_read: impl FnOnce() -> Option<i64>,
) -> Moment {
    let until = last_read().filter(|time| *time > 0).unwrap_or(moment.until);
    let half_life_s = settings.slow_half_life_s;
    let since_last_s = if was_read { moment.since_last_s.min(as_f64(half_life_s)) } else { 0.0 };
    Moment { until, since_last_s, fading: Fading::new(half_life_s), ..*moment }
}

/// What a read counts, in a period with so many.
fn weight(reads: f64) -> f64 {
    WEIGHED_READS / (reads + WEIGHED_READS)
}

/// In as many parts as a processor adds up at a time.
#[inline(never)]
fn sum(warm: &[Word]) -> f64 {
    let warmth = |word: &Word| f64::from(Warmth(u32::from_le_bytes(*word)).get());
    let (stretches, rest) = warm.as_chunks::<STRETCH>();
    let mut sums = [0.0; STRETCH];
    for stretch in stretches {
        sums.iter_mut().zip(stretch).for_each(|(sum, word)| *sum += warmth(word));
    }
    sums.into_iter().chain(rest.iter().map(warmth)).sum()
}

/// A layer that is resident only for a short time is not read less than others: it is as warm as it will be if it is read
/// on like this.
fn as_if_for_long(warm: &mut [Word], since: &[i64], moment: &Moment) {
    weigh(warm, |row| match since.get(row) {
        Some(since) if *since > 0 => (1.0 - moment.fading.left(moment.since(*since).max(LEAST_OBSERVED_S))).recip(),
        _ => 1.0,
    });
}

#[inline(never)]
fn weigh(warm: &mut [Word], weight: impl Fn(usize) -> f64) {
    for (row, word) in warm.iter_mut().enumerate() {
        let note = Warmth(u32::from_le_bytes(*word));
        *word = Warmth::new(note.get() * single(weight(row)), note.waits(), note.is_l0()).0.to_le_bytes();
    }
}

#[inline(never)]
fn expected(fast: &[Word], slow: &[Word], [fast_rate, slow_rate]: [f32; 2]) -> Vec<f32> {
    let warmth = |word: &Word| Warmth(u32::from_le_bytes(*word)).get();
    let reads = |(fast, slow): (&Word, &Word)| warmth(fast) * fast_rate + warmth(slow) * slow_rate;
    let mut expected = Vec::with_capacity(fast.len());
    let ((fast, last_fast), (slow, last_slow)) = (fast.as_chunks::<STRETCH>(), slow.as_chunks::<STRETCH>());
    for (fast, slow) in fast.iter().zip(slow) {
        let mut stretch = [0.0; STRETCH];
        stretch.iter_mut().zip(fast.iter().zip(slow)).for_each(|(slot, row)| *slot = reads(row));
        expected.extend_from_slice(&stretch);
    }
    expected.extend(last_fast.iter().zip(last_slow).map(reads));
    expected
}

#[allow(clippy::cast_precision_loss, reason = "reads, to fifteen digits")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}

/// What was read since the last call.
#[derive(Debug, Default)]
struct Period {
    reads: u64,
    /// Of what was within the budget in each order, at the last call and at the one before.
    served: [u64; ORDERS],
    /// Of the layers that were read.
    bytes: u64,
}

impl Period {
    #[inline(never)]
    fn of(more: &[u32], fitted: &[Word], sizes: &[u64]) -> Self {
        let mut period = Period::default();
        let rows = more.chunks(STRETCH).zip(fitted.chunks(STRETCH).zip(sizes.chunks(STRETCH)));
        for (more, (fitted, sizes)) in rows {
            // Most rows were not read.
            if more.iter().fold(0, |any, reads| any | reads) > 0 {
                period.add(more, fitted, sizes);
            }
        }
        period
    }

    fn add(&mut self, more: &[u32], fitted: &[Word], sizes: &[u64]) {
        for (reads, (fits, size_bytes)) in more.iter().zip(fitted.iter().zip(sizes)).filter(|(reads, _)| **reads > 0) {
            // Of rows that are new, nothing was within a budget.
            let (reads, fits) = (u64::from(*reads), u32::from_le_bytes(*fits));
            self.reads += reads;
            self.bytes = self.bytes.saturating_add(*size_bytes);
            for (served, order) in self.served.iter_mut().zip(Order::ALL) {
                let calls = order.bits().into_iter().filter(|bit| fits & bit > 0).count();
                *served += reads * calls as u64;
            }
        }
    }
}

/// Puts what the records say now beside what they said.
#[inline(never)]
fn remember(fitted: &mut [Word], fits: &[u8]) {
    for (word, fits) in fitted.iter_mut().zip(fits) {
        let before = earnings::of_the_call_before(u32::from_le_bytes(*word));
        *word = (u32::from(*fits & !IS_KEPT) | before).to_le_bytes();
    }
}

/// Rows to be put in order.
struct ToRank {
    wanted: Vec<Ranked>,
    known: Vec<Ranked>,
}

/// All but those of the floor, which have their order, by what `heat` makes of their marks and entries of a column.
fn ranked<T>(
    marks: &[u8],
    classes: &[Class],
    floor: &[u32],
    column: &[T],
    heat: impl Fn(u8, &T) -> f32 + Copy,
) -> ToRank {
    let mut classes = classes.to_vec();
    for row in floor {
        if let Some(class) = classes.get_mut(*row as usize) {
            *class = Class::Unlisted;
        }
    }
    let rows = || (0..).zip(marks.iter().zip(&classes).zip(column));
    let known = rows().filter(|(_, ((_, class), _))| **class == Class::Known);
    let known = known.map(|(row, ((mark, _), entry))| Ranked::new(row, heat(*mark, entry))).collect();
    ToRank { wanted: wanted(marks, &classes, column, heat), known }
}

/// Those that are to be downloaded.
#[inline(never)]
fn wanted<T>(marks: &[u8], classes: &[Class], column: &[T], heat: impl Fn(u8, &T) -> f32) -> Vec<Ranked> {
    let mut wanted = Vec::with_capacity(marks.len());
    let ((classes, last_classes), (marks, last_marks)) = (classes.as_chunks::<STRETCH>(), marks.as_chunks::<STRETCH>());
    let (column, last_column) = column.as_chunks::<STRETCH>();
    let mut first = 0;
    for (classes, (marks, column)) in classes.iter().zip(marks.iter().zip(column)) {
        let mut heats = [0.0; STRETCH];
        heats.iter_mut().zip(marks.iter().zip(column)).for_each(|(slot, (mark, entry))| *slot = heat(*mark, entry));
        // Without branches, which would be mispredicted: what is not wanted is overwritten by the next.
        let mut stretch = [Ranked::new(0, 0.0); STRETCH];
        let mut count = 0;
        for (class, heat) in classes.iter().zip(heats) {
            if let Some(slot) = stretch.get_mut(count) {
                *slot = Ranked::new(first, heat);
            }
            count += usize::from(*class == Class::Wanted);
            first += 1;
        }
        wanted.extend_from_slice(stretch.get(..count).unwrap_or_default());
    }
    let rows = (first..).zip(last_classes.iter().zip(last_marks.iter().zip(last_column)));
    let rows = rows.filter(|(_, (class, _))| **class == Class::Wanted);
    wanted.extend(rows.map(|(row, (_, (mark, entry)))| Ranked::new(row, heat(*mark, entry))));
    wanted
}

/// Heats of rows in their order: each is as hot as the hottest behind it.
#[inline(never)]
fn falling(rows: &[u32], worth: &[f32], scale: f32) -> Vec<f32> {
    let mut hottest = 0.0_f32;
    let mut heats = vec![0.0; rows.len()];
    for (slot, row) in heats.iter_mut().zip(rows).rev() {
        let heat = worth.get(*row as usize).map_or(0.0, |worth| worth * scale);
        // Comparisons, since the functions for it are calls in WebAssembly.
        let heat = if heat < f32::MAX { heat } else { f32::MAX };
        hottest = if heat > hottest { heat } else { hottest };
        *slot = hottest;
    }
    heats
}
