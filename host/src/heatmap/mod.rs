//! Heatmap v1: the manifest of a tenant shard that standbys read.

mod decode;
mod document;
mod peek;
mod wire;

pub use decode::{DecodeError, MAX_HEATMAP_BYTES, Place};
pub use document::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
pub use peek::peek_generation;
