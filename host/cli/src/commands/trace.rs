//! `thermocline trace`: from strace's log to a trace.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use thermocline_simulator::trace::{Converted, convert};

use crate::args::TraceArgs;
use crate::output::count;
use crate::{Verdict, atomic};

/// As `zstd` itself.
const COMPRESSION: i32 = 3;

pub(crate) fn run(args: &TraceArgs) -> anyhow::Result<Verdict> {
    let log = &args.log;
    let input: Box<dyn BufRead> = if log.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
        Box::new(BufReader::new(file))
    };
    let converted = match &args.out {
        None => convert(input, io::stdout().lock())?,
        Some(out) => {
            write(input, out).with_context(|| format!("cannot make {} of {}", out.display(), log.display()))?
        }
    };
    say(&converted);
    if converted.reads == 0 {
        bail!(
            "{}: no page of a relation was read in it; strace needs -f, -ttt, -y and the processes that read, see \
             `thermocline trace --help`",
            log.display()
        );
    }
    Ok(Verdict::Good)
}

/// The file is there whole or not at all.
fn write(log: impl BufRead, out: &Path) -> io::Result<Converted> {
    atomic::write_whole_by(out, |file| {
        if out.extension().is_some_and(|extension| extension == "zst") {
            let mut encoder = zstd::Encoder::new(BufWriter::new(file), COMPRESSION)?;
            let converted = convert(log, &mut encoder)?;
            encoder.finish()?.flush()?;
            Ok(converted)
        } else {
            convert(log, BufWriter::new(file))
        }
    })
}

#[allow(clippy::print_stderr, reason = "stdout may be the trace itself")]
fn say(converted: &Converted) {
    let Converted { reads, writes, other_files, not_whole, other_lines } = *converted;
    eprintln!(
        "{} and {} kept; left out: {} on other files, {} not of whole blocks, {} that {} no such call",
        count(reads, "read"),
        count(writes, "write"),
        count(other_files, "call"),
        count(not_whole, "call"),
        count(other_lines, "line"),
        if other_lines == 1 { "is" } else { "are" },
    );
}
