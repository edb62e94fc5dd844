//! The bodies of answers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thermocline::host::{HeatmapStatus, HostStatus, LastJob, PolicyStatus, ShardStatus};
use thermocline::layer::TenantShardId;
use thermocline::pageserver::AttachMode;
use thermocline::policies::Scope;
use utoipa::{IntoParams, ToSchema};

use crate::row::Row;

/// What became of an upload; with `msg` where it was none.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadAnswer {
    #[serde(flatten)]
    pub(super) row: Row,
    /// Why there was no upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) msg: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Shards on it, at most 10,000; 1,000 where it is not said.
    pub(super) limit: Option<usize>,
    /// The last shard of the page before.
    pub(super) after: Option<String>,
}

/// Shards that are attached here, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tenants {
    pub(super) tenants: Vec<Tenant>,
    /// Where there are more: `after` of the next page.
    pub(super) next: Option<String>,
}

/// A shard that is attached here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tenant {
    shard: String,
    generation: Option<u32>,
    /// `single`, `multi` or `stale`.
    attach_mode: &'static str,
    /// Whether it serves reads.
    active: bool,
    /// How often its heatmap is uploaded; 0 where it is not, by schedule.
    upload_period_s: f64,
    /// How long ago its heatmap was last known to be right; null where none has been seen in the bucket.
    age_s: Option<i64>,
    /// What is in the bucket.
    heatmap: Option<HeatmapAnswer>,
    /// The last job since the daemon was started.
    last: Option<Last>,
    /// Whether a job runs.
    running: bool,
    /// Until the next job; 0 where it is due, null where there is none by schedule.
    next_due_s: Option<f64>,
    /// How long it has been due.
    overdue_s: f64,
    /// Jobs that failed in a row.
    failures: u32,
    /// The policy that is asked.
    policy: String,
    /// Where it is asked for this tenant or shard only: which.
    policy_override: Option<String>,
}

/// A heatmap in the bucket.
#[derive(Debug, Serialize, ToSchema)]
struct HeatmapAnswer {
    /// Of the location that wrote it.
    generation: u32,
    /// Seconds since the Unix epoch.
    written_unix_s: i64,
    /// When it was last known to be right, seconds since the Unix epoch.
    confirmed_unix_s: i64,
    bytes: u64,
    hot_layers: u64,
    cold_layers: u64,
    /// Sizes of the hot layers together.
    hot_bytes: u64,
    sha256: String,
}

/// How a job ended.
#[derive(Debug, Serialize, ToSchema)]
struct Last {
    /// Seconds since the Unix epoch.
    ended_unix_s: i64,
    /// `schedule` or `command`.
    trigger: &'static str,
    /// `uploaded`, `unchanged`, `skipped` or `failed`.
    outcome: &'static str,
    /// Why it was skipped or failed.
    reason: Option<String>,
    elapsed_ms: f64,
    /// Why the policy did not decide, and the built-in one did.
    policy_error: Option<String>,
}

/// The daemon as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    uptime_s: f64,
    policy: PolicyAnswer,
    /// Tenants and shards that another policy decides for: `/v1/policy` names them.
    policy_overrides: usize,
    /// The policy that is watched, null where none is: `/v1/policy_shadow` says how it compares.
    policy_shadow: Option<Watched>,
    /// Attached here.
    shards: usize,
    /// Of them, those that are uploaded by schedule.
    scheduled: usize,
    /// Of the scheduled, those without a heatmap in the bucket.
    without_heatmap: usize,
    /// The age of the stalest heatmap; null where there is none, or one is missing.
    stalest_s: Option<f64>,
    /// Jobs that wait for a place.
    due: usize,
    /// Jobs that run, commands included.
    running: usize,
    /// Uploads that run at once by schedule.
    heatmap_upload_concurrency: usize,
    shutting_down: bool,
    /// Why the pageserver's shards could not be listed.
    pageserver_error: Option<String>,
}

/// Which policy is asked.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyAnswer {
    name: String,
    version: String,
    /// Of the component.
    sha256: String,
}

/// A policy that is watched.
#[derive(Debug, Serialize, ToSchema)]
struct Watched {
    /// `built-in`, or `sha256:` and 64 hex digits.
    policy: String,
    name: String,
    version: String,
    since: String,
}

/// Tenants and shards that have a policy of their own.
#[derive(Debug)]
pub(super) struct Overrides(BTreeSet<Scope>);

impl Overrides {
    pub(super) fn new(status: &HostStatus) -> Self {
        Overrides(status.overrides.iter().map(|(scope, _)| *scope).collect())
    }

    /// What is said of a shard counts over what is said of its tenant.
    fn of(&self, shard: TenantShardId) -> Option<Scope> {
        [Scope::Shard(shard), Scope::Tenant(shard.tenant)].into_iter().find(|scope| self.0.contains(scope))
    }
}

impl Tenant {
    pub(super) fn new(status: ShardStatus, overrides: &Overrides, now_s: i64) -> Self {
        Tenant {
            shard: status.shard.to_string(),
            generation: status.generation.get(),
            attach_mode: match status.attach_mode {
                AttachMode::Single => "single",
                AttachMode::Multi => "multi",
                AttachMode::Stale => "stale",
            },
            active: status.active,
            upload_period_s: status.upload_period.as_secs_f64(),
            // Clocks are set back, and no heatmap is of the future.
            age_s: status.heatmap.as_ref().map(|heatmap| now_s.saturating_sub(heatmap.confirmed_unix_s).max(0)),
            heatmap: status.heatmap.map(HeatmapAnswer::from),
            last: status.last.map(Last::from),
            running: status.running,
            next_due_s: status.next_due.as_ref().map(Duration::as_secs_f64),
            overdue_s: status.overdue.as_secs_f64(),
            failures: status.failures,
            policy: format!("{} {}", status.policy.name, status.policy.version),
            policy_override: overrides.of(status.shard).map(|scope| scope.to_string()),
        }
    }
}

impl From<HeatmapStatus> for HeatmapAnswer {
    fn from(status: HeatmapStatus) -> Self {
        HeatmapAnswer {
            generation: status.generation,
            written_unix_s: status.written_unix_s,
            confirmed_unix_s: status.confirmed_unix_s,
            bytes: status.size_bytes,
            hot_layers: status.hot_layers,
            cold_layers: status.cold_layers,
            hot_bytes: status.hot_bytes,
            sha256: status.digest.to_string(),
        }
    }
}

impl From<LastJob> for Last {
    fn from(last: LastJob) -> Self {
        Last {
            ended_unix_s: last.ended_unix_s,
            trigger: last.trigger.as_str(),
            outcome: last.outcome.as_str(),
            reason: last.reason,
            elapsed_ms: last.elapsed.as_secs_f64() * 1e3,
            policy_error: last.policy_error,
        }
    }
}

impl From<PolicyStatus> for PolicyAnswer {
    fn from(status: PolicyStatus) -> Self {
        PolicyAnswer { name: status.name, version: status.version, sha256: status.digest.to_string() }
    }
}

impl From<HostStatus> for Status {
    fn from(status: HostStatus) -> Self {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: status.uptime.as_secs_f64(),
            policy: status.policy.into(),
            policy_overrides: status.overrides.len(),
            policy_shadow: status.shadow.map(|shadow| Watched {
                policy: shadow.which.to_string(),
                name: shadow.name,
                version: shadow.version,
                since: shadow.since,
            }),
            shards: status.shards,
            scheduled: status.scheduled,
            without_heatmap: status.without_heatmap,
            stalest_s: status.stalest.as_ref().map(Duration::as_secs_f64),
            due: status.due,
            running: status.running,
            heatmap_upload_concurrency: status.concurrency,
            shutting_down: status.shutting_down,
            pageserver_error: status.pageserver_error,
        }
    }
}

impl Page {
    /// Shards on a page where it is not said.
    pub(super) const DEFAULT: usize = 1000;
    /// Most shards on a page.
    pub(super) const MAX: usize = 10_000;

    /// How many, and after which.
    pub(super) fn decode(&self) -> Result<(usize, Option<TenantShardId>), String> {
        let limit = self.limit.unwrap_or(Self::DEFAULT);
        if !(1..=Self::MAX).contains(&limit) {
            return Err(format!("limit={limit}: expected a number from 1 to {}", Self::MAX));
        }
        let after = self.after.as_ref().map(|id| id.parse().map_err(|error| format!("after: {error}"))).transpose()?;
        Ok((limit, after))
    }
}
