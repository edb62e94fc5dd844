//! `thermocline simulate`: what policies are worth.

mod contestants;
mod layers;
mod page;
mod table;

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use thermocline_simulator::{Report, Rules, Settings, Trace, simulate};

use crate::Verdict;
use crate::args::SimulateArgs;
use crate::{atomic, output};

/// How finely progress is shown.
const STEPS: u64 = 1000;

pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<Verdict> {
    let layers = args.layers.as_deref().map(layers::read).transpose()?;
    let trace = match (&args.trace, args.generate, &layers) {
        (Some(path), ..) => Trace::read(path)?,
        (None, Some(kind), None) => kind.generate(args.seed),
        (None, Some(kind), Some(layers)) => kind
            .generate_over(args.seed, layers)
            .context("no image layer of --layers holds pages of a relation: there is nothing that could be read")?,
        (None, None, _) => bail!("neither --trace nor --generate is given"),
    };
    let settings = settings(args, &trace)?;
    settings.check().map_err(anyhow::Error::msg)?;
    let contestants = contestants::load(args, &settings)?;
    let bar = bar();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to STEPS")]
    let progress = |share: f64| bar.set_position((share * 1000.0) as u64);
    let report = simulate(&trace, layers.as_deref(), &contestants, &settings, progress);
    bar.finish_and_clear();
    let report = report.with_context(|| format!("cannot simulate {}", trace.name()))?;
    show(args, &trace, &settings, &report)?;
    Ok(Verdict::good_if(report.rows.iter().all(|row| row.policy_failures.is_empty())))
}

fn show(args: &SimulateArgs, trace: &Trace, settings: &Settings, report: &Report) -> anyhow::Result<()> {
    if args.json {
        return output::json(report);
    }
    output::line(table::of(trace, settings, report))?;
    if let Some(path) = &args.html {
        let page = page::of(trace, settings, report)?;
        atomic::write_whole(path, page.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        output::line(format!("\nThe same as a page with plots: {}", path.display()))?;
    }
    Ok(())
}

fn settings(args: &SimulateArgs, trace: &Trace) -> anyhow::Result<Settings> {
    let usual = Settings::for_trace(trace);
    let image_size = args.image_size;
    let rules = Rules {
        layer_bytes: image_size.unwrap_or(usual.rules.layer_bytes),
        checkpoint_distance_bytes: args
            .checkpoint_distance
            .or(image_size.map(|size| size.saturating_mul(2)))
            .unwrap_or(usual.rules.checkpoint_distance_bytes),
        checkpoint_timeout_ms: milliseconds("--checkpoint-timeout", args.checkpoint_timeout)?,
        change_bytes: args.change_size,
        compaction_threshold: args.compaction_threshold,
        image_creation_threshold: args.image_creation_threshold,
    };
    Ok(Settings {
        budgets: args.budget.clone(),
        seed: args.seed,
        period_ms: milliseconds("--period", args.period)?,
        bandwidth_bytes_per_s: args.bandwidth,
        failovers: args.failovers,
        disk: args.disk,
        rules,
    })
}

fn milliseconds(flag: &str, time: Duration) -> anyhow::Result<u32> {
    u32::try_from(time.as_millis())
        .map_err(|_| anyhow!("{flag} is {}, and may be at most 49 days", humantime::format_duration(time)))
}

/// On stderr, and only where that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}% of the trace, {eta} to go") {
        bar.set_style(style);
    }
    bar
}
