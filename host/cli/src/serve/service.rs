//! What the HTTP API asks of the host: so that it can be tested without one.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use thermocline::HostHandle;
use thermocline::host::{HostStatus, ShardStatus};
use thermocline::jobs::CommandError;
use thermocline::layer::TenantShardId;
use thermocline::metrics::Family;
use thermocline::upload::Attempt;

use super::policy_service::PolicyService;

/// A running host, as little of it as HTTP needs. See [`HostHandle`] for what each does.
#[async_trait]
pub(crate) trait Service: Debug + Send + Sync + 'static {
    async fn upload_now(&self, shard: TenantShardId) -> Result<Arc<Attempt>, CommandError>;
    fn status(&self) -> HostStatus;
    fn shard(&self, shard: TenantShardId) -> Option<ShardStatus>;
    fn shards(&self) -> Vec<ShardStatus>;
    fn metrics(&self, series: usize) -> Vec<Family>;
    fn policies(&self) -> &dyn PolicyService;
}

#[async_trait]
impl Service for HostHandle {
    async fn upload_now(&self, shard: TenantShardId) -> Result<Arc<Attempt>, CommandError> {
        HostHandle::upload_now(self, shard).await
    }

    fn status(&self) -> HostStatus {
        HostHandle::status(self)
    }

    fn shard(&self, shard: TenantShardId) -> Option<ShardStatus> {
        HostHandle::shard(self, shard)
    }

    fn shards(&self) -> Vec<ShardStatus> {
        HostHandle::shards(self)
    }

    fn metrics(&self, series: usize) -> Vec<Family> {
        HostHandle::metrics(self, series)
    }

    fn policies(&self) -> &dyn PolicyService {
        HostHandle::policies(self)
    }
}
