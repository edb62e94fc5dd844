//! What became of an upload. Whoever asked for one is told.

use std::sync::Arc;
use std::time::Duration;

use crate::Digest;
use crate::compute::CutOff;
use crate::heatmap::{Encoded, PolicyIdentity};
use crate::layer::TenantShardId;
use crate::pageserver::{PageserverError, Shard};
use crate::policy::{JudgeError, PolicyError, Report};
use crate::remote::RemoteError;

/// One shard's heatmap, and who decided what it lists.
#[derive(Debug)]
pub struct Generated {
    /// The document.
    pub heatmap: Encoded,
    /// The policy that was asked.
    pub policy: PolicyIdentity,
    /// Why it did not decide, and the built-in one did.
    pub policy_error: Option<PolicyError>,
    /// What its call used up and logged.
    pub report: Report,
    /// Seconds for which this stays right if no layer changes; `None`: for ever.
    pub valid_for_s: Option<u64>,
    /// When the policy was asked, since the clock's start.
    pub(super) decided: Duration,
    pub(super) scored: bool,
    pub(super) tenure: Digest,
}

/// Why there is no heatmap of a shard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The layers cannot be read.
    #[error(transparent)]
    Pageserver(#[from] PageserverError),
    /// Neither the policy nor the built-in one answered.
    #[error(transparent)]
    Judge(#[from] Box<JudgeError>),
    /// A bug: the work ended without an answer.
    #[error(transparent)]
    CutOff(#[from] CutOff),
}

/// One shard's turn.
#[derive(Debug)]
pub struct Attempt {
    /// Which shard.
    pub shard: TenantShardId,
    /// What happened.
    pub outcome: Outcome,
    /// The heatmap, unless the shard was skipped or failed before there was one, or nothing has changed since the last.
    pub generated: Option<Arc<Generated>>,
    /// The shard as it was when it was looked at last.
    pub seen: Option<Shard>,
    /// How often it was tried.
    pub tries: u32,
    /// How often another writer was met.
    pub conflicts: u32,
    /// How long it took.
    pub elapsed: Duration,
}

impl Attempt {
    /// One that ended before it came to a heatmap.
    pub(super) const fn without_heatmap(shard: TenantShardId, outcome: Outcome, elapsed: Duration) -> Self {
        Attempt { shard, outcome, generated: None, seen: None, tries: 0, conflicts: 0, elapsed }
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The bucket now has this heatmap. In a dry run: it would.
    Uploaded,
    /// The bucket had these bytes already; nothing was written there.
    Unchanged,
    /// Nothing was tried.
    Skipped(Skip),
    /// It did not work.
    Failed(UploadError),
}

/// An [`Outcome`] without its details: what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// The bucket now has this heatmap.
    Uploaded,
    /// It had it already.
    Unchanged,
    /// Nothing was tried.
    Skipped,
    /// It did not work.
    Failed,
}

impl OutcomeKind {
    /// As in JSON, tables and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            OutcomeKind::Uploaded => "uploaded",
            OutcomeKind::Unchanged => "unchanged",
            OutcomeKind::Skipped => "skipped",
            OutcomeKind::Failed => "failed",
        }
    }
}

impl Outcome {
    /// Without its details.
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Outcome::Uploaded => OutcomeKind::Uploaded,
            Outcome::Unchanged => OutcomeKind::Unchanged,
            Outcome::Skipped(_) => OutcomeKind::Skipped,
            Outcome::Failed(_) => OutcomeKind::Failed,
        }
    }

    /// Why it was skipped or failed, in a sentence.
    pub fn reason(&self) -> Option<String> {
        match self {
            Outcome::Uploaded | Outcome::Unchanged => None,
            Outcome::Skipped(skip) => Some(skip.to_string()),
            Outcome::Failed(error) => Some(error.to_string()),
        }
    }

    /// Why it was skipped or failed, in a word that does not change: what is counted.
    pub const fn code(&self) -> &'static str {
        match self {
            Outcome::Uploaded | Outcome::Unchanged => "",
            Outcome::Skipped(skip) => skip.code(),
            Outcome::Failed(error) => error.code(),
        }
    }
}

impl Skip {
    const fn code(&self) -> &'static str {
        match self {
            Skip::Stale => "stale",
            Skip::Off => "off",
            Skip::NoGeneration => "no_generation",
            Skip::Inactive => "inactive",
            Skip::Gone => "gone",
            Skip::NotReady(_) => "not_ready",
            Skip::OnlyAccessTimes => "only_access_times",
        }
    }
}

impl UploadError {
    const fn code(&self) -> &'static str {
        match self {
            UploadError::Stale { .. } => "stale_generation",
            UploadError::Generate(GenerateError::Pageserver(_)) => "layers",
            UploadError::Generate(_) => "internal",
            UploadError::Remote { .. } => "remote",
            UploadError::TimedOut(_) => "timed_out",
            UploadError::BrokeOff => "internal",
            UploadError::Cancelled => "cancelled",
        }
    }
}

/// Why a shard's heatmap is not uploaded now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// Its location is about to be detached. A command uploads it all the same.
    #[error("attached as stale: its successor uploads")]
    Stale,
    /// Its upload period is zero.
    #[error("uploads are off: heatmap_period is 0s")]
    Off,
    /// A heatmap names the generation of its writer, and this location has none.
    #[error("attached without a generation")]
    NoGeneration,
    /// It does not serve reads.
    #[error("not active")]
    Inactive,
    /// It is not attached here, or has gone since it was listed.
    #[error("not attached here")]
    Gone,
    /// One of its timelines still loads, or it is being shut down.
    #[error("not ready: {0}")]
    NotReady(String),
    /// Only access times moved, and its hot layers are smaller than its checkpoint distance.
    #[error("only access times changed, and the tenant is small")]
    OnlyAccessTimes,
}

/// Why a heatmap could not be uploaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// Another location was attached after this one.
    #[error(
        "stale: the heatmap in the bucket is of generation {bucket_generation}, this location is attached in \
         generation {generation}; it was not replaced. Upload from the location of generation {bucket_generation}"
    )]
    Stale {
        /// Ours.
        generation: u32,
        /// Of the heatmap in the bucket.
        bucket_generation: u32,
    },
    /// There is no heatmap to upload.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The bucket does not take it.
    #[error("{error}; given up at try {attempts}")]
    Remote {
        /// The last answer.
        error: RemoteError,
        /// How often it was tried.
        attempts: u32,
    },
    /// It took longer than one may.
    #[error("given up after {0:?}: the pageserver or the store hangs")]
    TimedOut(Duration),
    /// A bug: it panicked. What the bucket has is whole: the heatmap of before, or the new one.
    #[error("broke off, which is a bug: the log says where it panicked")]
    BrokeOff,
    /// The host ended before it was done. What the bucket has is whole: the heatmap of before, or the new one.
    #[error("cut off: the host is shutting down")]
    Cancelled,
}
