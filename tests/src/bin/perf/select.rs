//! A policy's `select`, as a component against the same code compiled natively.

use std::sync::Arc;

use anyhow::{anyhow, ensure};
use thermocline::policy::{Engine, Limits, NO_CONFIG, Policy, RESIDENT_SET};
use thermocline_policy::Policy as _;
use thermocline_resident_set::ResidentSet;

use super::heatmap::tenant;
use super::measure::{Measurement, Pair, timed};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Select { rows: 100_000 })]
}

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
        1.3
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
