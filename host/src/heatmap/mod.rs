//! Heatmap v1: the manifest of a tenant shard that standbys read.

mod content;
mod document;
mod encode;
mod writer;

pub use document::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
pub use encode::{Encoded, Header, encode};
