//! Every command of the README does what the README says.
//!
//! The tests of a crate are the only ones for which cargo builds the crate's command, so this one is here.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// Where the README works; the test works elsewhere.
const README_FOLDER: &str = "/tmp/demo";

/// The commands of a fence that opens so are run, in order.
const RUN: &str = "```sh";

/// Those of this one need a network, or an hour.
const NO_RUN: &str = "```sh no-run";

/// The lines of every block whose fence opens so.
fn blocks(fence: &str) -> Vec<Vec<&'static str>> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            assert!(!line.starts_with(RUN) || [RUN, NO_RUN].contains(&line), "{line:?}: run it or not?");
            blocks.extend((line == fence).then_some(block));
        }
    }
    blocks
}

/// A command, and the exit code that a comment behind it promises, as in `# exit 1: why`.
fn commands() -> Vec<(&'static str, i32)> {
    let commands = blocks(RUN).into_iter().flatten().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let promised = |line: &str| {
        let (_, code) = line.split_once("# exit ")?;
        Some(code.split(|c: char| !c.is_ascii_digit()).next()?.parse().unwrap())
    };
    commands.map(|line| (line, promised(line).unwrap_or_default())).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_command_does_what_the_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_thermocline"), folder.path().join("thermocline")).unwrap();
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([folder.path().to_owned()].into_iter().chain(env::split_paths(&inherited))).unwrap();

    for (line, promised) in commands() {
        let demo = folder.path().join("demo");
        let command =
            line.replace("cargo run --release --", "thermocline").replace(README_FOLDER, demo.to_str().unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(root()).env("PATH", &path).env("TMPDIR", folder.path());
        // A daemon may run here already.
        shell.env("THERMOCLINE_LISTEN", "127.0.0.1:0");
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(promised), "{command}\n{out}{error}");
    }
}

#[test]
fn the_readme_shows_every_command() {
    for command in [
        "demo",
        "serve",
        "generate",
        "upload",
        "heatmap show",
        "heatmap verify",
        "heatmap diff",
        "policy new",
        "policy build",
        "policy inspect",
        "policy check",
        "policy run",
        "policy compare",
        "policy bench",
    ] {
        let start = format!("thermocline {command} ");
        assert!(commands().iter().any(|(line, _)| line.starts_with(&start)), "{command}");
    }
}

#[test]
fn the_policy_is_the_one_that_the_sdk_documents() {
    let sdk = std::fs::read_to_string(root().join("plugins/sdk/src/lib.rs")).unwrap();
    let documented: Vec<_> = sdk.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim_start).collect();
    let [policy] = &blocks("```rust")[..] else { panic!("the README has one policy") };
    let policy: Vec<_> = policy.iter().map(|line| line.trim_start()).collect();
    assert!(documented.windows(policy.len()).any(|lines| lines == policy), "{policy:#?}");
}
