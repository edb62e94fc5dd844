//! What is simulated.

use crate::store::Rules;
use crate::trace::{PAGE_BYTES, Trace};

/// A size, fixed or as a share of what it is a part of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Room {
    /// Bytes.
    Bytes(u64),
    /// A share: 1 is all.
    Share(f64),
}

impl Room {
    pub(crate) fn of(self, whole_bytes: u64) -> u64 {
        match self {
            Room::Bytes(bytes) => bytes,
            Room::Share(share) => share_of(share, whole_bytes),
        }
    }
}

/// A share of so many bytes.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of bytes need not be exact, and `as` keeps it in range"
)]
pub(crate) fn share_of(share: f64, bytes: u64) -> u64 {
    (bytes as f64 * share).round() as u64
}

/// How the pageserver, its standby and the failovers are.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What the standby may hold, as shares of the bytes that are resident on the attached side.
    pub budgets: Vec<f64>,
    /// Everything that is drawn is drawn from it.
    pub seed: u64,
    /// How often a heatmap is made.
    pub period_ms: u32,
    /// What the standby downloads a second, bytes.
    pub bandwidth_bytes_per_s: u64,
    /// How often the pageserver fails: each time as if the others had not been.
    pub failovers: u32,
    /// The attached side's disk, as bytes or as a share of all layers at the beginning.
    pub disk: Room,
    /// When the pageserver makes which layers.
    pub rules: Rules,
}

/// The most failovers.
pub const MAX_FAILOVERS: u32 = 10_000;
/// The most budgets.
pub const MAX_BUDGETS: usize = 100;
/// The most that a budget may be, as a share of the resident bytes.
pub const MAX_BUDGET: f64 = 100.0;
/// The most layers in all heatmaps of a simulation together. A million of them take about a second.
pub const MAX_LISTED_LAYERS: u64 = 1_000_000_000;
/// The shortest period.
pub const MIN_PERIOD_MS: u32 = 1000;

/// Unless a size is set, at most so many layers hold a trace's database, or half of that.
const USUAL_LAYERS: u64 = 512;
/// A pageserver's layers are no larger.
const LARGEST_LAYER_BYTES: u64 = 128 << 20;
const SMALLEST_LAYER_BYTES: u64 = 128 << 10;
/// L0 layers are so many times larger.
const LAYERS_OF_AN_L0: u64 = 2;

impl Settings {
    /// What suits a trace: layers as much smaller than those of a pageserver as its database is smaller than those that
    /// pageservers hold, and all else as usual there.
    pub fn for_trace(trace: &Trace) -> Self {
        let bytes = trace.database_blocks() * PAGE_BYTES;
        let layer_bytes = (bytes / USUAL_LAYERS).next_power_of_two().clamp(SMALLEST_LAYER_BYTES, LARGEST_LAYER_BYTES);
        Settings {
            budgets: vec![0.1, 0.25, 0.5, 1.0],
            seed: 0,
            period_ms: 60_000,
            bandwidth_bytes_per_s: 32 << 20,
            failovers: 40,
            disk: Room::Share(1.0),
            rules: Rules {
                layer_bytes,
                checkpoint_distance_bytes: layer_bytes * LAYERS_OF_AN_L0,
                checkpoint_timeout_ms: 600_000,
                change_bytes: 256,
                compaction_threshold: 10,
                image_creation_threshold: 3,
            },
        }
    }

    /// Whether it can be simulated.
    ///
    /// # Errors
    /// With the first setting that is wrong, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let budget = self.budgets.iter().find(|budget| !(0.0..=MAX_BUDGET).contains(*budget));
        if let Some(budget) = budget {
            return Err(format!(
                "a budget is {budget}, and may be from 0 to {MAX_BUDGET}: a share of the resident bytes"
            ));
        }
        let wrong = |what: &str, is: u64, least: u64, most: u64| {
            (is < least || is > most).then(|| format!("{what} is {is}, and may be from {least} to {most}"))
        };
        let disk = match self.disk {
            Room::Share(share) if !(share > 0.0 && share <= 1.0) => {
                Some(format!("the disk is {share} of the layers, and may be more than 0, up to 1"))
            }
            _ => None,
        };
        let rules = &self.rules;
        let checks = [
            disk,
            wrong("the number of budgets", self.budgets.len() as u64, 1, MAX_BUDGETS as u64),
            wrong("the number of failovers", self.failovers.into(), 1, MAX_FAILOVERS.into()),
            wrong("the period in milliseconds", self.period_ms.into(), MIN_PERIOD_MS.into(), u32::MAX.into()),
            wrong("the bandwidth in bytes a second", self.bandwidth_bytes_per_s, 1, 1 << 40),
            wrong("the size of a layer", rules.layer_bytes, Rules::MIN_LAYER_BYTES, 1 << 40),
            wrong("the checkpoint distance", rules.checkpoint_distance_bytes, Rules::MIN_LAYER_BYTES, 1 << 40),
            wrong("the bytes of a change", rules.change_bytes, 1, rules.checkpoint_distance_bytes),
            wrong("the compaction threshold", rules.compaction_threshold as u64, 1, 10_000),
            wrong("the image creation threshold", rules.image_creation_threshold as u64, 1, 10_000),
        ];
        checks.into_iter().flatten().next().map_or(Ok(()), Err)
    }
}
