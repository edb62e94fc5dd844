//! `thermocline heatmap draw`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, bail};
use thermocline::heatmap::{Heatmap, HeatmapStats};

use super::Document;
use crate::Verdict;
use crate::args::DrawArgs;
use crate::output::{self, bytes, count};
use crate::{atomic, draw};

pub(crate) async fn draw(args: DrawArgs) -> anyhow::Result<Verdict> {
    let render = renderer(&args.out)?;
    let mut heatmap = Document::read(&args.file, &args.s3.options()).await?.decode()?;
    if let Some(timeline) = args.timeline {
        heatmap.timelines.retain(|listed| listed.timeline_id == timeline);
        if heatmap.timelines.is_empty() {
            bail!("{}: lists no timeline {timeline}; without --timeline, all are drawn", args.file);
        }
    }
    let picture = render(&title(&args.file, &heatmap), &draw::panels(&heatmap));
    atomic::write_whole(&args.out, picture.as_bytes())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    output::line(format!("{}: {}", args.out.display(), bytes(picture.len() as u64)))?;
    Ok(Verdict::Good)
}

fn title(file: &str, heatmap: &Heatmap) -> String {
    let HeatmapStats { policy, layers, .. } = heatmap.stats();
    let scored = policy.map_or(String::new(), |policy| format!("; scored by {} {}", policy.name, policy.version));
    let all = count(layers.hot.layers + layers.cold.layers, "layer");
    let size = bytes(layers.hot.bytes.saturating_add(layers.cold.bytes));
    format!("{file}: {all}, {size}, {} of them cold{scored}", layers.cold.layers)
}

type Render = fn(&str, &[draw::Panel]) -> String;

fn renderer(out: &Path) -> anyhow::Result<Render> {
    match out.extension().and_then(OsStr::to_str) {
        Some("svg") => Ok(draw::picture),
        Some("html") => Ok(draw::page),
        _ => bail!("{}: a picture's name ends in .svg, or in .html for a page around it", out.display()),
    }
}
