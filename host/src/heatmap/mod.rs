//! Heatmap v1: the manifest of a tenant shard that standbys read.

mod document;

pub use document::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
