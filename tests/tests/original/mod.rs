//! The types of heatmap-v1 as the original declares them, with what serde derives for them: what its reader
//! takes, and byte for byte what its writer writes. Texts (names, ids, shards) are ours.

use serde::{Deserialize, Deserializer, Serialize};
use thermocline::heatmap::Heatmap;
use thermocline::layer::{Generation, LayerName, ShardIndex, TimelineId};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeatMapTenant {
    generation: u32,
    timelines: Vec<HeatMapTimeline>,
    upload_period_ms: Option<u128>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct HeatMapTimeline {
    timeline_id: TimelineId,
    layers: Vec<HeatMapLayer>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct HeatMapLayer {
    name: LayerName,
    metadata: LayerFileMetadata,
    access_time: i64,
    #[serde(default)]
    cold: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LayerFileMetadata {
    file_size: u64,
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(default, skip_serializing_if = "is_unsharded")]
    shard: ShardIndex,
}

fn not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    u32::deserialize(deserializer).map(Some)
}

fn is_unsharded(shard: &ShardIndex) -> bool {
    shard.is_unsharded()
}

impl HeatMapTenant {
    /// As its reader reads it.
    pub(crate) fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// As its writer writes it.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap()
    }
}

/// What the original sees of a heatmap: all but the extra fields.
impl From<&Heatmap> for HeatMapTenant {
    fn from(heatmap: &Heatmap) -> Self {
        let timelines = heatmap.timelines.iter().map(|timeline| HeatMapTimeline {
            timeline_id: timeline.timeline_id,
            layers: timeline
                .layers
                .iter()
                .map(|layer| HeatMapLayer {
                    name: layer.name,
                    metadata: LayerFileMetadata {
                        file_size: layer.metadata.file_size,
                        generation: Generation::get(layer.metadata.generation),
                        shard: layer.metadata.shard,
                    },
                    access_time: layer.access_time,
                    cold: layer.cold,
                })
                .collect(),
        });
        HeatMapTenant {
            generation: heatmap.generation,
            timelines: timelines.collect(),
            upload_period_ms: heatmap.upload_period_ms,
        }
    }
}
