//! Two ways to do one thing, measured in turn.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::json;

/// One line of the report: a thing that the host does, and the yardstick that stands for what users would
/// otherwise run, on the same input.
pub(super) trait Measurement {
    /// As in the report; the same in every release.
    fn name(&self) -> String;

    /// What the yardstick stands for.
    fn yardstick(&self) -> &'static str;

    /// The ratio to reach.
    fn target(&self) -> f64;

    /// What is measured of both.
    fn unit(&self) -> &'static str {
        "ms"
    }

    /// Most runs that count, for those that take long.
    fn most_runs(&self) -> usize {
        usize::MAX
    }

    /// What it needs and this machine does not have.
    fn lacks(&self) -> Option<String> {
        None
    }

    /// Makes the input, and hands out both ways. Each checks that it did the work.
    fn prepare(&self) -> anyhow::Result<Pair>;
}

/// One run; answers what the part took that counts.
pub(super) type Run = Box<dyn FnMut() -> anyhow::Result<Amount>>;

/// What a run took, in the unit of its measurement.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Amount(f64);

impl From<Duration> for Amount {
    /// Milliseconds.
    fn from(elapsed: Duration) -> Self {
        Amount(elapsed.as_secs_f64() * 1000.0)
    }
}

impl Amount {
    /// Of something that is not time.
    pub(super) const fn of(number: f64) -> Self {
        Amount(number)
    }
}

/// Both ways.
pub(super) struct Pair {
    pub(super) ours: Run,
    pub(super) yardstick: Run,
}

/// Times `work`, as long as its result lives.
pub(super) fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Duration, T)> {
    let began = Instant::now();
    let result = std::hint::black_box(work()?);
    Ok((began.elapsed(), result))
}

/// How much time a measurement may take.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    min_runs: usize,
    max_runs: usize,
    time: Duration,
}

impl Budget {
    pub(super) const FULL: Budget = Budget { min_runs: 7, max_runs: 301, time: Duration::from_secs(6) };
    pub(super) const QUICK: Budget = Budget { min_runs: 1, max_runs: 3, time: Duration::from_millis(300) };
}

/// What was measured.
pub(super) struct Line {
    name: String,
    yardstick_is: &'static str,
    unit: &'static str,
    ours: Spread,
    yardstick: Spread,
    target: f64,
}

/// What all runs took, sorted.
struct Spread(Vec<Amount>);

impl Spread {
    fn at(&self, quantile: f64) -> f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((self.0.len() - 1) as f64 * quantile).round() as usize;
        self.0.get(index).map_or(f64::NAN, |amount| amount.0)
    }
}

/// Runs both in turn, after one run each that does not count.
pub(super) fn run(measurement: &dyn Measurement, budget: Budget) -> anyhow::Result<Line> {
    let Pair { mut ours, mut yardstick } = measurement.prepare()?;
    ours()?;
    yardstick()?;
    let (mut our_runs, mut yardstick_runs) = (Vec::new(), Vec::new());
    let most = measurement.most_runs();
    let (least, most) = (budget.min_runs.min(most), budget.max_runs.min(most));
    let began = Instant::now();
    while our_runs.len() < least || (began.elapsed() < budget.time && our_runs.len() < most) {
        our_runs.push(ours()?);
        yardstick_runs.push(yardstick()?);
    }
    let sorted = |mut runs: Vec<Amount>| {
        runs.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        Spread(runs)
    };
    Ok(Line {
        name: measurement.name(),
        yardstick_is: measurement.yardstick(),
        unit: measurement.unit(),
        ours: sorted(our_runs),
        yardstick: sorted(yardstick_runs),
        target: measurement.target(),
    })
}

impl Line {
    pub(super) const HEADING: &'static str = "measurement                      ours (10%..90%)           yardstick (10%..90%)        ratio  target  yardstick";

    fn ratio(&self) -> f64 {
        self.ours.at(0.5) / self.yardstick.at(0.5)
    }

    pub(super) fn json(&self) -> String {
        let rounded = |number: f64| (number * 1e6).round() / 1e6;
        json!({
            "name": self.name,
            "ours": rounded(self.ours.at(0.5)),
            "yardstick": rounded(self.yardstick.at(0.5)),
            "unit": self.unit,
            "ratio": rounded(self.ratio()),
            "target": self.target,
            "runs": self.ours.0.len(),
            "ours_p10": rounded(self.ours.at(0.1)),
            "ours_p90": rounded(self.ours.at(0.9)),
            "yardstick_p10": rounded(self.yardstick.at(0.1)),
            "yardstick_p90": rounded(self.yardstick.at(0.9)),
            "yardstick_is": self.yardstick_is,
        })
        .to_string()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = |spread: &Spread| {
            let digits = if spread.at(0.5) < 10.0 { 3 } else { 1 };
            format!("{:.digits$} ({:.digits$}..{:.digits$})", spread.at(0.5), spread.at(0.1), spread.at(0.9))
        };
        let met = if self.ratio() <= self.target { "<=" } else { "> " };
        write!(
            f,
            "{:<22} {:>26} {:>30} {:<5} {:.4} {met} {:<5}  {}",
            self.name,
            spread(&self.ours),
            spread(&self.yardstick),
            self.unit,
            self.ratio(),
            self.target,
            self.yardstick_is
        )
    }
}
