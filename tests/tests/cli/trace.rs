//! `thermocline trace`.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rstest::rstest;

use crate::command::{Run, run, thermocline};

/// As strace wrote it.
const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/simulator/src/trace/capture/real.strace");

const FIRST_ROWS: &str = "t_ms,op,db,rel,fork,block,nblocks\n630,R,16384,16386,2,1,1\n";

const SAID: &str = "8 pages read, 3 pages written in 2m 30s\n\
    left out: 1 on shared catalogs, 2 on temporary files, 3 on the write-ahead log\n";

fn run_simulate(trace: &Path) -> Run {
    run(["simulate".as_ref(), "--period".as_ref(), "1h".as_ref(), "--trace".as_ref(), trace.as_os_str()])
}

fn to_file(log: &Path, out: &Path) -> Run {
    run(["trace".as_ref(), log.as_os_str(), "-o".as_ref(), out.as_os_str()])
}

#[rstest]
#[case::plain("t.csv")]
#[case::compressed("t.csv.zst")]
fn a_log_becomes_a_trace_and_what_is_not_in_it_is_said(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join(name);
    let run = to_file(Path::new(LOG), &out).exits_with(0);
    assert_eq!(run.stderr, SAID);
    assert_eq!(run.stdout, b"");
    let mut trace = fs::read(&out).unwrap();
    if name.ends_with(".zst") {
        trace = zstd::decode_all(&trace[..]).unwrap();
    }
    assert!(trace.starts_with(FIRST_ROWS.as_bytes()), "{}", trace.escape_ascii());
    // The simulator reads it; that it is too short for failovers is another matter.
    let simulated = run_simulate(&out).exits_with(1);
    assert!(simulated.stderr.contains("give a longer trace or a shorter period"), "{}", simulated.stderr);
}

#[test]
fn stdin_to_stdout_is_the_trace_and_nothing_else() {
    let mut command = thermocline(["trace", "-"]);
    let run = Run::of(command.stdin(Stdio::from(fs::File::open(LOG).unwrap()))).exits_with(0);
    assert!(run.text().starts_with(FIRST_ROWS), "{}", run.text());
    assert_eq!(run.text().lines().count(), 12);
    assert_eq!(run.stderr, SAID);
}

#[test]
fn what_fails_leaves_the_trace_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (folder.path().join("log"), folder.path().join("t.csv"));
    fs::write(&log, format!("{}12:30:01 pread64(\n", fs::read_to_string(LOG).unwrap())).unwrap();
    fs::write(&out, "before").unwrap();
    let run = to_file(&log, &out).exits_with(1);
    assert!(run.stderr.contains("log, line 21: `12:30:01` is no time in seconds since 1970"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&out).unwrap(), "before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[rstest]
#[case::no_log(&["trace"], 2, "<FILE|->")]
#[case::no_such_log(&["trace", "/nowhere/log"], 1, "cannot read /nowhere/log")]
#[case::no_such_folder(&["trace", LOG, "-o", "/nowhere/t.csv"], 1, "cannot make /nowhere/t.csv")]
#[case::a_strange_name(&["trace", LOG, "-o", "t.json"], 1, "a trace's name ends in .csv, or in .zst")]
#[case::an_empty_log(&["trace", "/dev/null"], 1, "in 0 lines no page of a relation is read")]
fn what_cannot_be_converted_is_said(#[case] args: &[&str], #[case] code: i32, #[case] says: &str) {
    let run = run(args).exits_with(code);
    assert!(run.stderr.contains(says), "{}", run.stderr);
}
