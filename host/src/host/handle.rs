//! What the embedder holds of a running host.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::error::DeleteError;
use super::status::{HostStatus, ShardStatus};
use crate::jobs::CommandError;
use crate::layer::TenantShardId;
use crate::metrics::Family;
use crate::upload::Attempt;

/// A running host. Clones are of the same one; dropping them all does not end it.
#[derive(Clone, Debug)]
pub struct HostHandle {}

/// How a shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Shards whose uploads were cut off, because they took longer than the limit.
    pub cut_off: Vec<TenantShardId>,
}

impl HostHandle {
    /// Uploads one shard's heatmap now, past the queue and the concurrency limit; behind a job of the same shard that
    /// runs. What happened is in [`Attempt::outcome`].
    ///
    /// # Errors
    /// If too many commands run, or the host is shutting down.
    pub async fn upload_now(&self, shard: TenantShardId) -> Result<Arc<Attempt>, CommandError> {
        todo!()
    }

    /// Removes the heatmap of a shard that was deleted, and all that is remembered of it.
    ///
    /// # Errors
    /// If the shard is still attached here, the bucket has a heatmap of a higher generation, or does not answer.
    pub async fn delete_now(&self, shard: TenantShardId) -> Result<(), DeleteError> {
        todo!()
    }

    /// A shard came, went, or changed its settings: it is looked at now, rather than at the next rescan.
    pub fn changed(&self, shard: TenantShardId) {
        todo!()
    }

    /// Lists all shards anew, now.
    pub fn rescan(&self) {
        todo!()
    }

    /// Uploads that run at once by schedule, from now on.
    pub fn set_concurrency(&self, concurrency: NonZeroUsize) {
        todo!()
    }

    /// The host as a whole.
    pub fn status(&self) -> HostStatus {
        todo!()
    }

    /// One shard; `None` where it is not attached here.
    pub fn shard(&self, shard: TenantShardId) -> Option<ShardStatus> {
        todo!()
    }

    /// Every shard, in the order of their ids.
    pub fn shards(&self) -> Vec<ShardStatus> {
        todo!()
    }

    /// Everything that is counted. `series` bounds the metrics that have a series for each shard: the stalest are shown.
    pub fn metrics(&self, series: usize) -> Vec<Family> {
        todo!()
    }

    /// Takes no more work, waits for uploads that run up to the limit, cuts off the others, and keeps the state.
    /// Answers when the host has ended; a second call waits for the same end.
    pub async fn shutdown(&self) -> Drained {
        todo!()
    }
}
