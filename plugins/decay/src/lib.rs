//! A policy of Thermocline: heat is how often a layer is read, fading with a half-life.
//!
//! A standby that has little time, or little room, does best with the layers that save it most reads for a byte. So the
//! heat of a layer is the reads an hour that are expected of it, for each MiB that it takes to fetch, and the hottest is
//! first. What is expected is what was: a read counts 1, half after a half-life, a quarter after two
//! (`fading`). The pageserver counts reads since a layer became resident, so the policy remembers how often and how
//! warm, 16 bytes a layer (`note`), and adds what came since the last call (`reads`). What is new takes over from
//! what it replaces (`newcomers`); an L0 layer counts for as long as it will live (`l0`).
//!
//! Listed are the layers that are resident and visible, the ones cold that are hardly read any more, and those that an
//! earlier heatmap listed, until they are resident, or for a day: some never come, and standbys should not hold them for
//! ever (`judge`).
//!
//! Where nobody counts, a layer whose access time moved was read. Where there are no access times either, nothing is
//! known of heat: the answer is the order of `resident-set`, without scores.

mod fading;
mod judge;
mod l0;
mod newcomers;
mod note;
mod reads;
mod reasons;
mod settings;

use thermocline_policy::history::Word;
use thermocline_policy::{
    Description, HottestFirst, Layers, Marks, Policy, Selection, Standing, Tenant, Uploads, reasons_wanted,
};

use self::fading::Fading;
use self::judge::{Judge, Verdict};
use self::l0::Lives;
use self::note::{Call, Next, Past, Source, VERSION, Warmth};
use self::reads::{Moment, Reads};
use self::settings::Settings;

/// What a request costs beside the bytes that it fetches, in bytes: small layers are worth much for their size, and a
/// standby that fetches thousands of them waits for each.
const REQUEST_BYTES: u64 = 128 << 10;

/// An answer is right for this share of a half-life at least, as far as fading goes.
const LEAST_VALID: f64 = 1.0 / 16.0;

/// The policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Decay {
    settings: Settings,
}

impl Policy for Decay {
    fn describe() -> Description {
        Description {
            name: "decay".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Lists what is resident and visible, the layers first that are read most for their size; reads \
                      fade with a half-life."
                .into(),
            config_schema: Settings::schema(),
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Decay { settings: Settings::read(config)? })
    }

    fn select(&self, tenant: &Tenant, layers: &dyn Layers, memory: &[u8]) -> Result<Selection, String> {
        let past = Past::read(memory, VERSION).unwrap_or_default();
        let mut moment = Moment { now: tenant.now, since_last_s: 0.0, fading: Fading::new(self.settings.half_life_s) };
        if !past.is_empty() {
            moment.since_last_s = moment.since(Call::of(past.fields()).at);
        }
        let marks = layers.marks();
        let has_l0s = marks.iter().any(|mark| Marks(*mark).is_l0());
        let reads = Reads::of(layers, has_l0s);
        let (next, stretches) = {
            let ids = layers.ids();
            let stretches = past.stretches(&ids);
            let mut next = reads::remembered(&past, &stretches, &moment, &marks, &ids, &reads);
            newcomers::fill(&mut next, &past, &stretches, &moment, &marks, &reads, layers);
            (next, stretches)
        };
        let lives = has_l0s.then(|| Lives::of(layers, &marks, &reads.since, self.settings.compaction_threshold));
        let source = reads.source;
        drop(reads);
        let judge = Judge::new(&self.settings, &moment, source, &marks, layers.file_sizes(), lives);
        let mut listed = Listed::of(&judge, &next);
        if reasons_wanted() {
            reasons::give(&judge, &next, &stretches, &moment);
        }
        let valid_for = listed.valid_for(&self.settings, &moment);
        let answer = std::mem::take(&mut listed.order).selection(|| layers.lsn_ends());
        let heats = answer.heats.filter(|_| source != Source::Nothing);
        Ok(Selection { heats, valid_for, memory: next.into_memory(), ..answer })
    }

    fn rank_uploads(&self, _now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        Ok(thermocline_stalest_first::stalest_first(queue))
    }
}

thermocline_policy::export!(Decay);

/// What is listed, and what will first be listed otherwise.
struct Listed {
    order: HottestFirst,
    /// The least heat of what fading makes cold, if there is any.
    coldest: f32,
    /// In so many seconds the first inherited layer is listed no more.
    first_dropped_s: u64,
}

impl Listed {
    /// A loop over all rows.
    #[inline(never)]
    fn of(judge: &Judge<'_>, next: &Next) -> Self {
        let [warm, numbers] = next.columns();
        let rows = judge.marks.iter().zip(&*judge.sizes).zip(warm.iter().zip(numbers));
        let mut listed = Listed {
            order: HottestFirst::with_capacity(judge.marks.len()),
            coldest: f32::INFINITY,
            first_dropped_s: u64::MAX,
        };
        for (row, ((mark, size_bytes), (warm, number))) in (0..).zip(rows) {
            let (warmth, number) = (warmth(warm), u32::from_le_bytes(*number));
            let verdict = judge.verdict(row as usize, *mark, *size_bytes, warmth, number);
            match verdict {
                Verdict::Hot(heat) => listed.order.hot(row, heat),
                Verdict::Cold(heat) => listed.order.cold(row, heat),
                Verdict::Dropped | Verdict::Unlisted => continue,
            }
            match (Marks(*mark).standing(), verdict) {
                (Standing::Resident, Verdict::Hot(heat)) if judge.source != Source::Nothing => {
                    listed.coldest = listed.coldest.min(heat);
                }
                (Standing::Inherited | Standing::InheritedCold, _) => {
                    listed.first_dropped_s = listed.first_dropped_s.min(judge.left_s(warmth, number));
                }
                _ => {}
            }
        }
        listed
    }

    /// All layers fade alike, so that their order stays as it is until one is read. What time alone changes is that a
    /// layer turns cold, and that an inherited one is dropped.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "seconds")]
    fn valid_for(&self, settings: &Settings, moment: &Moment) -> Option<u64> {
        let turns_cold = (self.coldest.is_finite() && settings.cold_below > 0.0).then(|| {
            let fades_s = moment.fading.seconds_to(settings.cold_below / f64::from(self.coldest));
            fades_s.max(settings.half_life_s as f64 * LEAST_VALID) as u64
        });
        let dropped = Some(self.first_dropped_s).filter(|seconds| *seconds < u64::MAX);
        turns_cold.into_iter().chain(dropped).min()
    }
}

fn warmth(word: &Word) -> Warmth {
    Warmth(u32::from_le_bytes(*word))
}
