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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::dense::Id;

    fn demand(groups: &[(u64, Vec<usize>)]) -> Vec<Demand> {
        let layers = |indices: &[usize]| indices.iter().map(|index| LayerId::new(*index)).collect();
        groups.iter().map(|(reads, indices)| Demand { layers: layers(indices), reads: [*reads; 3] }).collect()
    }

    fn limit(groups: &[(u64, Vec<usize>)], sizes: &[u64], budget_bytes: u64) -> f64 {
        Clairvoyant::new(&demand(groups), 1, |layer| sizes[layer.index()]).limit(budget_bytes)
    }

    /// The most reads that any set of layers within the budget serves: all sets are tried.
    fn brute_force(groups: &[(u64, Vec<usize>)], sizes: &[u64], budget_bytes: u64) -> u64 {
        let sets = 0_u32..1 << sizes.len();
        let within = sets.filter(|set| {
            let bytes: u64 = sizes.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, size)| size).sum();
            bytes <= budget_bytes
        });
        let served = |set: u32| {
            let all = |layers: &Vec<usize>| layers.iter().all(|layer| set >> layer & 1 == 1);
            groups.iter().filter(|(_, layers)| all(layers)).map(|(reads, _)| reads).sum::<u64>()
        };
        within.map(served).max().unwrap_or_default()
    }

    #[rstest]
    #[case::nothing_is_read(&[], &[], 10, 0.0)]
    #[case::no_room(&[(5, vec![0])], &[10], 0, 0.0)]
    #[case::all_of_it(&[(5, vec![0]), (3, vec![0, 1])], &[10, 10], 20, 8.0)]
    #[case::the_denser_one(&[(5, vec![0]), (3, vec![1])], &[10, 10], 10, 5.0)]
    #[case::small_beats_popular(&[(6, vec![0]), (5, vec![1])], &[100, 1], 1, 5.0)]
    #[case::an_image_alone_serves_nobody_who_needs_the_delta(&[(9, vec![0, 1]), (4, vec![2])], &[5, 5, 5], 5, 4.5)]
    #[case::a_shared_layer_is_paid_once(&[(3, vec![0, 1]), (3, vec![0, 2])], &[10, 1, 1], 12, 6.0)]
    fn known_limits(
        #[case] groups: &[(u64, Vec<usize>)],
        #[case] sizes: &[u64],
        #[case] budget_bytes: u64,
        #[case] expected: f64,
    ) {
        assert!((limit(groups, sizes, budget_bytes) - expected).abs() < 1e-9);
    }

    const LAYERS: usize = 7;

    proptest! {
        /// No set of layers is above the limit, it grows with the budget, by less and less, and is met by a set wherever
        /// it bends.
        #[test]
        fn the_limit_is_the_concave_hull_of_all_sets(
            groups in vec((1_u64..50, vec(0..LAYERS, 1..4)), 1..8),
            sizes in vec(1_u64..9, LAYERS),
        ) {
            let groups: Vec<_> = groups
                .into_iter()
                .map(|(reads, mut layers)| {
                    layers.sort_unstable();
                    layers.dedup();
                    (reads, layers)
                })
                .collect();
            let all: u64 = sizes.iter().sum();
            let limits: Vec<f64> = (0..=all).map(|budget| limit(&groups, &sizes, budget)).collect();
            let best: Vec<u64> = (0..=all).map(|budget| brute_force(&groups, &sizes, budget)).collect();
            for (limit, best) in limits.iter().zip(&best) {
                prop_assert!(*limit >= *best as f64 - 1e-6, "{limit} < {best}");
            }
            for window in limits.windows(3) {
                let (before, after) = (window[1] - window[0], window[2] - window[1]);
                prop_assert!(before >= -1e-6 && after <= before + 1e-6, "{window:?}");
                if before - after > 1e-6 {
                    let at = limits.windows(3).position(|other| other == window).unwrap() + 1;
                    prop_assert!((limits[at] - best[at] as f64).abs() < 1e-6, "{} is not {}", limits[at], best[at]);
                }
            }
            prop_assert_eq!(limits[all as usize], best[all as usize] as f64);
        }
    }
}
