//! What a heatmap lists, in a few words that can be compared.

use std::hash::{DefaultHasher, Hash, Hasher};

use thermocline::heatmap::HeatmapTimeline;

/// What a heatmap lists: equal where it says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// All of it.
    pub(super) exact: u64,
    /// All but the access times.
    pub(super) content: u64,
    /// Sizes of the hot layers together.
    pub(super) hot_bytes: u64,
}

impl Picture {
    pub(super) fn of(timelines: &[HeatmapTimeline]) -> Self {
        let (mut exact, mut content) = (DefaultHasher::new(), DefaultHasher::new());
        let mut hot_bytes = 0;
        for timeline in timelines {
            for hasher in [&mut exact, &mut content] {
                (timeline.timeline_id, timeline.layers.len()).hash(hasher);
            }
            for layer in &timeline.layers {
                for hasher in [&mut exact, &mut content] {
                    (layer.name, layer.metadata, layer.cold, layer.heat.map(f32::to_bits)).hash(hasher);
                }
                layer.access_time.hash(&mut exact);
                hot_bytes += if layer.cold { 0 } else { layer.metadata.file_size };
            }
        }
        Picture { exact: exact.finish(), content: content.finish(), hot_bytes }
    }
}
