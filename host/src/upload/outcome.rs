//! What became of an upload. Whoever asked for one is told.

use std::time::Duration;

use crate::heatmap::{Encoded, PolicyIdentity};
use crate::layer::TenantShardId;
use crate::pageserver::PageserverError;
use crate::policy::{JudgeError, PolicyError};
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
    #[error("the work was cut off: {0}")]
    CutOff(String),
}

/// One shard's turn.
#[derive(Debug)]
pub struct Attempt {
    /// Which shard.
    pub shard: TenantShardId,
    /// What happened.
    pub outcome: Outcome,
    /// The heatmap, unless the shard was skipped or failed before there was one.
    pub generated: Option<Generated>,
    /// How long it took.
    pub elapsed: Duration,
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
    /// It has gone since it was listed.
    #[error("no longer attached")]
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
}
