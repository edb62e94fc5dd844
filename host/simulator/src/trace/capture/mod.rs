//! Traces of a Postgres that runs: out of what strace says of its reads and writes.

mod calls;
mod line;
mod relation;

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use calls::Calls;
use line::{Call, Line, Moved, interrupted};
use relation::Kind;

use super::packed::unpacked;
use super::{COLUMNS, MAX_FIRST_BLOCK, Op, PAGE_BYTES, SEGMENT_BLOCKS, TraceError};

/// Longest line of a log: with what strace shows of buffers unless told otherwise, lines are much shorter.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// What became of the calls in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Lines of the log.
    pub lines: u64,
    /// From the first line that tells a time to the last, milliseconds.
    pub duration_ms: u64,
    /// Pages read.
    pub reads: u64,
    /// Pages written.
    pub writes: u64,
    /// What is not in the trace.
    pub left_out: LeftOut,
}

/// Calls that are not in a trace, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// On catalogs of the whole cluster, in `global/`.
    pub shared: u64,
    /// On temporary tables and files.
    pub temporary: u64,
    /// On the write-ahead log.
    pub wal: u64,
    /// On other files.
    pub other: u64,
    /// Calls that failed, or found the end of a file.
    pub empty: u64,
    /// Calls on relations that move no whole pages: torn off, or beside the grid of pages.
    pub misaligned: u64,
    /// Calls of which the log has the beginning alone, or the end.
    pub cut_off: u64,
}

/// Makes a trace out of a log of strace: `strace -f -ttt -y` over `pread64`, `pwrite64`, `preadv`, `pwritev` and the
/// like, plain or compressed by zstd. Memory does not grow with the log. `path` is what to call it in errors.
///
/// Rows are in the order of the log, which is that of time; a call stands where it ended. Where the clock was set back,
/// time stands still.
///
/// # Errors
/// If the log cannot be read or the trace not written; if a line is none of strace's, with its number; if no page of a
/// relation is read in it.
pub fn convert(log: impl Read, path: &Path, out: impl Write) -> Result<Captured, TraceError> {
    let failed = |source| TraceError::Read { path: path.to_owned(), source };
    let mut log = BufReader::new(unpacked(log).map_err(failed)?);
    let out = BufWriter::new(out);
    let mut conversion = Conversion { out, began_us: None, calls: Calls::default(), captured: Captured::default() };
    writeln!(conversion.out, "{}", COLUMNS.join(",")).map_err(|source| TraceError::Write { source })?;
    let mut line = Vec::new();
    loop {
        conversion.captured.lines += next_line(&mut log, &mut line).map_err(failed)?;
        if line.is_empty() {
            break;
        }
        let whole = line.strip_suffix(b"\n");
        match conversion.line(whole.unwrap_or(&line)) {
            Ok(()) => {}
            // strace was killed while it wrote.
            Err(Trouble::Line(_)) if whole.is_none() && line.len() <= MAX_LINE_BYTES => {
                conversion.captured.left_out.cut_off += 1;
            }
            Err(Trouble::Line(why)) => {
                let line = conversion.captured.lines;
                return Err(TraceError::Line { path: path.to_owned(), line, why });
            }
            Err(Trouble::Write(source)) => return Err(TraceError::Write { source }),
        }
    }
    let captured = conversion.end()?;
    if captured.reads == 0 {
        return Err(TraceError::NothingCaptured { path: path.to_owned(), lines: captured.lines });
    }
    Ok(captured)
}

/// Puts the next line into `line`, nothing at the end of the log; how many of the log's lines it takes.
fn next_line(log: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut lines = 0;
    loop {
        let known = line.len();
        let room = (MAX_LINE_BYTES as u64 + 1).saturating_sub(known as u64);
        match log.by_ref().take(room).read_until(b'\n', line) {
            Ok(_) => {}
            // Who compressed it was killed with strace: there is what came before, as of a log that breaks off.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
        lines += u64::from(line.len() > known);
        match interrupted(line) {
            Some(at) if line.len() > known => line.truncate(at),
            _ => return Ok(lines),
        }
    }
}

/// Why a line did not become a row.
enum Trouble {
    Line(String),
    Write(io::Error),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Trouble::Line(why)
    }
}

struct Conversion<W> {
    out: W,
    /// When the first line was written, microseconds since 1970.
    began_us: Option<u64>,
    calls: Calls,
    captured: Captured,
}

impl<W: Write> Conversion<W> {
    fn line(&mut self, line: &[u8]) -> Result<(), Trouble> {
        if line.len() > MAX_LINE_BYTES {
            return Err(format!("longer than {MAX_LINE_BYTES} bytes: run strace with -s 0").into());
        }
        let Some(line) = Line::parse(line)? else { return Ok(()) };
        let began_us = *self.began_us.get_or_insert(line.at_us);
        let now_ms = line.at_us.saturating_sub(began_us) / 1000;
        let Ok(at_ms) = u32::try_from(now_ms.max(self.captured.duration_ms)) else {
            return Err("more than 49 days after the first line: a trace is shorter".to_owned().into());
        };
        self.captured.duration_ms = u64::from(at_ms);
        let mut calls = std::mem::take(&mut self.calls);
        let done = match calls.take(line) {
            Ok(Some(text)) => Call::parse(text).map_err(Trouble::Line).and_then(|call| self.call(at_ms, &call)),
            Ok(None) => Ok(()),
            Err(why) => Err(Trouble::Line(why)),
        };
        self.calls = calls;
        done
    }

    fn call(&mut self, at_ms: u32, call: &Call<'_>) -> Result<(), Trouble> {
        let left_out = &mut self.captured.left_out;
        let (offset, bytes) = match call.moved {
            Moved::Bytes { offset, count } => (offset, count),
            Moved::Failed => (0, 0),
            Moved::Unknown => {
                left_out.cut_off += 1;
                return Ok(());
            }
        };
        let (fork, segment) = match Kind::of(call.path) {
            Kind::Relation { fork, segment } => (fork, segment),
            kind => {
                match kind {
                    Kind::Temporary => left_out.temporary += 1,
                    Kind::Shared => left_out.shared += 1,
                    Kind::Wal => left_out.wal += 1,
                    Kind::Other | Kind::Relation { .. } => left_out.other += 1,
                }
                return Ok(());
            }
        };
        if bytes == 0 {
            left_out.empty += 1;
            return Ok(());
        }
        if offset % PAGE_BYTES != 0 || bytes % PAGE_BYTES != 0 {
            left_out.misaligned += 1;
            return Ok(());
        }
        let (first, blocks) = (offset / PAGE_BYTES, bytes / PAGE_BYTES);
        if first.saturating_add(blocks) > u64::from(SEGMENT_BLOCKS) {
            return Err(format!(
                "{bytes} bytes at {offset} of a relation's file: one has at most 1 GiB, unless Postgres was built \
                 --with-segsize, which a trace cannot be made of"
            )
            .into());
        }
        let first = u64::from(segment) * u64::from(SEGMENT_BLOCKS) + first;
        if first > u64::from(MAX_FIRST_BLOCK) {
            return Err(format!("block {first} of a relation, which has fewer").into());
        }
        let op = match call.op {
            Op::Read => {
                self.captured.reads += blocks;
                'R'
            }
            Op::Write => {
                self.captured.writes += blocks;
                'W'
            }
        };
        let row = writeln!(self.out, "{at_ms},{op},{},{},{},{first},{blocks}", fork.db, fork.rel, fork.fork);
        row.map_err(Trouble::Write)
    }

    fn end(mut self) -> Result<Captured, TraceError> {
        self.out.flush().map_err(|source| TraceError::Write { source })?;
        self.captured.left_out.cut_off += self.calls.cut_off();
        Ok(self.captured)
    }
}

#[cfg(test)]
mod tests;
