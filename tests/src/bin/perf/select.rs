//! A policy's `select`, as a component against the same code compiled natively.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use thermocline::policy::{Engine, Limits, NO_CONFIG, Policy, RESIDENT_SET};
use thermocline_policy::{Policy as _, Tenant};
use thermocline_resident_set::ResidentSet;
use thermocline_tests::by_hand::ByHand;

use super::heatmap::tenant;
use super::measure::{Amount, Measurement, Pair, Run, timed};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![
        Box::new(Select { rows: 100_000 }),
        Box::new(Scored { policy: "decay", component: DECAY, rows: 100_000 }),
        Box::new(Scored { policy: "budget", component: BUDGET, rows: 100_000 }),
        Box::new(Fresh { layers: 10, against: Against::Limit }),
        Box::new(Fresh { layers: 10, against: Against::Nothing }),
    ]
}

/// As they ship with the command.
const BUDGET: &[u8] = include_bytes!("../../../../host/cli/src/policy/shipped/budget.wasm");
const DECAY: &[u8] = include_bytes!("../../../../host/cli/src/policy/shipped/decay.wasm");

struct Select {
    rows: usize,
}

impl Measurement for Select {
    fn name(&self) -> String {
        format!("select-{}", self.rows)
    }

    fn yardstick(&self) -> &'static str {
        "the same policy compiled natively, over the same columns"
    }

    fn target(&self) -> f64 {
        1.5
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let table = sample::table(&sample::resident_layers(self.rows))?;
        let component = Policy::load(&Engine::new(Limits::default())?, RESIDENT_SET, NO_CONFIG)?;
        let native = ResidentSet::configure(NO_CONFIG).map_err(|error| anyhow!(error))?;
        let rows = self.rows;
        let native_table = Arc::clone(&table);
        let ours = move || {
            let (elapsed, called) = timed(|| Ok(component.select(&tenant(), &table, &[])?))?;
            ensure!(called.answer.rows().len() == rows, "not every row is listed");
            Ok(elapsed.into())
        };
        let yardstick = move || {
            let (elapsed, answer) =
                timed(|| native.select(&tenant(), &*native_table, &[]).map_err(|error| anyhow!(error)))?;
            ensure!(answer.rows.len() == rows, "not every row is listed");
            Ok(elapsed.into())
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}

/// A policy that scores, and remembers what was read, against the one that does neither.
struct Scored {
    policy: &'static str,
    component: &'static [u8],
    rows: usize,
}

impl Measurement for Scored {
    fn name(&self) -> String {
        format!("select-{}-{}", self.policy, self.rows)
    }

    fn yardstick(&self) -> &'static str {
        "resident-set over the same table, as a component too"
    }

    fn target(&self) -> f64 {
        2.0
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let engine = Engine::new(Limits::default())?;
        let mut layers = sample::resident_layers(self.rows);
        let before = sample::table(&layers)?;
        let scored = Policy::load(&engine, self.component, NO_CONFIG)?;
        let memory = scored.select(&tenant(), &before, &[])?.answer.memory().to_vec();
        // A minute later. A tenth of the layers were read.
        for (number, layer) in (0..).zip(&mut layers).filter(|(number, _)| number % 10 == 3) {
            layer.access_count += 1 + number % 7;
        }
        let table = sample::table(&layers)?;
        let later = Tenant { now: tenant().now + 60, ..tenant() };
        let run = |policy: Policy, memory: Vec<u8>| {
            let (tenant, table, rows) = (later.clone(), Arc::clone(&table), self.rows);
            let run: Run = Box::new(move || {
                let (elapsed, called) = timed(|| Ok(policy.select(&tenant, &table, &memory)?))?;
                ensure!(called.answer.rows().len() == rows, "not every row is listed");
                Ok(elapsed.into())
            });
            run
        };
        let resident_set = Policy::load(&engine, RESIDENT_SET, NO_CONFIG)?;
        Ok(Pair { ours: run(scored, memory), yardstick: run(resident_set, Vec::new()) })
    }
}

/// A call for a small tenant, with an instance of its own.
struct Fresh {
    layers: usize,
    against: Against,
}

/// What a call for a small tenant is held to.
enum Against {
    /// The time it may take.
    Limit,
    /// A component that does nothing: what is left is the instance, and crossing over to it.
    Nothing,
}

/// What a call for a small tenant may take.
const FRESH_LIMIT: Duration = Duration::from_micros(30);

/// Calls of a run.
const CALLS: u32 = 1000;

impl Measurement for Fresh {
    fn name(&self) -> String {
        let against = match self.against {
            Against::Limit => "",
            Against::Nothing => "-bare",
        };
        format!("fresh-call-{}{against}", self.layers)
    }

    fn yardstick(&self) -> &'static str {
        match self.against {
            Against::Limit => "the limit",
            Against::Nothing => {
                "a component written by hand, of one page of code, that reads no column and lists nothing"
            }
        }
    }

    fn target(&self) -> f64 {
        match self.against {
            Against::Limit => 1.0,
            Against::Nothing => 2.0,
        }
    }

    fn unit(&self) -> &'static str {
        "us"
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let table = sample::table(&sample::resident_layers(self.layers))?;
        let engine = Engine::new(Limits::default())?;
        let calls = |component: &[u8], listed: usize| {
            let (policy, table) = (Policy::load(&engine, component, NO_CONFIG)?, Arc::clone(&table));
            let run: Run = Box::new(move || {
                let (elapsed, last) = timed(|| {
                    for _ in 1..CALLS {
                        policy.select(&tenant(), &table, &[])?;
                    }
                    Ok(policy.select(&tenant(), &table, &[])?)
                })?;
                ensure!(last.answer.rows().len() == listed, "{} rows are listed", last.answer.rows().len());
                Ok(Amount::of((elapsed / CALLS).as_secs_f64() * 1e6))
            });
            anyhow::Ok(run)
        };
        let yardstick: Run = match self.against {
            Against::Limit => Box::new(|| Ok(Amount::of(FRESH_LIMIT.as_secs_f64() * 1e6))),
            Against::Nothing => calls(&ByHand::new().build()?, 0)?,
        };
        Ok(Pair { ours: calls(RESIDENT_SET, self.layers)?, yardstick })
    }
}
