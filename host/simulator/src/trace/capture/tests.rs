use proptest::prelude::*;
use rstest::rstest;

use super::super::Trace;
use super::calls::MAX_PROCESSES;
use super::*;

/// Blocks of a file.
const BLOCKS: u64 = SEGMENT_BLOCKS as u64;

/// As strace 6.1 wrote them, of PostgreSQL 15.
const REAL: &str = include_str!("real.strace");

fn converted(log: &str) -> Result<(String, Captured), TraceError> {
    let mut out = Vec::new();
    let captured = convert(log.as_bytes(), Path::new("log.strace"), &mut out)?;
    Ok((String::from_utf8(out).unwrap(), captured))
}

/// The rows after the first.
fn rows(log: &str) -> Vec<String> {
    converted(log).unwrap().0.lines().skip(1).map(str::to_owned).collect()
}

fn read(process: u32, ms: u32, path: &str, offset: u64, count: u64) -> String {
    format!("{process} 1795409548.{ms:03}000 pread64(5</d/{path}>, \"\"..., 8192, {offset}) = {count}\n")
}

/// A line that stands at the beginning of time, and one page.
fn with_a_page(log: &str) -> String {
    format!("{}{log}", read(1, 0, "base/5/1", 0, 8192))
}

#[test]
fn a_real_log_becomes_a_trace() {
    let (trace, captured) = converted(REAL).unwrap();
    let expected = "\
t_ms,op,db,rel,fork,block,nblocks
630,R,16384,16386,2,1,1
631,R,16384,16386,1,0,1
631,R,16384,16386,1,1,1
631,R,16384,16386,1,13,1
631,W,16384,16386,0,48077,1
1118,R,16384,16395,0,6563,1
1118,R,16384,16395,0,6608,1
1119,R,16384,16395,0,3545,1
1119,R,16384,16386,0,47993,1
21141,W,1,2840,2,0,1
26789,W,1,2619,2,0,1
";
    assert_eq!(trace, expected);
    let left_out = LeftOut { shared: 1, temporary: 2, wal: 3, ..LeftOut::default() };
    assert_eq!(captured, Captured { lines: 20, duration_ms: 150_547, reads: 8, writes: 3, left_out });
}

#[rstest]
#[case::the_first_page("base/5/16384", 0, 8192, "0,R,5,16384,0,0,1")]
#[case::the_last_of_a_segment("base/5/16384", (BLOCKS - 1) * 8192, 8192, "0,R,5,16384,0,131071,1")]
#[case::a_later_segment("base/5/16384.2", 8192, 8192, "0,R,5,16384,0,262145,1")]
#[case::several_pages("base/5/16384", 8192, 131_072, "0,R,5,16384,0,1,16")]
#[case::the_last_block("base/5/16384.32766", (BLOCKS - 1) * 8192, 8192, "0,R,5,16384,0,4294836223,1")]
#[case::visibility("base/5/16384_vm", 0, 8192, "0,R,5,16384,2,0,1")]
fn a_call_is_a_row(#[case] path: &str, #[case] offset: u64, #[case] count: u64, #[case] row: &str) {
    assert_eq!(rows(&read(7, 0, path, offset, count)), [row]);
}

#[test]
fn a_call_stands_where_it_ended() {
    let log = "\
7 1795409548.000000 pread64(5</d/base/5/1>,  <unfinished ...>
8 1795409548.001000 pwrite64(6</d/base/5/2>, \"\"..., 8192, 8192 <unfinished ...>
9 1795409548.002000 pread64(5</d/base/5/3>, \"\"..., 8192, 0) = 8192
8 1795409548.003000 <... pwrite64 resumed>) = 8192
7 1795409548.004000 <... pread64 resumed>\"\"..., 8192, 16384) = 8192
";
    assert_eq!(rows(log), ["2,R,5,3,0,0,1", "3,W,5,2,0,1,1", "4,R,5,1,0,2,1"]);
}

#[rstest]
#[case::it_began_before_strace_came("7 1795409548.0 <... pread64 resumed>\"\"..., 8192, 0) = 8192\n")]
#[case::it_never_ends("7 1795409548.0 pread64(5</d/base/5/1>,  <unfinished ...>\n")]
#[case::its_process_ends(
    "7 1795409548.0 pread64(5</d/base/5/1>,  <unfinished ...>\n7 1795409548.0 +++ killed by SIGKILL +++\n"
)]
#[case::another_follows("7 1795409548.0 pread64(5</d/base/5/1>,  <unfinished ...>\n7 1795409548.0 close(5</x>) = 0\n")]
#[case::nobody_knows("7 1795409548.0 pread64(5</d/base/5/1>, 0x7ff, 8192, 0) = ?\n")]
#[case::strace_went("7 1795409548.0 pread64(5</d/base/5/1>,  <detached ...>\n")]
#[case::the_log_breaks_off("7 1795409548.0 pread64(5</d/base/5/1>, \"\"..., 81")]
#[case::the_log_breaks_off_early("7 17954")]
fn a_call_that_is_cut_off_is_counted(#[case] log: &str) {
    let (_, captured) = converted(&with_a_page(&log.replace(".0 ", ".000000 "))).unwrap();
    assert_eq!((captured.reads, captured.left_out), (1, LeftOut { cut_off: 1, ..LeftOut::default() }));
}

#[rstest]
#[case::shared("global/1262", 0, 8192, LeftOut { shared: 1, ..LeftOut::default() })]
#[case::temporary("base/5/t3_16384", 0, 8192, LeftOut { temporary: 1, ..LeftOut::default() })]
#[case::wal("pg_wal/000000010000000000000001", 0, 8192, LeftOut { wal: 1, ..LeftOut::default() })]
#[case::other("pg_xact/0000", 0, 8192, LeftOut { other: 1, ..LeftOut::default() })]
#[case::the_end_of_a_file("base/5/1", 8192, 0, LeftOut { empty: 1, ..LeftOut::default() })]
#[case::a_part_of_a_page("base/5/1", 0, 8191, LeftOut { misaligned: 1, ..LeftOut::default() })]
#[case::beside_the_grid("base/5/1", 512, 8192, LeftOut { misaligned: 1, ..LeftOut::default() })]
fn what_is_no_page_is_counted(#[case] path: &str, #[case] offset: u64, #[case] count: u64, #[case] left_out: LeftOut) {
    let (trace, captured) = converted(&with_a_page(&read(7, 1, path, offset, count))).unwrap();
    assert_eq!((trace.lines().count(), captured.left_out), (2, left_out));
}

#[test]
fn a_call_that_fails_is_counted() {
    let log = "7 1795409548.000000 pread64(5</d/base/5/1>, 0x7ff, 8192, 0) = -1 EIO (Input/output error)\n";
    let (_, captured) = converted(&with_a_page(log)).unwrap();
    assert_eq!(captured.left_out, LeftOut { empty: 1, ..LeftOut::default() });
}

#[test]
fn time_begins_with_the_first_line_and_never_goes_back() {
    let log =
        [read(1, 5, "global/1", 0, 8192), read(1, 9, "base/5/1", 0, 8192), read(1, 7, "base/5/2", 0, 8192)].concat();
    let (trace, captured) = converted(&log).unwrap();
    assert_eq!(trace.lines().skip(1).collect::<Vec<_>>(), ["4,R,5,1,0,0,1", "4,R,5,2,0,0,1"]);
    assert_eq!((captured.lines, captured.duration_ms), (3, 4));
}

#[rstest]
#[case::a_wrong_line(&with_a_page("x\n7 1795409548.000000 exit_group(0) = ?\n"), 2, "is no time in seconds")]
#[case::no_file("7 1795409548.000000 pread64(5, \"\", 8192, 0) = 8192\n", 1, "run strace with -y")]
#[case::a_great_segment(&read(7, 0, "base/5/1", BLOCKS * 8192, 8192), 1, "--with-segsize")]
#[case::over_a_segments_end(&read(7, 0, "base/5/1", (BLOCKS - 1) * 8192, 16384), 1, "--with-segsize")]
#[case::a_great_block(&read(7, 0, "base/5/1.32767", 0, 8192), 1, "block 4294836224 of a relation")]
#[case::many_days(
    &with_a_page("7 1799704516.000000 exit_group(0) = ?\n"), 2, "more than 49 days after the first line"
)]
fn a_wrong_line_is_named(#[case] log: &str, #[case] line: u64, #[case] says: &str) {
    let error = converted(log).unwrap_err();
    assert!(matches!(&error, TraceError::Line { line: at, why, .. } if *at == line && why.contains(says)), "{error}");
    assert!(error.to_string().starts_with("log.strace, line "), "{error}");
}

#[rstest]
#[case::no_line("", 0)]
#[case::no_page("7 1795409548.000000 exit_group(0) = ?\n", 1)]
#[case::no_page_read("7 1795409548.000000 pwrite64(5</d/base/5/1>, \"\"..., 8192, 0) = 8192\n", 1)]
fn a_log_without_reads_is_refused(#[case] log: &str, #[case] lines: u64) {
    let error = converted(log).unwrap_err();
    assert!(matches!(&error, TraceError::NothingCaptured { lines: at, .. } if *at == lines), "{error}");
    assert!(error.to_string().contains("log.strace"), "{error}");
}

/// A page read, in a line of so many bytes.
fn line_of(bytes: usize) -> String {
    let (start, end) = ("7 1795409548.000000 pread64(5</d/base/5/1>, \"", "\"..., 8192, 0) = 8192");
    format!("{start}{}{end}\n", "x".repeat(bytes - start.len() - end.len()))
}

#[test]
fn the_longest_line_obeyed() {
    // With its end it would be one byte more, which does not count.
    assert_eq!(rows(&with_a_page(&line_of(MAX_LINE_BYTES))).len(), 2);
}

#[rstest]
#[case::with_an_end(true)]
#[case::without(false)]
fn the_longest_line_violated(#[case] end: bool) {
    let mut log = with_a_page(&line_of(MAX_LINE_BYTES + 1));
    if !end {
        log.pop();
    }
    let error = converted(&log).unwrap_err().to_string();
    assert!(error.contains("line 2: longer than 65536 bytes: run strace with -s 0"), "{error}");
}

fn processes(number: usize) -> String {
    let begun = |process| format!("{process} 1795409548.000000 pread64(5</d/base/5/1>,  <unfinished ...>\n");
    with_a_page(&(1..=number).map(begun).collect::<String>())
}

#[test]
fn the_most_processes_obeyed() {
    let (_, captured) = converted(&processes(MAX_PROCESSES)).unwrap();
    assert_eq!(captured.left_out.cut_off, MAX_PROCESSES as u64);
}

#[test]
fn the_most_processes_violated() {
    let error = converted(&processes(MAX_PROCESSES + 1)).unwrap_err().to_string();
    assert!(error.contains("more than 16384 processes"), "{error}");
}

#[test]
fn a_compressed_log_is_read_as_well() {
    let log = zstd::encode_all(REAL.as_bytes(), 3).unwrap();
    let mut out = Vec::new();
    convert(&log[..], Path::new("log"), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), converted(REAL).unwrap().0);
}

#[test]
fn a_log_whose_compression_broke_off_is_read_so_far() {
    let log: String = (0..200_000).map(|call| read(1, 0, "base/5/1", call % 100_000 * 8192, 8192)).collect();
    let mut log = zstd::encode_all(log.as_bytes(), 3).unwrap();
    log.truncate(log.len() / 2);
    let mut out = Vec::new();
    let captured = convert(&log[..], Path::new("log"), &mut out).unwrap();
    assert!((10_000..190_000).contains(&captured.reads), "{captured:?}");
    assert!(captured.left_out.cut_off <= 1, "{captured:?}");
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count() as u64, 1 + captured.reads);
}

#[test]
fn strace_speaks_of_itself_in_the_middle_of_a_call() {
    // As it comes out where there is no -o.
    let log = "\
[pid 7] 1795409548.000000 pread64(5</d/base/5/1>, strace: Process 9 attached
strace: Process 10 attached with 2 threads
 <unfinished ...>
[pid 8] 1795409548.001000 pread64(5</d/base/5/2>, strace: Process 11 attached
\"\"..., 8192, 0) = 8192
[pid 7] 1795409548.002000 <... pread64 resumed>\"\"..., 8192, 16384) = 8192
[pid 8] 1795409548.003000 pread64(5</d/base/5/2>, strace: Process 8 detached
 <detached ...>
";
    let (trace, captured) = converted(log).unwrap();
    assert_eq!(trace.lines().skip(1).collect::<Vec<_>>(), ["1,R,5,2,0,0,1", "2,R,5,1,0,2,1"]);
    assert_eq!((captured.lines, captured.left_out), (8, LeftOut { cut_off: 1, ..LeftOut::default() }));
    let error = converted(&format!("{log}x\n")).unwrap_err().to_string();
    assert!(error.contains("line 9: "), "{error}");
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error() {
    let error = convert(REAL.as_bytes(), Path::new("log.strace"), &mut [0; 40][..]).unwrap_err();
    assert!(matches!(error, TraceError::Write { .. }), "{error}");
}

/// Something like a log: pieces of lines that mean something, in any order.
fn log() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "7 ",
            "[pid 7] ",
            "1795409548.000000 ",
            "pread64(",
            "pwritev2(",
            "5</d/base/5/1",
            ".1",
            "_vm",
            ">",
            "(deleted)",
            ", ",
            "\"\"...",
            "8192",
            ", 0",
            ")",
            " = ",
            "8192",
            "?",
            "-1 EIO",
            " <unfinished ...>",
            " <detached ...>",
            "strace: ",
            "Process 7 attached",
            "<... pread64 resumed>",
            "+++ exited",
            "---",
            "\n",
            "\n",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        any::<Vec<u8>>(),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(log in log()) {
        let _ = convert(&log[..], Path::new("log"), std::io::sink());
    }

    #[test]
    fn where_a_call_is_cut_in_two_makes_no_difference(
        segment in 0..3_u64, block in 0..BLOCKS, write: bool, late: bool,
    ) {
        let (name, op) = if write { ("pwrite64", 'W') } else { ("pread64", 'R') };
        let call = format!("{name}(5</d/base/5/16384.{segment}>, \"\"..., 8192, {}) = 8192", block * 8192);
        let time = "7 1795409548.000000";
        // strace shows what goes into the kernel before the call, and what comes out after it.
        let (begun, ended) = call.split_at(if late { call.find(')').unwrap() } else { call.find('"').unwrap() });
        let cut = format!("{time} {begun} <unfinished ...>\n{time} <... {name} resumed>{ended}\n");
        let cut = rows(&with_a_page(&cut));
        prop_assert_eq!(&cut[1], &format!("0,{op},5,16384,0,{},1", segment * BLOCKS + block));
        prop_assert_eq!(cut, rows(&with_a_page(&format!("{time} {call}\n"))));
    }

    #[test]
    fn nothing_is_lost_on_the_way_to_the_trace(
        pages in prop::collection::vec((0..4_u32, 1..9_u32, 0..1000_u64, 1..17_u64, 0..3_u32), 1..50),
    ) {
        let mut ms = 0;
        let mut log = String::new();
        for (process, rel, block, blocks, pause) in &pages {
            ms += pause;
            log += &read(*process, ms, &format!("base/5/{rel}"), block * 8192, blocks * 8192);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let captured = convert(log.as_bytes(), Path::new("log"), std::fs::File::create(&path).unwrap()).unwrap();
        let trace = Trace::read(&path).unwrap();
        prop_assert_eq!(trace.read_count() as u64, captured.reads);
        prop_assert_eq!(captured.reads, pages.iter().map(|(_, _, _, blocks, _)| blocks).sum::<u64>());
        let read: Vec<(u32, u32)> = trace.accesses().iter().map(|access| {
            let page = trace.pages()[access.page];
            (page.fork.rel, page.block)
        }).collect();
        let called: Vec<(u32, u32)> = pages.iter().flat_map(|(_, rel, block, blocks, _)| {
            (*block..block + blocks).map(|block| (*rel, u32::try_from(block).unwrap()))
        }).collect();
        prop_assert_eq!(read, called);
    }
}
