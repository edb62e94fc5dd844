//! `thermocline heatmap draw`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, bail};

use super::Document;
use crate::Verdict;
use crate::args::DrawArgs;
use crate::output::{self, bytes, count};
use crate::{atomic, draw};

pub(crate) async fn draw(args: DrawArgs) -> anyhow::Result<Verdict> {
    let render = renderer(&args.out)?;
    let heatmap = Document::read(&args.file, &args.s3.options()).await?.decode()?;
    let stats = heatmap.stats();
    let scored = stats.policy.as_ref().map_or(String::new(), |policy| format!(", scored by {}", policy.name));
    let title = format!(
        "{}: {}, {} of them cold{scored}",
        args.file,
        count(stats.layers.hot.layers + stats.layers.cold.layers, "layer"),
        stats.layers.cold.layers,
    );
    let picture = render(&title, &draw::panels(&heatmap));
    atomic::write_whole(&args.out, picture.as_bytes())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    output::line(format!("{}: {}", args.out.display(), bytes(picture.len() as u64)))?;
    Ok(Verdict::Good)
}

type Render = fn(&str, &[draw::Panel]) -> String;

fn renderer(out: &Path) -> anyhow::Result<Render> {
    match out.extension().and_then(OsStr::to_str) {
        Some("svg") => Ok(draw::picture),
        Some("html") => Ok(draw::page),
        _ => bail!("{}: a picture's name ends in .svg, or in .html for a page around it", out.display()),
    }
}
