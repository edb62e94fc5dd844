//! What the host does, against what its users would otherwise run: both in one process, turn by turn.
//!
//! `cargo run --release -p thermocline-tests --bin perf [-- [NAME...] [--quick] [--json]]`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod decode;
mod heatmap;
mod measure;
mod memory;
mod node;
mod period;
mod sample;
mod scan;
mod select;
mod shadow;
mod tick;
mod uploads;
mod visibility;

use std::io::{self, Write};
use std::process::ExitCode;

use measure::{Budget, Line, Measurement};

const USAGE: &str = "usage: perf [NAME...] [--quick] [--json]
  NAME     only measurements whose name begins so; `--list` prints them
  --quick  few runs: shows that it works, not how fast
  --json   one object a line: name, ours, yardstick, unit, ratio, target";

fn main() -> ExitCode {
    let log =
        tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(tracing_subscriber::filter::LevelFilter::WARN);
    log.without_time().init();
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    if let Some(unknown) = flags.iter().find(|flag| !["--quick", "--json", "--list"].contains(&flag.as_str())) {
        eprintln!("perf: unknown flag {unknown}\n{USAGE}");
        return ExitCode::from(2);
    }
    let measurements: Vec<Box<dyn Measurement>> = [
        // First: memory that others gave back would be taken again, and not be seen.
        memory::all(),
        heatmap::all(),
        select::all(),
        visibility::all(),
        decode::all(),
        scan::all(),
        tick::all(),
        period::all(),
        shadow::all(),
        uploads::all(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if has("--list") {
        measurements.iter().for_each(|measurement| println!("{}", measurement.name()));
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|start| name.starts_with(start.as_str()));
    let chosen: Vec<_> = measurements.iter().filter(|measurement| wanted(&measurement.name())).collect();
    if chosen.is_empty() {
        eprintln!("perf: no measurement is called {}\n{USAGE}", names.join(" "));
        return ExitCode::from(2);
    }
    let budget = if has("--quick") { Budget::QUICK } else { Budget::FULL };
    if !has("--json") {
        println!("{}", Line::HEADING);
    }
    let mut failed = false;
    for measurement in chosen {
        if let Some(lacks) = measurement.lacks() {
            eprintln!("perf: {}: skipped: {lacks}", measurement.name());
            continue;
        }
        match measure::run(measurement.as_ref(), budget) {
            Ok(line) if has("--json") => println!("{}", line.json()),
            Ok(line) => println!("{line}"),
            Err(error) => {
                eprintln!("perf: {}: {error:#}", measurement.name());
                failed = true;
            }
        }
        let _ = io::stdout().flush();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
