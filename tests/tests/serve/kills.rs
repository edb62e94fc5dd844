//! `kill -9` of the daemon and of the store, while a script keeps changing the data directory: whoever looks finds a
//! whole heatmap at any moment, and the right one in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use thermocline::heatmap::Heatmap;
use thermocline::keys;
use thermocline::layer::{LayerName, Lsn};
use thermocline::remote::{Got, Remote};
use thermocline_tests::servers::{BUCKET, WEED_VARIABLE, Weed};

use crate::daemon::{Daemon, PATIENCE, serve};
use crate::node::{Node, TIMELINE, TestLayer, attached, key};

const DAEMON_KILLS: usize = 50;
const STORE_KILLS: usize = 10;
const SHARDS: u8 = 5;
/// Layers of a shard between which the script goes to and fro.
const LAYERS: u32 = 12;
/// How often the end is looked at.
const POLL: Duration = Duration::from_millis(100);

fn shard(number: u8) -> String {
    format!("0a{number:02x}0000000000000000000000000000")
}

/// Layers that do not cover each other, so that all that are on disk are visible.
fn layer(number: u32) -> TestLayer {
    TestLayer::new(LayerName::image(key(number * 10), key(number * 10 + 10), Lsn(0x100)))
}

fn timeline(node: &Node, number: u8) -> PathBuf {
    node.folder(&shard(number)).join("timelines").join(TIMELINE)
}

/// A data directory of shards that are uploaded every second.
fn node() -> Node {
    let node = Node::new();
    for number in 0..SHARDS {
        node.tenant(&shard(number), &attached(1, "Single"));
        let config = node.folder(&shard(number)).join("config-v1");
        let text = fs::read_to_string(&config).unwrap().replace("\"1m\"", "\"1s\"");
        fs::write(&config, text).unwrap();
        node.files(&shard(number), TIMELINE, &[layer(0)]);
    }
    node
}

/// Names of the layers that are on disk.
fn on_disk(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.split("-v1-").next().unwrap().to_owned()).collect()
}

fn listed(heatmap: &Heatmap) -> BTreeSet<String> {
    heatmap.timelines.iter().flat_map(|timeline| &timeline.layers).map(|layer| layer.name.to_string()).collect()
}

/// Adds and evicts layers until it is told to stop. Answers how often.
#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
fn change(node: &Node, stop: &AtomicBool) -> usize {
    let mut random = fastrand::Rng::with_seed(7);
    let mut changes = 0;
    while !stop.load(Ordering::Relaxed) {
        let (number, changed) = (random.u8(0..SHARDS), layer(random.u32(1..LAYERS)));
        let name = changed.name.to_string();
        if on_disk(&timeline(node, number)).contains(&name) {
            node.evict(&shard(number), &changed);
        } else {
            node.files(&shard(number), TIMELINE, &[changed]);
        }
        changes += 1;
        thread::sleep(Duration::from_millis(random.u64(1..30)));
    }
    changes
}

/// Looks at every heatmap again and again, and answers how many were whole. One that is not ends it.
#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
async fn watch(remote: Arc<dyn Remote>, stop: Arc<AtomicBool>) -> usize {
    let (mut whole, mut seen) = (0, BTreeSet::new());
    while !stop.load(Ordering::Relaxed) {
        for number in 0..SHARDS {
            let key = keys::heatmap(shard(number).parse().unwrap());
            match remote.get(&key, None).await {
                Ok(Got::Object(object)) => {
                    let heatmap = Heatmap::decode(&object.body).unwrap_or_else(|error| panic!("{key}: {error}"));
                    assert_eq!(heatmap.generation, 1, "{key}");
                    seen.insert(key);
                    whole += 1;
                }
                Ok(Got::Missing) => assert!(!seen.contains(&key), "{key} was there, and is gone"),
                // A store that was killed answers nothing.
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
async fn whoever_is_killed_leaves_whole_heatmaps_and_the_right_ones_in_the_end() {
    let Some(mut weed) = Weed::start().await.unwrap() else {
        println!("skipped: {WEED_VARIABLE} names no SeaweedFS");
        return;
    };
    let node = Arc::new(node());
    let settings = node.root().join("thermocline.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\npageserver.data_dir = {:?}\nrescan_period = \"10s\"\nlog.format = \"json\"\n\
         [remote_storage]\nbucket_name = {BUCKET:?}\nbucket_region = \"us-east-1\"\nendpoint = {:?}\n",
        node.data(),
        weed.access.endpoint,
    );
    fs::write(&settings, text).unwrap();
    let access = weed.access.clone();
    let start = || {
        let mut command = serve(&settings, &[]);
        command.env("AWS_ACCESS_KEY_ID", &access.access_key_id);
        Daemon::start_with(command.env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key))
    };
    let remote = weed.access.remote("").await.unwrap();

    let (stop, changed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let script = thread::spawn({
        let (node, stop, changed) = (Arc::clone(&node), Arc::clone(&stop), Arc::clone(&changed));
        move || changed.store(change(&node, &stop), Ordering::Relaxed)
    });
    let watcher = tokio::spawn(watch(Arc::clone(&remote), Arc::clone(&stop)));

    let mut random = fastrand::Rng::with_seed(11);
    for kill in 0..DAEMON_KILLS {
        let daemon = start();
        tokio::time::sleep(Duration::from_millis(random.u64(0..1200))).await;
        if kill % (DAEMON_KILLS / STORE_KILLS) == 0 {
            weed.crash().await.unwrap();
        }
        // Its end is a `kill -9`.
        drop(daemon);
    }
    stop.store(true, Ordering::Relaxed);
    script.join().unwrap();
    let whole = watcher.await.unwrap();
    assert!(
        whole > DAEMON_KILLS && changed.load(Ordering::Relaxed) > DAEMON_KILLS,
        "{whole} looks, {changed:?} changes"
    );

    let _daemon = start();
    let expected: BTreeMap<_, _> =
        (0..SHARDS).map(|number| (shard(number), on_disk(&timeline(&node, number)))).collect();
    let mut found = BTreeMap::new();
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        found.clear();
        for number in 0..SHARDS {
            let key = keys::heatmap(shard(number).parse().unwrap());
            if let Ok(Got::Object(object)) = remote.get(&key, None).await {
                found.insert(shard(number), listed(&Heatmap::decode(&object.body).unwrap()));
            }
        }
        if found == expected {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(found, expected);
}
