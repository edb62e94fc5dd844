//! What became of one shard's upload, as the command and the HTTP API tell it.

use serde::Serialize;
use thermocline::upload::{Attempt, Outcome, Skip};
use utoipa::ToSchema;

const FAILED: &str = "failed";

/// What became of one shard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Row {
    /// As its folder is called.
    pub(crate) shard: String,
    /// `uploaded`, `would upload` in a dry run, `unchanged`, `skipped` or `failed`.
    pub(crate) outcome: &'static str,
    /// Why it was skipped or failed.
    pub(crate) reason: Option<String>,
    /// Listed layers, hot and cold.
    pub(crate) layers: Option<usize>,
    pub(crate) cold_layers: Option<usize>,
    /// Sizes of the hot layers together.
    pub(crate) hot_bytes: Option<u64>,
    /// Size of the heatmap.
    pub(crate) bytes: Option<usize>,
    pub(crate) elapsed_ms: f64,
    /// The policy that was asked.
    pub(crate) policy: Option<String>,
    /// Why it did not decide, and the built-in one did.
    pub(crate) policy_error: Option<String>,
}

impl Row {
    fn new(shard: String, outcome: &'static str, reason: Option<String>) -> Self {
        Row {
            shard,
            outcome,
            reason,
            layers: None,
            cold_layers: None,
            hot_bytes: None,
            bytes: None,
            elapsed_ms: 0.0,
            policy: None,
            policy_error: None,
        }
    }

    pub(crate) fn skipped(shard: String, reason: String) -> Self {
        Row::new(shard, "skipped", Some(reason))
    }

    pub(crate) fn failed(shard: String, reason: String) -> Self {
        Row::new(shard, FAILED, Some(reason))
    }

    /// Whether it counts as an error: who asked did not get what they asked for.
    pub(crate) fn is_failed(&self) -> bool {
        self.outcome == FAILED
    }

    pub(crate) fn from_attempt(attempt: &Attempt, dry_run: bool) -> Self {
        let (outcome, reason) = match &attempt.outcome {
            Outcome::Uploaded if dry_run => ("would upload", None),
            Outcome::Uploaded => ("uploaded", None),
            Outcome::Unchanged => ("unchanged", None),
            // A loop would come back at the next period, and a command does not.
            Outcome::Skipped(skip @ Skip::NotReady(_)) => (FAILED, Some(skip.to_string())),
            Outcome::Skipped(skip) => ("skipped", Some(skip.to_string())),
            Outcome::Failed(error) => (FAILED, Some(error.to_string())),
            other => (FAILED, Some(format!("{other:?}"))),
        };
        let mut row = Row::new(attempt.shard.to_string(), outcome, reason);
        row.elapsed_ms = (attempt.elapsed.as_secs_f64() * 1e6).round() / 1e3;
        if let Some(generated) = &attempt.generated {
            let heatmap = &generated.heatmap;
            row.layers = Some(heatmap.hot_layers + heatmap.cold_layers);
            row.cold_layers = Some(heatmap.cold_layers);
            row.hot_bytes = Some(heatmap.hot_bytes);
            row.bytes = Some(heatmap.bytes.len());
            row.policy = Some(format!("{} {}", generated.policy.name, generated.policy.version));
            row.policy_error = generated.policy_error.as_ref().map(ToString::to_string);
        }
        row
    }
}
