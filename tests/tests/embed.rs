//! The example of an embedding pageserver runs, and its heatmaps are right.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

#[path = "support/command.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod command;

use std::process::Command;

#[test]
fn the_embedding_example_runs_and_its_heatmaps_verify() {
    let example = command::binary().with_file_name("examples").join("embed");
    assert!(example.exists(), "there is no {}: run the tests with `cargo test --workspace`", example.display());
    let output = Command::new(example).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
    // It verifies each heatmap itself, and ends with an error where one is wrong.
    assert_eq!(out.lines().filter(|line| line.contains("uploaded  ")).count(), 12, "{out}");
    assert!(out.contains("idle:    unchanged"), "{out}");
    assert!(out.contains("deleted: its heatmap is gone"), "{out}");
    assert!(out.ends_with("ended:   0 uploads were cut off\n"), "{out}");
}
