//! Panels as SVG.

use maud::{Markup, PreEscaped, html};
use thermocline::heatmap::HeatmapLayer;

use super::colour::{self, Scale, UNSCORED};
use super::layout::{Area, Gathered, Layer, Mark, Panel, WIDTH};
use crate::output::{bytes, count};

const MARGIN: f64 = 24.0;
const HEAD: f64 = 96.0;
const PANEL_HEAD: f64 = 30.0;
const PANEL_FOOT: f64 = 40.0;
/// Steps of the legend's ramp.
const LEGEND_STEPS: u8 = 60;
const LEGEND_WIDTH: f64 = 300.0;

/// The whole picture.
pub(super) fn document(title: &str, panels: &[Panel]) -> Markup {
    let heats = panels.iter().flat_map(|panel| &panel.layers).filter_map(|layer| layer.listed.heat);
    let scale = Scale::of(heats);
    let mut top = HEAD;
    let placed: Vec<(f64, &Panel)> = panels
        .iter()
        .map(|panel| {
            let at = top;
            top += PANEL_HEAD + panel.height() + PANEL_FOOT;
            (at, panel)
        })
        .collect();
    let (width, height) = (WIDTH + 2.0 * MARGIN, top + MARGIN);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            font-family="system-ui, sans-serif" font-size="12" fill="#333" {
            defs {
                pattern id="cold" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="3" height="6" fill="#fff" fill-opacity="0.65" {}
                }
                pattern id="covered" width="6" height="6" patternUnits="userSpaceOnUse" {
                    path d="M0 0L6 6M6 0L0 6" stroke="#000" stroke-opacity="0.55" stroke-width="1" {}
                }
            }
            rect class="paper" width=(width) height=(height) fill="#fff" {}
            text x=(MARGIN) y="30" font-size="17" font-weight="600" { (title) }
            (legend(scale.as_ref()))
            @if panels.is_empty() {
                text x=(MARGIN) y=(HEAD) { "It lists no layer." }
            }
            @for (top, panel) in &placed { (drawn(*top, panel, scale.as_ref())) }
        }
    }
}

fn legend(scale: Option<&Scale>) -> Markup {
    let step = LEGEND_WIDTH / f64::from(LEGEND_STEPS);
    let place = |index: u8| f32::from(index) / f32::from(LEGEND_STEPS - 1);
    html! {
        g class="legend" transform={ "translate(" (MARGIN) " 48)" } {
            @if let Some(scale) = scale {
                text y="11" { "heat" title { "Coloured by rank: each colour stands for as many layers." } }
                @for index in 0..LEGEND_STEPS {
                    rect x=(40.0 + f64::from(index) * step) width=(step + 0.5) height="14" fill=(colour::at(place(index))) {}
                }
                @for (at, anchor) in [(0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")] {
                    text x=(40.0 + LEGEND_WIDTH * f64::from(at)) y="28" font-size="11" text-anchor=(anchor) {
                        (number(scale.heat_at(at)))
                    }
                }
            } @else {
                rect width="28" height="14" fill=(UNSCORED) {}
                text x="34" y="11" { "hot: the policy does not score" }
            }
            @for (x, pattern, meaning) in [(400.0, "url(#cold)", "cold: not to be downloaded"),
                                           (620.0, "url(#covered)", "covered by the images listed")] {
                rect x=(x) width="28" height="14" fill="#7a8794" {}
                rect x=(x) width="28" height="14" fill=(pattern) {}
                text x=(x + 34.0) y="11" { (meaning) }
            }
            rect x="860" width="14" height="14" fill="#7a8794" stroke="#000" stroke-dasharray="2 1.5" {}
            text x="880" y="11" { "several layers, too small to tell apart" }
        }
    }
}

fn drawn(top: f64, panel: &Panel, scale: Option<&Scale>) -> Markup {
    let (first, last) = panel.lsn_range();
    let layers = panel.layers.len() as u64;
    let size = panel.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.listed.metadata.file_size));
    let height = panel.height();
    html! {
        g class="panel" transform={ "translate(" (MARGIN) " " (top) ")" } {
            text y="16" { "timeline " (panel.timeline) ": " (count(layers, "layer")) ", " (bytes(size)) }
            g transform={ "translate(0 " (PANEL_HEAD) ")" } {
                rect width=(WIDTH) height=(height) fill="#f3f5f7" stroke="#c4ccd4" {}
                @for mark in panel.marks() { (mark_of(&mark, scale)) }
                text x=(WIDTH) y="-6" text-anchor="end" font-size="11" fill="#666" { "LSN up, in order, to " (last) }
                text y=(height + 16.0) font-size="11" fill="#666" {
                    "from LSN " (first) "; key ranges across, in order; neither is to scale"
                }
            }
        }
    }
}

fn mark_of(mark: &Mark, scale: Option<&Scale>) -> Markup {
    match mark {
        Mark::Layer(area, layer) => {
            let kind = if layer.listed.cold { "m layer cold" } else { "m layer" };
            html! {
                g class=(kind) {
                    (rectangle(area, &fill(layer.listed.heat, scale), "#fff", None))
                    @if layer.listed.cold { (rectangle(area, "url(#cold)", "none", None)) }
                    @if layer.covered { (rectangle(area, "url(#covered)", "none", None)) }
                    title { (told(layer)) }
                }
            }
        }
        Mark::Cell(area, gathered) => html! {
            g class="m cell" {
                (rectangle(area, &fill(gathered.hottest, scale), "#000", Some("2 1.5")))
                @if gathered.cold * 2 > gathered.layers { (rectangle(area, "url(#cold)", "none", None)) }
                @if gathered.covered * 2 > gathered.layers { (rectangle(area, "url(#covered)", "none", None)) }
                title { (told_of_several(gathered)) }
            }
        },
    }
}

fn fill(heat: Option<f32>, scale: Option<&Scale>) -> String {
    match (heat, scale) {
        (Some(heat), Some(scale)) => colour::at(scale.place(heat)),
        (Some(_), None) => colour::at(0.0),
        (None, _) => UNSCORED.into(),
    }
}

fn rectangle(area: &Area, fill: &str, stroke: &str, dashes: Option<&str>) -> Markup {
    let Area { x, y, width, height } = *area;
    // Hundredths of pixels are enough, and short.
    let short = |at: f64| PreEscaped(format!("{}", (at * 100.0).round() / 100.0));
    html! {
        rect x=(short(x)) y=(short(y)) width=(short(width)) height=(short(height)) fill=(fill) stroke=(stroke)
            stroke-width="0.4" stroke-dasharray=[dashes] {}
    }
}

fn told(layer: &Layer) -> String {
    let Layer { listed: HeatmapLayer { name, metadata, cold, heat, .. }, covered } = layer;
    let kind = match (name.is_delta(), name.is_l0()) {
        (false, _) => "image",
        (true, false) => "delta",
        (true, true) => "L0 delta",
    };
    let temperature = if *cold { "cold" } else { "hot" };
    let heat = heat.map_or("not scored".into(), |heat| format!("heat {}", number(heat)));
    let covered = if *covered { ", covered" } else { "" };
    let lsns = if name.is_delta() {
        format!("LSN {} to {}", name.lsn_start(), name.lsn_end())
    } else {
        format!("LSN {}", name.lsn_start())
    };
    format!(
        "{name}\n{kind}, {temperature}{covered}, {heat}, {}, generation {}\n{lsns}\nkeys {}\n to  {}",
        bytes(metadata.file_size),
        metadata.generation,
        name.key_start(),
        name.key_end(),
    )
}

fn told_of_several(gathered: &Gathered) -> String {
    let Gathered { layers, bytes: size, cold, covered, hottest } = *gathered;
    let heat = hottest.map_or(String::new(), |heat| format!(", the hottest of heat {}", number(heat)));
    let of_them = |number: u64, what: &str| if number == 0 { String::new() } else { format!(", {number} {what}") };
    let (cold, covered) = (of_them(cold, "cold"), of_them(covered, "covered"));
    format!("{}, {}{cold}{covered}{heat}", count(layers, "layer"), bytes(size))
}

/// Three digits that matter.
fn number(heat: f32) -> String {
    match heat {
        0.0 => "0".into(),
        heat if (0.001..10_000.0).contains(&heat) => {
            let decimals = [(100.0, 0), (10.0, 1), (1.0, 2), (0.1, 3), (0.01, 4)];
            let decimals = decimals.into_iter().find(|(from, _)| heat >= *from).map_or(5, |(_, decimals)| decimals);
            let text = format!("{heat:.decimals$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
        }
        heat => format!("{heat:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, "0")]
    #[case(1.0, "1")]
    #[case(12.34, "12.3")]
    #[case(9876.0, "9876")]
    #[case(0.0012, "0.0012")]
    #[case(1e-9, "1.00e-9")]
    #[case(123_456.0, "1.23e5")]
    fn heats_have_three_digits(#[case] heat: f32, #[case] shown: &str) {
        assert_eq!(number(heat), shown);
    }

    #[test]
    fn whatever_a_title_says_is_text() {
        let picture = document("<script>alert(1)</script>&", &[]).into_string();
        assert!(picture.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;") && !picture.contains("<script"));
        assert!(picture.contains("It lists no layer."));
    }
}
