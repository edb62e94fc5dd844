//! `policy run`: what would be listed, and why not the rest.

use std::fs;

use insta::assert_snapshot;
use rstest::rstest;
use thermocline_tests::by_hand::ByHand;

use crate::author::{BUILT_IN, component};
use crate::command::{Run, run};
use crate::node::{Node, READ_AT, delta, image};
use crate::shown;

const SHARD: &str = "0a110000000000000000000000000001";
const OTHER: &str = "0a220000000000000000000000000002-0102";

/// Two images, a delta that one of them covers, and one that is not on disk.
fn node() -> Node {
    let node = Node::new();
    let covered = delta(0..100, 0x11..0x20);
    let gone = delta(100..200, 0x41..0x48).gone();
    node.attached(SHARD, 1, &[image(0x10), covered, image(0x40), gone]);
    node
}

fn on(node: &Node, policy: &str, more: &[&str]) -> Run {
    let (data, remote, now) = (node.data(), node.remote_url(), (READ_AT + 60).to_string());
    let args = ["policy", "run", policy, "--data-dir", data.to_str().unwrap(), "--remote", &remote, "--now", &now];
    run(args.iter().chain(more))
}

#[test]
fn it_says_in_order_what_is_listed_and_why_not_the_rest() {
    let node = node();
    let ran = on(&node, BUILT_IN, &[]).exits_with(0);
    assert_eq!(ran.stderr, "");
    shown::in_folder(node.root()).bind(|| assert_snapshot!(ran.text()));
}

#[test]
fn a_policy_that_scores_shows_its_heats_and_its_own_reasons() {
    let node = node();
    let ran = on(&node, &component(), &["--policy-config", r#"{"hot_for_s": 119}"#, "--limit", "1"]).exits_with(0);
    shown::in_folder(node.root()).bind(|| assert_snapshot!(ran.text()));
}

#[test]
fn json_says_it_all_the_same() {
    let node = node();
    let ran = on(&node, BUILT_IN, &["--json"]).exits_with(0).json();
    let [ran] = ran.as_array().unwrap().as_slice() else { panic!("{ran}") };
    assert_eq!((&ran["shard"], &ran["layers"], &ran["error"]), (&SHARD.into(), &4.into(), &serde_json::Value::Null));
    let rows = ran["rows"].as_array().unwrap();
    let states: Vec<_> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["hot", "unlisted", "unlisted", "unlisted"]);
    assert_eq!(rows[0]["reason"], "hot: resident and visible");
    assert_eq!((&ran["hot"]["layers"], &ran["unlisted"]["layers"]), (&1.into(), &3.into()));
    let few = on(&node, BUILT_IN, &["--json", "--limit", "1"]).exits_with(0).json();
    assert_eq!(few[0]["rows"].as_array().unwrap().len(), 2, "one that is listed, and one that is not");
    assert_eq!(few[0]["unlisted"]["layers"], 3, "totals are of all");
    let all = on(&node, BUILT_IN, &["--json", "--all"]).exits_with(0).json();
    assert_eq!(all[0]["rows"].as_array().unwrap().len(), 4);
}

/// Nobody says a word: the host says what it knows, in parentheses.
#[test]
fn of_a_silent_policy_the_host_says_what_it_knows() {
    let node = node();
    let file = node.root().join("silent.wasm");
    fs::write(&file, ByHand::new().build().unwrap()).unwrap();
    let rows = on(&node, file.to_str().unwrap(), &["--json"]).exits_with(0).json()[0]["rows"].clone();
    let mut reasons: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "(not on disk)",
            "(on disk, and no read needs it)",
            "(on disk, and no read needs it)",
            "(resident and visible; the policy does not say why)"
        ]
    );
    assert!(rows.as_array().unwrap().iter().all(|row| row["by_policy"] == false));
}

#[test]
fn a_heatmap_stands_for_what_it_lists() {
    let node = node();
    node.upload(&[]).exits_with(0);
    let heatmap = node.object(SHARD).display().to_string();
    let ran = run(["policy", "run", BUILT_IN, "--heatmap", &heatmap, "--json"]).exits_with(0).json();
    assert_eq!((&ran[0]["shard"], &ran[0]["hot"]["layers"]), (&SHARD.into(), &1.into()));
    let listed = ran[0]["rows"][0]["layer"].as_str().unwrap();
    assert_eq!(listed, node.listed(SHARD)[0].to_string());
}

#[test]
fn every_attached_shard_is_run_or_the_one_that_is_named() {
    let node = node();
    node.attached(OTHER, 1, &[image(0x10)]);
    node.tenant("0a330000000000000000000000000003", "[mode.Secondary]\nwarm = true\n");
    let shards = |more: &[&str]| {
        let ran = on(&node, BUILT_IN, &[&["--json"], more].concat()).exits_with(0).json();
        ran.as_array().unwrap().iter().map(|ran| ran["shard"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shards(&[]), [SHARD, OTHER]);
    assert_eq!(shards(&["--tenant", OTHER]), [OTHER]);
    let nobody = "0a990000000000000000000000000009";
    let refused = on(&node, BUILT_IN, &["--tenant", nobody]).exits_with(1).stderr;
    assert!(refused.contains(&format!("there are no layers of tenant {nobody}: there is no such tenant")), "{refused}");
}

/// Whoever looks changes nothing.
#[test]
fn looking_leaves_no_trace() {
    let node = node();
    on(&node, BUILT_IN, &[]).exits_with(0);
    let state = node.data().join("thermocline");
    assert!(!state.exists(), "{}", state.display());
    assert!(!node.local_heatmap(SHARD).exists());
}

#[rstest]
#[case::no_layers(&["policy", "run", BUILT_IN], "--data-dir <DIR>")]
#[case::both(&["policy", "run", BUILT_IN, "--data-dir", "x", "--heatmap", "y"], "cannot be used with")]
#[case::tenant_of_a_heatmap(&["policy", "run", BUILT_IN, "--heatmap", "y", "--tenant", SHARD], "cannot be used with")]
#[case::all_and_some(&["policy", "run", BUILT_IN, "--heatmap", "y", "--all", "--limit", "3"], "cannot be used with")]
fn wrong_usage_is_exit_code_2(#[case] args: &[&str], #[case] said: &str) {
    let refused = run(args).exits_with(2).stderr;
    assert!(refused.contains(said), "{refused}");
}
