//! `policy new`: what it makes works at once.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use rstest::rstest;

use crate::author::{Author, MADE, component};
use crate::command::{Run, run};

#[test]
fn its_own_tests_pass() {
    let author = Author::new();
    let tested = Run::of(author.in_folder(Command::new("cargo").args(["test", "--locked"]))).exits_with(0);
    assert!(tested.text().contains("test result: ok. 4 passed"), "{}", tested.text());
    assert!(!tested.stderr.contains("warning"), "{}", tested.stderr);
}

#[test]
fn its_component_passes_every_check() {
    let checked = run(["policy", "check", &component()]).exits_with(0).text();
    assert!(checked.lines().last().unwrap().ends_with(" passed, 0 failed"), "{checked}");
    let inspected = run(["policy", "inspect", "--json", &component()]).exits_with(0).json();
    assert_eq!((&inspected["name"], &inspected["version"]), (&"hot-window".into(), &"0.1.0".into()));
    assert!(inspected["config_schema"]["properties"]["hot_for_s"].is_object(), "{inspected}");
}

/// Without a component it builds one, and leaves the author's alone.
#[test]
fn its_fixtures_pass() {
    let before = fs::metadata(component()).unwrap().modified().unwrap();
    let tested = MADE.thermocline(&["policy", "test", "."]).exits_with(0);
    assert_snapshot!(tested.text());
    assert_eq!(fs::metadata(component()).unwrap().modified().unwrap(), before);
}

#[test]
fn it_says_what_was_made_and_what_to_try_next() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let made = run(["policy", "new", "hot-window", "--dir", dir]).exits_with(0).text();
    let binary = crate::command::binary().display().to_string();
    assert_snapshot!(made.replace(&binary, "thermocline").replace(dir, "/tmp"));
    let again = run(["policy", "new", "hot-window", "--dir", dir]).exits_with(1);
    assert_eq!(
        again.stderr,
        format!(
            "error: {dir}/hot-window exists, and nothing in it was touched: give another name, or another folder\n"
        )
    );
}

#[rstest]
#[case::capitals("HotWindow")]
#[case::a_path("a/b")]
#[case::a_word_of_the_language("match")]
fn a_name_that_no_policy_has_is_wrong_usage(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(["policy", "new", name, "--dir", folder.path().to_str().unwrap()]).exits_with(2);
    assert!(refused.stderr.contains("as in recent-reads"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
