//! The limit: what a standby could hold that knew every read to come.
//!
//! A read is worth one if all layers that it needs are there. Which layers are worth most under a budget is a hard
//! question (a knapsack whose items share parts), but its relaxation is not: for a price of a byte, the best set of
//! layers is a closure of greatest weight, which a minimum cut finds. As the price falls, these sets grow, each holding
//! the one before; drawn as reads over bytes they are the corners of a concave curve, and no set of layers lies above
//! it. That curve is the limit given here. At its corners a set reaches it; between two, none may, but it is off by
//! less than the reads between them.

use std::collections::BTreeMap;

use crate::demand::Demand;
use crate::flow::{Flow, Node};
use crate::store::LayerId;

/// A group of reads and the layers they need.
#[derive(Clone, Debug)]
struct Group {
    reads: u64,
    /// Indices of layers.
    layers: Vec<usize>,
}

/// A corner of the curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Corner {
    bytes: u64,
    reads: u64,
}

/// Part of the question: groups and layers that are neither in by now nor out for good.
#[derive(Clone, Debug)]
struct Part {
    groups: Vec<usize>,
    layers: Vec<usize>,
    /// What lies before it on the curve.
    from: Corner,
    /// Where all of it is in.
    to: Corner,
}

/// The reads of one window, to be asked for limits.
#[derive(Clone, Debug)]
pub(crate) struct Clairvoyant {
    groups: Vec<Group>,
    sizes: Vec<u64>,
}

impl Clairvoyant {
    /// Of the reads in the window of this index.
    pub(crate) fn new(demand: &[Demand], window: usize, size: impl Fn(LayerId) -> u64) -> Self {
        let mut numbers: BTreeMap<LayerId, usize> = BTreeMap::new();
        let mut sizes = Vec::new();
        let mut groups = Vec::new();
        for demand in demand {
            let reads = demand.reads.get(window).copied().unwrap_or_default();
            if reads == 0 {
                continue;
            }
            let layers = demand.layers.iter().map(|layer| {
                *numbers.entry(*layer).or_insert_with(|| {
                    sizes.push(size(*layer).max(1));
                    sizes.len() - 1
                })
            });
            groups.push(Group { reads, layers: layers.collect() });
        }
        Clairvoyant { groups, sizes }
    }

    /// Sizes of all layers that are read, together.
    pub(crate) fn needed_bytes(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// At most so many reads can find their layers in `budget_bytes`.
    pub(crate) fn limit(&self, budget_bytes: u64) -> f64 {
        let to = Corner { bytes: self.needed_bytes(), reads: self.groups.iter().map(|group| group.reads).sum() };
        let mut part = Part {
            groups: (0..self.groups.len()).collect(),
            layers: (0..self.sizes.len()).collect(),
            from: Corner::default(),
            to,
        };
        if budget_bytes >= to.bytes {
            return as_f64(to.reads);
        }
        // Halves the part until the budget lies on an edge between two corners.
        while let Some(corner) = self.corner_within(&mut part, budget_bytes) {
            if corner.bytes == budget_bytes {
                return as_f64(corner.reads);
            }
        }
        let Part { from, to, .. } = part;
        let share = as_f64(budget_bytes - from.bytes) / as_f64((to.bytes - from.bytes).max(1));
        as_f64(from.reads) + share * as_f64(to.reads - from.reads)
    }

    /// A corner between the ends of `part`, if there is one; `part` becomes the side of it in which the budget lies.
    fn corner_within(&self, part: &mut Part, budget_bytes: u64) -> Option<Corner> {
        let reads = part.to.reads - part.from.reads;
        let bytes = part.to.bytes - part.from.bytes;
        if part.groups.len() < 2 || bytes == 0 || reads == 0 {
            return None;
        }
        // At the price at which all of the part is worth nothing, whatever is worth something is a corner further up.
        let mut flow = Flow::new();
        let mut node_of_layer: BTreeMap<usize, Node> = BTreeMap::new();
        for &layer in &part.layers {
            let size = self.sizes.get(layer).copied().unwrap_or_default();
            let node = flow.node();
            flow.edge(node, Flow::SINK, u128::from(size) * u128::from(reads));
            node_of_layer.insert(layer, node);
        }
        let mut nodes = Vec::with_capacity(part.groups.len());
        for &group in &part.groups {
            let Some(Group { reads, layers }) = self.groups.get(group) else { continue };
            let node = flow.node();
            flow.edge(Flow::SOURCE, node, u128::from(*reads) * u128::from(bytes));
            for layer in layers {
                if let Some(needed) = node_of_layer.get(layer) {
                    flow.edge(node, *needed, u128::MAX);
                }
            }
            nodes.push((group, node));
        }
        let cut = flow.minimum_cut();
        let (groups_in, groups_out): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|(_, node)| cut.holds(*node));
        let (layers_in, layers_out): (Vec<_>, Vec<_>) =
            node_of_layer.into_iter().partition(|(_, node)| cut.holds(*node));
        let sum = |groups: &[(usize, Node)]| -> u64 {
            groups.iter().filter_map(|(group, _)| self.groups.get(*group)).map(|group| group.reads).sum()
        };
        let size: u64 = layers_in.iter().filter_map(|(layer, _)| self.sizes.get(*layer)).sum();
        let corner = Corner { bytes: part.from.bytes + size, reads: part.from.reads + sum(&groups_in) };
        if groups_in.is_empty() || groups_out.is_empty() || corner == part.to {
            return None;
        }
        let plain = |pairs: Vec<(usize, Node)>| pairs.into_iter().map(|(index, _)| index).collect();
        if budget_bytes < corner.bytes {
            *part = Part { groups: plain(groups_in), layers: plain(layers_in), from: part.from, to: corner };
        } else {
            *part = Part { groups: plain(groups_out), layers: plain(layers_out), from: corner, to: part.to };
        }
        Some(corner)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of reads and bytes, of which a share is taken")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}
