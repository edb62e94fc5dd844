//! `policy bench`: what calls cost, and whether that got worse.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::author::BUILT_IN;
use crate::command::run;

const SMALL: [&str; 5] = ["policy", "bench", BUILT_IN, "--rows", "10,1_000"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(more).copied().collect()
}

#[test]
fn fuel_and_memory_are_the_same_at_every_run() {
    let counted = || {
        let json = run(with(&["--json"])).exits_with(0).json();
        let lines = json["lines"].as_array().unwrap().clone();
        lines.iter().map(|line| ["rows", "fuel", "memory_bytes"].map(|name| line[name].as_u64().unwrap())).collect()
    };
    let (first, second): (Vec<_>, Vec<_>) = (counted(), counted());
    assert_eq!(first, second);
    assert_eq!((first[0][0], first[1][0]), (10, 1000));
    assert!(first[0][1] > 0 && first[1][1] > first[0][1], "{first:?}");
}

#[test]
fn a_run_is_kept_and_compared_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap();
    let text = run(with(&["--out", file])).exits_with(0).text();
    assert!(text.starts_with("resident-set ") && text.contains("LAYERS"), "{text}");
    let same = run(with(&["--baseline", file, "--json"])).exits_with(0).json();
    for ratio in same["against"].as_array().unwrap() {
        assert_eq!((&ratio["fuel"], &ratio["memory"], &ratio["fuel_worse"]), (&1.0.into(), &1.0.into(), &false.into()));
    }

    // Of a time in which it took half the fuel.
    let mut before: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let fuel = before["lines"][1]["fuel"].as_u64().unwrap();
    before["lines"][1]["fuel"] = (fuel / 2).into();
    fs::write(file, before.to_string()).unwrap();
    let worse = run(with(&["--baseline", file])).exits_with(1).text();
    let line = worse.lines().last().unwrap();
    assert!(line.contains("1000") && line.contains(" 2.00 ") && line.contains("fuel"), "{worse}");
}

#[rstest]
#[case::gone("gone.json", None, "cannot read")]
#[case::something_else("other.json", Some("{}"), "is no result of an earlier run, as `policy bench --out` writes it")]
fn a_baseline_that_is_none_is_told_before_anything_is_measured(
    #[case] name: &str,
    #[case] text: Option<&str>,
    #[case] why: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    if let Some(text) = text {
        fs::write(&file, text).unwrap();
    }
    let refused = run(with(&["--baseline", file.to_str().unwrap()])).exits_with(1);
    assert_eq!(refused.stdout, b"");
    assert!(refused.stderr.contains(why) && refused.stderr.contains(name), "{}", refused.stderr);
}

#[test]
fn rows_that_are_none_are_wrong_usage() {
    let refused = run(["policy", "bench", BUILT_IN, "--rows", "10,many"]).exits_with(2).stderr;
    assert!(refused.contains("expected numbers of rows from 1 to 1000000"), "{refused}");
}
