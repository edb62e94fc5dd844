//! What a policy's calls cost, over growing tables.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use thermocline::policy::Policy;
use thermocline::policy::conformance::{sample_table, sample_tenant};

/// Calls of one line: enough for a median that a busy moment does not move.
const MIN_RUNS: usize = 5;
const MAX_RUNS: usize = 200;

/// How long calls of one line may take together before there are enough.
const ENOUGH: Duration = Duration::from_secs(1);

/// Fuel and memory that is used more than before is worse, past what the same policy uses from build to build.
const WORSE_COUNT: f64 = 1.02;

/// Time that is taken more than before is worse, past what the same policy takes from run to run.
const WORSE_TIME: f64 = 1.25;

/// What a policy's calls cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) policy: String,
    pub(crate) digest: String,
    /// JSON text.
    pub(crate) config: String,
    pub(crate) lines: Vec<Line>,
}

/// Over a table of so many rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) rows: usize,
    pub(crate) runs: usize,
    pub(crate) best_us: f64,
    pub(crate) median_us: f64,
    /// Of the median.
    pub(crate) ns_per_layer: f64,
    /// Instructions, roughly; the same at every run, on every machine.
    pub(crate) fuel: u64,
    pub(crate) fuel_per_layer: f64,
    pub(crate) memory_bytes: usize,
}

/// A line against the one of an earlier run: 2 is twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) rows: usize,
    /// Of the median times.
    pub(crate) time: f64,
    pub(crate) fuel: f64,
    pub(crate) memory: f64,
    pub(crate) time_worse: bool,
    pub(crate) fuel_worse: bool,
    pub(crate) memory_worse: bool,
}

/// Measures `select`: its time as it is in production, and its fuel by the same policy on an engine that counts it.
///
/// # Errors
/// If the policy fails.
pub(crate) fn measure(timed: &Policy, metered: &Policy, rows: &[NonZeroUsize]) -> anyhow::Result<Measured> {
    let lines = rows.iter().map(|rows| line(timed, metered, rows.get()).with_context(|| format!("{rows} layers")));
    let identity = timed.identity();
    Ok(Measured {
        policy: format!("{} {}", identity.name().unwrap_or_default(), identity.version().unwrap_or_default()),
        digest: identity.digest().to_string(),
        config: timed.config().to_owned(),
        lines: lines.collect::<anyhow::Result<_>>()?,
    })
}

fn line(timed: &Policy, metered: &Policy, rows: usize) -> anyhow::Result<Line> {
    let (tenant, table) = (sample_tenant(), sample_table(rows).map_err(|error| anyhow!(error))?);
    let counted = metered.select(&tenant, &table, &[])?.report;
    // The table makes some of its columns when they are first asked for: that call counted nothing of it.
    let mut times = Vec::new();
    let mut together = Duration::ZERO;
    while times.len() < MIN_RUNS || (times.len() < MAX_RUNS && together < ENOUGH) {
        let elapsed = timed.select(&tenant, &table, &[])?.report.elapsed;
        together += elapsed;
        times.push(elapsed);
    }
    times.sort_unstable();
    let micros = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64() * 1e6;
    let median_us = micros(times.get(times.len() / 2));
    let fuel = counted.fuel.unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let per_layer = |whole: f64| rounded(whole / rows as f64);
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let fuel_per_layer = per_layer(fuel as f64);
    Ok(Line {
        rows,
        runs: times.len(),
        best_us: rounded(micros(times.first())),
        median_us: rounded(median_us),
        ns_per_layer: per_layer(median_us * 1e3),
        fuel,
        fuel_per_layer,
        memory_bytes: counted.memory_bytes,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

impl Measured {
    /// This against an earlier run, of the tables that both have.
    pub(crate) fn against(&self, before: &Measured) -> Vec<Ratio> {
        let both = self.lines.iter().filter_map(|now| {
            let before = before.lines.iter().find(|before| before.rows == now.rows)?;
            Some(now.against(before))
        });
        both.collect()
    }
}

impl Line {
    #[allow(clippy::cast_precision_loss, reason = "a ratio, no count")]
    fn against(&self, before: &Line) -> Ratio {
        let ratio = |now: f64, before: f64| if now == before { 1.0 } else { now / before };
        let time = ratio(self.median_us, before.median_us);
        let fuel = ratio(self.fuel as f64, before.fuel as f64);
        let memory = ratio(self.memory_bytes as f64, before.memory_bytes as f64);
        Ratio {
            rows: self.rows,
            time,
            fuel,
            memory,
            time_worse: time > WORSE_TIME,
            fuel_worse: fuel > WORSE_COUNT,
            memory_worse: memory > WORSE_COUNT,
        }
    }
}

impl Ratio {
    /// Whether what does not depend on the moment got worse.
    pub(crate) const fn is_worse(&self) -> bool {
        self.fuel_worse || self.memory_worse
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn of(rows: usize, median_us: f64, fuel: u64, memory_bytes: usize) -> Line {
        Line { rows, runs: 5, best_us: 0.0, median_us, ns_per_layer: 0.0, fuel, fuel_per_layer: 0.0, memory_bytes }
    }

    #[rstest]
    #[case::the_same(of(1, 100.0, 1000, 1000), [false; 3])]
    #[case::limits_obeyed(of(1, 125.0, 1020, 1020), [false; 3])]
    #[case::time_violated(of(1, 125.1, 1000, 1000), [true, false, false])]
    #[case::fuel_violated(of(1, 100.0, 1021, 1000), [false, true, false])]
    #[case::memory_violated(of(1, 100.0, 1000, 1021), [false, false, true])]
    #[case::better(of(1, 50.0, 500, 500), [false; 3])]
    fn what_got_worse(#[case] now: Line, #[case] worse: [bool; 3]) {
        let ratio = now.against(&of(1, 100.0, 1000, 1000));
        assert_eq!([ratio.time_worse, ratio.fuel_worse, ratio.memory_worse], worse);
        assert_eq!(ratio.is_worse(), worse[1] || worse[2]);
    }

    #[test]
    fn what_was_nothing_and_is_nothing_is_the_same() {
        let ratio = of(1, 0.0, 0, 0).against(&of(1, 0.0, 0, 0));
        assert_eq!((ratio.time, ratio.fuel, ratio.memory, ratio.is_worse()), (1.0, 1.0, 1.0, false));
        assert!(of(1, 0.0, 1, 0).against(&of(1, 0.0, 0, 0)).fuel_worse);
    }

    #[test]
    fn only_tables_that_both_have_are_compared() {
        let run = |rows: &[usize]| Measured {
            policy: String::new(),
            digest: String::new(),
            config: String::new(),
            lines: rows.iter().map(|rows| of(*rows, 1.0, 1, 1)).collect(),
        };
        let compared: Vec<_> =
            run(&[10, 1000, 10]).against(&run(&[1000, 100])).iter().map(|ratio| ratio.rows).collect();
        assert_eq!(compared, [1000]);
    }
}
