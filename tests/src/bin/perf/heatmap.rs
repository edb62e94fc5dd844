//! From a table to a heatmap's bytes and digests, against what is done today without a policy.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use md5::{Digest as _, Md5};
use serde::Serialize;
use thermocline::heatmap::{Header, PolicyIdentity, encode};
use thermocline::layer::{Layer, LayerName, TimelineId};
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG, Policy, RESIDENT_SET};
use thermocline_policy::Tenant;

use super::measure::{Measurement, Pair, timed};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    [100, 10_000, 100_000, 1_000_000].map(|layers| Box::new(TableToHeatmap { layers }) as _).into()
}

struct TableToHeatmap {
    layers: usize,
}

impl Measurement for TableToHeatmap {
    fn name(&self) -> String {
        format!("heatmap-{}", self.layers)
    }

    fn yardstick(&self) -> &'static str {
        "native: collect, sort, serde_json twice (once without access times), MD5 of both"
    }

    fn target(&self) -> f64 {
        if self.layers < 10_000 { 0.5 } else { 0.15 }
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let layers = sample::resident_layers(self.layers);
        let table = sample::table(&layers)?;
        let policy = Policy::load(&Engine::new(Limits::default())?, RESIDENT_SET, NO_CONFIG)?;
        let header = Header {
            generation: GENERATION,
            upload_period_ms: Some(PERIOD_MS),
            policy: PolicyIdentity::from(policy.identity()),
        };
        let judge = Judge::new(Arc::new(policy));
        let listed = self.layers;
        let ours = move || {
            let (elapsed, heatmap) = timed(|| {
                let verdict = judge.select(&tenant(), &table, &[])?;
                ensure!(!verdict.is_fallback(), "the policy failed: {:?}", verdict.failure);
                Ok(encode(&header, &table, &verdict.answer))
            })?;
            ensure!(heatmap.hot_layers == listed, "not every layer is listed");
            Ok(elapsed.into())
        };
        let map = LayerMap::new(&layers);
        let yardstick = move || {
            let (elapsed, (bytes, _, _)) = timed(|| today(&map))?;
            ensure!(bytes.len() > listed * 200, "not every layer is listed");
            Ok(elapsed.into())
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}

const GENERATION: u32 = 7;
const PERIOD_MS: u128 = 60_000;

pub(super) fn tenant() -> Tenant {
    Tenant { shard: "0".repeat(32), generation: GENERATION, now: 1_700_000_000, checkpoint_distance: 256 << 20 }
}

/// Layers as a pageserver's layer map has them: behind an `Arc` each, by timeline.
pub(super) struct LayerMap(BTreeMap<TimelineId, Vec<Arc<Layer>>>);

impl LayerMap {
    pub(super) fn new(layers: &[Layer]) -> Self {
        let mut map = BTreeMap::<_, Vec<_>>::new();
        layers.iter().for_each(|layer| map.entry(layer.timeline).or_default().push(Arc::new(*layer)));
        LayerMap(map)
    }
}

#[derive(Serialize)]
struct Document {
    generation: u32,
    timelines: Vec<Timeline>,
    upload_period_ms: Option<u128>,
}

#[derive(Serialize)]
struct Timeline {
    timeline_id: TimelineId,
    layers: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: LayerName,
    metadata: Metadata,
    access_time: i64,
    cold: bool,
}

#[derive(Serialize)]
struct Metadata {
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
}

/// What the host does, as it is usually done: the layers that are resident and visible, sorted; the document;
/// its digest; the document again with every access time zero, and the digest of that.
pub(super) fn today(map: &LayerMap) -> anyhow::Result<(Vec<u8>, [u8; 16], [u8; 16])> {
    let timelines = map.0.iter().map(|(timeline_id, layers)| {
        let listed = layers.iter().filter(|layer| layer.marks.is_resident() && layer.marks.is_visible());
        let mut layers: Vec<_> =
            listed.map(|layer| (layer.name.is_l0(), Reverse(layer.name.lsn_end()), Arc::clone(layer))).collect();
        layers.sort_by_key(|(is_l0, newest, _)| (*is_l0, *newest));
        let layers = layers.into_iter().map(|(_, _, layer)| Listed {
            name: layer.name,
            metadata: Metadata {
                file_size: layer.metadata.file_size,
                generation: layer.metadata.generation.get(),
                shard: (!layer.metadata.shard.is_unsharded()).then(|| layer.metadata.shard.to_string()),
            },
            access_time: layer.access_time,
            cold: false,
        });
        Timeline { timeline_id: *timeline_id, layers: layers.collect() }
    });
    let mut document =
        Document { generation: GENERATION, timelines: timelines.collect(), upload_period_ms: Some(PERIOD_MS) };
    let bytes = serde_json::to_vec(&document).map_err(|error| anyhow!("{error}"))?;
    let digest = Md5::digest(&bytes).into();
    for layer in document.timelines.iter_mut().flat_map(|timeline| &mut timeline.layers) {
        layer.access_time = 0;
    }
    let without_access_times = Md5::digest(serde_json::to_vec(&document)?).into();
    Ok((bytes, digest, without_access_times))
}
