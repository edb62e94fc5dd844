//! The end of a tenant's heatmap.

use super::error::DeleteError;
use super::inner::Inner;
use crate::heatmap::peek_generation;
use crate::jobs::CommandError;
use crate::keys;
use crate::layer::TenantShardId;
use crate::pageserver::PageserverError;
use crate::remote::{Got, RemoteError};
use crate::upload::{MAX_ATTEMPTS, wait_after};

impl Inner {
    pub(super) async fn delete(&self, shard: TenantShardId, generation: u32) -> Result<(), DeleteError> {
        // Nobody waits for it when the host ends. A request that is under way then may still be carried out.
        tokio::select! {
            biased;
            () = self.uploads.stopping.cancelled() => Err(CommandError::ShuttingDown.into()),
            () = self.ended.cancelled() => Err(CommandError::ShuttingDown.into()),
            deleted = self.delete_in_tries(shard, generation) => deleted,
        }
    }

    async fn delete_in_tries(&self, shard: TenantShardId, generation: u32) -> Result<(), DeleteError> {
        match self.uploads.uploader.generator().pageserver().shard(shard).await {
            Err(PageserverError::NotAttached(_)) => {}
            Ok(_) => return Err(DeleteError::Attached(shard)),
            Err(error) => return Err(DeleteError::Pageserver(error)),
        }
        self.jobs.remove(shard);
        // A turn that began while the shard was there may still put its heatmap.
        self.until_idle(shard).await;

        let mut tries = 0;
        loop {
            tries += 1;
            match self.delete_once(shard, generation).await {
                Err(DeleteError::Remote(RemoteError::Busy { .. } | RemoteError::Unknown { .. }))
                    if tries < MAX_ATTEMPTS =>
                {
                    self.clock().sleep(wait_after(self.uploads.uploader.random(), tries)).await;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    self.forget(shard);
                    return Ok(());
                }
            }
        }
    }

    /// Looks before it deletes: the tenant may have gone on elsewhere.
    async fn delete_once(&self, shard: TenantShardId, generation: u32) -> Result<(), DeleteError> {
        let (remote, key) = (self.uploads.uploader.remote(), keys::heatmap(shard));
        let Got::Object(object) = remote.get(&key, None).await? else { return Ok(()) };
        if let Some(bucket_generation) = peek_generation(&object.body)
            && bucket_generation > generation
        {
            return Err(DeleteError::Stale { shard, generation, bucket_generation });
        }
        Ok(remote.delete(&key).await?)
    }

    async fn until_idle(&self, shard: TenantShardId) {
        loop {
            let ended = self.uploads.ended.notified();
            if !self.uploads.registry.is_running(shard) {
                return;
            }
            ended.await;
        }
    }
}
