//! What the host says of itself and of each shard, at any moment.

use std::time::Duration;

use crate::Digest;
use crate::layer::{Generation, TenantShardId};
use crate::pageserver::AttachMode;
use crate::policies::{Scope, ShadowStatus};
use crate::policy::Policy;
use crate::upload::{OutcomeKind, Trigger};

/// The host as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct HostStatus {
    /// Since it was started.
    pub uptime: Duration,
    /// The policy that decides for all shards that have none of their own.
    pub policy: PolicyStatus,
    /// The policies that decide for some.
    pub overrides: Vec<(Scope, PolicyStatus)>,
    /// The policy that is watched.
    pub shadow: Option<ShadowStatus>,
    /// Shards that are attached here.
    pub shards: usize,
    /// Of them, those whose heatmaps are uploaded by schedule.
    pub scheduled: usize,
    /// Of them, those that are due and wait for a place.
    pub due: usize,
    /// Jobs that run, commands included.
    pub running: usize,
    /// Uploads that run at once by schedule.
    pub concurrency: usize,
    /// How long ago the stalest heatmap of a scheduled shard was last known to be right; `None` where there is none.
    /// Shards without a heatmap do not count here, but in `without_heatmap`.
    pub stalest: Option<Duration>,
    /// Of the scheduled shards, those without a heatmap in the bucket as far as is known.
    pub without_heatmap: usize,
    /// Whether it takes no more work.
    pub shutting_down: bool,
    /// Why the pageserver's shards could not be listed when that was last tried.
    pub pageserver_error: Option<String>,
}

/// A policy, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStatus {
    /// As it describes itself.
    pub name: String,
    /// As it describes itself.
    pub version: String,
    /// Of the component.
    pub digest: Digest,
}

impl PolicyStatus {
    pub(super) fn of(policy: &Policy) -> Self {
        let identity = policy.identity();
        PolicyStatus {
            name: identity.name().unwrap_or_default().to_owned(),
            version: identity.version().unwrap_or_default().to_owned(),
            digest: identity.digest(),
        }
    }
}

/// One shard that is attached here.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardStatus {
    /// Which.
    pub shard: TenantShardId,
    /// In which generation.
    pub generation: Generation,
    /// How.
    pub attach_mode: AttachMode,
    /// Whether it serves reads.
    pub active: bool,
    /// Zero where it is not uploaded by schedule.
    pub upload_period: Duration,
    /// The policy that decides for it.
    pub policy: PolicyStatus,
    /// What is in the bucket, as far as this location has put or found it there.
    pub heatmap: Option<HeatmapStatus>,
    /// The last job, since the host was started.
    pub last: Option<LastJob>,
    /// Whether a job runs.
    pub running: bool,
    /// Until the next job by schedule; zero where it is due.
    pub next_due: Option<Duration>,
    /// How long it has been due.
    pub overdue: Duration,
    /// Jobs that failed in a row.
    pub failures: u32,
}

/// A heatmap in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeatmapStatus {
    /// Of the location that wrote it.
    pub generation: u32,
    /// When it was written, seconds since the Unix epoch.
    pub written_unix_s: i64,
    /// When it was last known to say what it should: written, or found to need no change.
    pub confirmed_unix_s: i64,
    /// Its size.
    pub size_bytes: u64,
    /// Layers that it lists for download.
    pub hot_layers: u64,
    /// Layers that it lists as cold.
    pub cold_layers: u64,
    /// Sizes of the hot layers together.
    pub hot_bytes: u64,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastJob {
    /// When, seconds since the Unix epoch.
    pub ended_unix_s: i64,
    /// Who asked for it.
    pub trigger: Trigger,
    /// What came of it.
    pub outcome: OutcomeKind,
    /// Why it was skipped or failed.
    pub reason: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
    /// Why the policy did not decide, and the built-in one did.
    pub policy_error: Option<String>,
}
