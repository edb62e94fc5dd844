//! The sweep for visibility, against the same sweep over a range set in a tree.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::ensure;
use thermocline::layer::{Key, LayerName, Lsn, visibility};

use super::measure::{Measurement, Pair, timed};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Sweep { layers: 100_000, branch_points: 100 })]
}

struct Sweep {
    layers: usize,
    branch_points: u64,
}

impl Measurement for Sweep {
    fn name(&self) -> String {
        format!("visibility-{}", self.layers)
    }

    fn yardstick(&self) -> &'static str {
        "the sweep with a range set in a tree and a list of waiting deltas"
    }

    fn target(&self) -> f64 {
        0.5
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let mut names: Vec<_> = sample::resident_layers(self.layers).iter().map(|layer| layer.name).collect();
        names.sort_unstable();
        names.dedup();
        let newest = names.iter().map(|name| name.lsn_end().0).max().unwrap_or(1) - 1;
        let oldest = names.iter().map(|name| name.lsn_start().0).min().unwrap_or(0);
        let step = (newest - oldest) / self.branch_points;
        let read_points: Vec<_> = (0..=self.branch_points).map(|number| Lsn(newest - number * step)).collect();
        ensure!(visibility::visible(&names, &read_points) == sweep(&names, &read_points), "the two disagree");
        let (same_names, same_points) = (names.clone(), read_points.clone());
        let ours = move || Ok(timed(|| Ok(visibility::visible(&names, &read_points)))?.0.into());
        let yardstick = move || Ok(timed(|| Ok(sweep(&same_names, &same_points)))?.0.into());
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}

/// In the order of the sweep: at one LSN a read point, then images, then deltas.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    ReadPoint,
    Image(Key, Key, usize),
    Delta(usize),
}

fn sweep(names: &[LayerName], read_points: &[Lsn]) -> Vec<bool> {
    let position = |name: &LayerName| if name.is_delta() { name.lsn_end().0 - 1 } else { name.lsn_start().0 };
    let mut items: Vec<_> = read_points.iter().map(|point| (Reverse(point.0), Item::ReadPoint)).collect();
    items.extend(names.iter().enumerate().map(|(index, name)| {
        let item =
            if name.is_delta() { Item::Delta(index) } else { Item::Image(name.key_start(), name.key_end(), index) };
        (Reverse(position(name)), item)
    }));
    items.sort_unstable();

    let mut visible = vec![false; names.len()];
    let mut shadow = RangeSet::default();
    let mut waiting: Vec<(u64, usize)> = Vec::new();
    for (Reverse(at), item) in items {
        match item {
            Item::ReadPoint => {
                shadow = RangeSet::default();
                for (lsn_start, index) in waiting.drain(..) {
                    mark(&mut visible, index, at >= lsn_start);
                }
            }
            Item::Image(start, end, index) => mark(&mut visible, index, shadow.insert(start, end)),
            Item::Delta(index) => {
                let Some(name) = names.get(index) else { continue };
                if shadow.covers(name.key_start(), name.key_end()) {
                    waiting.push((name.lsn_start().0, index));
                } else {
                    mark(&mut visible, index, true);
                }
            }
        }
    }
    visible
}

fn mark(visible: &mut [bool], index: usize, is_visible: bool) {
    if let Some(slot) = visible.get_mut(index) {
        *slot = is_visible;
    }
}

/// Disjoint ranges by their start.
#[derive(Default)]
struct RangeSet(BTreeMap<Key, Key>);

impl RangeSet {
    fn covers(&self, start: Key, end: Key) -> bool {
        self.0.range(..=start).next_back().is_some_and(|(_, covered_to)| *covered_to >= end)
    }

    /// Whether the range adds a key.
    fn insert(&mut self, mut start: Key, mut end: Key) -> bool {
        if start >= end || self.covers(start, end) {
            return false;
        }
        let touching: Vec<_> =
            self.0.range(..=end).rev().take_while(|(_, to)| **to >= start).map(|(from, to)| (*from, *to)).collect();
        for (from, to) in touching {
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
        true
    }
}
