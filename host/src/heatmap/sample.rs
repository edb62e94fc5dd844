//! Small heatmaps for tests.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
use crate::layer::{Generation, Key, LayerMetadata, LayerName, Lsn, ShardIndex, TimelineId};

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

prop_compose! {
    fn layers()(
        keys: ([u8; 18], [u8; 18]),
        lsns: (u64, u64),
        delta: bool,
        file_size: u64,
        generation: Option<u32>,
        shard: Option<(u8, u8)>,
        access_time: i64,
        cold: bool,
        heat in prop::option::of(prop::num::f32::POSITIVE | prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO),
    ) -> HeatmapLayer {
        let (start, end) = (Key::from_bytes(keys.0.min(keys.1)), Key::from_bytes(keys.0.max(keys.1)));
        let image = LayerName::image(start, end, Lsn(lsns.0));
        let delta = delta.then(|| LayerName::delta(start, end, Lsn(lsns.0.min(lsns.1)), Lsn(lsns.0.max(lsns.1))));
        let (number, count) = shard.unwrap_or_default();
        // A number without a count is not written: it is that of an unsharded tenant.
        let shard = if count == 0 { ShardIndex::UNSHARDED } else { ShardIndex { number, count } };
        let generation = generation.map_or(Generation::NONE, Generation::new);
        let metadata = LayerMetadata { file_size, generation, shard };
        HeatmapLayer { name: delta.flatten().unwrap_or(image), metadata, access_time, cold, heat }
    }
}

prop_compose! {
    /// Any heatmap at all.
    pub(super) fn heatmaps()(
        generation: u32,
        timelines in vec((any::<[u8; 16]>(), vec(layers(), 0..5)), 0..4),
        upload_period_ms: Option<u64>,
        policy in prop::option::of((".*", ".*", "[0-9a-f]{64}")),
    ) -> Heatmap {
        let timelines = timelines
            .into_iter()
            .map(|(id, layers)| HeatmapTimeline { timeline_id: TimelineId::from_bytes(id), layers })
            .collect();
        let policy = policy.map(|(name, version, digest)| PolicyIdentity { name, version, digest });
        Heatmap { generation, timelines, upload_period_ms: upload_period_ms.map(u128::from), policy }
    }
}

/// Damage to a document.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// Another byte.
    Replace(Index, u8),
    /// Bytes go.
    Remove(Index, usize),
    /// Bytes come, among them such as make sense.
    Insert(Index, Vec<u8>),
    /// A stretch is there twice.
    Repeat(Index, usize),
}

/// A few of them.
pub(super) fn edits(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Edit>> {
    let sense = prop::sample::select(&[
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "-", "0", "1", "e9", ".5", " ", "\n", "\"x\":1,",
        "\u{feff}",
    ]);
    let sense = sense.prop_map(|text| text.as_bytes().to_vec());
    let edit = prop_oneof![
        any::<(Index, u8)>().prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), prop::sample::select(b"0123456789abcdefABCDEF\"{}[],:-".to_vec()))
            .prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), 1usize..40).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), sense).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), 1usize..200).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ];
    vec(edit, count)
}

impl Edit {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Edit::Replace(at, byte) => *at.get_mut(bytes) = *byte,
            Edit::Remove(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + length));
            }
            Edit::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Edit::Repeat(at, length) => {
                let at = at.index(bytes.len());
                let stretch = bytes[at..bytes.len().min(at + length)].to_vec();
                bytes.splice(at..at, stretch);
            }
        }
    }
}
