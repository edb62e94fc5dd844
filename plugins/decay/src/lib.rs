//! A policy of Thermocline: heat is how often a layer is read, fading with a half-life.
//!
//! A standby that has little time, or little room, does best with the layers that save it most reads for a byte. So the
//! heat of a layer is the reads an hour that are expected of it, for each MiB that it takes to fetch, and the hottest is
//! first. What is expected is what was: a read counts 1, half after a half-life, a quarter after two
//! (`fading`). The pageserver counts reads since a layer became resident, so the policy remembers how often and how
//! warm, 12 bytes a layer (`note`), and adds what came since the last call (`reads`). What is new takes over from
//! what it replaces (`newcomers`); an L0 layer counts for as long as it will live (`l0`).
//!
//! Listed are the layers that are resident and visible, the ones cold that are hardly read any more, and those that an
//! earlier heatmap listed, until they are resident, or for a day: some never come, and standbys should not hold them for
//! ever (`judge`).
//!
//! Where nobody counts, a layer whose access time moved was read. Where there are no access times either, nothing is
//! known of heat: the answer is the order of `resident-set`, without scores.

mod judge;
mod note;
mod reasons;
mod settings;

use thermocline_policy::{Description, Layers, Policy, Selection, Tenant, Uploads, hottest_first, reasons_wanted};
use thermocline_warmth::{REQUEST_BYTES, fading, l0, newcomers, reads};

use self::fading::Fading;
use self::judge::{Judge, Listed};
use self::l0::Lives;
use self::note::{Call, Notes, Source, VERSION};
use self::reads::{Moment, Reads, Records};
use self::settings::Settings;

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
        self.select_in_place(tenant, layers, memory.to_vec())
    }

    fn select_in_place(&self, tenant: &Tenant, layers: &dyn Layers, memory: Vec<u8>) -> Result<Selection, String> {
        // Columns are let go of as soon as they were read: the memory of a component is the slower the more there is.
        let mut notes = Notes::of(VERSION, memory, &layers.ids());
        let last = Call::of(notes.fields.unwrap_or_default());
        let (now, fading) = (tenant.now, Fading::new(self.settings.half_life_s));
        let mut moment = Moment { now, until: now, since_last_s: 0.0, fading, weight: 1.0 };
        if notes.fields.is_some() {
            moment.since_last_s = moment.since(last.at);
        }
        let marks = layers.marks();
        let l0s = l0::rows(&marks);
        let (source, lives) = {
            let reads = Reads::of(layers, !l0s.is_empty());
            let Notes { next, stretches, before, .. } = &mut notes;
            let [warm, numbers] = next.columns_mut();
            let mut records = Records { warm, numbers };
            reads::remember(&mut records, last, stretches, &moment, &marks, &reads);
            let [was_warm, _] = before.columns();
            newcomers::fill(&mut records, was_warm, stretches, &moment, &marks, &reads, layers);
            let threshold = self.settings.compaction_threshold;
            (reads.source, (!l0s.is_empty()).then(|| Lives::of(layers, l0s, &reads.since, threshold)))
        };
        let Notes { mut next, stretches, .. } = notes;
        next.set_fields(Call { at: moment.now, source }.fields());
        let Listed { hot, cold, coldest, first_dropped_s } = {
            let sizes = layers.file_sizes();
            let judge = Judge::new(&self.settings, &moment, source, &marks, &sizes, &next, lives);
            if reasons_wanted() {
                reasons::give(&judge, &stretches, &moment);
            }
            Listed::of(&judge)
        };
        let valid_for = self.valid_for(&moment, coldest, first_dropped_s);
        let answer = hottest_first(hot, cold, || layers.lsn_ends());
        let heats = answer.heats.filter(|_| source != Source::Nothing);
        Ok(Selection { heats, valid_for, memory: next.into_memory(), ..answer })
    }

    fn rank_uploads(&self, _now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        Ok(thermocline_stalest_first::stalest_first(queue))
    }
}

thermocline_policy::export!(Decay);

impl Decay {
    /// All layers fade alike, so that their order stays as it is until one is read, or what was read counts nothing any
    /// more. What time alone changes is that the
    /// coldest of the hot ones turns cold, and that an inherited one is dropped.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "seconds")]
    fn valid_for(&self, moment: &Moment, coldest: f32, first_dropped_s: u64) -> Option<u64> {
        let Settings { cold_below, half_life_s, .. } = self.settings;
        let turns_cold = (coldest.is_finite() && cold_below > 0.0).then(|| {
            let fades_s = moment.fading.seconds_to(cold_below / f64::from(coldest));
            fades_s.max(half_life_s as f64 * LEAST_VALID) as u64
        });
        let dropped = Some(first_dropped_s).filter(|seconds| *seconds < u64::MAX);
        turns_cold.into_iter().chain(dropped).min()
    }
}
