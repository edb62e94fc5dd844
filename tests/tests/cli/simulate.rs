//! `thermocline simulate`.

use std::path::Path;

use rstest::rstest;
use serde_json::Value;

use crate::command::run;
use crate::support::real_data;

const QUICK: [&str; 7] = ["simulate", "--generate", "append", "--failovers", "4", "--policy", "decay"];

fn quick<'a>(more: &[&'a str]) -> Vec<&'a str> {
    QUICK.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn the_table_says_what_was_simulated_and_what_came_of_it() {
    // Today's practice alone: its figures move with nobody's tuning.
    let args = ["simulate", "--generate", "scan", "--failovers", "4", "--policy", "resident-set", "--budget", "0.25,1"];
    insta::assert_snapshot!(run(args).exits_with(0).text());
}

#[test]
fn json_is_one_object_with_a_row_for_each_policy_and_budget() {
    let json = run(quick(&["--budget", "0.1,0.5", "--seed", "7", "--json"])).exits_with(0).json();
    assert_eq!((json["trace"].as_str(), json["seed"].as_u64()), (Some("append"), Some(7)));
    let rows = json["rows"].as_array().unwrap();
    let named: Vec<(&str, f64)> =
        rows.iter().map(|row| (row["policy"].as_str().unwrap(), row["budget"].as_f64().unwrap())).collect();
    let policies = ["nothing", "resident-set", "decay", "clairvoyant"];
    let expected: Vec<_> = policies.into_iter().flat_map(|policy| [(policy, 0.1), (policy, 0.5)]).collect();
    assert_eq!(named, expected);
    for row in rows {
        for share in ["hit_10s", "hit_60s", "hit_600s"] {
            assert!((0.0..=1.0).contains(&row[share].as_f64().unwrap()), "{row}");
        }
        assert!(row["bytes_unread"].as_u64().unwrap() <= row["bytes_fetched"].as_u64().unwrap(), "{row}");
        assert_eq!(row["failovers"], 4);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let out = |seed| run(quick(&["--seed", seed, "--json"])).exits_with(0).stdout;
    assert_eq!(out("3"), out("3"));
    assert_ne!(out("3"), out("4"));
}

#[test]
fn what_would_take_hours_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("months.csv");
    std::fs::write(&trace, "t_ms,op,db,rel,fork,block,nblocks\n0,R,5,16384,0,0,1000\n4294967000,R,5,16384,0,0,1\n")
        .unwrap();
    let args = ["simulate", "--trace", trace.to_str().unwrap(), "--period", "1s", "--image-size", "8KiB"];
    let error = run(args).exits_with(1).stderr;
    assert!(error.contains("4294967 heatmaps of 1000 layers") && error.contains("give a longer period"), "{error}");
}

#[test]
fn a_policy_is_a_file_too_and_has_its_configuration() {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/cli/src/policy/shipped/decay.wasm");
    let args = ["simulate", "--generate", "append", "--failovers", "4", "--budget", "0.5", "--json"];
    let out = |more: &[&str]| run(args.iter().chain(more)).exits_with(0).stdout;
    let plain = out(&["--policy", "decay"]);
    assert_eq!(plain, out(&["--policy", component]));
    assert_ne!(plain, out(&["--policy", "decay", "--policy-config", r#"decay={"half_life_s":60}"#]));
}

#[rstest]
#[case::no_trace(&["simulate"], 2, "--trace <FILE>")]
#[case::two_traces(&["simulate", "--trace", "x", "--generate", "zipf"], 2, "cannot be used with")]
#[case::an_unknown_kind(&["simulate", "--generate", "fractal"], 2, "zipf, moving, scan, append, sleepy")]
#[case::no_such_trace(&["simulate", "--trace", "/nowhere/trace.csv"], 1, "/nowhere/trace.csv: No such file")]
#[case::no_such_policy(&["simulate", "--generate", "scan", "--policy", "/nowhere/p.wasm"], 1, "/nowhere/p.wasm")]
#[case::a_budget(&["simulate", "--generate", "scan", "--budget", "101"], 1, "a budget is 101, and may be from 0 to 100")]
#[case::a_disk(&["simulate", "--generate", "scan", "--disk", "200%"], 1, "the disk is 2 of the layers")]
#[case::a_size(&["simulate", "--generate", "scan", "--bandwidth", "fast"], 2, "`fast` is no size")]
#[case::no_failover(&["simulate", "--generate", "scan", "--failovers", "0"], 1, "failovers is 0, and may be from 1")]
#[case::a_long_period(&["simulate", "--generate", "scan", "--period", "1h"], 1, "give a longer trace or a shorter period")]
#[case::a_configuration(
    &["simulate", "--generate", "scan", "--policy", "decay", "--policy-config", r#"decay={"half_life_s":0}"#], 1,
    "half_life_s"
)]
#[case::a_configuration_of_nobody(
    &["simulate", "--generate", "scan", "--policy", "decay", "--policy-config", "ebb={}"], 1,
    "--policy-config names ebb, which takes no part: there are resident-set, decay"
)]
#[case::no_such_folder(&["simulate", "--generate", "append", "--policy", "resident-set", "--html", "/nowhere/x.html"], 1, "/nowhere/x.html")]
fn what_cannot_be_simulated_is_said(#[case] args: &[&str], #[case] code: i32, #[case] says: &str) {
    let run = run(args).exits_with(code);
    assert!(run.stderr.contains(says), "{}", run.stderr);
}

#[test]
fn a_recorded_trace_is_simulated() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/data/traces/hot-jump-start.csv.zst");
    let args = ["--policy", "resident-set", "--period", "10s", "--failovers", "4", "--budget", "0.5", "--json"];
    let json = run(["simulate", "--trace", trace].iter().chain(&args)).exits_with(0).json();
    assert_eq!(json["trace"], "hot-jump-start.csv.zst");
    let hits = |policy: &str| {
        let rows = json["rows"].as_array().unwrap();
        rows.iter().find(|row| row["policy"] == policy).unwrap()["hit_10s"].as_f64().unwrap()
    };
    assert_eq!(hits("nothing"), 0.0);
    assert!(0.0 < hits("resident-set") && hits("resident-set") <= hits("clairvoyant"), "{json}");
}

#[test]
fn a_line_that_is_no_access_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "t_ms,op,db,rel,fork,block,nblocks\n1,R,1,1,0,1,1\n2,Q,1,1,0,1,1\n").unwrap();
    let run = run(["simulate".as_ref(), "--trace".as_ref(), path.as_os_str()]).exits_with(1);
    assert!(run.stderr.contains("t.csv, line 3: op is `Q`, and may be R or W"), "{}", run.stderr);
}

fn rows_over_layers(layers: &Path, kind: &str) -> Vec<Value> {
    let args = ["--generate", kind, "--failovers", "4", "--policy", "decay", "--budget", "0.25", "--json", "--layers"];
    let args = ["simulate"].into_iter().chain(args).map(std::ffi::OsStr::new).chain([layers.as_os_str()]);
    run(args).exits_with(0).json()["rows"].as_array().unwrap().clone()
}

#[test]
fn layers_of_a_real_database_are_simulated() {
    let index = concat!(env!("CARGO_MANIFEST_DIR"), "/data/layers/mixed-workload-index_part.json");
    let names = concat!(env!("CARGO_MANIFEST_DIR"), "/data/layers/odd-brook-sample.names");
    for layers in [index, names] {
        let rows = rows_over_layers(Path::new(layers), "zipf");
        let hit = |policy: &str| {
            let row = rows.iter().find(|row| row["policy"] == policy).unwrap();
            row["hit_60s"].as_f64().unwrap()
        };
        assert!(hit("clairvoyant") > 0.0 && hit("decay") <= hit("clairvoyant") + 1e-9, "{rows:?}");
    }
}

#[test]
fn a_real_trace_is_simulated_and_its_page_is_written() {
    let Some(trace) = real_data("traces/oltp-shift.csv.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let args = ["simulate".as_ref(), "--trace".as_ref(), trace.as_os_str(), "--html".as_ref(), page.as_os_str()];
    let text = run(args).exits_with(0).text();
    assert!(text.contains("1008361 reads and 176176 writes of 1.3 GiB in 22m"), "{text}");
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<svg").count(), 5);
    assert!(["src=", "href=", "url(", "@import"].iter().all(|load| !page.contains(load)), "it loads something");
}
