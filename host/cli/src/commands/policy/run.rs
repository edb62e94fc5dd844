//! `thermocline policy run`: what a policy would list, and why not the rest.

use serde::Serialize;
use thermocline::layer::{Layer, Marks};
use thermocline::policy::{Called, Engine, Limits, Policy, Selection};

use crate::Verdict;
use crate::args::RunArgs;
use crate::location;
use crate::output::{self, Table, bytes, count, micros, percent_of, time};
use crate::policy::tables::{self, Shown};

/// What a policy would list of a tenant shard.
#[derive(Serialize)]
struct Ran {
    shard: String,
    policy: String,
    layers: u64,
    hot: Portion,
    cold: Portion,
    unlisted: Portion,
    /// Seconds for which this stays right if no layer changes. Null: for ever.
    valid_for_s: Option<u64>,
    elapsed_ms: f64,
    memory_bytes: usize,
    log: Vec<String>,
    /// Reasons that were too many to keep.
    reasons_dropped: u64,
    /// Listed ones in their order, then the others in the table's.
    rows: Vec<Row>,
    /// Why there is nothing of it.
    error: Option<String>,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Portion {
    layers: u64,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Hot,
    Cold,
    Unlisted,
}

/// A layer, and where it went.
#[derive(Serialize)]
struct Row {
    state: State,
    timeline: String,
    layer: String,
    size_bytes: u64,
    access_time: i64,
    resident: bool,
    visible: bool,
    heat: Option<f32>,
    /// In the policy's words; else, where it is not listed, what the host knows.
    reason: Option<String>,
    /// Whether the policy gave it.
    by_policy: bool,
}

pub(crate) async fn run(args: RunArgs) -> anyhow::Result<Verdict> {
    let engine = Engine::new(Limits::default())?;
    let policy = location::load_named(&engine, &args.policy, args.policy_config.as_deref())?;
    let shown = tables::read(&args.table).await?;
    let limit = if args.all { usize::MAX } else { args.limit };
    let mut ran: Vec<_> = shown.iter().map(|shown| ask(&policy, shown)).collect();
    let verdict = Verdict::good_if(ran.iter().all(|ran| ran.error.is_none()));
    if args.json {
        for ran in &mut ran {
            keep(&mut ran.rows, limit);
        }
        output::json(&ran)?;
    } else {
        let cards: Vec<_> = ran.iter().map(|ran| card(ran, limit)).collect();
        output::line(cards.join("\n\n"))?;
    }
    Ok(verdict)
}

/// The first rows of those that are listed, and of those that are not.
fn keep(rows: &mut Vec<Row>, limit: usize) {
    let (mut listed, mut unlisted) = (0, 0);
    rows.retain(|row| {
        let seen = if row.state == State::Unlisted { &mut unlisted } else { &mut listed };
        *seen += 1;
        *seen <= limit
    });
}

fn ask(policy: &Policy, shown: &Shown) -> Ran {
    let called = policy.select_with_reasons(&shown.tenant, &shown.table, &[]);
    let identity = policy.identity();
    let mut ran = Ran {
        shard: shown.tenant.shard.clone(),
        policy: format!("{} {}", identity.name().unwrap_or_default(), identity.version().unwrap_or_default()),
        layers: shown.table.len() as u64,
        hot: Portion::default(),
        cold: Portion::default(),
        unlisted: Portion::default(),
        valid_for_s: None,
        elapsed_ms: 0.0,
        memory_bytes: 0,
        log: Vec::new(),
        reasons_dropped: 0,
        rows: Vec::new(),
        error: None,
    };
    match called {
        Ok(called) => ran.take(shown, &called),
        Err(error) => ran.error = Some(error.to_string()),
    }
    ran
}

impl Ran {
    fn take(&mut self, shown: &Shown, called: &Called<Selection>) {
        let Called { answer, report } = called;
        self.valid_for_s = answer.valid_for_s();
        self.elapsed_ms = (report.elapsed.as_secs_f64() * 1e6).round() / 1e3;
        self.memory_bytes = report.memory_bytes;
        self.log = report.log.iter().map(|line| line.message.clone()).collect();
        self.reasons_dropped = report.reasons.dropped();
        let mut listed = vec![false; shown.table.len()];
        let heats = answer.heats().unwrap_or_default();
        let mut push = |row: u32, state: State, heat: Option<f32>| {
            let Some(layer) = shown.table.layer(row) else { return };
            let portion = match state {
                State::Hot => &mut self.hot,
                State::Cold => &mut self.cold,
                State::Unlisted => &mut self.unlisted,
            };
            portion.layers += 1;
            portion.bytes = portion.bytes.saturating_add(layer.metadata.file_size);
            self.rows.push(Row::new(&layer, state, heat, report.reasons.of(row)));
        };
        for (place, &row) in answer.rows().iter().enumerate() {
            let state = if place < answer.cold_from() { State::Hot } else { State::Cold };
            if let Some(listed) = listed.get_mut(row as usize) {
                *listed = true;
            }
            push(row, state, heats.get(place).copied());
        }
        for (row, listed) in (0..).zip(listed) {
            if !listed {
                push(row, State::Unlisted, None);
            }
        }
    }
}

impl Row {
    fn new(layer: &Layer, state: State, heat: Option<f32>, said: Option<&str>) -> Self {
        let known = || (state == State::Unlisted).then(|| known_of(layer.marks).to_owned());
        Row {
            state,
            timeline: layer.timeline.to_string(),
            layer: layer.name.to_string(),
            size_bytes: layer.metadata.file_size,
            access_time: layer.access_time,
            resident: layer.marks.is_resident(),
            visible: layer.marks.is_visible(),
            heat,
            by_policy: said.is_some(),
            reason: said.map(str::to_owned).or_else(known),
        }
    }
}

/// What the host knows of a layer that a policy left out without a word.
const fn known_of(marks: Marks) -> &'static str {
    match (marks.is_visible(), marks.is_resident()) {
        (true, true) => "(resident and visible; the policy does not say why)",
        (true, false) if marks.is_inherited() => "(not on disk, and was hot when this location took over)",
        (true, false) if marks.is_inherited_cold() => "(not on disk, and was cold when this location took over)",
        (true, false) => "(not on disk)",
        (false, true) => "(on disk, and no read needs it)",
        (false, false) => "(not on disk, and no read needs it)",
    }
}

fn card(ran: &Ran, limit: usize) -> String {
    let mut lines = vec![format!("{}: {} of {}", ran.shard, ran.policy, count(ran.layers, "layer"))];
    if let Some(error) = &ran.error {
        lines.push(format!("  failed: {error}"));
        return lines.join("\n");
    }
    let whole = ran.hot.bytes.saturating_add(ran.cold.bytes).saturating_add(ran.unlisted.bytes);
    for (name, portion) in [("hot", ran.hot), ("cold", ran.cold), ("unlisted", ran.unlisted)] {
        let share = Some(percent_of(portion.bytes, whole)).filter(|share| !share.is_empty());
        let share = share.map(|share| format!(" ({share} of the bytes)")).unwrap_or_default();
        lines.push(format!("  {name:<9} {}, {}{share}", count(portion.layers, "layer"), bytes(portion.bytes)));
    }
    let valid = ran.valid_for_s.map_or("until a layer changes".to_owned(), |seconds| format!("{seconds} s"));
    lines.push(format!("  {:<9} {valid}", "valid for"));
    let elapsed = std::time::Duration::from_secs_f64(ran.elapsed_ms / 1000.0);
    lines.push(format!("  {:<9} {}, {} of memory", "took", micros(elapsed), bytes(ran.memory_bytes as u64)));
    lines.extend(ran.log.iter().map(|line| format!("  {:<9} {line}", "log")));
    if ran.reasons_dropped > 0 {
        lines.push(format!("  {:<9} {} more than are kept", "reasons", ran.reasons_dropped));
    }
    let (unlisted, listed): (Vec<&Row>, Vec<&Row>) = ran.rows.iter().partition(|row| row.state == State::Unlisted);
    lines.extend(rows("Listed, the first to download first:", &listed, limit));
    lines.extend(rows("Not listed:", &unlisted, limit));
    lines.join("\n")
}

fn rows(title: &str, rows: &[&Row], limit: usize) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), title.to_owned()];
    if limit > 0 {
        let scored = rows.iter().any(|row| row.heat.is_some());
        let listed = rows.iter().any(|row| row.state != State::Unlisted);
        let mut headings = vec!["TIMELINE", ">SIZE", "LAST READ"];
        headings.extend(listed.then_some("STATE"));
        headings.extend(scored.then_some(">HEAT"));
        headings.extend(["LAYER", "WHY"]);
        let mut table = Table::new(&headings);
        for row in rows.iter().take(limit) {
            let state = if row.state == State::Hot { "hot" } else { "cold" };
            let mut cells = vec![row.timeline.chars().take(8).collect(), bytes(row.size_bytes), time(row.access_time)];
            cells.extend(listed.then(|| state.to_owned()));
            cells.extend(scored.then(|| row.heat.map_or("-".to_owned(), |heat| format!("{heat:.3}"))));
            cells.extend([row.layer.clone(), row.reason.clone().unwrap_or_else(|| "-".into())]);
            table.row(cells);
        }
        lines.push(table.to_string());
    }
    let more = rows.len().saturating_sub(limit);
    if more > 0 {
        lines.push(format!("and {more} more (--all shows them)"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_a_word_for_every_layer_and_marks_it_as_its_own() {
        for marks in 0..=u8::MAX {
            let known = known_of(Marks(marks));
            assert!(known.starts_with('(') && known.ends_with(')'), "{known}");
            assert_eq!(known.contains("(not on disk"), !Marks(marks).is_resident(), "{known}");
        }
    }
}
