//! What the embedder holds of a running host.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::builder::MIN_RESCAN_PERIOD;
use super::error::DeleteError;
use super::inner::{Inner, lock};
use crate::jobs::CommandError;
use crate::layer::TenantShardId;
use crate::policies::Policies;
use crate::upload::Attempt;

/// A running host. Clones are of the same one; dropping them all does not end it.
#[derive(Clone, Debug)]
pub struct HostHandle(pub(super) Arc<Inner>);

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
        self.0.jobs.command(shard).await
    }

    /// Removes the heatmap of a shard that was deleted, and all that is remembered of it. A job of it that runs is
    /// waited for. `generation` is the one in which the shard was attached here when it was deleted: the heatmap of a
    /// later location stays, also where this host has long forgotten the shard. Stores do not delete on a condition:
    /// what another location puts in the moment between the look and the deletion goes, and is put again when that
    /// location looks. So this is for tenants that are deleted everywhere.
    ///
    /// # Errors
    /// If the shard is still attached here, the bucket has a heatmap of a higher generation, or does not answer.
    pub async fn delete_now(&self, shard: TenantShardId, generation: u32) -> Result<(), DeleteError> {
        self.0.delete(shard, generation).await
    }

    /// A shard came, went, or changed its settings: it is looked at now, rather than at the next rescan.
    pub fn changed(&self, shard: TenantShardId) {
        self.0.uploads.moved.tell(shard);
    }

    /// Lists all shards anew, now.
    pub fn rescan(&self) {
        self.0.uploads.moved.tell_all();
    }

    /// Uploads that run at once by schedule, from now on.
    pub fn set_concurrency(&self, concurrency: NonZeroUsize) {
        self.0.jobs.set_concurrency(concurrency);
    }

    /// How often all shards are listed, from now on. At least [`MIN_RESCAN_PERIOD`].
    pub fn set_rescan_period(&self, period: Duration) {
        *lock(&self.0.rescan_period) = period.max(MIN_RESCAN_PERIOD);
        self.0.uploads.moved.wake();
    }

    /// Which policies there are, which one decides, and how to change that.
    pub fn policies(&self) -> &Policies {
        self.0.uploads.uploader.generator().policies()
    }

    /// Takes no more work, waits for uploads that run up to the limit, cuts off the others, and keeps the state. Tries
    /// that have failed are not repeated. Answers when the host has ended; a second call waits for the same end.
    pub async fn shutdown(&self) -> Drained {
        self.0.uploads.stopping.cancel();
        self.0.ended.cancelled().await;
        lock(&self.0.drained).clone()
    }
}
