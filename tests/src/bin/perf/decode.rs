//! Reading a heatmap, against plain structs.

use anyhow::{anyhow, ensure};
use serde::Deserialize;
use thermocline::heatmap::{Header, Heatmap, PolicyIdentity, encode};
use thermocline::policy::Selection;

use super::measure::{Measurement, Pair, timed};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Decode { layers: 100_000 })]
}

struct Decode {
    layers: usize,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read, and measured by reading")]
struct Document {
    generation: u32,
    timelines: Vec<Timeline>,
    upload_period_ms: Option<u128>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read, and measured by reading")]
struct Timeline {
    timeline_id: String,
    layers: Vec<Listed>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read, and measured by reading")]
struct Listed {
    name: String,
    metadata: Metadata,
    access_time: i64,
    #[serde(default)]
    cold: bool,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read, and measured by reading")]
struct Metadata {
    file_size: u64,
    generation: Option<u32>,
    shard: Option<String>,
}

impl Measurement for Decode {
    fn name(&self) -> String {
        format!("decode-{}", self.layers)
    }

    fn yardstick(&self) -> &'static str {
        "serde_json into plain structs, names as strings that nobody has checked"
    }

    fn target(&self) -> f64 {
        0.7
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let layers = self.layers;
        let table = sample::table(&sample::resident_layers(layers))?;
        let rows = u32::try_from(layers)?;
        let selection = Selection::check(thermocline_policy::Selection::hot((0..rows).collect()), rows)?;
        let policy = PolicyIdentity { name: String::new(), version: String::new(), digest: String::new() };
        let header = Header { generation: 1, upload_period_ms: None, policy };
        let bytes = encode(&header, &table, &selection).bytes;
        let same = bytes.clone();
        let ours = move || {
            let (elapsed, heatmap) = timed(|| Heatmap::decode(&bytes).map_err(|error| anyhow!("{error}")))?;
            let read: usize = heatmap.timelines.iter().map(|timeline| timeline.layers.len()).sum();
            ensure!(read == layers, "not every layer was read");
            Ok(elapsed.into())
        };
        let yardstick = move || {
            let (elapsed, document) = timed(|| Ok(serde_json::from_slice::<Document>(&same)?))?;
            let read: usize = document.timelines.iter().map(|timeline| timeline.layers.len()).sum();
            ensure!(read == layers, "not every layer was read");
            Ok(elapsed.into())
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}
