//! How a heatmap's hot bytes are spread over its heats.

use std::cmp::Reverse;

use serde::Serialize;

use super::stats::Sum;
use super::{Heatmap, HeatmapLayer};

/// The shares that are told, percent.
const SHARES: [u8; 5] = [10, 25, 50, 75, 100];

/// The hottest layers that together have a share of the hot bytes: what a standby holds whose budget is that share.
///
/// Heats have no unit, and those of two policies cannot be compared. What they have in common is the order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hottest {
    /// The share, in percent of the bytes of all hot layers that are scored.
    pub percent: u8,
    /// The least heat among them.
    pub heat: f32,
    /// As few layers as reach the share.
    #[serde(flatten)]
    pub sum: Sum,
}

impl Heatmap {
    /// For each of a few shares, up to all, the hottest layers that have it. Empty where no hot layer is scored.
    pub fn hottest(&self) -> Vec<Hottest> {
        let layers = self.timelines.iter().flat_map(|timeline| &timeline.layers).filter(|layer| !layer.cold);
        let mut scored: Vec<(f32, &HeatmapLayer)> =
            layers.filter_map(|layer| layer.heat.map(|heat| (heat, layer))).collect();
        scored.sort_by(|(a, one), (b, other)| {
            b.total_cmp(a).then_with(|| Reverse(one.metadata.file_size).cmp(&Reverse(other.metadata.file_size)))
        });
        let whole: u128 = scored.iter().map(|(_, layer)| u128::from(layer.metadata.file_size)).sum();

        let (mut sum, mut bytes, mut least) = (Sum::default(), 0, None);
        let mut rest = scored.into_iter();
        let reached = |percent: u8| {
            while least.is_none() || bytes * 100 < whole * u128::from(percent) {
                let (heat, layer) = rest.next()?;
                sum.add(layer);
                bytes += u128::from(layer.metadata.file_size);
                least = Some(heat);
            }
            least.map(|heat| Hottest { percent, heat, sum })
        };
        SHARES.into_iter().map_while(reached).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{self, DELTA, IMAGE, L0, layer};
    use super::*;

    fn scored(heat: f32, name: &str, bytes: u64) -> HeatmapLayer {
        HeatmapLayer { heat: Some(heat), ..layer(name, bytes) }
    }

    #[test]
    fn shares_are_of_the_hot_bytes_hottest_first() {
        let cold = HeatmapLayer { cold: true, ..scored(0.01, L0, 1 << 40) };
        let heatmap = sample::heatmap([
            vec![scored(2.0, DELTA, 30), cold],
            vec![scored(8.0, IMAGE, 10)],
            vec![scored(0.5, L0, 60), layer(L0, 1 << 30)],
        ]);
        let told: Vec<_> =
            heatmap.hottest().iter().map(|of| (of.percent, of.heat, of.sum.layers, of.sum.bytes)).collect();
        assert_eq!(
            told,
            [(10, 8.0, 1, 10), (25, 2.0, 2, 40), (50, 0.5, 3, 100), (75, 0.5, 3, 100), (100, 0.5, 3, 100)]
        );
    }

    #[test]
    fn nothing_scored_has_no_shares_and_nothing_in_it_has_them_all() {
        assert!(sample::heatmap([vec![layer(L0, 5)]]).hottest().is_empty());
        let cold = HeatmapLayer { cold: true, ..scored(1.0, L0, 5) };
        assert!(sample::heatmap([vec![cold]]).hottest().is_empty());
        let empty = sample::heatmap([vec![scored(1.0, L0, 0)]]).hottest();
        assert_eq!(empty.iter().map(|of| of.sum.layers).collect::<Vec<_>>(), [1; SHARES.len()]);
    }

    proptest! {
        #[test]
        fn each_share_is_reached_by_no_more_than_it_takes(
            layers in proptest::collection::vec((0.0_f32..50.0, prop_oneof![Just(u64::MAX), 1_u64..1000]), 1..40),
        ) {
            let layers: Vec<_> = layers.into_iter().map(|(heat, bytes)| scored(heat, L0, bytes)).collect();
            let whole: u128 = layers.iter().map(|layer| u128::from(layer.metadata.file_size)).sum();
            let count = layers.len() as u64;
            for of in sample::heatmap([layers.clone()]).hottest() {
                let hotter = layers.iter().filter(|layer| layer.heat > Some(of.heat));
                let bytes: u128 = hotter.clone().map(|layer| u128::from(layer.metadata.file_size)).sum();
                prop_assert!(bytes * 100 < whole * u128::from(of.percent), "the hotter ones alone are too few");
                prop_assert!((hotter.count() as u64) < of.sum.layers);
                prop_assert!(of.percent < 100 || of.sum.layers == count);
            }
        }
    }
}
