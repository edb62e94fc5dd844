//! A pageserver's data directory and its bucket, laid out by hand.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use thermocline::heatmap::Heatmap;
use thermocline::layer::{Key, LayerName, Lsn};

use crate::command::{Run, run};

/// The timeline of those who have one.
pub(crate) const TIMELINE: &str = "11111111111111111111111111111111";
/// Seconds since the Unix epoch, at which all layers were last read.
pub(crate) const READ_AT: u64 = 1_715_107_956;

/// A layer of a timeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestLayer {
    pub(crate) name: LayerName,
    pub(crate) size: u64,
    pub(crate) generation: u32,
    pub(crate) resident: bool,
}

impl TestLayer {
    pub(crate) fn new(name: LayerName) -> Self {
        TestLayer { name, size: 8192, generation: 1, resident: true }
    }

    pub(crate) fn gone(self) -> Self {
        TestLayer { resident: false, ..self }
    }

    fn file(&self) -> String {
        format!("{}-v1-{:08x}", self.name, self.generation)
    }
}

pub(crate) fn key(number: u32) -> Key {
    let mut bytes = [0; 18];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    Key::from_bytes(bytes)
}

/// An image of all keys.
pub(crate) fn image(lsn: u64) -> TestLayer {
    TestLayer::new(LayerName::image(Key::MIN, Key::MAX, Lsn(lsn)))
}

/// A delta of some keys.
pub(crate) fn delta(keys: std::ops::Range<u32>, lsns: std::ops::Range<u64>) -> TestLayer {
    let name = LayerName::delta(key(keys.start), key(keys.end), Lsn(lsns.start), Lsn(lsns.end));
    TestLayer::new(name.unwrap())
}

/// A pageserver with its bucket.
pub(crate) struct Node {
    root: TempDir,
}

impl Node {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("data/tenants")).unwrap();
        Node { root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.root().join("remote")
    }

    pub(crate) fn remote_url(&self) -> String {
        format!("file://{}", self.remote().display())
    }

    pub(crate) fn folder(&self, shard: &str) -> PathBuf {
        self.data().join("tenants").join(shard)
    }

    pub(crate) fn local_heatmap(&self, shard: &str) -> PathBuf {
        self.folder(shard).join("heatmap-v1.json")
    }

    pub(crate) fn object(&self, shard: &str) -> PathBuf {
        self.remote().join("tenants").join(shard).join("heatmap-v1.json")
    }

    /// What is in the bucket.
    #[track_caller]
    pub(crate) fn heatmap(&self, shard: &str) -> Heatmap {
        Heatmap::decode(&fs::read(self.object(shard)).unwrap()).unwrap()
    }

    /// The names that the bucket's heatmap lists, in its order.
    #[track_caller]
    pub(crate) fn listed(&self, shard: &str) -> Vec<LayerName> {
        let timelines = self.heatmap(shard).timelines;
        timelines.iter().flat_map(|timeline| &timeline.layers).map(|layer| layer.name).collect()
    }

    /// A tenant's folder with its `config-v1`, of which `mode` is the first part.
    pub(crate) fn tenant(&self, shard: &str, mode: &str) {
        let folder = self.folder(shard);
        fs::create_dir_all(folder.join("timelines")).unwrap();
        let (number, count) = shard.split_once('-').map_or((0, 0), |(_, suffix)| {
            let digits = u16::from_str_radix(suffix, 16).unwrap();
            (digits >> 8, digits & 0xff)
        });
        let config = format!(
            "# This file contains a specific per-tenant's config.\n#  It is read in case of pageserver restart.\n{mode}\n\
             [shard]\nnumber = {number}\ncount = {count}\nstripe_size = 32768\n\n\
             [tenant_conf]\ncheckpoint_distance = 268435456\nheatmap_period = \"1m\"\n"
        );
        fs::write(folder.join("config-v1"), config).unwrap();
    }

    /// An attached tenant with one timeline, whose layers its index names.
    pub(crate) fn attached(&self, shard: &str, generation: u32, layers: &[TestLayer]) {
        self.tenant(shard, &attached(generation, "Single"));
        self.files(shard, TIMELINE, layers);
        self.index(shard, TIMELINE, generation, layers);
    }

    /// The files of the layers that are resident.
    pub(crate) fn files(&self, shard: &str, timeline: &str, layers: &[TestLayer]) {
        let folder = self.folder(shard).join("timelines").join(timeline);
        fs::create_dir_all(&folder).unwrap();
        for layer in layers.iter().filter(|layer| layer.resident) {
            let file = File::create(folder.join(layer.file())).unwrap();
            file.set_len(layer.size).unwrap();
            let read_at = SystemTime::UNIX_EPOCH + Duration::from_secs(READ_AT);
            file.set_times(FileTimes::new().set_accessed(read_at).set_modified(read_at)).unwrap();
        }
    }

    /// Removes a layer's file, as an eviction does.
    pub(crate) fn evict(&self, shard: &str, layer: &TestLayer) {
        fs::remove_file(self.folder(shard).join("timelines").join(TIMELINE).join(layer.file())).unwrap();
    }

    /// The timeline's index in the bucket.
    pub(crate) fn index(&self, shard: &str, timeline: &str, generation: u32, layers: &[TestLayer]) -> PathBuf {
        let folder = self.remote().join("tenants").join(shard).join("timelines").join(timeline);
        fs::create_dir_all(&folder).unwrap();
        let tip = layers.iter().map(|layer| layer.name.lsn_end().0).max().unwrap_or(16);
        let tip = Lsn(tip).to_string();
        let entry = |layer: &TestLayer| {
            (layer.name.to_string(), json!({"file_size": layer.size, "generation": layer.generation}))
        };
        let layers: Map<String, Value> = layers.iter().map(entry).collect();
        let index = json!({
            "version": 15,
            "layer_metadata": layers,
            "disk_consistent_lsn": tip,
            "metadata_bytes": {
                "disk_consistent_lsn": tip,
                "prev_record_lsn": null,
                "ancestor_timeline": null,
                "ancestor_lsn": "0/0",
                "latest_gc_cutoff_lsn": "0/0",
                "initdb_lsn": "0/0",
                "pg_version": 16,
            },
        });
        let file = folder.join(format!("index_part.json-{generation:08x}"));
        fs::write(&file, index.to_string()).unwrap();
        file
    }

    /// Uploads, with more arguments.
    pub(crate) fn upload(&self, more: &[&str]) -> Run {
        run(self.args("upload", more))
    }

    /// Generates one shard's heatmap, with more arguments.
    pub(crate) fn generate(&self, shard: &str, more: &[&str]) -> Run {
        let mut args = self.args("generate", &["--tenant", shard]);
        args.extend(more.iter().map(ToString::to_string));
        run(args)
    }

    pub(crate) fn args(&self, command: &str, more: &[&str]) -> Vec<String> {
        let data = self.data().display().to_string();
        let args = [command, "--data-dir", &data, "--remote", &self.remote_url()];
        args.iter().chain(more).map(ToString::to_string).collect()
    }
}

/// The part of `config-v1` that says that a tenant is attached, and how.
pub(crate) fn attached(generation: u32, attach_mode: &str) -> String {
    format!("[mode.Attached]\ngeneration = {generation}\nattach_mode = \"{attach_mode}\"\n")
}
