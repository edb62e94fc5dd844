//! What heats that moved have in common.

use serde::Serialize;

use super::{HeatmapDiff, MovedHeat};

/// How heats moved, all together. Heats fade, so that from one heatmap to the next most have moved a little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HeatMoves {
    /// Layers with a greater heat.
    pub hotter: u64,
    /// Layers with a smaller heat.
    pub cooler: u64,
    /// Layers that only the second scores.
    pub newly_scored: u64,
    /// Layers that only the first scores.
    pub no_longer_scored: u64,
    /// What half of those that moved were multiplied by, or less. Absent where none had a heat above 0 before,
    /// and has one now.
    pub median_factor: Option<f64>,
}

impl MovedHeat {
    /// How far, up or down. A layer that is not scored counts as one of heat 0.
    pub fn distance(&self) -> f32 {
        (self.after.unwrap_or_default() - self.before.unwrap_or_default()).abs()
    }
}

impl HeatmapDiff {
    /// Sums up `heat_moved`.
    pub fn heat_moves(&self) -> HeatMoves {
        let mut moves = HeatMoves::default();
        let mut factors = Vec::new();
        for moved in &self.heat_moved {
            match (moved.before, moved.after) {
                (Some(before), Some(after)) => {
                    *(if after > before { &mut moves.hotter } else { &mut moves.cooler }) += 1;
                    if before > 0.0 {
                        factors.push(f64::from(after) / f64::from(before));
                    }
                }
                (None, _) => moves.newly_scored += 1,
                (Some(_), None) => moves.no_longer_scored += 1,
            }
        }
        factors.sort_unstable_by(f64::total_cmp);
        moves.median_factor = factors.get(factors.len().saturating_sub(1) / 2).copied();
        moves
    }

    /// Those of `heat_moved` that moved furthest, furthest first, and no more than `number`.
    pub fn heat_moved_most(&self, number: usize) -> Vec<MovedHeat> {
        let mut moved = self.heat_moved.clone();
        // Stable: what moved as far stays in the order of names.
        moved.sort_by(|a, b| b.distance().total_cmp(&a.distance()));
        moved.truncate(number);
        moved
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::sample::L0;
    use super::*;
    use crate::layer::TimelineId;

    fn moved(before: Option<f32>, after: Option<f32>) -> MovedHeat {
        MovedHeat { timeline_id: TimelineId::from_bytes([1; 16]), name: L0.parse().unwrap(), before, after }
    }

    fn diff(heats: &[(Option<f32>, Option<f32>)]) -> HeatmapDiff {
        let heat_moved = heats.iter().map(|(before, after)| moved(*before, *after)).collect();
        HeatmapDiff { heat_moved, ..HeatmapDiff::default() }
    }

    #[rstest]
    #[case::none(&[], HeatMoves::default())]
    #[case::fading(
        &[(Some(8.0), Some(4.0)), (Some(2.0), Some(1.0)), (Some(1.0), Some(16.0))],
        HeatMoves { hotter: 1, cooler: 2, median_factor: Some(0.5), ..HeatMoves::default() }
    )]
    #[case::from_nothing(&[(Some(0.0), Some(4.0))], HeatMoves { hotter: 1, ..HeatMoves::default() })]
    #[case::to_nothing(
        &[(Some(4.0), Some(0.0))],
        HeatMoves { cooler: 1, median_factor: Some(0.0), ..HeatMoves::default() }
    )]
    #[case::another_policy(
        &[(None, Some(4.0)), (Some(3.0), None), (None, Some(0.0))],
        HeatMoves { newly_scored: 2, no_longer_scored: 1, ..HeatMoves::default() }
    )]
    #[case::beyond_what_a_heat_can_be(
        &[(Some(f32::MIN_POSITIVE), Some(f32::MAX))],
        HeatMoves { hotter: 1, median_factor: Some(f64::from(f32::MAX) / f64::from(f32::MIN_POSITIVE)), ..HeatMoves::default() }
    )]
    fn moves_add_up(#[case] heats: &[(Option<f32>, Option<f32>)], #[case] moves: HeatMoves) {
        assert_eq!(diff(heats).heat_moves(), moves);
    }

    #[test]
    fn the_furthest_come_first_whichever_way() {
        let diff = diff(&[(Some(1.0), Some(2.0)), (None, Some(5.0)), (Some(9.0), Some(1.0)), (Some(5.0), None)]);
        let most = |number| diff.heat_moved_most(number).iter().map(MovedHeat::distance).collect::<Vec<_>>();
        assert_eq!(most(3), [8.0, 5.0, 5.0]);
        assert_eq!(most(9).len(), 4);
        assert_eq!(diff.heat_moved_most(2)[1].before, None);
    }
}
