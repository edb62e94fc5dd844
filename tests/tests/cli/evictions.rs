//! Layers that are listed and not on disk: inherited ones stay, evicted ones leave.

use std::fs;

use thermocline::heatmap::Heatmap;

use crate::files::traces;
use crate::node::{Node, TIMELINE, TestLayer, attached, delta, image};

const SHARD: &str = "0a110000000000000000000000000001";

fn layers() -> [TestLayer; 3] {
    [image(0x10), delta(0..100, 0x11..0x20), delta(100..200, 0x11..0x20)]
}

/// The third layer is only in the bucket, and the heatmap that this location took over lists it.
fn node() -> Node {
    let node = Node::new();
    let [base, recent, inherited] = layers();
    node.attached(SHARD, 2, &[base, recent, inherited]);
    node.upload(&[]).exits_with(0);
    node.evict(SHARD, &inherited);
    // Taken over means: this host has seen nothing yet.
    fs::remove_dir_all(node.data().join("thermocline")).unwrap();
    node
}

#[test]
fn an_inherited_layer_stays_and_one_that_was_seen_leaves_with_its_file() {
    let node = node();
    let [base, recent, inherited] = layers();
    for _ in 0..2 {
        node.upload(&[]).exits_with(0);
        assert_eq!(node.listed(SHARD), [recent.name, inherited.name, base.name]);
    }
    node.evict(SHARD, &recent);
    for _ in 0..2 {
        node.upload(&[]).exits_with(0);
        assert_eq!(node.listed(SHARD), [inherited.name, base.name]);
    }
    // Downloaded at last, and evicted: no longer inherited.
    node.files(SHARD, TIMELINE, &[inherited]);
    node.upload(&[]).exits_with(0);
    node.evict(SHARD, &inherited);
    node.upload(&[]).exits_with(0);
    assert_eq!(node.listed(SHARD), [base.name]);
}

#[test]
fn a_look_counts_too_and_a_dry_run_does_not() {
    let node = node();
    let [base, recent, inherited] = layers();
    let generated = || {
        let heatmap = Heatmap::decode(&node.generate(SHARD, &[]).exits_with(0).stdout).unwrap();
        heatmap.timelines[0].layers.iter().map(|layer| layer.name).collect::<Vec<_>>()
    };
    // Nothing has seen the layer when it goes: it counts as inherited, too.
    node.upload(&["--dry-run"]).exits_with(0);
    node.evict(SHARD, &recent);
    assert_eq!(generated(), [recent.name, inherited.name, base.name]);
    node.files(SHARD, TIMELINE, &[recent]);
    assert_eq!(generated(), [recent.name, inherited.name, base.name]);
    node.evict(SHARD, &recent);
    assert_eq!(generated(), [inherited.name, base.name]);
}

#[test]
fn an_attachment_anew_begins_anew() {
    let node = node();
    let [base, recent, inherited] = layers();
    node.upload(&[]).exits_with(0);
    node.tenant(SHARD, &attached(3, "Single"));
    node.evict(SHARD, &recent);
    node.upload(&[]).exits_with(0);
    assert_eq!(node.heatmap(SHARD).generation, 3);
    assert_eq!(node.listed(SHARD), [recent.name, inherited.name, base.name]);
}

#[test]
fn what_was_seen_is_kept_where_the_user_says() {
    let node = node();
    let [base, recent, inherited] = layers();
    let elsewhere = node.root().join("state/of this host");
    let elsewhere = elsewhere.to_str().unwrap();
    node.upload(&["--state-dir", elsewhere]).exits_with(0);
    assert!(!node.data().join("thermocline").exists());
    let kept: Vec<_> = fs::read_dir(elsewhere).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, [format!("{SHARD}.seen").as_str()]);

    node.evict(SHARD, &recent);
    let before = traces(&node.root().join("state"));
    node.upload(&["--state-dir", elsewhere, "--dry-run"]).exits_with(0);
    assert_eq!(traces(&node.root().join("state")), before);
    node.upload(&["--state-dir", elsewhere]).exits_with(0);
    assert_eq!(node.listed(SHARD), [inherited.name, base.name]);
}

#[test]
fn a_state_folder_that_cannot_be_written_is_told_and_nothing_else_fails() {
    let node = node();
    let file = node.root().join("file");
    fs::write(&file, "").unwrap();
    let uploaded = node.upload(&["--state-dir", file.to_str().unwrap()]).exits_with(0);
    assert!(uploaded.stderr.contains("choose another state folder"), "{}", uploaded.stderr);
    assert_eq!(node.listed(SHARD).len(), 3);
}
