//! Two daemons on one tenant, as after a migration of which one has not heard.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::daemon::{Daemon, PATIENCE, serve};
use crate::node::{Node, TestLayer, image};

const SHARD: &str = "0a110000000000000000000000000001";
const POLL: Duration = Duration::from_millis(100);

/// A daemon over `node`, whose bucket is `bucket`'s.
fn start(node: &Node, bucket: &Node) -> Daemon {
    let file = node.root().join("thermocline.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\npageserver.data_dir = {:?}\nremote_storage.local_path = {:?}\nlog.format = \"json\"\n",
        node.data(),
        bucket.remote(),
    );
    fs::write(&file, text).unwrap();
    Daemon::start_with(&mut serve(&file, &[]))
}

/// A pageserver that has the tenant in this generation, and uploads its heatmap every second.
fn node(generation: u32, layers: &[TestLayer]) -> Node {
    let node = Node::new();
    node.attached(SHARD, generation, layers);
    let config = node.folder(SHARD).join("config-v1");
    let text = fs::read_to_string(&config).unwrap().replace("\"1m\"", "\"1s\"");
    fs::write(&config, text).unwrap();
    node
}

fn command(daemon: &Daemon) -> (u16, String) {
    daemon.post(&format!("/v1/tenant/{SHARD}/heatmap_upload"))
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
fn the_bucket_ends_with_the_later_one_and_the_earlier_says_that_it_is_stale() {
    let (later_layers, earlier_layers) = ([image(0x1000)], [image(0x1000), image(0x2000)]);
    let (later, earlier) = (node(4, &later_layers), node(3, &earlier_layers));
    // Both read the same index files, as they would from one bucket.
    later.index(SHARD, crate::node::TIMELINE, 3, &earlier_layers);

    let three = start(&earlier, &later);
    assert_eq!(command(&three).0, 200);
    assert_eq!(later.heatmap(SHARD).generation, 3);
    let four = start(&later, &later);
    assert_eq!(command(&four).0, 200);
    assert_eq!(later.heatmap(SHARD).generation, 4);

    // By command, and by schedule.
    let (status, body) = command(&three);
    assert_eq!(status, 409, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert!(told["reason"].as_str().unwrap().starts_with("stale: the heatmap in the bucket is of generation 4"));
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        let (_, body) = three.get(&format!("/v1/tenant/{SHARD}"));
        let tenant: Value = serde_json::from_str(&body).unwrap();
        if tenant["failures"].as_u64() > Some(2) {
            assert_eq!(tenant["last"]["outcome"], "failed", "{tenant}");
            assert!(tenant["last"]["reason"].as_str().unwrap().contains("stale"), "{tenant}");
            let (_, metrics) = three.get("/metrics");
            assert!(metrics.contains(r#"outcome="failed",reason="stale_generation",trigger="schedule""#), "{metrics}");
            assert_eq!(later.heatmap(SHARD).generation, 4);
            return;
        }
        std::thread::sleep(POLL);
    }
    panic!("the schedule of generation 3 never says that it is stale");
}
