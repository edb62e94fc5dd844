//! The simulation: one pass over a trace, with all policies side by side.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fastrand::Rng;
use thermocline::heatmap::{DecodeError, Heatmap};
use thermocline::layer::{LayerName, TableError, TenantShardId};
use thermocline::policy::Tenant;

use crate::attached::{Attached, EPOCH_S, GENERATION};
use crate::clairvoyant::Clairvoyant;
use crate::contestant::{Contestant, Writer};
use crate::demand::{Demand, WINDOWS_MS, demand_after, hits, reads};
use crate::report::{Report, Row};
use crate::settings::{MAX_LISTED_LAYERS, Settings, share_of};
use crate::standby::{Listed, Standby};
use crate::store::{GivenError, GivenLayer, LayerId, Store};
use crate::trace::{Op, Trace};

/// What the row of the standby is called that holds nothing.
pub const NOTHING: &str = "nothing";
/// What the row of the limit is called.
pub const CLAIRVOYANT: &str = "clairvoyant";

/// A simulation that cannot be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A setting is out of its range.
    #[error("{0}")]
    Settings(String),
    /// The layers do not suit the trace.
    #[error(transparent)]
    Layers(#[from] GivenError),
    /// The trace is shorter than it takes for a first failover.
    #[error(
        "the trace lasts {duration_ms} ms, and with heatmaps every {period_ms} ms a failover makes sense after \
         {first_ms} ms: give a longer trace or a shorter period"
    )]
    TooShort {
        /// Of the trace.
        duration_ms: u32,
        /// Of heatmaps.
        period_ms: u32,
        /// The earliest failover.
        first_ms: u32,
    },
    /// It would take hours.
    #[error(
        "{heatmaps} heatmaps of {layers} layers, for each of {standbys} standbys, are too much work: at most          {MAX_LISTED_LAYERS} layers may be in all of them together; give a longer period, larger layers, fewer policies or          budgets, or a part of the trace"
    )]
    TooMuch {
        /// In the time of the trace.
        heatmaps: u64,
        /// At the beginning.
        layers: u64,
        /// A policy under a budget is one.
        standbys: u64,
    },
    /// A decider is missing.
    #[error("policy {policy} has {deciders} deciders for {budgets} budgets")]
    Deciders {
        /// The contestant.
        policy: String,
        /// How many it has.
        deciders: usize,
        /// How many it needs.
        budgets: usize,
    },
    /// There was no answer, not even of the built-in policy.
    #[error("policy {policy}: {why}")]
    Policy {
        /// The contestant.
        policy: String,
        /// What went wrong.
        why: String,
    },
    /// The layers make no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A heatmap that the encoder wrote does not read back.
    #[error("a heatmap does not read back: {0}")]
    Heatmap(#[from] DecodeError),
}

/// The sums over all failovers so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Of each window: shares of reads that were hits, and how many failovers had reads at all.
    shares: [(f64, u32); 3],
    held_bytes: u64,
    fetched_bytes: u64,
    unread_bytes: u64,
    failovers: u32,
}

impl Tally {
    #[allow(clippy::cast_precision_loss, reason = "counts of reads, of which a share is taken")]
    fn add(&mut self, hits: [f64; 3], reads: [u64; 3]) {
        self.failovers += 1;
        for ((sum, count), (hits, reads)) in self.shares.iter_mut().zip(hits.into_iter().zip(reads)) {
            if reads > 0 {
                *sum += hits / reads as f64;
                *count += 1;
            }
        }
    }

    fn row(&self, policy: &str, budget: f64, failures: &[String]) -> Row {
        let [hit_10s, hit_60s, hit_600s] = self.shares.map(|(sum, count)| (count > 0).then(|| sum / f64::from(count)));
        let mean = |sum: u64| sum / u64::from(self.failovers.max(1));
        Row {
            policy: policy.into(),
            budget,
            hit_10s,
            hit_60s,
            hit_600s,
            bytes_held: mean(self.held_bytes),
            bytes_fetched: mean(self.fetched_bytes),
            bytes_unread: mean(self.unread_bytes),
            failovers: self.failovers,
            policy_failures: failures.to_vec(),
        }
    }
}

/// A policy under one budget.
#[derive(Debug)]
struct Lane {
    policy: String,
    budget: f64,
    writer: Writer,
    standby: Standby,
    tally: Tally,
}

/// All there is at a moment of the simulation.
struct World<'a> {
    trace: &'a Trace,
    settings: &'a Settings,
    store: Store,
    attached: Attached,
    lanes: Vec<Lane>,
    nothing: Tally,
    limits: Vec<Tally>,
    /// What was resident when the last heatmap was made, bytes.
    resident_bytes: u64,
    /// The layers that there were when the last heatmap was made: no heatmap lists others.
    listable: HashSet<LayerId>,
}

/// Runs `trace` once, with every contestant's standbys beside each other. `layers`: those that the database has; without
/// them they are laid over the pages of the trace. `progress` is told how much of the trace is done, from 0 to 1.
///
/// # Errors
/// If the settings or the layers do not suit the trace, or a heatmap cannot be made.
pub fn simulate(
    trace: &Trace,
    layers: Option<&[GivenLayer]>,
    contestants: &[Contestant],
    settings: &Settings,
    mut progress: impl FnMut(f64),
) -> Result<Report, SimulationError> {
    settings.check().map_err(SimulationError::Settings)?;
    let failovers = failover_times(trace, settings)?;
    let store = match layers {
        None => Store::laid(trace, settings.rules),
        Some(layers) => Store::given(trace, layers, settings.rules, settings.seed)?,
    };
    let mut lanes = Vec::new();
    for Contestant { name, deciders } in contestants {
        if deciders.len() != settings.budgets.len() {
            let (policy, deciders, budgets) = (name.clone(), deciders.len(), settings.budgets.len());
            return Err(SimulationError::Deciders { policy, deciders, budgets });
        }
        lanes.extend(settings.budgets.iter().zip(deciders).map(|(&budget, decider)| Lane {
            policy: name.clone(),
            budget,
            writer: Writer::new(Arc::clone(decider)),
            standby: Standby::new(settings.bandwidth_bytes_per_s),
            tally: Tally::default(),
        }));
    }
    let heatmaps = u64::from(trace.duration_ms() / settings.period_ms);
    check_work(heatmaps, store.live().len() as u64, lanes.len() as u64)?;
    let attached = Attached::new(settings.disk.of(store.live_bytes()));
    let mut world = World {
        trace,
        settings,
        store,
        attached,
        lanes,
        nothing: Tally::default(),
        limits: vec![Tally::default(); settings.budgets.len()],
        resident_bytes: 0,
        listable: HashSet::new(),
    };
    world.follow(0);
    world.run(&failovers, &mut progress)?;
    Ok(world.report())
}

fn check_work(heatmaps: u64, layers: u64, standbys: u64) -> Result<(), SimulationError> {
    let listed = heatmaps.saturating_mul(layers).saturating_mul(standbys);
    if listed > MAX_LISTED_LAYERS {
        return Err(SimulationError::TooMuch { heatmaps, layers, standbys });
    }
    Ok(())
}

/// One at a random moment of each of equal parts of the trace: not before the second heatmap could be downloaded, and
/// while there are still reads to come.
fn failover_times(trace: &Trace, settings: &Settings) -> Result<Vec<u32>, SimulationError> {
    let (duration_ms, period_ms) = (trace.duration_ms(), settings.period_ms);
    let first_ms = period_ms.saturating_mul(2);
    let [_, minute_ms, _] = WINDOWS_MS;
    let last_ms = duration_ms.saturating_sub(minute_ms);
    if last_ms <= first_ms {
        return Err(SimulationError::TooShort { duration_ms, period_ms, first_ms: first_ms.saturating_add(minute_ms) });
    }
    let mut random = Rng::with_seed(settings.seed);
    let parts = f64::from(settings.failovers);
    let width = f64::from(last_ms - first_ms) / parts;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the trace")]
    let times = (0..settings.failovers).map(|part| first_ms + ((f64::from(part) + random.f64()) * width) as u32);
    Ok(times.collect())
}

impl World<'_> {
    fn run(&mut self, failovers: &[u32], progress: &mut impl FnMut(f64)) -> Result<(), SimulationError> {
        let trace = self.trace;
        let accesses = trace.accesses();
        let mut failovers = failovers.iter().copied().peekable();
        let mut heatmap_ms = self.settings.period_ms;
        let mut done = 0;
        loop {
            let stop_ms = failovers.peek().copied().unwrap_or(u32::MAX).min(heatmap_ms);
            // All accesses up to and with that millisecond.
            while let Some(access) = accesses.get(done).filter(|access| access.at_ms <= stop_ms) {
                match access.op {
                    Op::Read => {
                        let need = self.store.need(access.page);
                        for layer in self.store.needs().layers(need) {
                            self.attached.read(*layer, &self.store, access.at_ms);
                        }
                    }
                    Op::Write => {
                        self.store.write(access.page, access.at_ms);
                        self.follow(access.at_ms);
                    }
                }
                done += 1;
            }
            let Some(rest) = accesses.get(done..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
            #[allow(clippy::cast_precision_loss, reason = "a share")]
            progress(done as f64 / accesses.len() as f64);
            self.store.pass(stop_ms);
            self.follow(stop_ms);
            if stop_ms == heatmap_ms {
                self.make_heatmaps(stop_ms)?;
                heatmap_ms = heatmap_ms.saturating_add(self.settings.period_ms);
            }
            if failovers.next_if_eq(&stop_ms).is_some() {
                let demand = demand_after(stop_ms, rest, &self.store);
                self.fail_over(stop_ms, &demand);
            }
        }
    }

    fn follow(&mut self, at_ms: u32) {
        let changes = self.store.take_changes();
        if !changes.is_empty() {
            self.attached.follow(&changes, &self.store, at_ms);
        }
    }

    fn make_heatmaps(&mut self, now_ms: u32) -> Result<(), SimulationError> {
        let table = self.attached.table(&self.store)?;
        let tenant = Tenant {
            shard: TenantShardId::default().to_string(),
            generation: GENERATION,
            now: i64::from(EPOCH_S + now_ms / 1000),
            checkpoint_distance: self.settings.rules.checkpoint_distance_bytes,
        };
        self.resident_bytes = self.attached.resident_bytes();
        self.listable = self.store.live().iter().copied().collect();
        let numbers: HashMap<LayerName, LayerId> =
            self.store.live().iter().map(|layer| (self.store.layer(*layer).name, *layer)).collect();
        for lane in &mut self.lanes {
            let bytes = lane
                .writer
                .heatmap(&tenant, self.settings.period_ms, &table)
                .map_err(|why| SimulationError::Policy { policy: lane.policy.clone(), why })?;
            let heatmap = Heatmap::decode(&bytes)?;
            let listed = heatmap.timelines.iter().flat_map(|timeline| &timeline.layers).filter_map(|layer| {
                let number = numbers.get(&layer.name)?;
                Some(Listed { layer: *number, size_bytes: layer.metadata.file_size, cold: layer.cold })
            });
            let listed: Vec<Listed> = listed.collect();
            lane.standby.advance(now_ms);
            lane.standby.see(&listed, share_of(lane.budget, self.resident_bytes));
        }
        Ok(())
    }

    fn fail_over(&mut self, now_ms: u32, demand: &[Demand]) {
        let reads = reads(demand);
        self.nothing.add([0.0; 3], reads);
        #[allow(clippy::cast_precision_loss, reason = "counts of reads, of which a share is taken")]
        for lane in &mut self.lanes {
            lane.standby.advance(now_ms);
            let held = lane.standby.held();
            let found = hits(demand, |layer| held.contains_key(&layer));
            lane.tally.add(found.map(|hits| hits as f64), reads);
            let mut read: Vec<LayerId> = demand.iter().flat_map(|demand| &demand.layers).copied().collect();
            read.sort_unstable();
            read.dedup();
            let read_bytes: u64 = read.iter().filter_map(|layer| held.get(layer)).sum();
            lane.tally.held_bytes += lane.standby.held_bytes();
            lane.tally.fetched_bytes += lane.standby.fetched_bytes();
            lane.tally.unread_bytes += lane.standby.fetched_bytes() - read_bytes;
        }
        let size = |layer| self.store.layer(layer).size_bytes;
        let servable: Vec<Demand> = demand
            .iter()
            .filter(|demand| demand.layers.iter().all(|layer| self.listable.contains(layer)))
            .cloned()
            .collect();
        let windows = [0, 1, 2].map(|window| Clairvoyant::new(&servable, window, size));
        for (tally, &budget) in self.limits.iter_mut().zip(&self.settings.budgets) {
            let budget_bytes = share_of(budget, self.resident_bytes);
            let limits = windows.each_ref().map(|window| window.limit(budget_bytes));
            tally.add(limits, reads);
            let [.., longest] = &windows;
            let fetched = budget_bytes.min(longest.needed_bytes());
            tally.held_bytes += fetched;
            tally.fetched_bytes += fetched;
        }
    }

    fn report(&self) -> Report {
        let budgets = &self.settings.budgets;
        let nothing = budgets.iter().map(|&budget| self.nothing.row(NOTHING, budget, &[]));
        let lanes = self.lanes.iter().map(|lane| lane.tally.row(&lane.policy, lane.budget, lane.writer.failures()));
        let limits = self.limits.iter().zip(budgets).map(|(tally, &budget)| tally.row(CLAIRVOYANT, budget, &[]));
        Report {
            trace: self.trace.name().into(),
            seed: self.settings.seed,
            rows: nothing.chain(lanes).chain(limits).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_on_listed_layers_is_obeyed_and_violated() {
        check_work(1000, MAX_LISTED_LAYERS / 4000, 4).unwrap();
        let error = check_work(1000, MAX_LISTED_LAYERS / 4000 + 1, 4).unwrap_err().to_string();
        assert!(
            error.starts_with("1000 heatmaps of 250001 layers, for each of 4 standbys, are too much work"),
            "{error}"
        );
        check_work(u64::MAX, u64::MAX, 2).unwrap_err();
    }
}
