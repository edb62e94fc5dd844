//! The layers of one timeline, and where each stands.
//!
//! Keys and LSNs have huge gaps, so neither axis is to scale: across stand the distinct edges of key ranges in their
//! order, up the distinct LSNs. L0 layers, which are over all keys, span the panel.

use std::cmp::Reverse;

use thermocline::heatmap::{Heatmap, HeatmapLayer, HeatmapTimeline};
use thermocline::layer::{Key, LayerName, Lsn, TimelineId, visibility};

/// Width of a panel, pixels.
pub(super) const WIDTH: f64 = 1200.0;
/// Height of a panel: so much a step of LSNs, within bounds.
const HEIGHT_OF_A_STEP: f64 = 14.0;
const LEAST_HEIGHT: f64 = 120.0;
const MOST_HEIGHT: f64 = 640.0;

/// So many timelines are drawn, those with the most layers. A page of more is nothing that anybody would look through.
pub(super) const MOST_PANELS: usize = 50;

/// A layer to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) listed: HeatmapLayer,
    /// By the images that are listed, no read at the tip needs it.
    pub(super) covered: bool,
}

/// A rectangle, from the upper left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// The least that has both.
    pub(super) fn with(&self, other: &Area) -> Area {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Area { x, y, width: right - x, height: bottom - y }
    }
}

/// A timeline's layers, in a map of their own.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(super) timeline: TimelineId,
    pub(super) layers: Vec<Layer>,
    /// The edges of key ranges, ascending.
    keys: Vec<Key>,
    /// The edges of LSN ranges, ascending.
    lsns: Vec<Lsn>,
}

/// A panel for each timeline that lists a layer, those with the most layers first.
pub(crate) fn panels(heatmap: &Heatmap) -> Vec<Panel> {
    let listed = heatmap.timelines.iter().filter(|timeline| !timeline.layers.is_empty());
    let mut panels: Vec<Panel> = listed.map(Panel::new).collect();
    panels.sort_by_key(|panel| (Reverse(panel.layers.len()), panel.timeline));
    panels
}

impl Panel {
    pub(super) fn new(timeline: &HeatmapTimeline) -> Self {
        let names: Vec<LayerName> = timeline.layers.iter().map(|layer| layer.name).collect();
        let tip = names.iter().map(LayerName::lsn_end).max().unwrap_or_default();
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

    /// The edges of key ranges and how far to the right each stands.
    pub(super) fn keys(&self) -> impl DoubleEndedIterator<Item = (Key, f64)> + Clone {
        let step = WIDTH / as_f64(self.keys.len().max(2) - 1);
        self.keys.iter().enumerate().map(move |(rank, key)| (*key, as_f64(rank) * step))
    }

    /// The edges of LSN ranges, from the lowest, and how far down each stands.
    pub(super) fn lsns(&self) -> impl ExactSizeIterator<Item = (Lsn, f64)> + Clone {
        let height = self.height();
        let step = height / as_f64(self.lsns.len().max(2) - 1);
        self.lsns.iter().enumerate().map(move |(rank, lsn)| (*lsn, height - as_f64(rank) * step))
    }

    /// Where a layer stands.
    pub(super) fn area(&self, name: &LayerName) -> Area {
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
}

#[allow(clippy::cast_precision_loss, reason = "pixels, for which a count need not be exact")]
pub(super) const fn as_f64(count: usize) -> f64 {
    count as f64
}

/// Panels for tests.
#[cfg(test)]
pub(super) mod sample {
    use thermocline::layer::LayerMetadata;

    use super::*;

    /// Of ten bytes; cold with a heat of 0.
    pub(in crate::draw) fn layer(name: LayerName, heat: Option<f32>) -> HeatmapLayer {
        let metadata = LayerMetadata { file_size: 10, ..LayerMetadata::default() };
        HeatmapLayer { name, metadata, access_time: 0, cold: heat == Some(0.0), heat }
    }

    pub(in crate::draw) fn image(keys: std::ops::Range<u64>, lsn: u64) -> LayerName {
        LayerName::image(Key::of_block(keys.start), Key::of_block(keys.end), Lsn(lsn))
    }

    pub(in crate::draw) fn l0(lsns: std::ops::Range<u64>) -> LayerName {
        LayerName::delta(Key::MIN, Key::MAX, Lsn(lsns.start), Lsn(lsns.end)).unwrap()
    }

    pub(in crate::draw) fn panel(layers: Vec<HeatmapLayer>) -> Panel {
        Panel::new(&HeatmapTimeline { timeline_id: TimelineId::from_bytes([1; 16]), layers })
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{image, l0, layer, panel};
    use super::*;

    #[test]
    fn keys_go_right_and_lsns_up() {
        let names = [image(0..10, 10), image(10..1_000_000, 10), l0(20..30)];
        let panel = panel(names.iter().map(|name| layer(*name, None)).collect());
        let [left, right, top] = names.map(|name| panel.area(&name));
        assert_eq!((left.x, left.width, right.x, right.width), (0.0, 600.0, 600.0, 600.0));
        assert_eq!((top.x, top.width, top.y), (0.0, WIDTH, 0.0));
        assert!(left.y > top.bottom() && left.bottom() <= panel.height());
    }

    #[test]
    fn edges_stand_where_layers_end() {
        let names = [image(0..10, 10), image(10..30, 40)];
        let panel = panel(names.iter().map(|name| layer(*name, None)).collect());
        let [low, high] = names.map(|name| panel.area(&name));
        let across: Vec<f64> = panel.keys().map(|(_, x)| x).collect();
        assert_eq!(across, [low.x, low.right(), high.right()]);
        let down: Vec<f64> = panel.lsns().map(|(_, y)| y).collect();
        assert_eq!(down, [low.bottom(), low.y, high.bottom(), high.y]);
    }

    #[test]
    fn an_image_over_another_covers_it() {
        let panel = panel(vec![layer(image(0..10, 10), None), layer(image(0..10, 20), None)]);
        assert_eq!(panel.layers.iter().map(|layer| layer.covered).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn the_timeline_with_the_most_layers_comes_first_and_one_without_has_no_panel() {
        let layers = |count: u64| (0..count).map(|n| layer(image(n..n + 1, 8), None)).collect();
        let timelines = (1..).zip([1, 0, 3, 1]).map(|(id, count)| HeatmapTimeline {
            timeline_id: TimelineId::from_bytes([id; 16]),
            layers: layers(count),
        });
        let heatmap = Heatmap { generation: 1, timelines: timelines.collect(), upload_period_ms: None, policy: None };
        let order: Vec<u8> = panels(&heatmap).iter().map(|panel| panel.timeline.as_bytes()[0]).collect();
        assert_eq!(order, [3, 1, 4]);
    }
}
