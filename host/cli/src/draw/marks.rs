//! What is drawn for the layers of a panel: a mark for each, or one for several that are too small to be told apart.

use std::collections::BTreeMap;

use super::panel::{Area, Layer, Panel, WIDTH};

/// So many marks in a picture, about: a browser draws them at once, and a person still sees rectangles.
pub(super) const MOST_MARKS: usize = 10_000;

/// Sides that are less, in pixels, are too small, if there are not too many marks.
pub(super) const FINEST_GRAIN: f64 = 2.0;
/// If there are, the next grain is tried: so much coarser.
const COARSER: f64 = 1.5;
/// Small layers that begin in the same square of so many grains, and are as many squares large, are gathered.
const SQUARE_OF_GRAINS: f64 = 3.0;

/// Something to draw.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// One layer.
    Layer(Area, Layer),
    /// Several, which stand in nearly the same place.
    Several(Area, Gathered),
}

impl Mark {
    pub(super) fn area(&self) -> &Area {
        match self {
            Mark::Layer(area, _) | Mark::Several(area, _) => area,
        }
    }
}

/// What is known of layers with one mark.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gathered {
    pub(super) layers: u64,
    pub(super) bytes: u64,
    pub(super) cold: u64,
    pub(super) covered: u64,
    pub(super) hottest: Option<f32>,
}

impl Gathered {
    fn add(&mut self, layer: &Layer) {
        self.layers += 1;
        self.bytes = self.bytes.saturating_add(layer.listed.metadata.file_size);
        self.cold += u64::from(layer.listed.cold);
        self.covered += u64::from(layer.covered);
        self.hottest = self.hottest.into_iter().chain(layer.listed.heat).reduce(f32::max);
    }

    /// More than half of them.
    pub(super) fn mostly(&self, count: u64) -> bool {
        count > self.layers / 2
    }
}

/// All layers of a panel, each in one mark, in no more than `most` of them; the large ones first, to be under the small.
///
/// A layer that is wide and too low becomes part of a mark that is as wide: it is gathered with those that are as
/// wide, not with what happens to begin in the same corner.
pub(super) fn marks(panel: &Panel, most: usize) -> Vec<Mark> {
    let areas: Vec<(Area, Layer)> = panel.layers.iter().map(|layer| (panel.area(&layer.listed.name), *layer)).collect();
    let mut grain = FINEST_GRAIN;
    loop {
        let marks = with_grain(panel, &areas, grain);
        // Nothing is larger than a panel: with such a grain there is one mark.
        if marks.len() <= most || grain > WIDTH.max(panel.height()) {
            return marks;
        }
        grain *= COARSER;
    }
}

fn with_grain(panel: &Panel, areas: &[(Area, Layer)], grain: f64) -> Vec<Mark> {
    let mut gathered: BTreeMap<[u64; 4], Vec<&(Area, Layer)>> = BTreeMap::new();
    let mut marks = Vec::new();
    for placed in areas {
        let (area, layer) = placed;
        if area.width < grain || area.height < grain {
            gathered.entry(squares(area, grain * SQUARE_OF_GRAINS)).or_default().push(placed);
        } else {
            marks.push(Mark::Layer(*area, *layer));
        }
    }
    for members in gathered.into_values() {
        let Some(area) = members.iter().map(|(area, _)| *area).reduce(|all, area| all.with(&area)) else { continue };
        let area = visible(panel, area);
        marks.push(match members.as_slice() {
            [(_, layer)] => Mark::Layer(area, *layer),
            _ => {
                let mut gathered = Gathered::default();
                members.iter().for_each(|(_, layer)| gathered.add(layer));
                Mark::Several(area, gathered)
            }
        });
    }
    let size = |mark: &Mark| mark.area().width * mark.area().height;
    marks.sort_by(|a, b| {
        let place = |mark: &Mark| (mark.area().y, mark.area().x);
        size(b).total_cmp(&size(a)).then(place(a).partial_cmp(&place(b)).unwrap_or(std::cmp::Ordering::Equal))
    });
    marks
}

/// In which square it begins, and how many squares it is wide and high.
fn squares(area: &Area, side: f64) -> [u64; 4] {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a panel")]
    let whole = |squares: f64| squares.max(0.0) as u64;
    let Area { x, y, width, height } = *area;
    [whole(y / side), whole(x / side), whole((width / side).ceil()), whole((height / side).ceil())]
}

/// As small as can be seen, at least, and within the panel.
fn visible(panel: &Panel, area: Area) -> Area {
    let (width, height) = (area.width.max(FINEST_GRAIN), area.height.max(FINEST_GRAIN));
    let (x, y) = (area.x.min(WIDTH - width), area.y.min(panel.height() - height));
    Area { x: x.max(0.0), y: y.max(0.0), width, height }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rstest::rstest;
    use thermocline::heatmap::HeatmapLayer;
    use thermocline::layer::{Key, LayerName, Lsn};

    use super::super::panel::sample::{image, l0, layer, panel};
    use super::*;

    fn several(marks: &[Mark]) -> usize {
        marks.iter().filter(|mark| matches!(mark, Mark::Several(..))).count()
    }

    #[rstest]
    #[case::few(100, 100, 0)]
    #[case::the_most_that_are_wide_enough(600, 600, 0)]
    #[case::many(50_000, 200, 200)]
    fn what_can_be_told_apart_is(#[case] layers: u64, #[case] all: usize, #[case] gathered: usize) {
        let layers = (0..layers).map(|n| layer(image(n..n + 1, 8), Some(1.0))).collect();
        let marks = marks(&panel(layers), MOST_MARKS);
        assert_eq!((marks.len(), several(&marks)), (all, gathered));
    }

    #[test]
    fn low_layers_over_all_keys_stay_as_wide() {
        let layers = (0..2000).map(|n| layer(l0(10 * n..10 * n + 10), None)).chain([layer(image(0..9, 1), None)]);
        let panel = panel(layers.collect());
        let marks = marks(&panel, MOST_MARKS);
        assert!(several(&marks) > 50, "{}", marks.len());
        assert!(marks.iter().all(|mark| mark.area().width == WIDTH), "{marks:?}");
    }

    #[test]
    fn a_mark_for_several_says_what_they_are() {
        let heats = [Some(2.0), Some(0.0), None, Some(7.0)];
        let layers = (0..1000).zip(heats.into_iter().cycle()).map(|(n, heat)| layer(image(n..n + 1, 8), heat));
        let older = layer(image(0..1000, 4), Some(1.0));
        let marks = marks(&panel(layers.chain([older]).collect()), 1);
        let [Mark::Several(_, gathered)] = marks[..] else { panic!("{marks:?}") };
        let expected = Gathered { layers: 1001, bytes: 10_010, cold: 250, covered: 1, hottest: Some(7.0) };
        assert_eq!(gathered, expected);
        assert!(!gathered.mostly(250) && !gathered.mostly(500) && gathered.mostly(501));
    }

    #[test]
    fn large_marks_are_under_small_ones() {
        let layers = vec![layer(image(3..4, 8), None), layer(image(0..10, 7), None), layer(l0(1..50), None)];
        let areas: Vec<f64> =
            marks(&panel(layers), MOST_MARKS).iter().map(|mark| mark.area().width * mark.area().height).collect();
        assert!(areas.is_sorted_by(|a, b| a >= b), "{areas:?}");
    }

    proptest! {
        #[test]
        fn each_layer_is_in_one_mark_and_each_mark_is_in_the_panel(
            layers in vec((0_u64..3000, 1_u64..50, 1_u64..400, 0_u64..20, prop::option::of(0.0_f32..9.0)), 1..800),
            most in prop_oneof![Just(MOST_MARKS), 1_usize..200],
        ) {
            let mut layers: Vec<HeatmapLayer> = layers
                .into_iter()
                .map(|(start, keys, lsn, lsns, heat)| {
                    let (from, to) = (Key::of_block(start), Key::of_block(start + keys));
                    let delta = LayerName::delta(from, to, Lsn(lsn), Lsn(lsn + lsns));
                    layer(delta.unwrap_or(LayerName::image(from, to, Lsn(lsn))), heat)
                })
                .collect();
            layers.sort_by_key(|layer| layer.name);
            layers.dedup_by_key(|layer| layer.name);
            let panel = panel(layers);
            let marks = marks(&panel, most);
            prop_assert!(marks.len() <= most, "{} marks", marks.len());
            let (mut drawn, mut cold, mut covered) = (0, 0, 0);
            for mark in &marks {
                let gathered = match mark {
                    Mark::Layer(_, layer) => {
                        let mut one = Gathered::default();
                        one.add(layer);
                        one
                    }
                    Mark::Several(_, gathered) => {
                        prop_assert!(gathered.layers > 1);
                        *gathered
                    }
                };
                prop_assert_eq!(gathered.bytes, 10 * gathered.layers);
                drawn += gathered.layers;
                cold += gathered.cold;
                covered += gathered.covered;
                let area = mark.area();
                prop_assert!(area.width >= FINEST_GRAIN - 1e-9 && area.height >= FINEST_GRAIN - 1e-9, "{:?}", area);
                let within = area.x >= 0.0 && area.y >= -1e-9
                    && area.right() <= WIDTH + 1e-9 && area.bottom() <= panel.height() + 1e-9;
                prop_assert!(within, "{:?} in {}", area, panel.height());
            }
            let expected = |is: fn(&Layer) -> bool| panel.layers.iter().filter(|layer| is(layer)).count() as u64;
            prop_assert_eq!(drawn, expected(|_| true));
            prop_assert_eq!(cold, expected(|layer| layer.listed.cold));
            prop_assert_eq!(covered, expected(|layer| layer.covered));
        }
    }
}
