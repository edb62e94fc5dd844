//! Arguments, paths and pipes that are not as they should be.

use std::fs;
use std::process::Stdio;

use rstest::rstest;

use crate::command::{run, thermocline};
use crate::node::{Node, TIMELINE, image};

const SHARD: &str = "0a110000000000000000000000000001";

fn node() -> Node {
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10)]);
    node
}

#[rstest]
#[case::no_command(&[], "Usage: thermocline <COMMAND>")]
#[case::unknown_command(&["uplaod"], "unrecognized subcommand 'uplaod'")]
#[case::unknown_flag(&["upload", "--force"], "unexpected argument '--force' found")]
#[case::missing_argument(&["upload", "--data-dir", "x"], "--remote <URL>")]
#[case::bucket_without_scheme(
    &["upload", "--data-dir", "x", "--remote", "bucket/prefix"],
    "\"bucket/prefix\" is no remote: expected file:///path, s3://bucket/prefix, or a path that begins with"
)]
#[case::address_of_a_store(
    &["upload", "--data-dir", "x", "--remote", "http://127.0.0.1:9000/bucket"],
    "is the address of a store: give s3://bucket/prefix, and this as --endpoint"
)]
#[case::unknown_scheme(&["upload", "--data-dir", "x", "--remote", "gs://bucket"], "\"gs://bucket\" is no remote")]
#[case::file_url_with_a_host(&["upload", "--data-dir", "x", "--remote", "file://x/y"], "a file URL has three slashes")]
#[case::short_tenant(
    &["generate", "--data-dir", "x", "--tenant", "0a11"],
    "\"0a11\" is not a tenant shard id: expected 32 hex digits"
)]
#[case::no_tenant(&["generate", "--data-dir", "x"], "--tenant <SHARD>")]
#[case::time_of_day(
    &["generate", "--data-dir", "x", "--tenant", SHARD, "--now", "noon"],
    "invalid value 'noon' for '--now <SECONDS>'"
)]
#[case::no_heatmap(&["heatmap", "show"], "<FILE>...")]
#[case::one_heatmap_to_compare(&["heatmap", "diff", "x"], "<FILE>...")]
fn wrong_usage_is_exit_code_2(#[case] args: &[&str], #[case] said: &str) {
    let run = run(args).exits_with(2);
    assert_eq!(run.stdout, b"");
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

#[rstest]
#[case::help(&["--help"], "Exit code: 0 when nothing failed, 1 when something did, 2 for wrong usage")]
#[case::version(&["--version"], concat!("thermocline ", env!("CARGO_PKG_VERSION")))]
#[case::of_a_command(&["upload", "--help"], "Write nothing anywhere: say what would be done")]
fn help_goes_to_stdout(#[case] args: &[&str], #[case] said: &str) {
    let run = run(args).exits_with(0);
    assert!(run.text().contains(said), "{}", run.text());
    assert_eq!(run.stderr, "");
}

#[test]
fn a_data_directory_that_is_none_is_told_apart() {
    let node = node();
    let (missing, inside) = (node.root().join("gone"), node.data().join("tenants"));
    for wrong in [missing, inside] {
        let wrong = wrong.to_str().unwrap();
        for command in [&["upload"][..], &["generate", "--tenant", SHARD]] {
            let args = command.iter().copied().chain(["--data-dir", wrong, "--remote", "/tmp/none"]);
            let run = run(args).exits_with(1);
            let expected = format!(
                "error: {wrong}: there is no folder `tenants`: name the folder that holds it, as in pageserver -D\n"
            );
            assert_eq!((run.stdout.as_slice(), run.stderr), (&b""[..], expected));
        }
    }
}

#[test]
fn a_remote_that_is_a_file_is_told() {
    let node = node();
    let file = node.root().join("file");
    fs::write(&file, "").unwrap();
    let (data, file) = (node.data(), file.to_str().unwrap());
    let run = run(["upload", "--data-dir", data.to_str().unwrap(), "--remote", file]).exits_with(1);
    assert_eq!(run.stderr, format!("error: cannot open the remote file://{file}: {file}: not a folder\n"));
    assert!(!node.local_heatmap(SHARD).exists());
}

#[test]
fn a_remote_with_a_file_in_the_way_fails_the_shard() {
    let node = node();
    fs::remove_dir_all(node.remote()).unwrap();
    fs::create_dir_all(node.remote()).unwrap();
    fs::write(node.remote().join("tenants"), "").unwrap();
    let row = node.upload(&["--json"]).exits_with(1).row(SHARD);
    assert_eq!(row["outcome"], "failed");
    let why = row["reason"].as_str().unwrap();
    assert!(why.contains(&format!("{}/tenants", node.remote_url())), "{why}");
    assert!(!node.local_heatmap(SHARD).exists(), "what is not in the bucket is not the last heatmap");
}

#[test]
fn a_bucket_that_nobody_serves_is_told() {
    let node = node();
    let (data, port) = (node.data(), closed_port());
    let args = ["upload", "--data-dir", data.to_str().unwrap(), "--remote", "s3://bucket/prefix", "--endpoint"];
    // Nobody answers at all: the command says so, and does not take for ever.
    let mut command = thermocline(args.iter().copied().chain([port.as_str(), "--region", "x", "--json"]));
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y").env_remove("AWS_PROFILE");
    let run = crate::command::Run::of(&mut command);
    let row = run.row(SHARD);
    assert_ne!(row["outcome"], "uploaded");
    assert!(row["reason"].as_str().unwrap().contains("s3://bucket/prefix/tenants/"), "{row}");
}

/// The address of a port where nobody listens.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[rstest]
#[case::upload(&["upload"], 0)]
#[case::generate(&["generate", "--tenant", SHARD], 0)]
fn whoever_stops_reading_stops_nothing_else(#[case] command: &[&str], #[case] code: i32) {
    let node = node();
    let mut child = thermocline(node.args(command[0], &command[1..]));
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(code));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(node.object(SHARD).exists(), command[0] == "upload");
}

#[test]
fn a_failure_is_one_also_when_nobody_reads_it() {
    let node = node();
    fs::write(node.index(SHARD, TIMELINE, 1, &[]), "{").unwrap();
    let mut child = thermocline(node.args("upload", &[]));
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn the_first_line_of_a_demo_is_enough_to_make_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let binary = crate::command::binary();
    let script = format!("set -o pipefail; {} demo --dir demo | head -n 1", binary.display());
    let run =
        crate::command::Run::of(std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path()));
    let run = run.exits_with(0);
    assert!(run.text().starts_with("A pageserver's data directory"), "{}", run.text());
    assert_eq!(run.stderr, "");
    assert_eq!(crate::files::find(&folder.path().join("demo/remote"), "heatmap-v1.json").len(), 3);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let node = node();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = thermocline(node.args("generate", &["--tenant", SHARD]));
    let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: cannot write to stdout: No space left on device"), "{stderr}");
}
