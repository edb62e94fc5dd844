//! `serve --check`, and what it says of settings that cannot be used.

use std::fs;

use rstest::rstest;

use crate::command::Run;
use crate::daemon::{Daemon, serve, settings};
use crate::node::{Node, image};

const SHARD: &str = "0a110000000000000000000000000001";

fn node() -> Node {
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x1000)]);
    node
}

#[test]
fn check_shows_every_setting_and_where_it_is_from() {
    let node = node();
    let file = settings(&node, "heatmap_upload_concurrency = 3");
    let mut command = serve(&file, &["--check"]);
    let run = Run::of(command.env("THERMOCLINE_RESCAN_PERIOD", "5m").env("THERMOCLINE_WEED", "x")).exits_with(0);
    let text = run.text();
    let row = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("listen"), "\"127.0.0.1:0\" line 1");
    assert_eq!(row("heatmap_upload_concurrency"), "3 line 5");
    assert_eq!(row("rescan_period"), "\"5m\" THERMOCLINE_RESCAN_PERIOD");
    assert_eq!(row("shutdown_timeout"), "10s default");
    assert_eq!(row("state_dir"), format!("{}/thermocline default", node.data().display()));
    let end = format!("uploading to {} as policy resident-set", node.remote_url());
    assert!(text.contains("It would serve 1 attached shard at http://127.0.0.1:0") && text.contains(&end), "{text}");
    assert!(text.contains("THERMOCLINE_WEED is no setting, and ignored"), "{text}");
    assert!(!node.data().join("thermocline").exists(), "a check leaves no trace");
}

#[rstest]
#[case::check(&["--check"])]
#[case::start(&[])]
fn what_is_named_and_is_not_there_is_exit_code_1(#[case] arguments: &[&str]) {
    let node = node();
    let (root, data) = (node.root().to_owned(), node.data());
    fs::write(root.join("text"), "text").unwrap();
    for (more, said) in [
        (
            "rescan_period = \"soon\"",
            format!(
                "error: {}/thermocline.toml: rescan_period = \"soon\" (line 5): expected a duration",
                root.display()
            ),
        ),
        (
            "policy.file = \"none.wasm\"",
            format!("error: policy: cannot read {}/none.wasm: No such file", root.display()),
        ),
        ("policy.file = \"text\"", format!("error: policy: {}/text", root.display())),
        ("policy.config = { nope = 1 }", "error: policy, with policy.config = {\"nope\":1}: ".to_owned()),
        (
            "auth.public_key_file = \"none.pem\"",
            format!("error: auth.public_key_file: {}/none.pem: No such file", root.display()),
        ),
        (
            "auth.public_key_file = \"text\"",
            format!("error: auth.public_key_file: {}/text: expected a public key of Ed25519", root.display()),
        ),
    ] {
        let run = Run::of(&mut serve(&settings(&node, more), arguments)).exits_with(1);
        assert!(run.stderr.contains(&said), "{said}\n{}", run.stderr);
    }
    for (variable, value, said) in [
        ("THERMOCLINE_PAGESERVER__DATA_DIR", "text", format!("error: pageserver.data_dir: {}/text: there is no folder `tenants`", root.display())),
        ("THERMOCLINE_REMOTE_STORAGE__LOCAL_PATH", "text", format!("error: remote_storage: {}/text: not a folder", root.display())),
        ("THERMOCLINE_LISTEN", "0.0.0.0:0", "listen = \"0.0.0.0:0\" (THERMOCLINE_LISTEN): anybody who reaches this address could give commands: set auth.public_key_file".to_owned()),
    ] {
        let run = Run::of(serve(&settings(&node, ""), arguments).env(variable, value)).exits_with(1);
        assert!(run.stderr.contains(&said), "{said}\n{}", run.stderr);
    }
    let leaves_no_trace = arguments.contains(&"--check");
    assert!(!leaves_no_trace || !data.join("thermocline").exists());
}

#[test]
fn a_bucket_that_nobody_serves_fails_the_check() {
    let node = node();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let file = node.root().join("bucket.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\npageserver.data_dir = {:?}\n[remote_storage]\nbucket_name = \"bucket\"\n\
         prefix_in_bucket = \"prefix\"\nbucket_region = \"x\"\nendpoint = {endpoint:?}\n",
        node.data()
    );
    fs::write(&file, text).unwrap();
    let mut command = serve(&file, &["--check"]);
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y").env_remove("AWS_PROFILE");
    let run = Run::of(&mut command).exits_with(1);
    assert!(run.stderr.starts_with("error: remote_storage: s3://bucket/prefix/tenants/"), "{}", run.stderr);
}

#[rstest]
#[case::below_a_file("text/state")]
#[case::where_nothing_can_be_made("/proc/nowhere")]
fn a_state_folder_that_cannot_be_written_fails_the_check(#[case] folder: &str) {
    let node = node();
    fs::write(node.root().join("text"), "text").unwrap();
    let run = Run::of(&mut serve(&settings(&node, &format!("state_dir = {folder:?}")), &["--check"])).exits_with(1);
    let said = format!("error: state_dir: {}/uploads.redb: ", node.root().join(folder).display());
    assert!(run.stderr.contains(&said), "{said}\n{}", run.stderr);
}

#[test]
fn a_check_beside_a_daemon_says_that_it_runs_and_leaves_it_alone() {
    let node = node();
    let daemon = Daemon::start(&node, "");
    let file = node.root().join("thermocline.toml");
    let text = Run::of(&mut serve(&file, &["--check"])).exits_with(0).text();
    let state = node.data().join("thermocline/uploads.redb");
    let said = format!("Now it could not start beside it: state_dir: {}: another host runs on", state.display());
    assert!(text.contains(&said), "{text}");
    assert_eq!(daemon.post(&format!("/v1/tenant/{SHARD}/heatmap_upload")).0, 200);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let node = node();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = Run::of(serve(&settings(&node, ""), &[]).env("THERMOCLINE_LISTEN", &address)).exits_with(1);
    assert!(run.stderr.contains(&format!("error: listen: {address}: Address already in use")), "{}", run.stderr);
}
