//! `thermocline demo`: the first thing that a user runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use rstest::rstest;
use thermocline::heatmap::Heatmap;

use crate::command::{Run, run, thermocline};
use crate::files::{disk_bytes, find, traces};
use crate::shown;

/// What the demo may take of a user's disk.
const MAX_DISK_BYTES: u64 = 50 << 20;

const BRANCHED: &str = "de300000000000000000000000000001";

fn demo_in(dir: &Path) -> Run {
    run(["demo", "--dir", dir.to_str().unwrap()]).exits_with(0)
}

/// What the demo prints below a heading, a line each.
fn below<'a>(heading: &str, text: &'a str) -> Vec<&'a str> {
    let rest = text.split_once(heading).unwrap().1;
    rest.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect()
}

#[test]
fn the_demo_says_what_happened_where_to_look_and_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let run = demo_in(&folder.path().join("demo"));
    assert_eq!(run.stderr, "");
    let root = fs::canonicalize(folder.path()).unwrap();
    let mut settings = shown::in_folder(&root);
    settings.add_filter(r"  '?/.*?/thermocline'? ", "  thermocline ");
    settings.bind(|| insta::assert_snapshot!(run.text()));
}

#[test]
fn the_demo_lays_out_a_data_directory_and_its_bucket_in_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new").join("demo");
    demo_in(&dir);

    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["data", "remote", "thermocline.toml"]);
    let taken = disk_bytes(&dir);
    assert!(taken < MAX_DISK_BYTES, "{taken} bytes");

    let objects = find(&dir.join("remote"), "heatmap-v1.json");
    assert_eq!(objects.len(), 3);
    let objects = objects.iter().map(|object| object.to_str().unwrap());
    let verified = run(["heatmap", "verify"].into_iter().chain(objects)).exits_with(0);
    assert!(verified.text().lines().all(|line| line.ends_with(": good")), "{}", verified.text());
}

#[test]
fn a_folder_that_is_not_empty_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let before = traces(folder.path());
    let refused = run(["demo", "--dir", folder.path().to_str().unwrap()]).exits_with(1);
    assert_eq!(refused.stdout, b"");
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
    assert_eq!(traces(folder.path()), before);
}

#[test]
fn without_a_folder_a_temporary_one_is_made_and_named() {
    let temporary = tempfile::tempdir().unwrap();
    let run = Run::of(thermocline(["demo"]).env("TMPDIR", temporary.path())).exits_with(0);
    let entries: Vec<_> = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [dir] = &entries[..] else { panic!("{entries:?}") };
    let text = run.text();
    let named = below("Where to look:", &text);
    for (line, part) in named.iter().zip(["data", "remote"]) {
        let part = dir.join(part);
        assert_eq!(line.split(' ').next(), part.to_str(), "{text}");
        assert!(part.is_dir());
    }
}

#[rstest]
#[case::an_ordinary_folder("demo")]
#[case::a_folder_that_shells_stumble_over("it's a $DEMO * #1")]
fn whatever_the_demo_says_to_try_works(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(name);
    let text = demo_in(&dir).text();
    let object = dir.join("remote/tenants").join(BRANCHED).join("heatmap-v1.json");
    let heatmap = || Heatmap::decode(&fs::read(&object).unwrap()).unwrap();
    let uploaded = heatmap();

    let lines = below("What to try next:", &text);
    let mut evicted = false;
    for line in &lines {
        let ran = Run::of(Command::new("sh").args(["-c", line]).current_dir(folder.path()));
        let shown = format!("{line}\n{}{}", ran.text(), ran.stderr);
        assert_eq!(ran.code, Some(0), "{shown}");
        assert_eq!(ran.stderr, "", "{line}");
        let row = ran.text().lines().find(|line| line.starts_with(BRANCHED)).map(str::to_owned);
        if line.ends_with("# all unchanged") {
            assert!(row.unwrap().contains(" unchanged "), "{shown}");
            assert!(!ran.text().contains(" uploaded "), "{shown}");
        } else if line.starts_with("rm ") {
            evicted = true;
        } else if line.ends_with("# they leave the heatmap") {
            assert!(evicted && row.unwrap().contains(" uploaded "), "{shown}");
        }
    }

    let before = uploaded.diff(&heatmap());
    assert!(before.removed_sum.layers > 0, "the layers that were removed are still listed: {lines:#?}");
    assert_eq!((before.added_sum.layers, before.changed.len()), (0, 0));
    assert!(lines.len() >= 5, "{lines:#?}");
}
