//! `policy test`: fixtures that hold, that do not, and that are none.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use rstest::rstest;
use tempfile::TempDir;
use thermocline_tests::by_hand::ByHand;

use crate::author::{Author, component};
use crate::command::{Run, run};

/// A folder with one fixture.
fn folder(fixture: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixture.json");
    fs::write(&file, fixture).unwrap();
    (folder, file)
}

fn test(folder: &Path, component: &str, more: &[&str]) -> Run {
    let args = ["policy", "test", folder.to_str().unwrap(), "--component", component];
    run(args.iter().chain(more))
}

const LAYERS: &str = r#""layers": [
    {"name": "base", "image": [0, 100], "lsn": 16, "resident": true, "visible": true, "read": "2h ago"},
    {"name": "recent", "delta": [0, 100], "lsns": [17, 32], "resident": true, "visible": true},
    {"name": "covered", "delta": [0, 50], "lsns": [8, 16], "resident": true}
  ]"#;

/// A fixture of three layers, of which one is hot within the hour.
fn three(expect: &str) -> String {
    format!("{{\n  \"config\": {{\"hot_for_s\": 3600}},\n  {LAYERS}{expect}\n}}\n")
}

#[test]
fn what_differs_is_shown_with_the_policys_word_on_it() {
    let expect = r#",
  "expect": {"hot": ["base", "recent"], "cold": [], "unlisted": [], "heats": {"recent": 0.5}, "valid_for_s": null}"#;
    let (folder, file) = folder(&three(expect));
    let before = fs::read(&file).unwrap();
    let tested = test(folder.path(), &component(), &[]).exits_with(1);
    assert_snapshot!(tested.text());
    let json = test(folder.path(), &component(), &["--json"]).exits_with(1).json();
    assert_eq!(json[0]["passed"], false);
    assert_eq!(json[0]["differences"].as_array().unwrap().len(), 5, "{json}");
    assert!(fs::read(&file).unwrap() == before, "nobody asked for an update");
}

#[test]
fn an_update_changes_what_is_expected_and_nothing_else() {
    let expect = ",\n  \"expect\": {\"hot\": [\"base\"], \"heats\": {\"recent\": 0.9999}}";
    let (folder, file) = folder(&three(expect));
    let updated = test(folder.path(), &component(), &["--update"]).exits_with(0).text();
    assert!(updated.contains("wrote fixture.json"), "{updated}");
    let expect = ",\n  \"expect\": {\n    \"hot\": [\"recent\"],\n    \"heats\": {\"recent\": 0.9999}\n  }";
    assert_eq!(fs::read_to_string(&file).unwrap(), three(expect));
    let again = test(folder.path(), &component(), &["--update"]).exits_with(0).text();
    assert!(again.contains("1 passed, 0 failed") && !again.contains("wrote"), "{again}");
}

#[test]
fn an_update_writes_what_was_never_expected() {
    let (folder, file) = folder(&three(""));
    let refused = test(folder.path(), &component(), &[]).exits_with(1).text();
    assert!(refused.contains("fixture.json: there is no `expect`"), "{refused}");
    test(folder.path(), &component(), &["--update"]).exits_with(0);
    assert_snapshot!(fs::read_to_string(&file).unwrap());
    test(folder.path(), &component(), &[]).exits_with(0);
}

#[test]
fn memory_goes_from_one_call_to_the_next() {
    let remembers = ByHand::new()
        .before_select("")
        .selects(&thermocline_policy::Selection { memory: b"7".to_vec(), ..Default::default() });
    let (folder, _) =
        folder(r#"{"memory": "ff", "layers": [], "steps": [{"expect": {"hot": []}}, {"expect": {"cold": []}}]}"#);
    let component = folder.path().join("policy.wasm");
    fs::write(&component, remembers.build().unwrap()).unwrap();
    let tested = test(folder.path(), component.to_str().unwrap(), &[]).exits_with(0).text();
    assert!(tested.contains("1 passed, 0 failed"), "{tested}");
}

#[rstest]
#[case::unknown_field("{\n  \"layers\": [],\n  \"expected\": {}\n}", "line 3, column 12: unknown field `expected`")]
#[case::unknown_field_of_a_layer(
    "{\"layers\": [{\"name\": \"a\", \"residnet\": true}]}",
    "line 1, column 36: unknown field `residnet`"
)]
#[case::unknown_layer("{\"expect\": {\"cold\": [\"a\"]}}", "expect.cold: there is no layer \"a\" among `layers`")]
fn what_is_no_fixture_is_told_with_its_file_and_field(#[case] fixture: &str, #[case] why: &str) {
    let (folder, file) = folder(fixture);
    for more in [&[][..], &["--update"]] {
        let tested = test(folder.path(), &component(), more).exits_with(1).text();
        let said = format!("{}: {why}", file.display());
        assert!(tested.contains(&said), "{tested}");
        assert_eq!(fs::read_to_string(&file).unwrap(), fixture);
    }
}

#[test]
fn a_folder_without_fixtures_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let refused = test(folder.path(), &component(), &[]).exits_with(1).stderr;
    assert!(refused.contains("has no fixtures (*.json)"), "{refused}");
}

#[test]
fn fixtures_of_no_crate_need_a_component() {
    let (folder, _) = folder("{}");
    let refused = run(["policy", "test", folder.path().to_str().unwrap()]).exits_with(1).stderr;
    assert!(refused.ends_with("is no crate: name the component to test with --component\n"), "{refused}");
}

#[test]
fn a_crate_that_does_not_compile_is_told() {
    let author = Author::new();
    fs::write(author.file("src/lib.rs"), "no Rust").unwrap();
    let refused = author.thermocline(&["policy", "test", "."]).exits_with(1).stderr;
    assert!(refused.contains("crate hot-window does not compile"), "{refused}");
}
