//! `thermocline heatmap show`.

use serde::Serialize;
use thermocline::heatmap::{Heatmap, HeatmapLayer, HeatmapStats, Hottest, ListedLayer};

use super::{Document, sum};
use crate::Verdict;
use crate::args::ShowArgs;
use crate::output::{self, Table, bytes, count, heat, percent_of, time};

#[derive(Serialize)]
struct Shown<'a> {
    file: &'a str,
    bytes: usize,
    #[serde(flatten)]
    stats: HeatmapStats,
    /// How the hot bytes are spread over heats.
    hottest: Vec<Hottest>,
    top: Vec<ListedLayer>,
}

pub(crate) async fn show(args: ShowArgs) -> anyhow::Result<Verdict> {
    let options = args.s3.options();
    let mut shown = Vec::new();
    let mut documents = Vec::new();
    for file in &args.files {
        documents.push(Document::read(file, &options).await?);
    }
    for document in &documents {
        let heatmap = document.decode()?;
        let stats = heatmap.stats();
        let (file, bytes) = (document.file.as_str(), document.bytes.len());
        shown.push(Shown { file, bytes, stats, hottest: heatmap.hottest(), top: top(&heatmap, args.top) });
    }
    if args.json {
        output::json(&shown)?;
        return Ok(Verdict::Good);
    }
    for (index, shown) in shown.iter().enumerate() {
        if index > 0 {
            output::line("")?;
        }
        output::line(summary(shown))?;
    }
    Ok(Verdict::Good)
}

/// The layers that a standby downloads first. A heatmap orders them within a timeline; across timelines the
/// hottest count, or where nothing is scored the newest.
fn top(heatmap: &Heatmap, number: usize) -> Vec<ListedLayer> {
    let listed = heatmap.timelines.iter().flat_map(|timeline| {
        timeline.layers.iter().map(|layer| ListedLayer { timeline_id: timeline.timeline_id, layer: *layer })
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort_by(|ListedLayer { layer: a, .. }, ListedLayer { layer: b, .. }| {
        let rank = |layer: &HeatmapLayer| (layer.cold, layer.name.is_l0(), std::cmp::Reverse(layer.name.lsn_end()));
        let hottest_first = b.heat.unwrap_or(0.0).total_cmp(&a.heat.unwrap_or(0.0));
        a.cold.cmp(&b.cold).then(hottest_first).then_with(|| rank(a).cmp(&rank(b)))
    });
    listed.truncate(number);
    listed
}

fn summary(shown: &Shown<'_>) -> String {
    let HeatmapStats { layers, .. } = &shown.stats;
    let mut lines = vec![shown.file.to_owned()];
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    field("generation", shown.stats.generation.to_string());
    field(
        "uploaded",
        match shown.stats.upload_period_ms {
            None => "at no set period".into(),
            Some(ms) if ms % 1000 == 0 => format!("every {} s", ms / 1000),
            Some(ms) => format!("every {ms} ms"),
        },
    );
    if let Some(policy) = &shown.stats.policy {
        field("policy", format!("{} {} (sha256 {})", policy.name, policy.version, policy.digest));
    }
    let timelines = shown.stats.timelines.to_string();
    field(
        "timelines",
        match shown.stats.empty_timelines {
            0 => timelines,
            empty => format!("{timelines}, {empty} of them without layers"),
        },
    );
    field("hot", sum(&layers.hot));
    field("cold", sum(&layers.cold));
    field("images", sum(&layers.images));
    field("deltas", format!("{}, {} of them L0", sum(&layers.deltas), layers.l0.layers));
    if let Some(span) = &layers.access_time {
        field("last reads", format!("{} to {}", time(span.min), time(span.max)));
    }
    if let Some(span) = &layers.heat {
        let all = layers.hot.layers + layers.cold.layers;
        let scored = match layers.scored.layers {
            scored if scored == all => String::new(),
            scored => format!(", of {scored} of the {}", count(all, "layer")),
        };
        field("heats", format!("{} to {}{scored}", heat(span.min), heat(span.max)));
    }
    field("document", bytes(shown.bytes as u64));
    if !shown.hottest.is_empty() {
        lines.push(String::new());
        lines.push(hottest_table(&shown.hottest).to_string());
    }
    if !shown.top.is_empty() {
        lines.push(String::new());
        lines.push(top_table(&shown.top, layers.hot.bytes).to_string());
    }
    lines.join("\n")
}

/// Read as: a standby with a tenth of the hot bytes holds so many layers, down to that heat.
fn hottest_table(hottest: &[Hottest]) -> Table {
    let mut table = Table::new(&[">OF HOT BYTES", ">DOWN TO HEAT", ">LAYERS", ">SIZE"]);
    for Hottest { percent, heat: least, sum } in hottest {
        table.row([format!("{percent}%"), heat(*least), sum.layers.to_string(), bytes(sum.bytes)]);
    }
    table
}

fn top_table(top: &[ListedLayer], hot_bytes: u64) -> Table {
    let mut table = Table::new(&["TIMELINE", ">SIZE", ">OF HOT", ">HEAT", "LAST READ", "LAYER"]);
    for ListedLayer { timeline_id, layer } in top {
        table.row([
            timeline_id.to_string().chars().take(8).collect(),
            bytes(layer.metadata.file_size),
            if layer.cold { "cold".into() } else { percent_of(layer.metadata.file_size, hot_bytes) },
            layer.heat.map_or("-".into(), heat),
            time(layer.access_time),
            layer.name.to_string(),
        ]);
    }
    table
}
