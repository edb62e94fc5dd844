//! `policy compare`: what a second policy would change.

use insta::assert_snapshot;

use crate::author::{BUILT_IN, component};
use crate::command::{Run, run};
use crate::node::{Node, READ_AT, delta, image};
use crate::shown;

const SHARD: &str = "0a110000000000000000000000000001";
const OTHER: &str = "0a220000000000000000000000000002";

fn node() -> Node {
    let node = Node::new();
    for shard in [SHARD, OTHER] {
        node.attached(shard, 1, &[image(0x10), delta(0..100, 0x11..0x20), delta(100..200, 0x11..0x30)]);
    }
    node
}

fn on(node: &Node, a: &str, b: &str, more: &[&str]) -> Run {
    let (data, remote, now) = (node.data(), node.remote_url(), (READ_AT + 60).to_string());
    let args = ["policy", "compare", a, b, "--data-dir", data.to_str().unwrap(), "--remote", &remote, "--now", &now];
    run(args.iter().chain(more))
}

/// The second finds nothing read lately, and has it all cold.
#[test]
fn it_says_what_would_change_on_each_shard_and_on_all() {
    let node = node();
    let compared = on(&node, BUILT_IN, &component(), &["--config-b", r#"{"hot_for_s": 1}"#, "--limit", "2"]);
    let compared = compared.exits_with(0);
    assert_eq!(compared.stderr, "");
    shown::in_folder(node.root()).bind(|| assert_snapshot!(compared.text()));
}

#[test]
fn a_policy_agrees_with_itself_in_everything() {
    let node = node();
    let compared = on(&node, BUILT_IN, BUILT_IN, &["--tenant", SHARD]).exits_with(0).text();
    assert!(compared.contains("  agree        in everything\n"), "{compared}");
    let json = on(&node, BUILT_IN, BUILT_IN, &["--json"]).exits_with(0).json();
    let [one, other, all] = json.as_array().unwrap().as_slice() else { panic!("{json}") };
    for compared in [one, other, all] {
        assert_eq!((&compared["same_answer"], &compared["agreement_bytes"]), (&true.into(), &1.0.into()), "{compared}");
        assert_eq!((&compared["added"]["layers"], &compared["moved_layers"]), (&0.into(), &0.into()), "{compared}");
    }
    assert_eq!((&one["shard"], &all["shard"]), (&SHARD.into(), &serde_json::Value::Null));
    assert_eq!(all["common"]["layers"], 6);
}

/// The same layers, at the same place in both: but one scores.
#[test]
fn another_order_is_counted_and_other_heats_are_another_answer() {
    let node = node();
    let json = on(&node, BUILT_IN, &component(), &["--json", "--tenant", SHARD]).exits_with(0).json();
    assert_eq!((&json[0]["same_answer"], &json[0]["agreement_layers"]), (&false.into(), &1.0.into()));
    assert_eq!(json.as_array().unwrap().len(), 1, "of one shard there is no sum");
}
