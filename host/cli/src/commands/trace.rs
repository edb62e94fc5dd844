//! `thermocline trace`: from strace's log to a trace.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use thermocline_simulator::TraceError;
use thermocline_simulator::trace::{Captured, convert};

use crate::args::TraceArgs;
use crate::output::count;
use crate::{Verdict, atomic};

/// Traces are kept, and read more often than written; beyond, they get hardly smaller.
const COMPRESSION: i32 = 12;

pub(crate) fn run(args: &TraceArgs) -> anyhow::Result<Verdict> {
    let (log, name): (Box<dyn Read>, &Path) = if args.log.as_os_str() == "-" {
        (Box::new(io::stdin().lock()), Path::new("stdin"))
    } else {
        let file = File::open(&args.log).with_context(|| format!("cannot read {}", args.log.display()))?;
        (Box::new(file), &args.log)
    };
    match &args.out {
        Some(out) => say(&to_file(log, name, out).with_context(|| format!("cannot make {}", out.display()))?),
        None => match convert(log, name, io::stdout().lock()) {
            Ok(captured) => say(&captured),
            // Whoever reads it has seen enough.
            Err(TraceError::Write { source }) if source.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error.into()),
        },
    }
    Ok(Verdict::Good)
}

/// The file is there whole or not at all.
fn to_file(log: Box<dyn Read>, name: &Path, out: &Path) -> anyhow::Result<Captured> {
    match out.extension().and_then(OsStr::to_str) {
        Some("csv") => atomic::write_whole_by(out, |file| Ok(convert(log, name, file)?)),
        Some("zst") => atomic::write_whole_by(out, |file| {
            let mut encoder = zstd::Encoder::new(BufWriter::new(file), COMPRESSION)?;
            let captured = convert(log, name, &mut encoder)?;
            encoder.finish()?.flush()?;
            Ok(captured)
        }),
        _ => bail!("a trace's name ends in .csv, or in .zst to be compressed"),
    }
}

#[allow(clippy::print_stderr, reason = "stdout may be the trace itself")]
fn say(captured: &Captured) {
    eprintln!("{}", told(captured));
}

fn told(captured: &Captured) -> String {
    let left = &captured.left_out;
    let counts = [
        (left.shared, "on shared catalogs"),
        (left.temporary, "on temporary files"),
        (left.wal, "on the write-ahead log"),
        (left.other, "on other files"),
        (left.empty, "that failed or found a file's end"),
        (left.misaligned, "of no whole pages"),
        (left.cut_off, "cut off"),
    ];
    let left: Vec<String> =
        counts.iter().filter(|(calls, _)| *calls > 0).map(|(calls, what)| format!("{calls} {what}")).collect();
    let left = if left.is_empty() { "no call".to_owned() } else { left.join(", ") };
    format!(
        "{} read, {} written in {}\nleft out: {left}",
        count(captured.reads, "page"),
        count(captured.writes, "page"),
        humantime::format_duration(Duration::from_secs(captured.duration_ms / 1000)),
    )
}
