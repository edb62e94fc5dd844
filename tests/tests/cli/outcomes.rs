//! What became of each shard, and the exit code that follows from it.

use std::fs;

use rstest::rstest;
use serde_json::json;

use crate::files::traces;
use crate::node::{Node, TIMELINE, attached, delta, image};
use crate::shown;

const GOOD: &str = "0a110000000000000000000000000001";
const SECONDARY: &str = "0a120000000000000000000000000001-0104";
const STALE: &str = "0a130000000000000000000000000001";
const DETACHED: &str = "0a140000000000000000000000000001";
const DAMAGED: &str = "0a150000000000000000000000000001";
const OFF: &str = "0a160000000000000000000000000001";
const NO_GENERATION: &str = "0a170000000000000000000000000001";
const LOST: &str = "0a180000000000000000000000000001";
const UNKNOWN: &str = "0a990000000000000000000000000009";

/// One tenant that is uploaded, and some that are not.
fn node() -> Node {
    let node = Node::new();
    let layers = [image(0x10), delta(0..100, 0x11..0x20)];
    node.attached(GOOD, 2, &layers);
    node.tenant(SECONDARY, "[mode.Secondary]\nwarm = true\n");
    node.attached(STALE, 1, &layers);
    node.tenant(STALE, &attached(1, "Stale"));
    fs::create_dir_all(node.folder(DETACHED).join("timelines")).unwrap();
    node.tenant(DAMAGED, "[mode.Attached]\ngeneration = \"two\"\nattach_mode = \"Single\"\n");
    node.attached(OFF, 1, &layers);
    let config = node.folder(OFF).join("config-v1");
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("\"1m\"", "\"0s\"")).unwrap();
    node.tenant(NO_GENERATION, "[mode.Attached]\nattach_mode = \"Single\"\n");
    node
}

/// The index of this tenant is damaged.
fn lose(node: &Node) {
    node.attached(LOST, 1, &[image(0x10)]);
    fs::write(node.index(LOST, TIMELINE, 1, &[]), "{").unwrap();
}

#[test]
fn each_shard_has_a_row_and_a_sweep_in_which_nothing_failed_is_good() {
    let node = node();
    let run = node.upload(&[]).exits_with(0);
    assert_eq!(run.stderr, "");
    shown::in_folder(node.root()).bind(|| insta::assert_snapshot!(run.text()));
    for shard in [SECONDARY, STALE, DETACHED, DAMAGED, OFF, NO_GENERATION] {
        assert!(!node.object(shard).exists(), "{shard}");
    }
}

#[test]
fn a_shard_that_fails_is_told_and_stops_no_other() {
    let node = node();
    lose(&node);
    let run = node.upload(&[]).exits_with(1);
    shown::in_folder(node.root()).bind(|| insta::assert_snapshot!(run.text()));
    assert!(node.object(GOOD).exists());
    assert!(!node.object(LOST).exists());
}

#[test]
fn rows_are_printed_as_json_too() {
    let node = node();
    lose(&node);
    let run = node.upload(&["--json"]).exits_with(1);
    let mut good = run.row(GOOD);
    assert!(good["elapsed_ms"].take().as_f64().unwrap() > 0.0);
    let size = fs::metadata(node.object(GOOD)).unwrap().len();
    assert_eq!(
        good,
        json!({
            "shard": GOOD, "outcome": "uploaded", "reason": null, "layers": 2, "cold_layers": 0, "hot_bytes": 16384,
            "bytes": size, "elapsed_ms": null, "policy": "resident-set 0.1.0", "policy_error": null,
        })
    );
    let secondary = run.row(SECONDARY);
    assert_eq!((&secondary["outcome"], &secondary["layers"]), (&json!("skipped"), &json!(null)));
    assert_eq!(run.row(LOST)["outcome"], "failed");
    let shards: Vec<_> = run.json().as_array().unwrap().iter().map(|row| row["shard"].to_string()).collect();
    assert!(shards.is_sorted() && shards.len() == 8, "{shards:?}");
}

#[rstest]
#[case::secondary(SECONDARY, "secondary: its attached location uploads the heatmap")]
#[case::detached(DETACHED, "detached: there is no config-v1")]
#[case::damaged(
    DAMAGED,
    "config-v1: TOML parse error at line 4, column 14: invalid type: string \"two\", expected u32"
)]
#[case::no_generation(NO_GENERATION, "attached without a generation")]
#[case::unknown(UNKNOWN, "there is no such tenant in ")]
fn whoever_is_named_and_has_no_heatmap_is_a_failure(#[case] shard: &str, #[case] why: &str) {
    let node = node();
    let named = node.upload(&["--json", "--tenant", GOOD, "--tenant", shard]).exits_with(1);
    assert_eq!(named.row(GOOD)["outcome"], "uploaded", "the others are uploaded all the same");
    let row = named.row(shard);
    assert_eq!(row["outcome"], "failed");
    assert!(row["reason"].as_str().unwrap().contains(why), "{row}");

    let generated = node.generate(shard, &[]).exits_with(1);
    assert_eq!(generated.stdout, b"");
    let prefix = format!("error: there is no heatmap of tenant {shard}: ");
    assert!(generated.stderr.starts_with(&prefix) && generated.stderr.contains(why), "{}", generated.stderr);
    assert!(!node.folder(UNKNOWN).exists());
}

#[rstest]
#[case::stale(STALE)]
#[case::off(OFF)]
fn whoever_a_sweep_passes_over_is_uploaded_when_named(#[case] shard: &str) {
    let node = node();
    node.upload(&[]).exits_with(0);
    assert!(!node.object(shard).exists());
    let named = node.upload(&["--json", "--tenant", shard]).exits_with(0);
    assert_eq!(named.row(shard)["outcome"], "uploaded");
    assert_eq!(named.json().as_array().unwrap().len(), 1);
    assert_eq!(node.listed(shard).len(), 2);
}

#[test]
fn a_heatmap_of_a_later_attachment_is_not_replaced() {
    let node = node();
    node.upload(&[]).exits_with(0);
    node.tenant(GOOD, &attached(1, "Single"));
    let before = traces(&node.remote());
    let row = node.upload(&["--json"]).exits_with(1).row(GOOD);
    assert_eq!(row["outcome"], "failed");
    let why = row["reason"].as_str().unwrap();
    assert!(why.starts_with("stale: the heatmap in the bucket is of generation 2, this location"), "{why}");
    assert_eq!(traces(&node.remote()), before);
}

#[test]
fn a_data_directory_without_tenants_is_no_error() {
    let node = Node::new();
    let run = node.upload(&[]).exits_with(0);
    assert_eq!((run.text().as_str(), run.stderr.as_str()), ("no tenants: there is nothing to upload\n", ""));
    assert_eq!(node.upload(&["--json"]).exits_with(0).json(), json!([]));
    assert!(!node.remote().exists());
}
