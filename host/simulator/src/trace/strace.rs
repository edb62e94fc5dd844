//! Traces of a running Postgres, from what strace prints of its reads and writes.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use super::{Fork, Op, PAGE_BYTES, Page};

/// Blocks of a file of a relation; the next ones are in a file with a number behind its name.
const BLOCKS_OF_A_SEGMENT: u64 = 131_072;

/// Calls that are looked at: what Postgres reads and writes relations with.
const CALLS: [(&str, Op); 6] = [
    ("pread64", Op::Read),
    ("preadv", Op::Read),
    ("preadv2", Op::Read),
    ("pwrite64", Op::Write),
    ("pwritev", Op::Write),
    ("pwritev2", Op::Write),
];

/// Most processes that may be in a call at a time.
const MAX_PENDING: usize = 100_000;

/// What became of the lines of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Reads of blocks of relations.
    pub reads: u64,
    /// Writes of blocks of relations.
    pub writes: u64,
    /// Calls on other files: shared catalogs, the write-ahead log, temporary files.
    pub other_files: u64,
    /// Calls that failed, or read or wrote no whole block.
    pub not_whole: u64,
    /// Lines that are no such call.
    pub other_lines: u64,
}

/// Reads what `strace -f -ttt -y -s 0 -e trace=pread64,preadv,pwrite64,pwritev` printed, and writes a trace: a header,
/// and a row for each call on blocks of a relation. Milliseconds count from the first such call. Takes the same memory
/// however long the log is.
///
/// # Errors
/// If `log` cannot be read or `trace` not be written.
pub fn convert(log: impl BufRead, mut trace: impl Write) -> io::Result<Converted> {
    let mut converted = Converted::default();
    let mut pending: HashMap<u64, String> = HashMap::new();
    let mut first_us = None;
    writeln!(trace, "t_ms,op,db,rel,fork,block,nblocks")?;
    for line in log.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let call = match Line::read(&line) {
            Some(Line { process, rest: Rest::Begun(start), .. }) => {
                if pending.len() < MAX_PENDING || pending.contains_key(&process) {
                    pending.insert(process, start.to_owned());
                }
                continue;
            }
            Some(Line { process, at_us, rest: Rest::Resumed(end) }) => {
                pending.remove(&process).map(|start| (at_us, format!("{start}{end}")))
            }
            Some(Line { at_us, rest: Rest::Whole(call), .. }) => Some((at_us, call.to_owned())),
            None => None,
        };
        match call.and_then(|(at_us, call)| Some((at_us, Call::read(&call)?))) {
            None => converted.other_lines += u64::from(!line.is_empty()),
            Some((_, Call { page: None, .. })) => converted.other_files += 1,
            Some((_, Call { blocks: 0, .. })) => converted.not_whole += 1,
            Some((at_us, Call { op, page: Some(page), blocks })) => {
                let since_us = at_us.saturating_sub(*first_us.get_or_insert(at_us));
                let (letter, Page { fork: Fork { db, rel, fork }, block }) = match op {
                    Op::Read => ('R', page),
                    Op::Write => ('W', page),
                };
                writeln!(trace, "{},{letter},{db},{rel},{fork},{block},{blocks}", since_us / 1000)?;
                match op {
                    Op::Read => converted.reads += 1,
                    Op::Write => converted.writes += 1,
                }
            }
        }
    }
    trace.flush()?;
    Ok(converted)
}

/// A line of a log: `PID SECONDS.MICROS CALL`. Of a log of one process the number is missing.
struct Line<'a> {
    process: u64,
    at_us: u64,
    rest: Rest<'a>,
}

enum Rest<'a> {
    /// All of a call.
    Whole(&'a str),
    /// The start of one, while another process is in a call.
    Begun(&'a str),
    /// The end of one.
    Resumed(&'a str),
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_end();
        let (first, behind) = line.split_once(' ')?;
        let (process, at, rest) = match micros(first) {
            Some(at_us) => (0, at_us, behind),
            None => {
                // `[pid 17]` on a terminal, `17` in a file.
                let (process, behind) = match first {
                    "[pid" => behind.trim_start().split_once(']')?,
                    _ => (first, behind),
                };
                let (at, rest) = behind.trim_start().split_once(' ')?;
                (process.trim().parse().ok()?, micros(at)?, rest)
            }
        };
        let rest = rest.trim_start();
        let rest = if let Some(resumed) = rest.strip_prefix("<... ") {
            Rest::Resumed(resumed.split_once(" resumed>")?.1)
        } else if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            Rest::Begun(begun)
        } else {
            Rest::Whole(rest)
        };
        Some(Line { process, at_us: at, rest })
    }
}

/// Microseconds of `1700000000.123456`.
fn micros(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)
}

/// A call on a file.
struct Call {
    op: Op,
    /// The first block; `None` of a file that is no relation's.
    page: Option<Page>,
    /// 0 where it is not of whole blocks.
    blocks: u64,
}

impl Call {
    /// `pread64(5</data/base/5/16384.1>, ""..., 8192, 16384) = 8192`
    fn read(text: &str) -> Option<Self> {
        let (name, arguments) = text.split_once('(')?;
        let (_, op) = CALLS.iter().find(|(call, _)| *call == name)?;
        let (arguments, result) = arguments.rsplit_once(") = ")?;
        let path = arguments.split_once('<')?.1.split_once(">,")?.0;
        // Behind the offset of these stand flags.
        let arguments = if name.ends_with('2') { arguments.rsplit_once(", ")?.0 } else { arguments };
        let offset: u64 = arguments.rsplit_once(", ")?.1.parse().ok()?;
        let bytes: u64 = result.split_whitespace().next()?.parse().unwrap_or_default();
        let whole = bytes.is_multiple_of(PAGE_BYTES) && offset.is_multiple_of(PAGE_BYTES);
        let page = file(path).and_then(|(fork, segment)| {
            let block = segment.checked_mul(BLOCKS_OF_A_SEGMENT)?.checked_add(offset / PAGE_BYTES)?;
            Some(Page { fork, block: u32::try_from(block).ok()? })
        });
        let blocks = if whole && bytes / PAGE_BYTES <= BLOCKS_OF_A_SEGMENT { bytes / PAGE_BYTES } else { 0 };
        Some(Call { op: *op, page, blocks })
    }
}

/// Which fork of a relation a file is of, and which part: `.../base/5/16384_fsm.1`, or in a tablespace
/// `.../PG_15_202209061/5/16384`.
fn file(path: &str) -> Option<(Fork, u64)> {
    let (folders, file) = path.rsplit_once('/')?;
    let (base, db) = folders.rsplit_once('/')?;
    let base = base.rsplit_once('/').map_or(base, |(_, folder)| folder);
    if base != "base" && !base.starts_with("PG_") {
        return None;
    }
    let (name, segment) = match file.split_once('.') {
        Some((name, segment)) => (name, segment.parse().ok()?),
        None => (file, 0),
    };
    let (rel, fork) = match name.split_once('_') {
        None => (name, 0),
        Some((rel, "fsm")) => (rel, 1),
        Some((rel, "vm")) => (rel, 2),
        Some((rel, "init")) => (rel, 3),
        Some(_) => return None,
    };
    Some((Fork { db: db.parse().ok()?, rel: rel.parse().ok()?, fork }, segment))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn converted(log: &str) -> (Vec<String>, Converted) {
        let mut trace = Vec::new();
        let converted = convert(log.as_bytes(), &mut trace).unwrap();
        let text = String::from_utf8(trace).unwrap();
        let mut lines = text.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some("t_ms,op,db,rel,fork,block,nblocks"));
        (lines.collect(), converted)
    }

    #[rstest]
    #[case::a_read(r#"17 1.000000 pread64(5</pg/base/5/16384>, ""..., 8192, 16384) = 8192"#, "0,R,5,16384,0,2,1")]
    #[case::a_write(r#"17 1.000000 pwrite64(5</pg/base/5/16384>, ""..., 8192, 0) = 8192"#, "0,W,5,16384,0,0,1")]
    #[case::of_one_process(r#"1.000000 pread64(5</pg/base/5/16384>, ""..., 8192, 0) = 8192"#, "0,R,5,16384,0,0,1")]
    #[case::on_a_terminal(r#"[pid    17] 1.000000 pread64(5</pg/base/5/9>, ""..., 8192, 0) = 8192"#, "0,R,5,9,0,0,1")]
    #[case::a_segment(
        r#"17 1.000000 pread64(5</pg/base/5/16384.2>, ""..., 8192, 8192) = 8192"#,
        "0,R,5,16384,0,262145,1"
    )]
    #[case::free_space(r#"17 1.000000 pread64(5</pg/base/5/16384_fsm>, ""..., 8192, 0) = 8192"#, "0,R,5,16384,1,0,1")]
    #[case::visibility(r#"17 1.000000 pread64(5</pg/base/5/16384_vm>, ""..., 8192, 0) = 8192"#, "0,R,5,16384,2,0,1")]
    #[case::several_blocks(
        r#"17 1.000000 preadv(5</pg/base/5/16384>, [{iov_base=""..., iov_len=16384}], 1, 8192) = 16384"#,
        "0,R,5,16384,0,1,2"
    )]
    #[case::with_flags(
        r#"17 1.000000 pwritev2(5</pg/base/5/9>, [{iov_base=""..., iov_len=8192}], 1, 8192, 0) = 8192"#,
        "0,W,5,9,0,1,1"
    )]
    #[case::in_a_tablespace(
        r#"17 1.000000 pread64(5</pg/pg_tblspc/16400/PG_15_202209061/5/9>, ""..., 8192, 0) = 8192"#,
        "0,R,5,9,0,0,1"
    )]
    #[case::in_two_parts(
        "17 1.000000 pread64(5</pg/base/5/16384>,  <unfinished ...>\n18 1.000001 getpid() = 18\n\
         17 1.000000 <... pread64 resumed>\"\"..., 8192, 0) = 8192",
        "0,R,5,16384,0,0,1"
    )]
    fn a_call_on_a_relation_is_a_row(#[case] log: &str, #[case] row: &str) {
        assert_eq!(converted(log).0, [row]);
    }

    #[rstest]
    #[case::shared_catalogs(r#"17 1.000000 pread64(5</pg/global/1262>, ""..., 8192, 0) = 8192"#)]
    #[case::the_log(r#"17 1.000000 pwrite64(5</pg/pg_wal/000000010000000000000001>, ""..., 8192, 0) = 8192"#)]
    #[case::temporary(r#"17 1.000000 pread64(5</pg/base/pgsql_tmp/pgsql_tmp17.0>, ""..., 8192, 0) = 8192"#)]
    #[case::temporary_table(r#"17 1.000000 pread64(5</pg/base/5/t3_16384>, ""..., 8192, 0) = 8192"#)]
    fn other_files_are_counted_alone(#[case] log: &str) {
        assert_eq!(converted(log), (vec![], Converted { other_files: 1, ..Converted::default() }));
    }

    #[rstest]
    #[case::failed(r#"17 1.000000 pread64(5</pg/base/5/1>, 0x7ffe, 8192, 0) = -1 EIO (Input/output error)"#)]
    #[case::at_the_end(r#"17 1.000000 pread64(5</pg/base/5/1>, "", 8192, 8192) = 0"#)]
    #[case::short(r#"17 1.000000 pread64(5</pg/base/5/1>, ""..., 8192, 8192) = 100"#)]
    #[case::between_blocks(r#"17 1.000000 pread64(5</pg/base/5/1>, ""..., 8192, 100) = 8192"#)]
    fn what_is_no_whole_block_is_counted_alone(#[case] log: &str) {
        assert_eq!(converted(log), (vec![], Converted { not_whole: 1, ..Converted::default() }));
    }

    #[rstest]
    #[case::attached("strace: Process 17 attached")]
    #[case::ended("17 1.000000 +++ exited with 0 +++")]
    #[case::a_signal("17 1.000000 --- SIGUSR1 {si_signo=SIGUSR1} ---")]
    #[case::another_call("17 1.000000 getpid() = 17")]
    #[case::the_end_of_what_began_before("17 1.000000 <... pread64 resumed>\"\"..., 8192, 0) = 8192")]
    fn other_lines_are_counted_alone(#[case] log: &str) {
        assert_eq!(converted(log), (vec![], Converted { other_lines: 1, ..Converted::default() }));
    }

    #[test]
    fn milliseconds_count_from_the_first_row() {
        let line = |at: &str| format!("17 {at} pread64(5</pg/base/5/1>, \"\"..., 8192, 0) = 8192\n");
        let log = line("1700000000.999000") + &line("1700000001.000999") + &line("1700000002.500000");
        let rows = converted(&log).0;
        assert_eq!(rows, ["0,R,5,1,0,0,1", "1,R,5,1,0,0,1", "1501,R,5,1,0,0,1"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, path in "[a-z0-9/_.<>,]{0,30}", numbers: [u64; 3]) {
            let [offset, result, at] = numbers;
            let mut log = format!("1 {at}.000000 pread64(5<{path}>, \"\", 1, {offset}) = {result}\n").into_bytes();
            log.extend(bytes);
            let _ = convert(&log[..], Vec::new()).unwrap();
        }
    }
}
