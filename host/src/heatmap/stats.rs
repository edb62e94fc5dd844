//! What a heatmap adds up to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Heatmap, HeatmapLayer, PolicyIdentity};
use crate::layer::ShardIndex;

/// A number of layers, and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub layers: u64,
    /// Their files together. Saturates: a damaged heatmap may claim any size.
    pub bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, layer: &HeatmapLayer) {
        self.layers += 1;
        self.bytes = self.bytes.saturating_add(layer.metadata.file_size);
    }
}

/// The smallest and the largest of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span<T> {
    /// Smallest.
    pub min: T,
    /// Largest.
    pub max: T,
}

impl<T: PartialOrd + Copy> Span<T> {
    fn widen(span: &mut Option<Self>, item: T) {
        let Span { min, max } = span.get_or_insert(Span { min: item, max: item });
        if item < *min {
            *min = item;
        }
        if item > *max {
            *max = item;
        }
    }
}

/// The layers that one attachment wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OfGeneration {
    /// Absent where it wrote before generations existed.
    pub generation: Option<u32>,
    /// What it wrote.
    #[serde(flatten)]
    pub sum: Sum,
}

/// The layers that one shard wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OfShard {
    /// Absent where the tenant was not sharded.
    pub shard: Option<ShardIndex>,
    /// What it wrote.
    #[serde(flatten)]
    pub sum: Sum,
}

/// What some listed layers add up to: those of a heatmap, or of one of its timelines.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerStats {
    /// To be downloaded.
    pub hot: Sum,
    /// Known, but not to be downloaded.
    pub cold: Sum,
    /// Image layers, hot or cold.
    pub images: Sum,
    /// Delta layers, hot or cold, L0 among them.
    pub deltas: Sum,
    /// Deltas over the whole key space.
    pub l0: Sum,
    /// Seconds since the Unix epoch; absent where no layer is listed.
    pub access_time: Option<Span<i64>>,
    /// Ascending.
    pub generations: Vec<OfGeneration>,
    /// Ascending. More than one after a split: a shard lists layers of its parent.
    pub shards: Vec<OfShard>,
    /// Layers that a policy scored.
    pub scored: Sum,
    /// Absent where none is scored.
    pub heat: Option<Span<f32>>,
}

impl LayerStats {
    /// Adds up `layers`.
    pub fn of<'a>(layers: impl IntoIterator<Item = &'a HeatmapLayer>) -> Self {
        let mut stats = LayerStats::default();
        let mut generations = BTreeMap::<_, Sum>::new();
        let mut shards = BTreeMap::<_, Sum>::new();
        for layer in layers {
            if layer.cold { &mut stats.cold } else { &mut stats.hot }.add(layer);
            if layer.name.is_delta() { &mut stats.deltas } else { &mut stats.images }.add(layer);
            if layer.name.is_l0() {
                stats.l0.add(layer);
            }
            if let Some(heat) = layer.heat {
                stats.scored.add(layer);
                Span::widen(&mut stats.heat, heat);
            }
            Span::widen(&mut stats.access_time, layer.access_time);
            generations.entry(layer.metadata.generation).or_default().add(layer);
            let shard = layer.metadata.shard;
            shards.entry((!shard.is_unsharded()).then_some(shard)).or_default().add(layer);
        }
        stats.generations =
            generations.into_iter().map(|(by, sum)| OfGeneration { generation: by.get(), sum }).collect();
        stats.shards = shards.into_iter().map(|(shard, sum)| OfShard { shard, sum }).collect();
        stats
    }
}

/// What a heatmap adds up to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatmapStats {
    /// The generation that wrote it.
    pub generation: u32,
    /// How often its writer uploads, milliseconds.
    pub upload_period_ms: Option<u128>,
    /// Who scored.
    pub policy: Option<PolicyIdentity>,
    /// Timelines listed.
    pub timelines: usize,
    /// Those of them without a layer.
    pub empty_timelines: usize,
    /// All layers together.
    #[serde(flatten)]
    pub layers: LayerStats,
}

impl Heatmap {
    /// Adds it up.
    pub fn stats(&self) -> HeatmapStats {
        HeatmapStats {
            generation: self.generation,
            upload_period_ms: self.upload_period_ms,
            policy: self.policy.clone(),
            timelines: self.timelines.len(),
            empty_timelines: self.timelines.iter().filter(|timeline| timeline.layers.is_empty()).count(),
            layers: LayerStats::of(self.timelines.iter().flat_map(|timeline| &timeline.layers)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, DELTA, IMAGE, L0, layer};
    use super::*;
    use crate::layer::{Generation, ShardIndex};

    #[test]
    fn a_heatmap_adds_up() {
        let mut parents = HeatmapLayer { cold: true, access_time: -3, ..layer(IMAGE, 100) };
        parents.metadata.generation = Generation::NONE;
        let mut own = HeatmapLayer { heat: Some(0.5), access_time: 9, ..layer(DELTA, 20) };
        own.metadata.shard = ShardIndex { number: 1, count: 2 };
        let fresh = HeatmapLayer { heat: Some(7.0), ..layer(L0, 3) };

        let stats = sample::heatmap([vec![parents, own], vec![], vec![fresh]]).stats();
        assert_eq!((stats.timelines, stats.empty_timelines), (3, 1));
        let stats = stats.layers;
        assert_eq!(stats.hot, Sum { layers: 2, bytes: 23 });
        assert_eq!(stats.cold, Sum { layers: 1, bytes: 100 });
        assert_eq!(stats.images, Sum { layers: 1, bytes: 100 });
        assert_eq!(stats.deltas, Sum { layers: 2, bytes: 23 });
        assert_eq!(stats.l0, Sum { layers: 1, bytes: 3 });
        assert_eq!(stats.access_time, Some(Span { min: -3, max: 9 }));
        assert_eq!(stats.heat, Some(Span { min: 0.5, max: 7.0 }));
        assert_eq!(stats.scored, Sum { layers: 2, bytes: 23 });
        let generations: Vec<_> = stats.generations.iter().map(|of| (of.generation, of.sum.bytes)).collect();
        assert_eq!(generations, [(None, 100), (Some(1), 23)]);
        let shards: Vec<_> = stats.shards.iter().map(|of| (of.shard, of.sum.bytes)).collect();
        assert_eq!(shards, [(None, 103), (Some(ShardIndex { number: 1, count: 2 }), 20)]);
    }

    #[test]
    fn nothing_adds_up_to_nothing() {
        let stats = sample::heatmap([]).stats();
        assert_eq!(stats.layers, LayerStats::default());
        assert_eq!(stats.layers.access_time, None);
    }

    #[test]
    fn sizes_saturate() {
        let stats = LayerStats::of(&[layer(IMAGE, u64::MAX), layer(DELTA, u64::MAX)]);
        assert_eq!(stats.hot, Sum { layers: 2, bytes: u64::MAX });
        assert_eq!(stats.images.bytes, u64::MAX);
    }

    #[test]
    fn the_json_is_flat() {
        let json = serde_json::to_value(sample::heatmap([vec![layer(L0, 5)]]).stats()).unwrap();
        assert_eq!(json["hot"], serde_json::json!({"layers": 1, "bytes": 5}));
        assert_eq!(json["generations"], serde_json::json!([{"generation": 1, "layers": 1, "bytes": 5}]));
        assert_eq!(json["shards"], serde_json::json!([{"shard": null, "layers": 1, "bytes": 5}]));
        assert_eq!(json["heat"], serde_json::Value::Null);
    }
}
