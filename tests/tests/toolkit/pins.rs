//! A digest behind a file's name: every command that takes a policy holds it to that.

use std::fs;

use crate::command::run;
use crate::node::{Node, image};

const SHARD: &str = "0a110000000000000000000000000001";

#[test]
fn every_command_refuses_a_file_that_is_another() {
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10)]);
    let data = node.data().display().to_string();
    let file = node.root().join("policy.wasm").display().to_string();
    fs::write(&file, thermocline::policy::RESIDENT_SET).unwrap();
    let found = thermocline::Digest::of(thermocline::policy::RESIDENT_SET).to_string();
    let settings = node.root().join("thermocline.toml");
    let fixtures = node.root().join("fixtures");
    fs::create_dir(&fixtures).unwrap();
    fs::write(fixtures.join("empty.json"), r#"{"expect": {"hot": []}}"#).unwrap();
    let fixtures = fixtures.display().to_string();
    let config = settings.display().to_string();

    for (digest, code) in [(found.clone(), 0), ("0".repeat(64), 1)] {
        let pinned = format!("{file}@sha256:{digest}");
        fs::create_dir_all(node.remote()).unwrap();
        let text = format!(
            "listen = \"127.0.0.1:0\"\npageserver.data_dir = {data:?}\nremote_storage.local_path = {:?}\n\
             policy.file = {pinned:?}\n",
            node.remote()
        );
        fs::write(&settings, text).unwrap();
        let runs = [
            run(["policy", "inspect", &pinned]),
            run(["policy", "check", &pinned]),
            run(["policy", "run", &pinned, "--data-dir", &data]),
            run(["policy", "compare", "built-in", &pinned, "--data-dir", &data]),
            run(["policy", "bench", &pinned, "--rows", "1"]),
            run(["policy", "test", &fixtures, "--component", &pinned]),
            node.generate(SHARD, &["--policy", &pinned]),
            node.upload(&["--policy", &pinned, "--dry-run"]),
            run(["serve", "--config", &config, "--check"]),
        ];
        for run in runs {
            let run = run.exits_with(code);
            if code != 0 {
                let why = format!("{file} has sha256 {found}, and sha256 {digest} is what was asked for");
                assert_eq!(run.stderr.matches(&why).count(), 1, "{}", run.stderr);
            }
        }
    }
    assert!(!node.object(SHARD).exists());
}

#[test]
fn a_pin_is_a_whole_digest() {
    for args in [&["policy", "inspect"][..], &["policy", "install"], &["upload", "--policy"]] {
        let args = args.iter().chain(&["a.wasm@sha256:0123456789ab"]);
        let refused = run(args).exits_with(2).stderr;
        assert!(refused.contains("@sha256:0123456789ab pins to no digest: expected all 64 hex digits"), "{refused}");
    }
}
