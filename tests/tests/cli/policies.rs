//! Policies, as operators handle them.

use std::fs;
use std::path::PathBuf;

use insta::assert_snapshot;
use rstest::rstest;
use thermocline_tests::by_hand::ByHand;

use crate::command::run;
use crate::node::{Node, delta, image};
use crate::shown;

const SHARD: &str = "0a110000000000000000000000000001";
const OTHER: &str = "0a220000000000000000000000000002-0102";

/// The component that the host carries.
fn resident_set() -> String {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "host", "src", "policy", "resident-set.wasm"].iter().collect();
    path.to_str().unwrap().into()
}

#[test]
fn inspect_says_who_a_component_is_and_what_it_needs() {
    for (name, args) in [("inspect", &["policy", "inspect"][..]), ("inspect_json", &["policy", "inspect", "--json"])] {
        let inspected = run(args.iter().copied().chain([resident_set().as_str()])).exits_with(0);
        assert_eq!(inspected.stderr, "");
        shown::of_any_build().bind(|| assert_snapshot!(name, inspected.text()));
    }
}

#[rstest]
#[case::oldest("0.1.0")]
#[case::newest("0.2.0")]
fn inspect_says_which_contract_a_component_was_built_for(#[case] contract: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.wasm");
    fs::write(&file, ByHand::new().contract(contract).build().unwrap()).unwrap();
    let inspected = run(["policy", "inspect", file.to_str().unwrap()]).exits_with(0).text();
    assert!(inspected.lines().any(|line| line == format!("contract  {contract}")), "{inspected}");
}

#[test]
fn a_component_of_a_contract_to_come_is_refused_with_those_that_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.wasm");
    fs::write(&file, ByHand::new().contract("0.3.0").build().unwrap()).unwrap();
    let refused = run(["policy", "inspect", file.to_str().unwrap()]).exits_with(1).stderr;
    let why = "it is built for `thermocline:policy@0.3.0`, and this host knows 0.1.0 or 0.2.0: build it against";
    assert!(refused.contains(why), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");
}

#[test]
fn check_runs_the_conformance_tables() {
    let checked = run(["policy", "check", &resident_set()]).exits_with(0);
    assert_eq!(checked.stderr, "");
    assert_snapshot!(checked.text());
    let json = run(["policy", "check", "--json", &resident_set()]).exits_with(0).json();
    let checks = json.as_array().unwrap();
    assert_eq!(checks.len(), checked.text().lines().count() - 1);
    for check in checks {
        assert!(check["name"].is_string() && check["rule"].is_string() && check["failure"].is_null(), "{check}");
    }
}

#[test]
fn check_says_which_rule_a_policy_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.wasm");
    fs::write(&file, hostile()).unwrap();
    let file = file.to_str().unwrap();
    let checked = run(["policy", "check", file]).exits_with(1);
    let text = checked.text();
    assert!(text.contains("FAIL  empty-table: "), "{text}");
    assert!(text.contains("`select` crashed: "), "{text}");
    let json = run(["policy", "check", "--json", file]).exits_with(1).json();
    assert!(json.as_array().unwrap().iter().any(|check| check["failure"].is_string()), "{json}");
}

#[rstest]
#[case::text(b"name = \"resident-set\"\n".to_vec(), "this is not WebAssembly: give the component file that")]
#[case::empty(vec![], "this is not WebAssembly")]
#[case::core_module(b"\0asm\x01\0\0\0".to_vec(), "this is a core module, not a component: `thermocline policy build`")]
#[case::cut_off(fs::read(resident_set()).unwrap()[..1000].to_vec(), "the file is damaged, or uses a feature of")]
fn what_is_no_policy_is_refused_by_name_once(#[case] bytes: Vec<u8>, #[case] why: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.wasm");
    fs::write(&file, bytes).unwrap();
    let file = file.to_str().unwrap();
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10)]);
    for refused in [run(["policy", "inspect", file]), run(["policy", "check", file]), node.upload(&["--policy", file])]
    {
        let refused = refused.exits_with(1);
        assert_eq!(refused.stdout, b"");
        assert!(refused.stderr.starts_with(&format!("error: {file}: policy ")), "{}", refused.stderr);
        assert_eq!(refused.stderr.matches(why).count(), 1, "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    }
    assert!(!node.object(SHARD).exists());
}

#[rstest]
#[case::inspect(&["policy", "inspect", "gone.wasm"])]
#[case::check(&["policy", "check", "gone.wasm"])]
fn a_policy_that_is_not_there_is_told(#[case] args: &[&str]) {
    let refused = run(args).exits_with(1);
    assert_eq!(refused.stderr, "error: cannot read gone.wasm: No such file or directory (os error 2)\n");
}

/// A component that crashes when it is asked.
fn hostile() -> Vec<u8> {
    ByHand::new().name("hostile").before_select("(unreachable)").build().unwrap()
}

#[test]
fn a_policy_that_crashes_costs_no_heatmap_and_is_told() {
    let node = Node::new();
    let layers = [image(0x10), delta(0..100, 0x11..0x20), delta(100..200, 0x11..0x20).gone()];
    for shard in [SHARD, OTHER] {
        node.attached(shard, 1, &layers);
    }
    let file = node.root().join("hostile.wasm");
    fs::write(&file, hostile()).unwrap();
    let file = file.to_str().unwrap();
    let expected = [SHARD, OTHER].map(|shard| node.generate(shard, &[]).exits_with(0).stdout);

    let uploaded = node.upload(&["--policy", file, "--json"]).exits_with(1);
    for (shard, expected) in [SHARD, OTHER].into_iter().zip(&expected) {
        assert!(fs::read(node.object(shard)).unwrap() == *expected);
        assert!(fs::read(node.local_heatmap(shard)).unwrap() == *expected);
        let row = uploaded.row(shard);
        assert_eq!((&row["outcome"], &row["reason"]), (&"uploaded".into(), &serde_json::Value::Null));
        assert_eq!(row["policy"], "hostile 1.2.3");
        let why = row["policy_error"].as_str().unwrap();
        assert!(why.starts_with("policy hostile 1.2.3 (sha256:"), "{why}");
        assert!(why.contains("`select` crashed: "), "{why}");
    }

    // A row says it too, and so does the log, once a shard.
    let again = node.upload(&["--policy", file]).exits_with(1);
    let text = again.text();
    let told = text.lines().filter(|line| line.contains("; the built-in policy decided instead")).count();
    assert_eq!(told, 2, "{text}");
    assert!(text.lines().filter(|line| line.contains(" unchanged ")).count() == 2, "{text}");

    let generated = node.generate(SHARD, &["--policy", file]).exits_with(1);
    assert!(generated.stdout == expected[0]);
    assert!(generated.stderr.contains("; the built-in policy answers instead"), "{}", generated.stderr);
}

#[test]
fn the_built_in_policy_given_as_a_file_decides_the_same() {
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10), delta(0..100, 0x11..0x20)]);
    let built_in = node.generate(SHARD, &["--now", "0"]).exits_with(0).stdout;
    let as_a_file = node.generate(SHARD, &["--now", "-5", "--policy", &resident_set()]).exits_with(0).stdout;
    assert!(built_in == as_a_file);
}

#[rstest]
#[case::unknown_setting(r#"{"top":5}"#, "there is no setting `top`")]
#[case::no_json("top=5", "the configuration must be JSON")]
fn a_configuration_that_the_policy_refuses_uploads_nothing(#[case] config: &str, #[case] why: &str) {
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10)]);
    let refused = node.upload(&["--policy-config", config]).exits_with(1);
    assert_eq!(refused.stderr.matches(why).count(), 1, "{}", refused.stderr);
    assert!(!node.object(SHARD).exists());
}
