//! What every policy must do, whatever it decides: the checks behind `thermocline policy check`.

mod tables;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use thermocline_policy::{Layers, Tenant};

pub use self::tables::{BIG_TABLE_ROWS, sample_layers, sample_table};
use super::component::{Called, Policy};
use super::error::PolicyErrorKind;
use super::queue::{DueUpload, UploadQueue};
use super::selection::{Selection, memory_limit_bytes};
use crate::Digest;
use crate::layer::LayerTable;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Small tables: milliseconds. For a policy that is about to serve.
    Quick,
    /// The large table as well: about a second. For a policy that is about to be published.
    Full,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conformance {
    /// Every check, in the order they were made.
    pub checks: Vec<Check>,
    /// SHA-256 over all answers: components with the same one, at the same [`Depth`], decide alike. A failed
    /// call counts as no answer.
    pub answers: String,
}

impl Conformance {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short name, the same in every release.
    pub name: &'static str,
    /// What must hold, as a sentence.
    pub rule: &'static str,
    /// Why it does not. `None`: it does.
    pub failure: Option<String>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            None => write!(f, "pass  {}: {}", self.name, self.rule),
            Some(why) => write!(f, "FAIL  {}: {}; {why}", self.name, self.rule),
        }
    }
}

/// When the tables are read: after everything in them was last read.
const NOW: i64 = 1_767_225_600;

/// A tenant shard whose layers a [`sample_table`] might be, some time after the last of them was read.
pub fn sample_tenant() -> Tenant {
    tenant(NOW)
}

fn tenant(now: i64) -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc-070a".into(), generation: 3, now, checkpoint_distance: 256 << 20 }
}

/// Configurations that are none: no policy can know what to do with them.
const BAD_CONFIGS: [&str; 5] = ["", "{", "[]", "\"text\"", "{\"\u{fffd}no field has this name\":"];

type Outcome = Result<(), String>;

struct Run<'a> {
    policy: &'a Policy,
    answers: Sha256,
}

/// Puts a policy through the checks, under the limits of its engine.
pub fn check(policy: &Policy, depth: Depth) -> Conformance {
    let mut run = Run { policy, answers: Sha256::new() };
    let mut checks = Vec::new();
    let mut note = |name, rule, outcome: Outcome| checks.push(Check { name, rule, failure: outcome.err() });

    note("describe", "it describes itself the same at every call", run.describes_itself_alike());
    note("bad-configuration", "it refuses what is no configuration, and says why", run.refuses_bad_configurations());
    note("empty-table", "a table without layers is answered", run.answers(&[], 0));
    note("one-row", "a table of one layer is answered, whatever marks it has", run.answers_each_mark());
    note("many-rows", "a table of a thousand layers is answered", run.answers(&sample_layers(1_000), 0));
    note("extremes", "the largest and smallest values are answered", run.answers(&tables::extremes(), 0));
    note("clock", "any time is answered, also one before every access", run.answers_at_any_time());
    note("determinism", "the same table gets the same answer, to the bit", run.is_deterministic(1_000));
    note("identity", "layers that differ in nothing but identity are treated alike", run.ignores_identity());
    note("own-memory", "it takes back the memory it handed out", run.takes_memory_back());
    note("foreign-memory", "memory that is damaged or of another table does no harm", run.survives_foreign_memory());
    note("reasons", "asked for reasons it answers the same, and gives them of rows of the table", run.gives_reasons());
    note("rank-uploads", "queues of none, one and a thousand are ranked, the same each time", run.ranks());
    if depth == Depth::Full {
        note(
            "big-table",
            "100,000 layers are answered within the limits, the same each time",
            run.is_deterministic(BIG_TABLE_ROWS),
        );
    }
    Conformance { checks, answers: Digest::from(run.answers).to_string() }
}

impl Run<'_> {
    fn select(&mut self, table: &Arc<LayerTable>, now: i64, memory: &[u8]) -> Result<Selection, String> {
        let answer = match self.policy.select(&tenant(now), table, memory) {
            Ok(called) => called.answer,
            Err(error) => {
                self.answers.update([0]);
                return Err(error.kind().to_string());
            }
        };
        self.answers.update([1]);
        digest_selection(&mut self.answers, &answer);
        Ok(answer)
    }

    fn answers(&mut self, layers: &[crate::layer::Layer], timeline: u8) -> Outcome {
        let table = tables::table(layers, timeline)?;
        self.select(&table, NOW, &[]).map(drop)
    }

    fn describes_itself_alike(&self) -> Outcome {
        let again = self.policy.describe_again().map_err(|error| error.kind().to_string())?.answer;
        if again == *self.policy.description() {
            Ok(())
        } else {
            Err(format!("it described itself as {:?} and then as {again:?}", self.policy.description()))
        }
    }

    fn refuses_bad_configurations(&self) -> Outcome {
        for config in BAD_CONFIGS {
            match self.policy.try_config(config) {
                Ok(_) => return Err(format!("it accepted {config:?}")),
                Err(error) => match error.kind() {
                    PolicyErrorKind::Refused { message, .. } if !message.trim().is_empty() => {}
                    PolicyErrorKind::Refused { .. } => return Err(format!("it refused {config:?} without a word")),
                    other => return Err(format!("{config:?}: {other}")),
                },
            }
        }
        Ok(())
    }

    fn answers_each_mark(&mut self) -> Outcome {
        for layer in tables::each_mark() {
            self.answers(&[layer], 0).map_err(|why| format!("{:?}: {why}", layer.marks))?;
        }
        Ok(())
    }

    fn answers_at_any_time(&mut self) -> Outcome {
        let table = sample_table(100)?;
        for now in [i64::MIN, -1, 0, i64::MAX] {
            self.select(&table, now, &[]).map_err(|why| format!("at {now}: {why}"))?;
        }
        Ok(())
    }

    fn is_deterministic(&mut self, rows: usize) -> Outcome {
        let table = sample_table(rows)?;
        let (first, second) = (self.select(&table, NOW, &[])?, self.select(&table, NOW, &[])?);
        if digest_of(&first) == digest_of(&second) {
            Ok(())
        } else {
            Err(format!("the second call answered otherwise: {}", difference(&first, &second)))
        }
    }

    /// Two tables that differ only in the ids of their layers: the timeline is called otherwise. The policy
    /// may break ties by id, so what must agree is how many rows of a kind are listed, cold, and how hot.
    fn ignores_identity(&mut self) -> Outcome {
        let layers = tables::twins();
        let (one, other) = (tables::table(&layers, 0)?, tables::table(&layers, 9)?);
        let (first, second) = (self.select(&one, NOW, &[])?, self.select(&other, NOW, &[])?);
        let (first, second) = (Kinds::of(&one, &first), Kinds::of(&other, &second));
        if first == second {
            Ok(())
        } else {
            Err("under another timeline id, with the same layers, it answers otherwise".into())
        }
    }

    fn takes_memory_back(&mut self) -> Outcome {
        let table = sample_table(1_000)?;
        let mut memory = Vec::new();
        for round in 1..=3_i64 {
            let answer =
                self.select(&table, NOW + 60 * round, &memory).map_err(|why| format!("call {round}: {why}"))?;
            memory = answer.memory().to_vec();
        }
        // A tenant loses layers between two calls.
        let fewer = sample_table(10)?;
        self.select(&fewer, NOW, &memory).map(drop).map_err(|why| format!("after layers went: {why}"))
    }

    fn survives_foreign_memory(&mut self) -> Outcome {
        let table = sample_table(100)?;
        let limit = memory_limit_bytes(table.rows());
        let mut own = self.select(&table, NOW, &[])?.memory().to_vec();
        own.truncate(own.len() / 2);
        let foreign = [vec![0], vec![0xff; limit], tables::noise(limit), b"{\"version\":99}".to_vec(), own];
        for memory in foreign {
            let start: Vec<_> = memory.iter().take(8).collect();
            self.select(&table, NOW, &memory)
                .map_err(|why| format!("{} bytes that begin with {start:?}: {why}", memory.len()))?;
        }
        Ok(())
    }

    /// Not among the answers: whoever decides alike may say it otherwise.
    fn gives_reasons(&mut self) -> Outcome {
        let table = sample_table(100)?;
        let unasked = self.select(&table, NOW, &[])?;
        let asked = self.policy.select_with_reasons(&tenant(NOW), &table, &[]);
        let Called { answer: asked, report } = asked.map_err(|error| error.kind().to_string())?;
        if digest_of(&unasked) != digest_of(&asked) {
            Err(format!("the call that asks was answered otherwise: {}", difference(&unasked, &asked)))
        } else if report.reasons.out_of_range() > 0 {
            Err(format!("{} reasons are of rows that the table does not have", report.reasons.out_of_range()))
        } else {
            Ok(())
        }
    }

    fn ranks(&mut self) -> Outcome {
        for rows in [0, 1, 1_000] {
            let due = (0..rows).map(|row: u64| DueUpload {
                overdue_ms: row * 7 % 13,
                age_ms: (!row.is_multiple_of(5)).then_some(row * 1_009 % 100_003),
                period_ms: row % 3 * 60_000,
                hot_bytes: if row.is_multiple_of(17) { u64::MAX } else { row << 20 },
                changes: row % 7,
                failures: if row.is_multiple_of(19) { u32::MAX } else { 0 },
            });
            let queue = Arc::new(UploadQueue::from_iter(due));
            let mut rank = || match self.policy.rank_uploads(NOW, &queue) {
                Ok(called) => {
                    called.answer.order().iter().for_each(|row| self.answers.update(row.to_le_bytes()));
                    Ok(called.answer)
                }
                Err(error) => Err(format!("{rows} due uploads: {}", error.kind())),
            };
            if rank()? != rank()? {
                return Err(format!("{rows} due uploads: the second call answered otherwise"));
            }
        }
        Ok(())
    }
}

/// What of a row a policy may go by, other than its identity and where its keys are.
type Kind = (u8, u32, u64, u64, u64, i64, u64, i64);

/// How many rows of each kind are hot and cold, and how hot.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kinds(BTreeMap<Kind, Vec<(bool, u32)>>);

impl Kinds {
    fn of(table: &LayerTable, answer: &Selection) -> Self {
        let mut kinds = Kinds::default();
        let (marks, timelines) = (Layers::marks(table), Layers::timelines(table));
        let (starts, ends) = (Layers::lsn_starts(table), Layers::lsn_ends(table));
        let (sizes, times) = (Layers::file_sizes(table), Layers::access_times(table));
        let (counts, since) = (Layers::access_counts(table), Layers::resident_times(table));
        for (place, &row) in answer.rows().iter().enumerate() {
            let row = row as usize;
            let kind = (|| {
                Some((
                    *marks.get(row)?,
                    *timelines.get(row)?,
                    *starts.get(row)?,
                    *ends.get(row)?,
                    *sizes.get(row)?,
                    *times.get(row)?,
                    *counts.get(row)?,
                    *since.get(row)?,
                ))
            })();
            let heat = answer.heats().and_then(|heats| heats.get(place)).map_or(0, |heat| heat.to_bits());
            if let Some(kind) = kind {
                kinds.0.entry(kind).or_default().push((place < answer.cold_from(), heat));
            }
        }
        kinds.0.values_mut().for_each(|rows| rows.sort_unstable());
        kinds
    }
}

fn digest_of(answer: &Selection) -> Digest {
    let mut digest = Sha256::new();
    digest_selection(&mut digest, answer);
    Digest::from(digest)
}

fn digest_selection(digest: &mut Sha256, answer: &Selection) {
    let mut number = |number: u64| digest.update(number.to_le_bytes());
    number(answer.rows().len() as u64);
    answer.rows().iter().for_each(|row| number(u64::from(*row)));
    number(answer.cold_from() as u64);
    number(u64::from(answer.heats().is_some()));
    answer.heats().unwrap_or_default().iter().for_each(|heat| number(u64::from(heat.to_bits())));
    number(u64::from(answer.valid_for_s().is_some()));
    number(answer.valid_for_s().unwrap_or_default());
    number(answer.memory().len() as u64);
    digest.update(answer.memory());
}

/// Which part of two answers differs.
fn difference(first: &Selection, second: &Selection) -> &'static str {
    if first.rows() != second.rows() || first.cold_from() != second.cold_from() {
        "rows"
    } else if first.valid_for_s() != second.valid_for_s() {
        "valid-for"
    } else if first.memory() != second.memory() {
        "memory"
    } else {
        "heats"
    }
}
