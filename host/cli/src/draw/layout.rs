//! Where each layer is drawn.
//!
//! Keys and LSNs have huge gaps, so neither axis is to scale: across stand the distinct edges of key ranges in their
//! order, up the distinct LSNs. L0 layers, which are over all keys, span the panel. What would be smaller than can be
//! seen is gathered into cells.

use std::collections::BTreeMap;

use thermocline::heatmap::{HeatmapLayer, HeatmapTimeline};
use thermocline::layer::{Key, LayerName, Lsn, TimelineId, visibility};

/// Width of a panel's map, pixels.
pub(super) const WIDTH: f64 = 1200.0;
/// Height of a panel's map: so much a step of LSNs, within bounds.
const HEIGHT_OF_A_STEP: f64 = 14.0;
const LEAST_HEIGHT: f64 = 120.0;
const MOST_HEIGHT: f64 = 640.0;
/// A rectangle that is narrower or lower is gathered with others.
pub(super) const LEAST_SIDE: f64 = 2.0;
/// A side of the cells that small layers are gathered into.
pub(super) const CELL: f64 = 6.0;

/// A layer to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layer {
    pub(crate) listed: HeatmapLayer,
    /// By the images that are listed, no read at the tip needs it.
    pub(crate) covered: bool,
}

/// A rectangle, from the upper left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Something to draw.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// One layer.
    Layer(Area, Layer),
    /// Several layers that are too small to be told apart.
    Cell(Area, Gathered),
}

/// What is known of the layers of a cell.
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
}

/// The layers of a timeline.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(super) timeline: TimelineId,
    pub(super) layers: Vec<Layer>,
    keys: Vec<Key>,
    lsns: Vec<Lsn>,
}

impl Panel {
    pub(crate) fn new(timeline: &HeatmapTimeline) -> Self {
        let names: Vec<LayerName> = timeline.layers.iter().map(|layer| layer.name).collect();
        let tip = names.iter().map(LayerName::lsn_end).max().unwrap_or(Lsn(0));
        let visible = visibility::visible(&names, &[tip]);
        let listed = timeline.layers.iter().zip(visible);
        let layers = listed.map(|(listed, visible)| Layer { listed: *listed, covered: !visible }).collect();

        let mut keys: Vec<Key> =
            names.iter().filter(|name| !name.is_l0()).flat_map(|name| [name.key_start(), name.key_end()]).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut lsns: Vec<Lsn> = names.iter().flat_map(|name| [name.lsn_start(), name.lsn_end()]).collect();
        lsns.sort_unstable();
        lsns.dedup();
        Panel { timeline: timeline.timeline_id, layers, keys, lsns }
    }

    pub(super) fn height(&self) -> f64 {
        (as_f64(self.lsns.len()) * HEIGHT_OF_A_STEP).clamp(LEAST_HEIGHT, MOST_HEIGHT)
    }

    pub(super) fn lsn_range(&self) -> (Lsn, Lsn) {
        (self.lsns.first().copied().unwrap_or_default(), self.lsns.last().copied().unwrap_or_default())
    }

    /// Where a layer stands.
    fn area(&self, name: &LayerName) -> Area {
        let (x, right) = if name.is_l0() || self.keys.len() < 2 {
            (0.0, WIDTH)
        } else {
            let step = WIDTH / as_f64(self.keys.len() - 1);
            let at = |key: Key| as_f64(self.keys.partition_point(|edge| *edge < key)) * step;
            (at(name.key_start()), at(name.key_end()))
        };
        let height = self.height();
        let step = height / as_f64(self.lsns.len().max(2) - 1);
        let at = |lsn: Lsn| height - as_f64(self.lsns.partition_point(|edge| *edge < lsn)) * step;
        let (top, bottom) = (at(name.lsn_end()), at(name.lsn_start()));
        Area { x, y: top, width: right - x, height: bottom - top }
    }

    /// All layers: each in one mark. Cells come first, under what can be told apart, and the hottest last.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let mut cells: BTreeMap<(u64, u64), Vec<(Area, Layer)>> = BTreeMap::new();
        let mut layers = Vec::new();
        for layer in &self.layers {
            let area = self.area(&layer.listed.name);
            if area.width < LEAST_SIDE || area.height < LEAST_SIDE {
                cells.entry((cell(area.x), cell(area.y))).or_default().push((area, *layer));
            } else {
                layers.push((area, *layer));
            }
        }
        let mut marks = Vec::new();
        for ((across, down), members) in cells {
            match members.as_slice() {
                [(area, layer)] => layers.push((visible(*area), *layer)),
                _ => {
                    let mut gathered = Gathered::default();
                    members.iter().for_each(|(_, layer)| gathered.add(layer));
                    let (x, y) = (from_cell(across), from_cell(down));
                    let (width, height) = (CELL.min(WIDTH - x), CELL.min(self.height() - y));
                    marks.push(Mark::Cell(Area { x, y, width, height }, gathered));
                }
            }
        }
        // Wide ones under narrow ones.
        layers.sort_by(|(a, one), (b, other)| {
            (b.width * b.height).total_cmp(&(a.width * a.height)).then(one.listed.name.cmp(&other.listed.name))
        });
        marks.extend(layers.into_iter().map(|(area, layer)| Mark::Layer(area, layer)));
        marks
    }
}

/// As small as can be seen, at least.
fn visible(area: Area) -> Area {
    let (width, height) = (area.width.max(LEAST_SIDE), area.height.max(LEAST_SIDE));
    Area { x: area.x.min(WIDTH - width), width, height, ..area }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a panel")]
fn cell(at: f64) -> u64 {
    (at / CELL).floor().max(0.0) as u64
}

#[allow(clippy::cast_precision_loss, reason = "pixels of a panel")]
fn from_cell(cell: u64) -> f64 {
    cell as f64 * CELL
}

#[allow(clippy::cast_precision_loss, reason = "pixels, for which a count need not be exact")]
const fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use thermocline::layer::LayerMetadata;

    use super::*;

    fn layer(name: LayerName, heat: Option<f32>) -> HeatmapLayer {
        let metadata = LayerMetadata { file_size: 10, ..LayerMetadata::default() };
        HeatmapLayer { name, metadata, access_time: 0, cold: heat == Some(0.0), heat }
    }

    fn image(keys: std::ops::Range<u64>, lsn: u64) -> LayerName {
        LayerName::image(Key::of_block(keys.start), Key::of_block(keys.end), Lsn(lsn))
    }

    fn panel(layers: Vec<HeatmapLayer>) -> Panel {
        Panel::new(&HeatmapTimeline { timeline_id: TimelineId::from_bytes([1; 16]), layers })
    }

    #[test]
    fn keys_go_right_and_lsns_up() {
        let l0 = LayerName::delta(Key::MIN, Key::MAX, Lsn(20), Lsn(30)).unwrap();
        let names = [image(0..10, 10), image(10..1_000_000, 10), l0];
        let panel = panel(names.iter().map(|name| layer(*name, None)).collect());
        let [left, right, top] = names.map(|name| panel.area(&name));
        assert_eq!((left.x, left.width, right.x, right.width), (0.0, 600.0, 600.0, 600.0));
        assert_eq!((top.x, top.width, top.y), (0.0, WIDTH, 0.0));
        assert!(left.y > top.y + top.height && left.y + left.height <= panel.height());
    }

    #[test]
    fn an_image_over_another_covers_it() {
        let panel = panel(vec![layer(image(0..10, 10), None), layer(image(0..10, 20), None)]);
        assert_eq!(panel.layers.iter().map(|layer| layer.covered).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn many_layers_are_gathered_and_few_are_not() {
        let some = |count: u64| panel((0..count).map(|n| layer(image(n..n + 1, 8), Some(1.0))).collect()).marks();
        assert_eq!(some(100).iter().filter(|mark| matches!(mark, Mark::Cell(..))).count(), 0);
        let many = some(50_000);
        assert!(many.len() <= 201 && many.iter().all(|mark| matches!(mark, Mark::Cell(..))), "{}", many.len());
    }

    proptest! {
        #[test]
        fn each_layer_is_in_one_mark_and_each_mark_is_on_the_map(
            layers in vec((0_u64..3000, 1_u64..50, 1_u64..40, 0_u64..20, proptest::option::of(0.0_f32..9.0)), 1..800),
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
            let count = layers.len() as u64;
            let panel = panel(layers);
            let marks = panel.marks();
            let mut drawn = 0;
            for mark in &marks {
                let area = match mark {
                    Mark::Layer(area, _) => { drawn += 1; area }
                    Mark::Cell(area, gathered) => {
                        prop_assert!(gathered.layers > 1 && gathered.bytes == 10 * gathered.layers);
                        drawn += gathered.layers;
                        area
                    }
                };
                prop_assert!(area.width > 0.0 && area.height > 0.0, "{:?}", area);
                let within = area.x >= 0.0 && area.y >= -1e-9
                    && area.x + area.width <= WIDTH + 1e-9 && area.y + area.height <= panel.height() + LEAST_SIDE;
                prop_assert!(within, "{:?} in {}", area, panel.height());
            }
            prop_assert_eq!(drawn, count);
        }
    }
}
