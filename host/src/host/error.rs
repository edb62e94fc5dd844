//! Why the host does not do what it is asked.

use crate::jobs::CommandError;
use crate::layer::TenantShardId;
use crate::pageserver::PageserverError;
use crate::remote::RemoteError;

/// Why a heatmap was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// The pageserver still has the shard.
    #[error("tenant {0} is still attached here: detach or delete it first, or its heatmap would be uploaded again")]
    Attached(TenantShardId),
    /// It cannot be told whether the pageserver still has it.
    #[error(transparent)]
    Pageserver(PageserverError),
    /// The bucket has a heatmap of a later location.
    #[error(
        "tenant {shard}: the heatmap in the bucket is of generation {bucket_generation}, and here the shard was \
         attached in generation {generation}; it was not deleted. Ask the location of generation {bucket_generation}"
    )]
    Stale {
        /// Which shard.
        shard: TenantShardId,
        /// In which it was attached here when it was deleted.
        generation: u32,
        /// Of the heatmap in the bucket.
        bucket_generation: u32,
    },
    /// The bucket does not do it.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The host takes no more work.
    #[error(transparent)]
    Command(#[from] CommandError),
}
