//! `thermocline policy bench`: what a policy's calls cost, and whether that got worse.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use thermocline::policy::{Engine, Limits};

use crate::Verdict;
use crate::args::BenchArgs;
use crate::atomic::write_whole;
use crate::location;
use crate::output::{self, Table, bytes, micros};
use crate::policy::measured::{Measured, Ratio, measure};

/// A run, and how it compares.
#[derive(Serialize)]
struct Benched<'a> {
    #[serde(flatten)]
    measured: &'a Measured,
    /// Against the earlier run, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a [Ratio]>,
}

pub(crate) fn bench(args: &BenchArgs) -> anyhow::Result<Verdict> {
    // Before minutes are spent.
    let before = args.baseline.as_deref().map(read).transpose()?;
    let config = args.policy_config.as_deref();
    let timed = location::load_named(&Engine::new(Limits::default())?, &args.policy, config)?;
    let metered = location::load_named(&Engine::metered(Limits::default())?, &args.policy, config)?;
    let measured = measure(&timed, &metered, &args.rows)?;
    let ratios = before.as_ref().map(|before| measured.against(before));
    if let Some(out) = &args.out {
        let mut text = serde_json::to_vec_pretty(&measured)?;
        text.push(b'\n');
        write_whole(out, &text).with_context(|| format!("cannot write {}", out.display()))?;
    }
    if args.json {
        output::json(&Benched { measured: &measured, against: ratios.as_deref() })?;
    } else {
        output::line(card(&measured))?;
        if let (Some(before), Some(ratios)) = (&before, &ratios) {
            output::line(format!("\n{}", comparison(before, ratios)))?;
        }
    }
    Ok(Verdict::good_if(!ratios.iter().flatten().any(Ratio::is_worse)))
}

fn read(file: &Path) -> anyhow::Result<Measured> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let what = || format!("{} is no result of an earlier run, as `policy bench --out` writes it", file.display());
    serde_json::from_slice(&text).with_context(what)
}

fn card(measured: &Measured) -> String {
    let mut table = Table::new(&[">LAYERS", ">BEST", ">MEDIAN", ">A LAYER", ">FUEL", ">A LAYER", ">MEMORY"]);
    for line in &measured.lines {
        table.row([
            line.rows.to_string(),
            micros(of_us(line.best_us)),
            micros(of_us(line.median_us)),
            format!("{:.0} ns", line.ns_per_layer),
            line.fuel.to_string(),
            format!("{:.1}", line.fuel_per_layer),
            bytes(line.memory_bytes as u64),
        ]);
    }
    format!("{} (sha256 {})\n{table}", measured.policy, measured.digest)
}

fn of_us(us: f64) -> Duration {
    Duration::from_secs_f64(us / 1e6)
}

fn comparison(before: &Measured, ratios: &[Ratio]) -> String {
    let title = format!("Against {} (sha256 {}), 1 is as much as then:", before.policy, before.digest);
    if ratios.is_empty() {
        return format!("{title}\nno table is as large as one of then: give the same --rows");
    }
    let mut table = Table::new(&[">LAYERS", ">TIME", ">FUEL", ">MEMORY", "WORSE"]);
    for ratio in ratios {
        let worse = [("time", ratio.time_worse), ("fuel", ratio.fuel_worse), ("memory", ratio.memory_worse)];
        let worse: Vec<_> = worse.iter().filter(|(_, worse)| *worse).map(|(name, _)| *name).collect();
        table.row([
            ratio.rows.to_string(),
            format!("{:.2}", ratio.time),
            format!("{:.2}", ratio.fuel),
            format!("{:.2}", ratio.memory),
            if worse.is_empty() { "-".into() } else { worse.join(", ") },
        ]);
    }
    format!("{title}\n{table}")
}
