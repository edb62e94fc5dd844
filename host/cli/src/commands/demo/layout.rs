//! A small data directory and bucket, as a pageserver would leave them: real names, sparse files.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde_json::{Map, Value, json};
use thermocline::heatmap::{Heatmap, HeatmapLayer, HeatmapTimeline};
use thermocline::layer::{Generation, LayerMetadata, LayerName, Lsn, ShardIndex, TenantId, TenantShardId, TimelineId};

/// Names of a real database's layers, a line each.
const BRANCHED_NAMES: &str = include_str!("../../../data/odd-brook.names");

/// Names of a real large tenant's layers with size and generation, a line each.
const SHARDED_LAYERS: &str = include_str!("../../../data/mixed-workload.layers");

/// Usual sizes of an image and a delta layer, for names that came without one.
const IMAGE_BYTES: u64 = 128 << 20;
const DELTA_BYTES: u64 = 256 << 20;

/// A tenant of the demo.
pub(super) struct Demo {
    id: [u8; 16],
    generation: u32,
    mode: &'static str,
    shards: u8,
}

const fn id(last: u8) -> [u8; 16] {
    [0xde, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

/// Attached, with a branch; it has taken over a heatmap.
pub(super) const BRANCHED: Demo = Demo { id: id(1), generation: 3, mode: "Single", shards: 0 };
/// Attached, and split in two: its shards list layers of the parent.
const SHARDED: Demo = Demo { id: id(2), generation: 5, mode: "Single", shards: 2 };
/// A warm standby of another pageserver's tenant.
const SECONDARY: Demo = Demo { id: id(3), generation: 0, mode: "Secondary", shards: 0 };
/// About to be detached: its successor uploads.
const STALE: Demo = Demo { id: id(4), generation: 2, mode: "Stale", shards: 0 };

/// The timeline that every tenant of the demo has.
pub(super) const MAIN_TIMELINE: &str = "11111111111111111111111111111111";
/// The generation whose layers of that timeline users are told to remove: a third of them, on disk and visible among
/// them.
pub(super) const EVICTED_GENERATION: u32 = 2;
/// The branch of it that one has.
const BRANCH_TIMELINE: &str = "22222222222222222222222222222222";

/// What was laid out.
#[derive(Default)]
pub(super) struct LaidOut {
    pub(super) tenant_shards: usize,
    pub(super) layers: usize,
    pub(super) layer_bytes: u64,
}

impl Demo {
    pub(super) fn shard(&self) -> TenantShardId {
        self.shards().next().unwrap_or_else(|| TenantShardId::unsharded(TenantId::from_bytes(self.id)))
    }

    fn shards(&self) -> impl Iterator<Item = TenantShardId> {
        let count = self.shards;
        let tenant = TenantId::from_bytes(self.id);
        (0..count.max(1)).map(move |number| TenantShardId { tenant, shard: ShardIndex { number, count } })
    }

    fn config(&self, shard: ShardIndex) -> String {
        let Demo { generation, mode, .. } = self;
        let location = if *mode == "Secondary" {
            "[mode.Secondary]\nwarm = true\n".to_owned()
        } else {
            format!("[mode.Attached]\ngeneration = {generation}\nattach_mode = \"{mode}\"\n")
        };
        format!(
            "# This file contains a specific per-tenant's config.\n#  It is read in case of pageserver restart.\n\
             {location}\n[shard]\nnumber = {}\ncount = {}\nstripe_size = 32768\n\n\
             [tenant_conf]\ncheckpoint_distance = 268435456\nheatmap_period = \"1m\"\n",
            shard.number, shard.count
        )
    }
}

/// A layer of the demo, and whether it is on disk.
#[derive(Clone, Copy)]
struct DemoLayer {
    name: LayerName,
    metadata: LayerMetadata,
    resident: bool,
}

pub(super) fn lay_out(data_dir: &Path, remote_dir: &Path) -> anyhow::Result<LaidOut> {
    let mut made = Maker { data_dir, remote_dir, laid_out: LaidOut::default() };
    let (main, branch): (TimelineId, TimelineId) = (MAIN_TIMELINE.parse()?, BRANCH_TIMELINE.parse()?);
    let layers = branched_layers()?;
    // The branch starts in the middle of the trunk's history and has its own newest layers.
    let mut starts: Vec<_> = layers.iter().map(|layer| layer.name.lsn_start()).collect();
    starts.sort_unstable();
    let branch_point = starts.get(starts.len() / 2).copied().unwrap_or_default();
    let of_branch: Vec<_> =
        layers.iter().filter(|layer| layer.name.lsn_start() > branch_point).step_by(3).copied().collect();

    let shard = made.tenant_shard(&BRANCHED, BRANCHED.shard())?;
    made.timeline(&BRANCHED, shard, main, None, &layers)?;
    made.timeline(&BRANCHED, shard, branch, Some((main, branch_point)), &of_branch)?;
    made.taken_over_heatmap(shard, main, &layers)?;

    for (number, shard) in SHARDED.shards().enumerate() {
        let shard = made.tenant_shard(&SHARDED, shard)?;
        let layers = sharded_layers(number, shard.shard)?;
        made.timeline(&SHARDED, shard, main, None, &layers)?;
    }
    for demo in [&SECONDARY, &STALE] {
        let shard = made.tenant_shard(demo, demo.shard())?;
        let few: Vec<_> = layers.iter().step_by(20).copied().collect();
        made.timeline(demo, shard, main, None, &few)?;
    }
    Ok(made.laid_out)
}

/// Every seventh layer is not on disk.
fn branched_layers() -> anyhow::Result<Vec<DemoLayer>> {
    let layer = |(number, text): (usize, &str)| {
        let name: LayerName = text.parse()?;
        let file_size = if name.is_delta() { DELTA_BYTES } else { IMAGE_BYTES };
        let generation = Generation::new(if number % 3 == 0 { EVICTED_GENERATION } else { 1 });
        let metadata = LayerMetadata { file_size, generation, shard: ShardIndex::UNSHARDED };
        Ok(DemoLayer { name, metadata, resident: number % 7 != 3 })
    };
    BRANCHED_NAMES.lines().enumerate().map(layer).collect()
}

/// Every second layer is shard `number`'s. Those from before the split are the parent's.
fn sharded_layers(number: usize, shard: ShardIndex) -> anyhow::Result<Vec<DemoLayer>> {
    let layer = |(index, line): (usize, &str)| {
        let mut fields = line.split(' ');
        let mut field = || fields.next().with_context(|| format!("too few fields: {line}"));
        let (name, file_size, written): (LayerName, u64, u32) =
            (field()?.parse()?, field()?.parse()?, field()?.parse()?);
        let since_split = index % 5 == 0;
        let metadata = LayerMetadata {
            file_size,
            generation: Generation::new(if since_split { SHARDED.generation } else { written.min(4) }),
            shard: if since_split { shard } else { ShardIndex::UNSHARDED },
        };
        Ok(DemoLayer { name, metadata, resident: true })
    };
    SHARDED_LAYERS.lines().enumerate().filter(|(index, _)| index % 2 == number % 2).map(layer).collect()
}

struct Maker<'a> {
    data_dir: &'a Path,
    remote_dir: &'a Path,
    laid_out: LaidOut,
}

impl Maker<'_> {
    fn tenant_shard(&mut self, demo: &Demo, shard: TenantShardId) -> anyhow::Result<TenantShardId> {
        let dir = self.data_dir.join("tenants").join(shard.to_string());
        fs::create_dir_all(dir.join("timelines"))?;
        fs::write(dir.join("config-v1"), demo.config(shard.shard))?;
        self.laid_out.tenant_shards += 1;
        Ok(shard)
    }

    fn timeline_dir(root: &Path, shard: TenantShardId, timeline: TimelineId) -> std::io::Result<PathBuf> {
        let dir = root.join("tenants").join(shard.to_string()).join("timelines").join(timeline.to_string());
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// The files of the resident layers, and the index that names all of them.
    fn timeline(
        &mut self,
        demo: &Demo,
        shard: TenantShardId,
        timeline: TimelineId,
        ancestor: Option<(TimelineId, Lsn)>,
        layers: &[DemoLayer],
    ) -> anyhow::Result<()> {
        let dir = Self::timeline_dir(self.data_dir, shard, timeline)?;
        for (number, layer) in layers.iter().enumerate() {
            self.laid_out.layers += 1;
            self.laid_out.layer_bytes += layer.metadata.file_size;
            if layer.resident {
                let file = File::create(dir.join(format!("{}-v1{}", layer.name, layer.metadata.generation.suffix())))?;
                file.set_len(layer.metadata.file_size)?;
                let read_at = read_at(number);
                file.set_times(FileTimes::new().set_accessed(read_at).set_modified(read_at))?;
            }
        }
        if demo.mode != "Secondary" {
            let index = Self::timeline_dir(self.remote_dir, shard, timeline)?
                .join(format!("index_part.json{}", Generation::new(demo.generation).suffix()));
            fs::write(index, index_part(ancestor, layers).to_string())?;
        }
        Ok(())
    }

    /// The heatmap that this location took over when it was attached: some of what is not on disk yet.
    fn taken_over_heatmap(
        &self,
        shard: TenantShardId,
        timeline: TimelineId,
        layers: &[DemoLayer],
    ) -> anyhow::Result<()> {
        let missing = layers.iter().filter(|layer| !layer.resident).step_by(2);
        let listed = missing.enumerate().map(|(number, layer)| HeatmapLayer {
            name: layer.name,
            metadata: layer.metadata,
            access_time: 1_700_000_000,
            cold: number % 4 == 3,
            heat: None,
        });
        let timelines = vec![HeatmapTimeline { timeline_id: timeline, layers: listed.collect() }];
        let heatmap = Heatmap { generation: 2, timelines, upload_period_ms: Some(60_000), policy: None };
        let dir = self.data_dir.join("tenants").join(shard.to_string());
        Ok(fs::write(dir.join("heatmap-v1.json"), heatmap.to_bytes())?)
    }
}

/// Neighbours were read at different times of the last hours.
#[allow(clippy::disallowed_methods, reason = "a demo happens now")]
fn read_at(number: usize) -> SystemTime {
    SystemTime::now() - Duration::from_secs(60 * (number as u64 * 37 % 300))
}

fn index_part(ancestor: Option<(TimelineId, Lsn)>, layers: &[DemoLayer]) -> Value {
    let newest = layers.iter().map(|layer| layer.name.lsn_end().0).max().unwrap_or(1);
    let disk_consistent_lsn = Lsn(newest - 1).to_string();
    let metadata = layers.iter().map(|DemoLayer { name, metadata, .. }| {
        let mut entry = json!({ "file_size": metadata.file_size, "generation": metadata.generation.get() });
        if !metadata.shard.is_unsharded()
            && let Some(entry) = entry.as_object_mut()
        {
            entry.insert("shard".into(), metadata.shard.to_string().into());
        }
        (name.to_string(), entry)
    });
    let metadata: Map<_, _> = metadata.collect();
    json!({
        "version": 15,
        "layer_metadata": metadata,
        "disk_consistent_lsn": disk_consistent_lsn,
        "metadata_bytes": {
            "disk_consistent_lsn": disk_consistent_lsn,
            "prev_record_lsn": disk_consistent_lsn,
            "ancestor_timeline": ancestor.map(|(timeline, _)| timeline.to_string()),
            "ancestor_lsn": ancestor.map_or_else(|| "0/0".into(), |(_, lsn)| lsn.to_string()),
            "latest_gc_cutoff_lsn": "0/0",
            "initdb_lsn": "0/0",
            "pg_version": 16,
        },
    })
}
