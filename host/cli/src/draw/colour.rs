//! From heat to colour.

use crate::output::heat;

/// Dark and blue for the coldest, over green, to yellow for the hottest: even steps for the eye, also for eyes that see
/// few colours, and in print. (The colour map `viridis`, at nine points.)
const RAMP: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x28, 0xae, 0x80],
    [0x5e, 0xc9, 0x62],
    [0xad, 0xdc, 0x30],
    [0xfd, 0xe7, 0x25],
];

/// For layers without a heat.
pub(super) const UNSCORED: &str = "#6d86a0";

/// The heats of a picture's layers, in their order. A heat's place is the share of them that is less: heats of real
/// tenants span many powers of ten, with a few layers far above the rest, and a scale by size would paint all others
/// alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    ascending: Vec<f32>,
}

impl Scale {
    /// `None` where no layer is scored.
    pub(super) fn of(heats: impl Iterator<Item = f32>) -> Option<Self> {
        let mut ascending: Vec<f32> = heats.filter(|heat| !heat.is_nan()).collect();
        ascending.sort_unstable_by(f32::total_cmp);
        (!ascending.is_empty()).then_some(Scale { ascending })
    }

    /// Where a heat stands, from 0 for the least to 1 for the most.
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    pub(super) fn place(&self, heat: f32) -> f32 {
        let less = self.ascending.partition_point(|other| *other < heat);
        let others = self.ascending.len().saturating_sub(1).max(1);
        less.min(others) as f32 / others as f32
    }

    /// The heats to write beside the ramp, at their places; each once, so that one heat is not told five times.
    pub(super) fn written(&self) -> Vec<(f32, String)> {
        let mut written: Vec<(f32, String)> =
            [0.0, 0.25, 0.5, 0.75, 1.0].map(|place| (place, heat(self.heat_at(place)))).into();
        written.dedup_by(|(_, next), (_, last)| next == last);
        written
    }

    /// What stands there.
    fn heat_at(&self, place: f32) -> f32 {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index within bounds"
        )]
        let index = (place.clamp(0.0, 1.0) * (self.ascending.len() - 1) as f32).round() as usize;
        self.ascending.get(index).copied().unwrap_or_default()
    }
}

/// The colour of a place from 0 to 1, as `#rrggbb`.
pub(super) fn at(place: f32) -> String {
    // What is no number is coldest.
    let along = if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) * 8.0 };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
    let from = (along.floor() as usize).min(RAMP.len() - 2);
    #[allow(clippy::cast_precision_loss, reason = "from 0 to 7")]
    let share = along - from as f32;
    let (Some(low), Some(high)) = (RAMP.get(from), RAMP.get(from + 1)) else { return UNSCORED.into() };
    let mut text = String::from("#");
    for (low, high) in low.iter().zip(high) {
        let mixed = f32::from(*low) + (f32::from(*high) - f32::from(*low)) * share;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
        text.push_str(&format!("{:02x}", mixed.round() as u8));
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::coldest(0.0, "#440154")]
    #[case::hottest(1.0, "#fde725")]
    #[case::half(0.5, "#21918c")]
    #[case::between(0.0625, "#461768")]
    #[case::less_than_nothing(-3.0, "#440154")]
    #[case::no_number(f32::NAN, "#440154")]
    fn colours(#[case] place: f32, #[case] colour: &str) {
        assert_eq!(at(place), colour);
    }

    #[rstest]
    #[case::the_least(1.0, 0.0)]
    #[case::the_next(2.0, 0.25)]
    #[case::in_the_middle(30.0, 0.5)]
    #[case::the_most(1e9, 1.0)]
    #[case::less_than_all(0.0, 0.0)]
    #[case::more_than_all(f32::INFINITY, 1.0)]
    fn places_are_shares_of_layers(#[case] heat: f32, #[case] place: f32) {
        let scale = Scale::of([30.0, 1.0, 1e9, 2.0, 400.0].into_iter()).unwrap();
        assert!((scale.place(heat) - place).abs() < 1e-6, "{}", scale.place(heat));
    }

    #[test]
    fn a_place_has_the_heat_that_stands_there() {
        let scale = Scale::of([30.0, 1.0, 1e9, 2.0, 400.0].into_iter()).unwrap();
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|place| scale.heat_at(place)), [1.0, 2.0, 30.0, 1e9]);
    }

    #[rstest]
    #[case::spread(&[1.0, 2.0, 3.0, 4.0, 5.0], &["1", "2", "3", "4", "5"])]
    #[case::two(&[0.0, 9.0], &["0", "9"])]
    #[case::one(&[7.0, 7.0, 7.0], &["7"])]
    fn each_heat_is_written_once(#[case] heats: &[f32], #[case] expected: &[&str]) {
        let written = Scale::of(heats.iter().copied()).unwrap().written();
        assert_eq!(written.iter().map(|(_, heat)| heat.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(written[0].0, 0.0);
    }

    #[test]
    fn one_heat_is_the_least_and_nothing_is_no_scale() {
        assert_eq!(Scale::of([3.0].into_iter()).unwrap().place(3.0), 0.0);
        assert_eq!(Scale::of(std::iter::empty()), None);
    }
}
