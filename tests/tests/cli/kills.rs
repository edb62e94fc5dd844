//! `kill -9` in the middle of uploads: whoever looks finds the old heatmap or the new one, whole.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use thermocline::heatmap::Heatmap;
use thermocline::remote::{Got, LocalDir, Remote};

use crate::command::thermocline;
use crate::files;
use crate::node::{Node, TIMELINE, TestLayer};

const KILLS: u32 = 50;
/// How often an upload that ended too soon is begun anew, each time killed a fifth sooner.
const TRIES: usize = 20;
const SHARDS: u8 = 6;
/// How unfinished files are called.
const TEMPORARY: &str = ".___temp";

fn shard(number: u8) -> String {
    format!("0a{number:02x}0000000000000000000000000000")
}

fn shards() -> impl Iterator<Item = String> {
    (0..SHARDS).map(shard)
}

/// Some shards, each with the layers of a real database.
fn node() -> (Node, Vec<TestLayer>) {
    let names: PathBuf = [env!("CARGO_MANIFEST_DIR"), "data", "layers", "odd-brook-sample.names"].iter().collect();
    let names = fs::read_to_string(names).unwrap();
    let layers: Vec<_> = names.lines().map(|name| TestLayer::new(name.parse().unwrap())).collect();
    let node = Node::new();
    for shard in shards() {
        node.attached(&shard, 1, &layers);
    }
    (node, layers)
}

/// A sequence of numbers that is told by its seed (SplitMix64).
struct Random(u64);

impl Random {
    /// Of `THERMOCLINE_TEST_SEED`, or another one each time.
    fn new() -> Self {
        let given = std::env::var("THERMOCLINE_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(()));
        println!("the same once more: THERMOCLINE_TEST_SEED={seed}");
        Random(seed)
    }

    /// From 0 up to 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as f64 / u64::MAX as f64
    }
}

/// A data directory that is now in one, now in the other of two states.
struct Flipping {
    node: Node,
    /// On disk in the first state only.
    layer: TestLayer,
    second: bool,
}

impl Flipping {
    fn flip(&mut self) {
        self.second = !self.second;
        for shard in shards() {
            if self.second {
                self.node.evict(&shard, &self.layer);
            } else {
                self.node.files(&shard, TIMELINE, &[self.layer]);
            }
        }
    }

    /// The files of every shard that hold a heatmap: in the bucket, and in the data directory.
    fn heatmaps(&self) -> impl Iterator<Item = (String, PathBuf)> {
        shards().flat_map(|shard| {
            let (object, local) = (self.node.object(&shard), self.node.local_heatmap(&shard));
            [(shard.clone(), object), (shard, local)]
        })
    }

    /// Uploads to the end: what every shard has now, and how long it took.
    #[allow(clippy::disallowed_methods, reason = "kills are spread over the time that an upload takes")]
    fn upload(&self) -> (BTreeMap<String, Vec<u8>>, Duration) {
        let began = Instant::now();
        self.node.upload(&[]).exits_with(0);
        let took = began.elapsed();
        let uploaded: BTreeMap<_, _> =
            shards().map(|shard| (shard.clone(), fs::read(self.node.object(&shard)).unwrap())).collect();
        for (shard, path) in self.heatmaps() {
            assert!(fs::read(&path).unwrap() == uploaded[&shard], "{}", path.display());
        }
        (uploaded, took)
    }

    /// Starts an upload and kills it. Whether it had not ended before.
    #[allow(clippy::disallowed_methods, reason = "the moment of the kill is what is tested")]
    fn upload_and_kill_after(&self, delay: Duration) -> bool {
        let mut command = thermocline(self.node.args("upload", &["--concurrency", "2"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap().signal() == Some(9)
    }
}

#[tokio::test]
async fn heatmaps_are_whole_whenever_the_upload_is_killed() {
    let mut random = Random::new();
    let (node, layers) = node();
    let layer = *layers.iter().filter(|layer| layer.name.is_delta()).max_by_key(|l| l.name.lsn_end()).unwrap();
    let remote = LocalDir::new(&node.remote()).unwrap();
    let mut flipping = Flipping { node, layer, second: false };
    flipping.upload();
    flipping.flip();
    let (second, _) = flipping.upload();
    flipping.flip();
    let (first, took) = flipping.upload();
    for shard in shards() {
        let [first, second] = [&first, &second].map(|all| Heatmap::decode(&all[&shard]).unwrap());
        assert_eq!(first.diff(&second).removed.len(), 1);
    }

    let (mut temporary, mut new) = (0, 0);
    for round in 0..KILLS {
        // A random moment of each of as many parts of the time.
        let delay = took.mul_f64((f64::from(round) + random.fraction()) / f64::from(KILLS));
        let mut delays = std::iter::successors(Some(delay), |delay| Some(delay.mul_f64(0.8))).take(TRIES);
        let killed = delays.find(|delay| {
            flipping.flip();
            flipping.upload_and_kill_after(*delay)
        });
        assert!(killed.is_some(), "an upload ends at once: before {delay:?}, and far sooner");

        for (shard, path) in flipping.heatmaps() {
            let found = fs::read(&path).unwrap();
            let [wanted, other] = if flipping.second { [&second, &first] } else { [&first, &second] };
            new += u32::from(found == wanted[&shard]);
            assert!(
                found == wanted[&shard] || found == other[&shard],
                "{}: after a kill at {killed:?} there are {} bytes that are neither the old nor the new heatmap",
                path.display(),
                found.len()
            );
        }
        for object in remote.list("").await.unwrap() {
            let name = object.key.rsplit('/').next().unwrap();
            assert!(name == "heatmap-v1.json" || name.starts_with("index_part.json-"), "{}", object.key);
        }
        for leftover in leftovers(&flipping.node) {
            temporary += 1;
            let key = leftover.strip_prefix(remote.root()).unwrap().to_str().unwrap();
            assert!(!matches!(remote.get(key, None).await, Ok(Got::Object(_))), "{key} is readable");
        }
    }
    println!("{took:?} an upload; after {KILLS} kills {new} heatmaps were new, and {temporary} files unfinished");

    // Twice, so that each shard has something to write once.
    for _ in 0..2 {
        flipping.flip();
        let (uploaded, _) = flipping.upload();
        assert!(uploaded == *if flipping.second { &second } else { &first });
    }
    assert_eq!(leftovers(&flipping.node), [""; 0].map(PathBuf::from), "an upload removes what others left behind");
}

/// Unfinished files in the bucket.
fn leftovers(node: &Node) -> Vec<PathBuf> {
    let all = files::traces(&node.remote()).into_keys();
    all.filter(|path| path.to_str().unwrap().ends_with(TEMPORARY)).collect()
}
