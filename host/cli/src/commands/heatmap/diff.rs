//! `thermocline heatmap diff`.

use serde::Serialize;
use thermocline::heatmap::{Change, HeatMoves, HeatmapDiff, HeatmapLayer, Sum};
use thermocline::layer::TimelineId;

use super::{Document, sum};
use crate::Verdict;
use crate::args::DiffArgs;
use crate::output::{self, bytes, count, heat};

/// So many heats that moved have a line each: those that moved furthest. Heats fade, so that all may have moved, and
/// the layers that came and went would not be found among them.
const MOST_HEATS_MOVED: usize = 10;

#[derive(Serialize)]
struct Compared<'a> {
    before: &'a str,
    after: &'a str,
    same: bool,
    /// What the heats that moved have in common.
    heat_moves: HeatMoves,
    #[serde(flatten)]
    diff: HeatmapDiff,
}

pub(crate) async fn diff(args: DiffArgs) -> anyhow::Result<Verdict> {
    let options = args.s3.options();
    let before = Document::read(&args.before, &options).await?.decode()?;
    let mut compared = Vec::new();
    for file in &args.after {
        let diff = before.diff(&Document::read(file, &options).await?.decode()?);
        let (same, heat_moves) = (diff.is_empty(), diff.heat_moves());
        compared.push(Compared { before: &args.before, after: file, same, heat_moves, diff });
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
    let Compared { before, after, same, heat_moves, diff } = compared;
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
    field("heat moved", moves(diff.heat_moved.len(), heat_moves));
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
    lines.extend(diff.heat_moved_most(MOST_HEATS_MOVED).iter().map(|moved| {
        let shown = |scored: Option<f32>| scored.map_or("none".into(), heat);
        line("~", &moved.timeline_id, moved.name, format!("heat {} -> {}", shown(moved.before), shown(moved.after)))
    }));
    match diff.heat_moved.len().saturating_sub(MOST_HEATS_MOVED) {
        0 => {}
        more => lines.push(format!("and {} moved less; --json has all", count(more as u64, "heat"))),
    }
    lines.join("\n")
}

/// `3 layers: 1 hotter, 2 cooler, median x 0.50`.
fn moves(layers: usize, moves: &HeatMoves) -> String {
    let kinds = [
        (moves.hotter, "hotter"),
        (moves.cooler, "cooler"),
        (moves.newly_scored, "newly scored"),
        (moves.no_longer_scored, "no longer scored"),
    ];
    let mut told: Vec<String> =
        kinds.into_iter().filter(|(layers, _)| *layers > 0).map(|(layers, what)| format!("{layers} {what}")).collect();
    if let Some(factor) = moves.median_factor {
        told.push(format!("median x {factor:.2}"));
    }
    let all = count(layers as u64, "layer");
    if told.is_empty() { all } else { format!("{all}: {}", told.join(", ")) }
}
