//! Panels as SVG.
//!
//! Colours stand in attributes and once more in the style: where a page's rules forbid styles, the picture is the light
//! one, and whole.

use maud::{Markup, PreEscaped, html};

use super::axes;
use super::colour::{self, Scale, UNSCORED};
use super::marks::{MOST_MARKS, Mark, marks};
use super::panel::{Area, MOST_PANELS, Panel, WIDTH};
use super::told::told;
use crate::output::{bytes, count};

const STYLE: &str = include_str!("picture.css");

const LEFT: f64 = 100.0;
const RIGHT: f64 = 24.0;
const HEAD: f64 = 104.0;
const PANEL_HEAD: f64 = 30.0;
const PANEL_FOOT: f64 = 54.0;
/// Steps of the legend's ramp.
const LEGEND_STEPS: u8 = 60;
const LEGEND_WIDTH: f64 = 300.0;
/// Of smaller marks, pixels, an outline would be all that is seen.
const LEAST_OUTLINED: f64 = 5.0;
/// However many panels there are, each may have so many marks.
const LEAST_MARKS_OF_A_PANEL: usize = 200;

/// The whole picture.
pub(super) fn document(title: &str, panels: &[Panel]) -> Markup {
    let heats = panels.iter().flat_map(|panel| &panel.layers).filter_map(|layer| layer.listed.heat);
    let scale = Scale::of(heats);
    let (drawn, left_out) = panels.split_at(panels.len().min(MOST_PANELS));
    let mut top = HEAD;
    let placed: Vec<(f64, &Panel)> = drawn
        .iter()
        .map(|panel| {
            let at = top;
            top += PANEL_HEAD + panel.height() + PANEL_FOOT;
            (at, panel)
        })
        .collect();
    let (width, height) = (LEFT + WIDTH + RIGHT, top + RIGHT);
    let layers: usize = drawn.iter().map(|panel| panel.layers.len()).sum();
    html! {
        svg class="map" xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) }
            width=(width) height=(height) font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="#333" {
            style { (PreEscaped(STYLE)) }
            defs {
                pattern id="cold" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="2.5" height="6" fill="#fff" fill-opacity="0.7" {}
                }
                pattern id="covered" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)" {
                    rect width="1" height="5" fill="#000" fill-opacity="0.7" {}
                }
            }
            rect class="paper" width=(width) height=(height) fill="#fff" {}
            text x=(RIGHT) y="32" font-size="17" font-weight="600" { (title) }
            (legend(scale.as_ref()))
            @if drawn.is_empty() {
                text x=(RIGHT) y=(HEAD + 14.0) { "It lists no layer." }
            }
            @for (top, panel) in &placed {
                // Each its share, as it has layers.
                @let most = (MOST_MARKS * panel.layers.len() / layers.max(1)).max(LEAST_MARKS_OF_A_PANEL);
                (drawn_panel(*top, panel, most, scale.as_ref()))
            }
            @if !left_out.is_empty() {
                text x=(RIGHT) y=(top) {
                    "and " (count(left_out.len() as u64, "timeline")) " more, of fewer layers each: --timeline draws one"
                }
            }
        }
    }
}

fn legend(scale: Option<&Scale>) -> Markup {
    let step = LEGEND_WIDTH / f64::from(LEGEND_STEPS);
    let place = |index: u8| f32::from(index) / f32::from(LEGEND_STEPS - 1);
    html! {
        g class="legend" transform={ "translate(" (RIGHT) " 50)" } {
            @if let Some(scale) = scale {
                text y="11" { "heat" }
                @for index in 0..LEGEND_STEPS {
                    rect x=(40.0 + f64::from(index) * step) width=(step + 0.5) height="14" fill=(colour::at(place(index))) {}
                }
                @for (place, written) in scale.written() {
                    @let anchor = if place == 0.0 { "start" } else if place == 1.0 { "end" } else { "middle" };
                    text x=(40.0 + LEGEND_WIDTH * f64::from(place)) y="28" font-size="11" text-anchor=(anchor) { (written) }
                }
                text class="faint" x="40" y="42" font-size="11" fill="#666" { "by rank: each colour stands for as many layers" }
            } @else {
                rect width="28" height="14" fill=(UNSCORED) {}
                text x="34" y="11" { "not scored by the policy" }
            }
            @for (x, pattern, meaning) in [(390.0, "url(#cold)", "cold: not to be downloaded"),
                                           (620.0, "url(#covered)", "covered by the images listed")] {
                rect x=(x) width="28" height="14" fill=(UNSCORED) {}
                rect x=(x) width="28" height="14" fill=(pattern) {}
                text x=(x + 34.0) y="11" { (meaning) }
            }
            rect class="several" x="860" width="28" height="14" fill=(UNSCORED) stroke="#000" {}
            text x="894" y="11" { "several layers, too small to tell apart; the hottest one's colour" }
        }
    }
}

fn drawn_panel(top: f64, panel: &Panel, most: usize, scale: Option<&Scale>) -> Markup {
    let layers = panel.layers.len() as u64;
    let size = panel.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.listed.metadata.file_size));
    let height = panel.height();
    html! {
        g class="panel" transform={ "translate(" (LEFT) " " (top) ")" } {
            text x=(RIGHT - LEFT) y="16" { "timeline " (panel.timeline) ": " (count(layers, "layer")) ", " (bytes(size)) }
            g transform={ "translate(0 " (PANEL_HEAD) ")" } {
                rect class="plot" width=(WIDTH) height=(height) fill="#f3f5f7" stroke="#c4ccd4" {}
                g class="marks" stroke="#fff" stroke-width="0.4" {
                    @for mark in marks(panel, most) { (drawn_mark(&mark, scale)) }
                }
                (drawn_axes(panel))
            }
        }
    }
}

fn drawn_axes(panel: &Panel) -> Markup {
    let height = panel.height();
    html! {
        g class="axes faint" font-size="10" fill="#666" stroke-width="1" {
            @for (lsn, y) in axes::lsns(panel) {
                path d={ "M-5 " (short(y)) "h5" } stroke="#999" {}
                text x="-8" y=(short(y + 3.5)) text-anchor="end" { (lsn) }
            }
            @for relation in axes::relations(panel) {
                path d={ "M" (short(relation.x)) " " (short(height)) "v5M" (short(relation.x + relation.width)) " " (short(height)) "v5" }
                    stroke="#999" {}
                text x=(short(relation.x + relation.width / 2.0)) y=(short(height + 14.0)) text-anchor="middle" {
                    (relation.name)
                }
            }
            text y=(short(height + 30.0)) font-size="11" {
                "across: key ranges (tablespace/database/relation); up: LSN; both in their order, not to scale"
            }
        }
    }
}

fn drawn_mark(mark: &Mark, scale: Option<&Scale>) -> Markup {
    let area = mark.area();
    let (class, heat, cold, covered) = match mark {
        Mark::Layer(_, layer) => {
            let class = if layer.listed.cold { "m layer cold" } else { "m layer" };
            (class, layer.listed.heat, layer.listed.cold, layer.covered)
        }
        Mark::Several(_, gathered) => {
            ("m several", gathered.hottest, gathered.mostly(gathered.cold), gathered.mostly(gathered.covered))
        }
    };
    let outline = match mark {
        _ if area.width.min(area.height) < LEAST_OUTLINED => Some("none"),
        Mark::Layer(..) => None,
        Mark::Several(..) => Some("#000"),
    };
    html! {
        g class=(class) stroke=[outline] {
            (rectangle(area, &fill(heat, scale)))
            @if cold { (rectangle(area, "url(#cold)")) }
            @if covered { (rectangle(area, "url(#covered)")) }
            title { (told(mark)) }
        }
    }
}

fn fill(heat: Option<f32>, scale: Option<&Scale>) -> String {
    match (heat, scale) {
        (Some(heat), Some(scale)) => colour::at(scale.place(heat)),
        (Some(_), None) => colour::at(0.0),
        (None, _) => UNSCORED.into(),
    }
}

fn rectangle(area: &Area, fill: &str) -> Markup {
    let Area { x, y, width, height } = *area;
    html! { rect x=(short(x)) y=(short(y)) width=(short(width)) height=(short(height)) fill=(fill) {} }
}

/// Hundredths of pixels are enough.
fn short(at: f64) -> f64 {
    (at * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::super::panel::sample::{image, layer, panel};
    use super::*;

    #[test]
    fn whatever_a_title_says_is_text() {
        let picture = document("<script>alert(1)</script>&", &[]).into_string();
        assert!(picture.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;") && !picture.contains("<script"));
        assert!(picture.contains("It lists no layer."));
    }

    #[test]
    fn so_many_timelines_are_drawn_and_what_is_left_out_is_told() {
        let one = panel(vec![layer(image(0..1, 8), Some(1.0))]);
        let drawn = |count: usize| {
            let picture = document("many", &vec![one.clone(); count]).into_string();
            (picture.matches("class=\"panel\"").count(), picture.contains("and 1 timeline more"))
        };
        assert_eq!((drawn(MOST_PANELS), drawn(MOST_PANELS + 1)), ((MOST_PANELS, false), (MOST_PANELS, true)));
    }

    #[test]
    fn panels_share_the_marks_that_a_picture_may_have() {
        let staircase = || panel((0..9000).map(|n| layer(image(n % 590..n % 590 + 1, n / 590 * 10), None)).collect());
        let marks = |panels: &[Panel]| document("", panels).into_string().matches("class=\"m ").count();
        let one = marks(&[staircase()]);
        let four = marks(&[staircase(), staircase(), staircase(), staircase()]);
        assert_eq!(one, 9000, "told apart while there are no more");
        assert!(four <= MOST_MARKS, "{four}");
    }
}
