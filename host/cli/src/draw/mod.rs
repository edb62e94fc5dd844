//! Pictures of layer maps: key range across, LSN up, a rectangle a layer, its colour its heat.

mod axes;
mod colour;
mod marks;
mod panel;
mod svg;
mod told;

use maud::{DOCTYPE, PreEscaped, html};

pub(crate) use panel::{Panel, panels};

const PAGE_STYLE: &str = include_str!("page.css");
const PAGE_SCRIPT: &str = include_str!("page.js");

/// A page asks nobody for anything.
const PAGE_RULES: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

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
                meta http-equiv="Content-Security-Policy" content=(PAGE_RULES);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
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
