//! `thermocline policy compare`: what a second policy would change.

use std::time::Duration;

use serde::Serialize;
use thermocline::layer::LayerTable;
use thermocline::policy::{self, Called, Comparison, Engine, Limits, Policy, PolicyError, Selection, moved_layers};

use crate::Verdict;
use crate::args::CompareArgs;
use crate::location;
use crate::output::{self, bytes, count, micros, percent_of};
use crate::policy::tables::{self, Shown};

/// How two policies compare on a tenant shard, or on all of them.
#[derive(Serialize)]
struct Compared {
    /// Null: all shards together.
    shard: Option<String>,
    layers: u64,
    a: Side,
    b: Side,
    /// Whether both failed in nothing and answer the same, order and heats included.
    same_answer: bool,
    common: Portion,
    added: Portion,
    dropped: Portion,
    cold_added: Portion,
    cold_dropped: Portion,
    /// Of the layers that are hot in both, the fewest that would have to be moved for one order to become the other.
    moved_layers: u64,
    /// Of the layers that are hot in one or both, those that are in both; of their bytes likewise. 1 where there are none.
    agreement_layers: f64,
    agreement_bytes: f64,
}

/// One of the policies.
#[derive(Default, Serialize)]
struct Side {
    policy: String,
    hot_layers: u64,
    hot_bytes: u64,
    cold_layers: u64,
    elapsed_ms: f64,
    /// Why it has no answer.
    error: Option<String>,
}

#[derive(Default, Serialize)]
struct Portion {
    layers: u64,
    bytes: u64,
    /// The first of them; of all shards together, none.
    names: Vec<String>,
}

pub(crate) async fn compare(args: CompareArgs) -> anyhow::Result<Verdict> {
    let engine = Engine::new(Limits::default())?;
    let a = location::load_named(&engine, &args.a, args.config_a.as_deref())?;
    let b = location::load_named(&engine, &args.b, args.config_b.as_deref())?;
    let shown = tables::read(&args.table).await?;
    let mut compared: Vec<_> = shown.iter().map(|shown| on(shown, &a, &b, args.limit)).collect();
    let good = compared.iter().all(|compared| compared.a.error.is_none() && compared.b.error.is_none());
    if compared.len() > 1 {
        compared.push(Compared::total(&compared));
    }
    if args.json {
        output::json(&compared)?;
    } else {
        let cards: Vec<_> = compared.iter().map(card).collect();
        output::line(cards.join("\n\n"))?;
    }
    Ok(Verdict::good_if(good))
}

fn on(shown: &Shown, a: &Policy, b: &Policy, limit: usize) -> Compared {
    let select = |policy: &Policy| policy.select(&shown.tenant, &shown.table, &[]);
    // Once unseen, so that none of the two pays for what the first call of a process does.
    let _ = select(a);
    let (of_a, of_b) = (select(a), select(b));
    let mut compared = Compared {
        shard: Some(shown.tenant.shard.clone()),
        layers: shown.table.len() as u64,
        a: Side::new(a, &shown.table, &of_a),
        b: Side::new(b, &shown.table, &of_b),
        ..Compared::nothing()
    };
    if let (Ok(of_a), Ok(of_b)) = (of_a, of_b) {
        let comparison = Comparison::of(&shown.table, &of_a.answer, &of_b.answer);
        let named = |portion: &policy::Portion| Portion::new(portion, &shown.table, limit);
        compared.same_answer = comparison.same_answer;
        compared.common = Portion::new(&comparison.common, &shown.table, 0);
        compared.added = named(&comparison.added);
        compared.dropped = named(&comparison.dropped);
        compared.cold_added = named(&comparison.cold_added);
        compared.cold_dropped = named(&comparison.cold_dropped);
        compared.moved_layers = moved_layers(&shown.table, &of_a.answer, &of_b.answer);
        compared.agree();
    }
    compared
}

impl Side {
    fn new(policy: &Policy, table: &LayerTable, called: &Result<Called<Selection>, PolicyError>) -> Self {
        let identity = policy.identity();
        let name = format!("{} {}", identity.name().unwrap_or_default(), identity.version().unwrap_or_default());
        let side = Side { policy: name, ..Side::default() };
        match called {
            Err(error) => Side { error: Some(error.to_string()), ..side },
            Ok(Called { answer, report }) => {
                let size = |row: &u32| table.layer(*row).map_or(0, |layer| layer.metadata.file_size);
                Side {
                    hot_layers: answer.hot().len() as u64,
                    hot_bytes: answer.hot().iter().map(size).sum(),
                    cold_layers: answer.cold().len() as u64,
                    elapsed_ms: (report.elapsed.as_secs_f64() * 1e6).round() / 1e3,
                    ..side
                }
            }
        }
    }

    fn add(&mut self, other: &Side) {
        self.policy.clone_from(&other.policy);
        self.hot_layers += other.hot_layers;
        self.hot_bytes += other.hot_bytes;
        self.cold_layers += other.cold_layers;
        self.elapsed_ms += other.elapsed_ms;
        self.error = self.error.take().or_else(|| other.error.clone());
    }
}

impl Portion {
    fn new(portion: &policy::Portion, table: &LayerTable, limit: usize) -> Self {
        let layers = portion.rows.iter().take(limit).filter_map(|row| table.layer(*row));
        let names = layers.map(|layer| format!("{}/{}", layer.timeline, layer.name)).collect();
        Portion { layers: portion.layers(), bytes: portion.bytes, names }
    }

    fn add(&mut self, other: &Portion) {
        self.layers += other.layers;
        self.bytes += other.bytes;
    }
}

impl Compared {
    fn nothing() -> Self {
        Compared {
            shard: None,
            layers: 0,
            a: Side::default(),
            b: Side::default(),
            same_answer: false,
            common: Portion::default(),
            added: Portion::default(),
            dropped: Portion::default(),
            cold_added: Portion::default(),
            cold_dropped: Portion::default(),
            moved_layers: 0,
            agreement_layers: 1.0,
            agreement_bytes: 1.0,
        }
    }

    fn total(all: &[Compared]) -> Self {
        let mut total = Compared { same_answer: true, ..Compared::nothing() };
        for one in all {
            total.layers += one.layers;
            total.a.add(&one.a);
            total.b.add(&one.b);
            total.same_answer &= one.same_answer;
            total.common.add(&one.common);
            total.added.add(&one.added);
            total.dropped.add(&one.dropped);
            total.cold_added.add(&one.cold_added);
            total.cold_dropped.add(&one.cold_dropped);
            total.moved_layers += one.moved_layers;
        }
        total.agree();
        total
    }

    fn agree(&mut self) {
        #[allow(clippy::cast_precision_loss, reason = "a share, no count")]
        let share = |part: u64, whole: u64| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
        let Compared { common, added, dropped, .. } = self;
        self.agreement_layers = share(common.layers, common.layers + added.layers + dropped.layers);
        self.agreement_bytes = share(common.bytes, common.bytes + added.bytes + dropped.bytes);
    }
}

fn card(compared: &Compared) -> String {
    let Compared { a, b, common, added, dropped, cold_added, cold_dropped, .. } = compared;
    let whose = compared.shard.as_deref().unwrap_or("all shards");
    let mut lines = vec![format!("{whose}: {}, a = {}, b = {}", count(compared.layers, "layer"), a.policy, b.policy)];
    let failures = [("a", &a.error), ("b", &b.error)];
    let failures = failures.iter().filter_map(|(name, error)| Some(format!("  {name} failed: {}", error.as_ref()?)));
    let failures: Vec<_> = failures.collect();
    if !failures.is_empty() {
        lines.extend(failures);
        return lines.join("\n");
    }
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    let either = |portion: fn(&Portion) -> u64| portion(common) + portion(added) + portion(dropped);
    let agreed = |share: String| if share.is_empty() { "100%".to_owned() } else { share };
    field(
        "agree",
        if compared.same_answer {
            "in everything".to_owned()
        } else {
            format!(
                "on {} of the layers that are hot in one or both, {} of their bytes",
                agreed(percent_of(common.layers, either(|portion| portion.layers))),
                agreed(percent_of(common.bytes, either(|portion| portion.bytes))),
            )
        },
    );
    let hot = |side: &Side| format!("{}, {}", count(side.hot_layers, "layer"), bytes(side.hot_bytes));
    field("hot", format!("{} -> {}", hot(a), hot(b)));
    let told = |portion: &Portion| format!("{}, {}", count(portion.layers, "layer"), bytes(portion.bytes));
    field("added", told(added));
    field("dropped", told(dropped));
    field("cold", format!("{} -> {}", count(a.cold_layers, "layer"), count(b.cold_layers, "layer")));
    field("cold, new", told(cold_added));
    field("cold no more", told(cold_dropped));
    field(
        "order",
        match compared.moved_layers {
            0 => "the same".to_owned(),
            moved => format!("{} moved", count(moved, "layer")),
        },
    );
    let elapsed = |side: &Side| micros(Duration::from_secs_f64(side.elapsed_ms / 1000.0));
    field("time", format!("{} -> {}", elapsed(a), elapsed(b)));
    for (sign, portion) in [("+", added), ("-", dropped), ("+ cold", cold_added), ("- cold", cold_dropped)] {
        lines.extend(portion.names.iter().map(|name| format!("{sign} {name}")));
        let more = portion.layers.saturating_sub(portion.names.len() as u64);
        if more > 0 && compared.shard.is_some() {
            lines.push(format!("{sign} and {more} more"));
        }
    }
    lines.join("\n")
}
