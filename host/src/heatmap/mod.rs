//! Heatmap v1: the manifest of a tenant shard that standbys read.

mod canonical;
mod content;
mod decode;
mod diff;
mod document;
mod encode;
mod heat_moves;
mod hottest;
mod peek;
#[cfg(test)]
mod sample;
mod stats;
mod verify;
mod wire;
mod writer;

pub use decode::{DecodeError, MAX_HEATMAP_BYTES, Place};
pub use diff::{Change, ChangedLayer, HeatmapDiff, ListedLayer, MovedHeat};
pub use document::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
pub use encode::{Encoded, Header, encode};
pub use heat_moves::HeatMoves;
pub use hottest::Hottest;
pub use peek::peek_generation;
pub use stats::{HeatmapStats, LayerStats, OfGeneration, OfShard, Span, Sum};
pub use verify::{Complaint, Complaints, Doubt, MAX_COMPLAINTS_OF_A_KIND, Severity};
