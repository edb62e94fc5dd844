//! Files that are cut off, at every 97th byte: nothing panics, nothing is half written, and the heatmap in the
//! bucket outlives what it cannot be made from.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thermocline::policy::{Engine, Limits, NO_CONFIG, Policy};

use crate::command::run;
use crate::node::{Node, TestLayer, delta, image};

const SHARD: &str = "0a110000000000000000000000000001";
const STEP: usize = 97;

fn cuts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..bytes.len()).step_by(STEP).map(|cut| &bytes[..cut])
}

/// A node that has uploaded, and the bytes of its files.
struct Uploaded {
    node: Node,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Uploaded {
    fn new() -> Self {
        let node = Node::new();
        let mut layers: Vec<TestLayer> = (0..12).map(|n| delta(n * 10..n * 10 + 10, 0x11..0x20)).collect();
        layers.push(image(0x10));
        node.attached(SHARD, 2, &layers);
        let manifest = r#"{"version":2,"stripe_size":32768,"offloaded_timelines":[{"timeline_id":"23232323232323232323232323232323","ancestor_timeline_id":"11111111111111111111111111111111","ancestor_retain_lsn":"0/18","archived_at":"2026-11-22T16:37:59.639287243"}]}"#;
        fs::write(node.remote().join("tenants").join(SHARD).join("tenant-manifest-00000002.json"), manifest).unwrap();
        node.upload(&[]).exits_with(0);
        assert_eq!(node.listed(SHARD).len(), layers.len());

        let mut uploaded = Uploaded { node, files: vec![] };
        let mut files = vec![uploaded.object(), uploaded.kept(), uploaded.config()];
        files.extend([uploaded.index(), uploaded.manifest(), uploaded.state()]);
        uploaded.files = files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect();
        uploaded
    }

    fn object(&self) -> PathBuf {
        self.node.object(SHARD)
    }

    fn kept(&self) -> PathBuf {
        self.node.local_heatmap(SHARD)
    }

    fn config(&self) -> PathBuf {
        self.node.folder(SHARD).join("config-v1")
    }

    fn index(&self) -> PathBuf {
        let timeline = self.object().with_file_name("timelines").join(crate::node::TIMELINE);
        timeline.join("index_part.json-00000002")
    }

    fn manifest(&self) -> PathBuf {
        self.object().with_file_name("tenant-manifest-00000002.json")
    }

    fn state(&self) -> PathBuf {
        self.node.data().join("thermocline").join(format!("{SHARD}.seen"))
    }

    fn bytes(&self, path: &Path) -> &[u8] {
        &self.files.iter().find(|(file, _)| file == path).unwrap().1
    }

    /// Uploads with each truncation of a file; `expect` is told how it ended, the shard's row and the log. Whatever
    /// happened, the bucket has the whole heatmap, and so has the folder. Between, all files are whole again.
    fn with_each_cut(&self, cut_off: &Path, mut expect: impl FnMut(i32, &Value, &str)) {
        for cut in cuts(self.bytes(cut_off)) {
            fs::write(cut_off, cut).unwrap();
            let run = self.node.upload(&["--json"]);
            let code = run.code.unwrap();
            assert!(code == 0 || code == 1, "{run:?}");
            expect(code, &run.row(SHARD), &run.stderr);
            for (file, bytes) in &self.files {
                let found = fs::read(file).unwrap();
                let as_before = found == *bytes || (file == cut_off && found == cut);
                assert!(as_before, "{} changed while {} was cut at {}", file.display(), cut_off.display(), cut.len());
                fs::write(file, bytes).unwrap();
            }
        }
        let row = self.node.upload(&["--json"]).exits_with(0).row(SHARD);
        assert_eq!(row["outcome"], "unchanged");
    }
}

#[test]
fn a_configuration_that_is_cut_off_skips_the_shard() {
    let uploaded = Uploaded::new();
    let mut skipped = 0;
    uploaded.with_each_cut(&uploaded.config(), |code, row, _| {
        assert_eq!(code, 0);
        // It may be cut behind all that counts.
        if row["outcome"] != "unchanged" {
            skipped += 1;
            assert_eq!(row["outcome"], "skipped");
            assert!(row["reason"].as_str().unwrap().contains(uploaded.config().to_str().unwrap()), "{row}");
        }
    });
    assert!(skipped > 0);
}

#[test]
fn an_index_or_a_manifest_that_is_cut_off_fails_the_shard() {
    let uploaded = Uploaded::new();
    for file in [uploaded.index(), uploaded.manifest()] {
        uploaded.with_each_cut(&file, |code, row, _| {
            assert_eq!((code, &row["outcome"]), (1, &"failed".into()));
            let reason = row["reason"].as_str().unwrap();
            assert!(reason.contains(&format!("file://{}", file.display())), "{reason}");
        });
    }
}

#[test]
fn a_kept_heatmap_or_a_state_that_is_cut_off_is_told_and_made_anew() {
    let uploaded = Uploaded::new();
    for file in [uploaded.kept(), uploaded.state()] {
        uploaded.with_each_cut(&file, |code, row, log| {
            assert_eq!((code, &row["outcome"]), (0, &"unchanged".into()));
            assert!(log.contains(file.to_str().unwrap()), "{log}");
            assert!(fs::read(&file).unwrap() == uploaded.bytes(&file));
        });
    }
}

#[test]
fn an_object_that_is_cut_off_is_replaced() {
    let uploaded = Uploaded::new();
    uploaded.with_each_cut(&uploaded.object(), |code, row, _| {
        assert_eq!((code, &row["outcome"]), (0, &"uploaded".into()));
        assert!(fs::read(uploaded.object()).unwrap() == uploaded.bytes(&uploaded.object()));
    });
}

#[test]
fn a_heatmap_that_is_cut_off_is_never_good() {
    let uploaded = Uploaded::new();
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![];
    for cut in cuts(uploaded.bytes(&uploaded.object())) {
        let file = folder.path().join(format!("{}.json", cut.len()));
        fs::write(&file, cut).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let args = ["heatmap", "verify", "--json"].into_iter().chain(files.iter().map(String::as_str));
    let verified = run(args).exits_with(1).json();
    assert_eq!(verified.as_array().unwrap().len(), files.len());
    for verified in verified.as_array().unwrap() {
        assert_eq!(verified["valid"], false);
        let error = verified["error"].as_str().unwrap();
        assert!(error.contains("it is cut off") || error.contains("it is empty"), "{error}");
    }
}

#[test]
fn a_component_that_is_cut_off_is_refused_or_does_the_same() {
    let component: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../host/src/policy/resident-set.wasm"].iter().collect();
    let component = fs::read(component).unwrap();
    let engine = Engine::new(Limits::default()).unwrap();
    let mut refused = 0;
    for cut in cuts(&component) {
        match Policy::load(&engine, cut, NO_CONFIG) {
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("policy (sha256:"), "{error}");
            }
            Ok(policy) => assert_eq!(policy.description().name, "resident-set"),
        }
    }
    assert!(refused > component.len() / STEP / 2);

    // Through the command, now and then.
    let uploaded = Uploaded::new();
    let file = uploaded.node.root().join("policy.wasm");
    for cut in cuts(&component).step_by(60) {
        fs::write(&file, cut).unwrap();
        let run = uploaded.node.upload(&["--policy", file.to_str().unwrap()]);
        if run.code != Some(0) {
            let run = run.exits_with(1);
            assert!(run.stderr.contains(file.to_str().unwrap()), "{}", run.stderr);
        }
        for (file, bytes) in &uploaded.files {
            assert!(fs::read(file).unwrap() == *bytes, "{}", file.display());
        }
    }
}
