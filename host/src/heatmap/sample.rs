//! Small heatmaps for tests.

use super::{Heatmap, HeatmapLayer, HeatmapTimeline};
use crate::layer::{Generation, LayerMetadata, ShardIndex, TimelineId};

pub(super) const IMAGE: &str =
    "000000000000000000000000000000000000-000000067F00000001000004DF0000000006__00000000014FED58";
pub(super) const DELTA: &str =
    "000000000000000000000000000000000000-000000067F00000001000004DF0000000006__00000000014FED58-000000000154C481";
pub(super) const L0: &str =
    "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000001696070-00000000016960E9";

/// A hot layer of generation 1, last read in second 5.
pub(super) fn layer(name: &str, file_size: u64) -> HeatmapLayer {
    let metadata = LayerMetadata { file_size, generation: Generation::new(1), shard: ShardIndex::UNSHARDED };
    HeatmapLayer { name: name.parse().unwrap(), metadata, access_time: 5, cold: false, heat: None }
}

/// A heatmap of generation 1 and a period of ten seconds, whose first timeline has an id of all `01`.
pub(super) fn heatmap<const N: usize>(timelines: [Vec<HeatmapLayer>; N]) -> Heatmap {
    let timelines = (1..)
        .zip(timelines)
        .map(|(id, layers)| HeatmapTimeline { timeline_id: TimelineId::from_bytes([id; 16]), layers })
        .collect();
    Heatmap { generation: 1, timelines, upload_period_ms: Some(10_000), policy: None }
}
