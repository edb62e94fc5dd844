//! `thermocline trace`: from strace's log to what `simulate` reads.

use std::fmt::Write as _;

use crate::command::run;

/// A minute and more of reads, as strace prints them.
fn log() -> String {
    let mut log = String::from("strace: Process 17 attached\n");
    for tenth in 0..2400_u32 {
        let (second, micro) = (1_700_000_000 + tenth / 10, tenth % 10 * 100_000);
        let offset = u64::from(tenth % 300) * 8192;
        writeln!(log, "17 {second}.{micro:06} pread64(5</pg/base/5/16384>, \"\"..., 8192, {offset}) = 8192").unwrap();
    }
    log
}

#[test]
fn a_log_becomes_a_trace_that_is_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let [log_file, plain, packed] = ["strace.log", "t.csv", "t.csv.zst"].map(|name| folder.path().join(name));
    std::fs::write(&log_file, log()).unwrap();
    let of = |args: &[&std::path::Path]| {
        run(["trace".as_ref()].into_iter().chain(args.iter().map(|arg| arg.as_os_str()))).exits_with(0)
    };
    let to_stdout = of(&[&log_file]);
    assert!(
        to_stdout.stderr.starts_with("2400 reads and 0 writes kept; left out: 0 calls on other files"),
        "{}",
        to_stdout.stderr
    );
    of(&[&log_file, "-o".as_ref(), &plain]);
    of(&[&log_file, "-o".as_ref(), &packed]);
    let text = std::fs::read(&plain).unwrap();
    assert_eq!(text, to_stdout.stdout);
    let packed_bytes = std::fs::read(&packed).unwrap();
    assert_eq!(zstd::decode_all(&packed_bytes[..]).unwrap(), text);

    let args = ["simulate", "--policy", "resident-set", "--json", "--trace"].map(std::ffi::OsStr::new);
    let json = run(args.into_iter().chain([packed.as_os_str()])).exits_with(0).json();
    assert_eq!(json["trace"], "t.csv.zst");
}

#[test]
fn a_log_without_reads_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (folder.path().join("strace.log"), folder.path().join("t.csv"));
    std::fs::write(&log, "17 1.000000 getpid() = 17\n").unwrap();
    let run = run(["trace".as_ref(), log.as_os_str(), "-o".as_ref(), out.as_os_str()]).exits_with(1);
    assert!(run.stderr.contains("strace.log: no page of a relation was read in it"), "{}", run.stderr);
}

#[test]
fn a_log_that_is_not_there_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.csv");
    let run = run(["trace".as_ref(), "/nowhere/strace.log".as_ref(), "-o".as_ref(), out.as_os_str()]).exits_with(1);
    assert!(run.stderr.contains("cannot read /nowhere/strace.log"), "{}", run.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
