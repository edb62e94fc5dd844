//! Pictures of layer maps: key range across, LSN up, a rectangle a layer, its colour its heat.

mod colour;
mod layout;
mod svg;

use maud::{DOCTYPE, PreEscaped, html};
use thermocline::heatmap::Heatmap;

pub(crate) use layout::Panel;

const PAGE_STYLE: &str = include_str!("page.css");
const PAGE_SCRIPT: &str = include_str!("page.js");

/// The layers of a heatmap, a panel a timeline.
pub(crate) fn panels(heatmap: &Heatmap) -> Vec<Panel> {
    heatmap.timelines.iter().filter(|timeline| !timeline.layers.is_empty()).map(Panel::new).collect()
}

/// One picture, by itself.
pub(crate) fn picture(title: &str, panels: &[Panel]) -> String {
    svg::document(title, panels).into_string()
}

/// The picture in a page that says what is under the pointer.
pub(crate) fn page(title: &str, panels: &[Panel]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(PAGE_STYLE)) }
            }
            body {
                (svg::document(title, panels))
                div #tip hidden {}
                script { (PreEscaped(PAGE_SCRIPT)) }
            }
        }
    };
    page.into_string()
}
