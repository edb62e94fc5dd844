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
mod reasons;
mod regions;
mod scores;
mod settings;
#[cfg(test)]
mod tests;

use thermocline_policy::history::{Stretch, Word};
use thermocline_policy::{
    Description, Layers, Marks, Policy, Ranked, Selection, Tenant, Uploads, hottest_first, reasons_wanted,
};
use thermocline_warmth::fading::Fading;
use thermocline_warmth::l0::Lives;
use thermocline_warmth::note::{Call, Source, Warmth};
use thermocline_warmth::reads::{Is, Moment, Reads, Was, single};
use thermocline_warmth::{l0, newcomers, reads};

use self::earnings::{Earnings, ORDERS, Order};
use self::floor::Floor;
use self::listing::{Class, Classes, images_first, within};
use self::note::{COLUMNS, Next, Past, VERSION};
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

/// By the order of what was not read for longest, the bytes that were read in the last period, divided by this, are
/// skipped: a failover comes half a period later on average, and has been read by then what is next.
const SKIPPED_DIVISOR: u64 = 2;

/// By the orders that go by the last read, the share of the budget that goes to what bytes are worth most all the same:
/// between two reports, a tenant that reads everything now and then lives on little.
const KEPT_SHARE: f64 = 0.2;

/// Among the bits of a row's orders: it is of that share.
const IS_KEPT: u8 = 1 << ORDERS;

/// More than any age has.
const KEPT_TURN: f32 = (1_u64 << 33) as f32;

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
        let past = Past::read(memory, VERSION).unwrap_or_default();
        let (mut next, stretches) = {
            let ids = layers.ids();
            (Next::new(VERSION, &ids), past.stretches(&ids))
        };
        let marks = layers.marks();
        let sizes = layers.file_sizes();
        let warm = Warm::of(&self.settings, tenant, layers, &past, &mut next, &stretches, &marks, &sizes);
        next.set_fields(note::fields(Call { at: tenant.now, source: warm.source }, &warm.earnings));
        let [was_warm, numbers, ..] = next.columns();
        let now = reads::stamp(tenant.now);
        let classes = Classes::of(&self.settings, now, tenant.checkpoint_distance, &marks, &sizes, was_warm, numbers);

        let starts = [layers.key_starts_high(), layers.key_starts_low()];
        let starts = [&*starts[0], &*starts[1]];
        let lsn_ends = layers.lsn_ends();
        let regions = Regions::of(layers, &marks, &classes.of, &warm.expected, &sizes, starts, &lsn_ends);
        let orders = Orders {
            by_lsn: scores::by_lsn(&classes.of, &marks, &lsn_ends),
            by_age: scores::by_age(&classes.of, &layers.access_times(), tenant.now),
            by_worth: scores::by_worth(&classes.of, &regions.worth),
            skipped_bytes: warm.read_bytes / SKIPPED_DIVISOR,
        };
        let fits = orders.fits(&sizes, classes.budget_bytes);

        let floor_bytes = listing::share_of(self.settings.floor, classes.budget_bytes);
        let room_bytes = [floor_bytes, classes.budget_bytes];
        let floor = Floor::of(layers, &marks, &classes.of, &sizes, starts, &regions.worth, &orders.by_lsn, room_bytes);
        let deciding = if warm.source == Source::Nothing { Order::Newest } else { warm.earnings.deciding };
        let heat = |row: usize, mark: u8| match deciding {
            Order::Worth => images_first(regions.worth.get(row).copied().unwrap_or_default(), Marks(mark)),
            // What is equally hot is listed newest first.
            Order::Newest => l0::by_kind(Marks(mark)),
            Order::Ahead | Order::LeastRecent => images_first(orders.turn(deciding, row, &fits), Marks(mark)),
        };
        let ranked = ranked(&marks, &classes.of, &floor.rows, heat);
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
        fitted.iter_mut().zip(&fits).for_each(|(word, fits)| *word = u32::from(*fits & !IS_KEPT).to_le_bytes());
        remember(fitted, past.columns()[COLUMNS - 1], &stretches);
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
    #[allow(clippy::too_many_arguments, reason = "all that a call starts with")]
    fn of(
        settings: &Settings,
        tenant: &Tenant,
        layers: &dyn Layers,
        past: &Past<'_>,
        next: &mut Next,
        stretches: &[Stretch],
        marks: &[u8],
        sizes: &[u64],
    ) -> Self {
        let l0s = l0::rows(marks);
        let reads = Reads::of(layers, !l0s.is_empty());
        let last = Call::of(past.fields());
        let [was_fast, was_numbers, was_slow, was_fitting] = past.columns();
        let [fast, numbers, slow, _] = next.columns_mut();
        let (now, fading) = (tenant.now, Fading::new(settings.half_life_s));
        let mut moment = Moment { now, until: now, since_last_s: 0.0, fading, weight: 1.0 };
        let mut earnings = Earnings::default();
        let (mut read_bytes, mut was_read) = (0, false);
        if !past.is_empty() {
            moment.since_last_s = moment.since(last.at);
            let more =
                reads::since_last(&Was { warm: was_fast, numbers: was_numbers, last }, stretches, marks.len(), &reads);
            let period = Period::of(&more, stretches, was_fitting, sizes);
            earnings = note::earnings(past.fields());
            earnings.add(period.reads, period.served);
            moment.weight = weight(as_f64(period.reads));
            let left = moment.fading.left(moment.since_last_s);
            earnings.unit = single(f64::from(earnings.unit) * left + moment.weight.recip() * (1.0 - left));
            (read_bytes, was_read) = (period.bytes, period.reads > 0);
        }
        let slowly = in_the_long_run(settings, &moment, was_read, || match past.is_empty() {
            true => layers.access_times().iter().copied().filter(|time| *time <= now).max(),
            false => None,
        });
        for (moment, was_warm, warm) in [(&moment, was_fast, &mut *fast), (&slowly, was_slow, &mut *slow)] {
            let was = Was { warm: was_warm, numbers: was_numbers, last };
            let mut is = Is { warm, numbers: &mut *numbers };
            reads::remember(&mut is, &was, stretches, moment, marks, &reads);
            newcomers::fill(&mut is, &was, stretches, moment, marks, &reads, layers);
        }
        if past.is_empty() {
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

#[inline(never)]
fn sum(warm: &[Word]) -> f64 {
    warm.iter().map(|word| f64::from(Warmth(u32::from_le_bytes(*word)).get())).sum()
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
    fast.iter().zip(slow).map(|(fast, slow)| warmth(fast) * fast_rate + warmth(slow) * slow_rate).collect()
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
    fn of(more: &[u32], stretches: &[Stretch], fitting: &[Word], sizes: &[u64]) -> Self {
        let mut period = Period::default();
        for (reads, size_bytes) in more.iter().zip(sizes) {
            period.reads += u64::from(*reads);
            period.bytes = period.bytes.saturating_add(if *reads > 0 { *size_bytes } else { 0 });
        }
        for stretch in stretches {
            let Stretch::Kept { row, record, len } = *stretch else { continue };
            let more = more.get(row..row + len).unwrap_or_default();
            for (reads, fits) in more.iter().zip(fitting.get(record..record + len).unwrap_or_default()) {
                let fits = u32::from_le_bytes(*fits);
                for (served, order) in period.served.iter_mut().zip(Order::ALL) {
                    for bit in order.bits() {
                        *served += u64::from(if fits & bit > 0 { *reads } else { 0 });
                    }
                }
            }
        }
        period
    }
}

/// Puts what the records said beside what they say now.
fn remember(fitted: &mut [Word], was: &[Word], stretches: &[Stretch]) {
    for stretch in stretches {
        let Stretch::Kept { row, record, len } = *stretch else { continue };
        let fitted = fitted.get_mut(row..row + len).unwrap_or_default();
        for (fitted, was) in fitted.iter_mut().zip(was.get(record..record + len).unwrap_or_default()) {
            let before = earnings::of_the_call_before(u32::from_le_bytes(*was));
            *fitted = (u32::from_le_bytes(*fitted) | before).to_le_bytes();
        }
    }
}

/// Where each layer stands in each order.
struct Orders {
    by_worth: Vec<u32>,
    by_lsn: Vec<u32>,
    by_age: Vec<u32>,
    /// Of those that were not read for longest.
    skipped_bytes: u64,
}

impl Orders {
    /// Of each row, the orders in which it is within the budget.
    fn fits(&self, sizes: &[u64], budget_bytes: u64) -> Vec<u8> {
        let mut fits = vec![0_u8; sizes.len()];
        let mut set = |scores: &[u32], room_bytes: u64, order: Order| {
            fits::each(scores, sizes, room_bytes, |row, within| {
                if let Some(fits) = fits.get_mut(row) {
                    *fits |= u8::from(within) << order.index();
                }
            });
        };
        set(&self.by_worth, budget_bytes, Order::Worth);
        set(&self.by_lsn, budget_bytes, Order::Newest);
        // What goes by the last read has what bytes are worth most before it.
        let kept_bytes = listing::share_of(KEPT_SHARE, budget_bytes);
        let rest_bytes = budget_bytes.saturating_sub(kept_bytes);
        let mut by_age = self.by_age.clone();
        fits::each(&self.by_worth, sizes, kept_bytes, |row, within| {
            if let Some(age) = by_age.get_mut(row).filter(|_| within) {
                *age = fits::NO_SCORE;
            }
        });
        set(&by_age, rest_bytes, Order::LeastRecent);
        set(&by_age, self.skipped_bytes.saturating_add(rest_bytes), Order::Ahead);
        fits::each(&by_age, sizes, self.skipped_bytes, |row, skipped| {
            if let Some(fits) = fits.get_mut(row) {
                *fits &= !(u8::from(skipped) << Order::Ahead.index());
            }
        });
        for ((fits, age), worth) in fits.iter_mut().zip(&by_age).zip(&self.by_worth) {
            if *age == fits::NO_SCORE && *worth != fits::NO_SCORE {
                *fits |= 1 << Order::Ahead.index() | 1 << Order::LeastRecent.index() | IS_KEPT;
            }
        }
        fits
    }

    /// When a row has its turn, by the order of what was not read for longest: the more, the earlier.
    #[allow(clippy::cast_precision_loss, reason = "to six digits")]
    fn turn(&self, order: Order, row: usize, fits: &[u8]) -> f32 {
        let fits = fits.get(row).copied().unwrap_or_default();
        if fits & IS_KEPT > 0 {
            return KEPT_TURN + self.by_worth.get(row).copied().unwrap_or_default() as f32;
        }
        if fits >> order.index() & 1 > 0 { self.by_age.get(row).copied().unwrap_or_default() as f32 } else { 0.0 }
    }
}

/// Rows to be put in order.
struct ToRank {
    wanted: Vec<Ranked>,
    known: Vec<Ranked>,
}

/// All but those of the floor, which have their order.
fn ranked(marks: &[u8], classes: &[Class], floor: &[u32], heat: impl Fn(usize, u8) -> f32) -> ToRank {
    let mut ranked = ToRank { wanted: Vec::with_capacity(marks.len()), known: Vec::new() };
    let mut in_floor: Vec<u32> = floor.to_vec();
    in_floor.sort_unstable();
    let mut in_floor = in_floor.into_iter().peekable();
    for (row, (mark, class)) in (0..).zip(marks.iter().zip(classes)) {
        if in_floor.next_if_eq(&row).is_some() {
            continue;
        }
        match class {
            Class::Wanted => ranked.wanted.push(Ranked::new(row, heat(row as usize, *mark))),
            Class::Known => ranked.known.push(Ranked::new(row, heat(row as usize, *mark))),
            Class::Unlisted | Class::Dropped => {}
        }
    }
    ranked
}

/// Heats of rows in their order: each is as hot as the hottest behind it.
fn falling(rows: &[u32], worth: &[f32], scale: f32) -> Vec<f32> {
    let mut hottest = 0.0_f32;
    let mut heats: Vec<_> = rows
        .iter()
        .rev()
        .map(|row| {
            let heat = worth.get(*row as usize).map_or(0.0, |worth| worth * scale);
            hottest = hottest.max(heat.min(f32::MAX));
            hottest
        })
        .collect();
    heats.reverse();
    heats
}
