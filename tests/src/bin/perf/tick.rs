//! A tick of the schedule, against a loop over everything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use thermocline::jobs::Schedule;
use thermocline::layer::{TenantId, TenantShardId};
use thermocline::random::Random;

use super::measure::{Measurement, Pair, timed};

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Tick { tenants: 100_000, due: 10 })]
}

struct Tick {
    tenants: u64,
    due: usize,
}

/// Of those that are due at every tick.
const PERIOD: Duration = Duration::from_secs(1);

/// Between ticks: all that have run are due again.
const TICK: Duration = Duration::from_secs(2);

/// Of the others, none of which becomes due while it is measured.
const LONG: Duration = Duration::from_hours(1_000_000);

/// The `number`th of tenants, spread over all ids.
pub(super) fn tenant(number: u64) -> TenantShardId {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    TenantShardId::unsharded(TenantId::from_bytes(spread.to_be_bytes()))
}

impl Measurement for Tick {
    fn name(&self) -> String {
        format!("tick-{}", self.tenants)
    }

    fn yardstick(&self) -> &'static str {
        "at each tick all tenants are listed and looked up in a hash map of when they are due"
    }

    fn target(&self) -> f64 {
        0.01
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let expected = self.due;
        // Spread over the ids, as those that are due are.
        let step = self.tenants / u64::try_from(expected)?;
        let period = move |number: u64| if number.is_multiple_of(step) { PERIOD } else { LONG };

        let random = Random::seeded(1);
        let mut schedule = Schedule::new(expected);
        (0..self.tenants).for_each(|number| schedule.set(tenant(number), period(number), Duration::ZERO, &random));
        let mut now = Duration::ZERO;
        let ours = move || {
            now += TICK;
            let (elapsed, ran) = timed(|| {
                schedule.advance(now);
                let mut ran = 0;
                while let Some(key) = schedule.next(now) {
                    schedule.begin(key, true, now);
                    schedule.end(key, now, &random);
                    ran += 1;
                }
                Ok(ran)
            })?;
            ensure!(ran == expected, "{ran} ran");
            Ok(elapsed.into())
        };

        let listed: Vec<_> = (0..self.tenants).map(|number| Arc::new((tenant(number), period(number)))).collect();
        let random = Random::seeded(1);
        let mut planned: HashMap<_, _> = listed
            .iter()
            .map(|tenant| (tenant.0, Planned { due_at: random.moment_in(tenant.1), running: false }))
            .collect();
        let mut now = Duration::ZERO;
        let yardstick = move || {
            now += TICK;
            let (elapsed, ran) = timed(|| walk(&listed, &mut planned, now, expected, &random))?;
            ensure!(ran == expected, "{ran} ran");
            Ok(elapsed.into())
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}

struct Planned {
    due_at: Duration,
    running: bool,
}

/// Runs what is due, the longest overdue first.
fn walk(
    listed: &[Arc<(TenantShardId, Duration)>],
    planned: &mut HashMap<TenantShardId, Planned>,
    now: Duration,
    concurrency: usize,
    random: &Random,
) -> anyhow::Result<usize> {
    let mut due = Vec::new();
    for tenant in listed {
        let first = || Planned { due_at: now + random.moment_in(tenant.1), running: false };
        let planned = planned.entry(tenant.0).or_insert_with(first);
        if !planned.running && planned.due_at <= now {
            due.push((planned.due_at, Arc::clone(tenant)));
        }
    }
    due.sort_unstable_by_key(|(due_at, tenant)| (*due_at, tenant.0));
    due.truncate(concurrency);
    for (_, tenant) in &due {
        let planned = planned.get_mut(&tenant.0).context("it is planned")?;
        planned.running = true;
        planned.due_at = now + tenant.1 / 20 * 19 + random.moment_in(tenant.1 / 10);
        planned.running = false;
    }
    Ok(due.len())
}
