//! `thermocline heatmap show|verify|diff|draw`.

mod draw;

use anyhow::Context;
use serde::Serialize;
use thermocline::heatmap::{Change, Complaints, Heatmap, HeatmapDiff, HeatmapLayer, HeatmapStats, ListedLayer, Sum};
use thermocline::layer::TimelineId;
use thermocline::remote::S3Options;

use crate::Verdict;
use crate::args::{DiffArgs, ShowArgs, VerifyArgs};
use crate::location;
use crate::output::{self, Table, bytes, count, percent_of, time};

pub(crate) use draw::draw;

/// A heatmap as it was read.
struct Document {
    file: String,
    bytes: Vec<u8>,
}

impl Document {
    async fn read(file: &str, options: &S3Options) -> anyhow::Result<Self> {
        let bytes = location::read(file, options).await.with_context(|| file.to_owned())?;
        Ok(Document { file: file.into(), bytes })
    }

    fn decode(&self) -> anyhow::Result<Heatmap> {
        Heatmap::decode(&self.bytes).with_context(|| self.file.clone())
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    file: &'a str,
    bytes: usize,
    #[serde(flatten)]
    stats: HeatmapStats,
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
        shown.push(Shown { file, bytes, stats, top: top(&heatmap, args.top) });
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
        field("heats", format!("{} to {}", span.min, span.max));
    }
    field("document", bytes(shown.bytes as u64));
    if !shown.top.is_empty() {
        lines.push(String::new());
        lines.push(top_table(&shown.top, layers.hot.bytes).to_string());
    }
    lines.join("\n")
}

fn top_table(top: &[ListedLayer], hot_bytes: u64) -> Table {
    let mut table = Table::new(&["TIMELINE", ">SIZE", ">OF HOT", ">HEAT", "LAST READ", "LAYER"]);
    for ListedLayer { timeline_id, layer } in top {
        table.row([
            timeline_id.to_string().chars().take(8).collect(),
            bytes(layer.metadata.file_size),
            if layer.cold { "cold".into() } else { percent_of(layer.metadata.file_size, hot_bytes) },
            layer.heat.map_or("-".into(), |heat| heat.to_string()),
            time(layer.access_time),
            layer.name.to_string(),
        ]);
    }
    table
}

fn sum(sum: &Sum) -> String {
    format!("{}, {}", count(sum.layers, "layer"), bytes(sum.bytes))
}

#[derive(Serialize)]
struct Verified<'a> {
    file: &'a str,
    valid: bool,
    /// Why it cannot be read at all.
    error: Option<String>,
    #[serde(flatten)]
    complaints: Complaints,
}

pub(crate) async fn verify(args: VerifyArgs) -> anyhow::Result<Verdict> {
    let options = args.s3.options();
    let mut good = true;
    let mut verified = Vec::new();
    for file in &args.files {
        let (error, complaints) = match location::read(file, &options).await.and_then(|bytes| examine(&bytes)) {
            Ok(complaints) => (None, complaints),
            Err(error) => (Some(output::told(&error)), Complaints::default()),
        };
        let valid = error.is_none() && complaints.errors == 0;
        good &= valid;
        verified.push(Verified { file, valid, error, complaints });
    }
    if args.json {
        output::json(&verified)?;
    } else {
        for verified in &verified {
            output::line(verdict(verified))?;
        }
    }
    Ok(Verdict::good_if(good))
}

fn examine(bytes: &[u8]) -> anyhow::Result<Complaints> {
    let heatmap = Heatmap::decode(bytes)?;
    let mut complaints = heatmap.verify();
    complaints.compare_bytes(bytes, &heatmap.to_bytes());
    Ok(complaints)
}

fn verdict(verified: &Verified<'_>) -> String {
    let Verified { file, valid, error, complaints } = verified;
    let mut lines = vec![match (valid, error) {
        (_, Some(error)) => format!("{file}: bad: {error}"),
        (true, None) if complaints.notes == 0 => format!("{file}: good"),
        (true, None) => format!("{file}: good, with {}", count(complaints.notes as u64, "note")),
        (false, None) => format!(
            "{file}: bad: {}, {}",
            count(complaints.errors as u64, "error"),
            count(complaints.notes as u64, "note")
        ),
    }];
    lines.extend(complaints.complaints.iter().map(|complaint| format!("  {complaint}")));
    if complaints.omitted() > 0 {
        lines.push(format!("  and {} more of these kinds", complaints.omitted()));
    }
    lines.join("\n")
}

#[derive(Serialize)]
struct Compared<'a> {
    before: &'a str,
    after: &'a str,
    same: bool,
    #[serde(flatten)]
    diff: HeatmapDiff,
}

pub(crate) async fn diff(args: DiffArgs) -> anyhow::Result<Verdict> {
    let options = args.s3.options();
    let before = Document::read(&args.before, &options).await?.decode()?;
    let mut compared = Vec::new();
    for file in &args.after {
        let diff = before.diff(&Document::read(file, &options).await?.decode()?);
        compared.push(Compared { before: &args.before, after: file, same: diff.is_empty(), diff });
    }
    if args.json {
        output::json(&compared)?;
    } else {
        for compared in &compared {
            output::line(changes(compared))?;
        }
    }
    Ok(Verdict::Good)
}

fn changes(compared: &Compared<'_>) -> String {
    let Compared { before, after, same, diff } = compared;
    let mut lines = vec![format!("{before} -> {after}")];
    if *same {
        lines.push("  no difference".into());
        return lines.join("\n");
    }
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    if let Some(Change { before, after }) = &diff.generation {
        field("generation", format!("{before} -> {after}"));
    }
    if let Some(Change { before, after }) = &diff.upload_period_ms {
        let shown = |ms: &Option<u128>| ms.map_or("none".into(), |ms| format!("{ms} ms"));
        field("period", format!("{} -> {}", shown(before), shown(after)));
    }
    if let Some(Change { before, after }) = &diff.policy {
        let shown = |policy: &Option<thermocline::heatmap::PolicyIdentity>| {
            policy.as_ref().map_or("none".into(), |policy| format!("{} {}", policy.name, policy.version))
        };
        field("policy", format!("{} -> {}", shown(before), shown(after)));
    }
    let moved = |change: &Change<Sum>| format!("{} -> {}", sum(&change.before), sum(&change.after));
    field("hot", moved(&diff.hot));
    field("cold", moved(&diff.cold));
    field("added", sum(&diff.added_sum));
    field("removed", sum(&diff.removed_sum));
    field("changed", count(diff.changed.len() as u64, "layer"));
    field("heat moved", count(diff.heat_moved.len() as u64, "layer"));
    field("read since", count(diff.access_times_moved, "layer"));
    for (sign, timelines) in
        [("+", &diff.timelines_added), ("-", &diff.timelines_removed), ("~", &diff.timelines_reordered)]
    {
        let what = if sign == "~" { "timeline (other order)" } else { "timeline" };
        lines.extend(timelines.iter().map(|timeline| format!("{sign} {what} {timeline}")));
    }
    let listed = |layer: &HeatmapLayer| {
        let temperature = if layer.cold { "cold" } else { "hot" };
        let generation = layer.metadata.generation;
        format!("{temperature}, {}, generation {generation}", bytes(layer.metadata.file_size))
    };
    let line = |sign, timeline: &TimelineId, name, what| format!("{sign} {timeline} {name} {what}");
    lines.extend(diff.removed.iter().map(|l| line("-", &l.timeline_id, l.layer.name, listed(&l.layer))));
    lines.extend(diff.added.iter().map(|l| line("+", &l.timeline_id, l.layer.name, listed(&l.layer))));
    lines.extend(
        diff.changed
            .iter()
            .map(|l| line("~", &l.timeline_id, l.after.name, format!("{} -> {}", listed(&l.before), listed(&l.after)))),
    );
    lines.extend(diff.heat_moved.iter().map(|moved| {
        let heat = |heat: Option<f32>| heat.map_or("none".into(), |heat| heat.to_string());
        line("~", &moved.timeline_id, moved.name, format!("heat {} -> {}", heat(moved.before), heat(moved.after)))
    }));
    lines.join("\n")
}
