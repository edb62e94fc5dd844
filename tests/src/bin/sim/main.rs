//! Whole hosts, simulated from seeds, and what must hold whatever happens.
//!
//! `cargo run --release -p thermocline-tests --bin sim -- --seeds 1000 [--from S] [--trace]`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints what it found")]

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, ensure};
use clap::Parser;
use thermocline_tests::sim::{Options, PLANTS, Plant, Policies, Run, Size, run};

/// Simulates whole hosts, each run from a seed, and tells what did not hold.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Small runs, as the tests make them.
    #[arg(long)]
    small: bool,
    /// Print all events, and what the hosts log.
    #[arg(long, visible_alias = "verbose")]
    trace: bool,
    /// Plant a bug.
    #[arg(long, value_parser = plant)]
    plant: Option<Plant>,
    /// Runs at the same time; the default is one a core.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

fn plant(name: &str) -> Result<Plant, String> {
    let found = PLANTS.iter().find(|(_, known, _)| *known == name).map(|(plant, _, _)| *plant);
    found.ok_or_else(|| format!("one of {}", PLANTS.map(|(_, name, _)| name).join(", ")))
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.trace {
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
        log.with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG).without_time().init();
    }
    match simulate(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the seeds, and answers how many violations there were.
fn simulate(args: &Args) -> anyhow::Result<usize> {
    let size = if args.small { Size::Small } else { Size::Full };
    let options = Options { size, plant: args.plant, trace: args.trace };
    let policies = Policies::new()?;
    prove_deterministic(args.from, Options { trace: false, ..options }, &policies)?;

    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = if args.trace { 1 } else { args.threads.unwrap_or(cores).get() };
    let (next, last) = (AtomicU64::new(args.from), args.from.saturating_add(args.seeds));
    let (done, runs) = mpsc::channel();
    let (mut ran, mut violations) = (0, 0);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (done, next, policies) = (done.clone(), &next, &policies);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let run = || run(seed, options, policies).with_context(|| format!("seed {seed}"));
                    if seed >= last || done.send(run()).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        for run in runs {
            let run = run.context("a run could not be made")?;
            ran += 1;
            violations += run.violations.len();
            report(&run, args);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    println!("{ran} seeds, {violations} violations");
    ensure!(ran == args.seeds, "{} seeds were to be run", args.seeds);
    Ok(violations)
}

/// A violation can only be looked into if it happens again.
fn prove_deterministic(seed: u64, options: Options, policies: &Policies) -> anyhow::Result<()> {
    let [one, other] = [run(seed, options, policies)?, run(seed, options, policies)?];
    ensure!(
        (one.digest, one.events) == (other.digest, other.events),
        "seed {seed} ran differently a second time ({} events, then {}): something decides that is no part of the seed",
        one.events,
        other.events
    );
    println!("seed {seed}, twice: {} events, digest {:016x}", one.events, one.digest);
    Ok(())
}

fn report(run: &Run, args: &Args) {
    run.trace.iter().for_each(|line| println!("{line}"));
    for violation in &run.violations {
        let at = violation.at.as_secs_f64();
        println!("seed {}, {at:.3} s: {}: {}", run.seed, violation.invariant, violation.what);
    }
    if !run.violations.is_empty() {
        let small = if args.small { " --small" } else { "" };
        let name = args.plant.and_then(|plant| PLANTS.iter().find(|(known, _, _)| *known == plant));
        let plant = name.map_or_else(String::new, |(_, name, _)| format!(" --plant {name}"));
        println!(
            "    replay: cargo run --release -p thermocline-tests --bin sim -- --from {} --seeds 1 --trace{small}{plant}",
            run.seed
        );
    }
}
