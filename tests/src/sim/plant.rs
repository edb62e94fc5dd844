//! Bugs to plant: each breaks one invariant, by what is handed to the host or done with it. The host itself is the one
//! that ships.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::layer::{LayerTable, TenantShardId};
use thermocline::pageserver::{HeldOpen, Pageserver, PageserverError, Revision, Shard};
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};

use super::bucket::SimBucket;

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A remote that ignores the conditions of puts.
    Unconditional,
    /// A remote that now and then writes half an object.
    Halves,
    /// A pageserver whose revisions never move.
    Still,
    /// A pageserver that says that some tenants' periods are twenty times as long.
    Rare,
    /// A host that runs twice as many uploads as it was told.
    Crowd,
    /// A pageserver whose guards hold nothing open.
    Unheld,
    /// A remote that repeats what has failed, again and again.
    Stubborn,
    /// A host that is not shut down, and said to be.
    Undead,
    /// A remote that says of puts that they were written, and forgets some.
    Forgetful,
    /// A pageserver whose revisions move at every look.
    Restless,
    /// A remote that says of deletions that they were done, and does nothing.
    Keeping,
}

/// Every bug, its name, and the invariant that it breaks.
pub const PLANTS: [(Plant, &str, &str); 11] = [
    (Plant::Unconditional, "unconditional", "generation"),
    (Plant::Halves, "halves", "whole"),
    (Plant::Still, "still", "fresh"),
    (Plant::Rare, "rare", "starvation"),
    (Plant::Crowd, "crowd", "limits"),
    (Plant::Unheld, "unheld", "limits"),
    (Plant::Stubborn, "stubborn", "limits"),
    (Plant::Undead, "undead", "shutdown"),
    (Plant::Forgetful, "forgetful", "answered"),
    (Plant::Restless, "restless", "idle"),
    (Plant::Keeping, "keeping", "deleted"),
];

/// Of so many calls, one is done wrong.
const ONE_IN: u64 = 5;

/// Of so many tenants, one is rare.
const ONE_TENANT_IN: u16 = 4;

/// How often a stubborn remote repeats a request.
const REPEATS: u32 = 60;

/// The way to the bucket, with a bug in it.
#[derive(Debug)]
pub(super) struct PlantedRemote {
    pub(super) inner: Arc<dyn Remote>,
    pub(super) plant: Plant,
    pub(super) bucket: Arc<SimBucket>,
    pub(super) calls: AtomicU64,
}

impl PlantedRemote {
    fn is_wrong_now(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) % ONE_IN == ONE_IN - 1
    }
}

#[async_trait]
impl Remote for PlantedRemote {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        let mut answer = self.inner.get(key, unless).await;
        for _ in 0..if self.plant == Plant::Stubborn { REPEATS } else { 0 } {
            if answer.is_ok() {
                break;
            }
            answer = self.inner.get(key, unless).await;
        }
        answer
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        match self.plant {
            Plant::Unconditional => {
                let shard = key.trim_start_matches("tenants/").trim_end_matches("/heatmap-v1.json").parse();
                let condition = shard.map_or(condition, |shard| self.bucket.version(shard));
                self.inner.put(key, body, condition).await
            }
            Plant::Halves if self.is_wrong_now() => {
                let half = body.slice(..body.len() / 2);
                self.inner.put(key, half, condition).await
            }
            Plant::Forgetful if self.is_wrong_now() => Ok(ETag("\"forgotten\"".into())),
            _ => self.inner.put(key, body, condition).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        if self.plant == Plant::Keeping { Ok(()) } else { self.inner.delete(key).await }
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}

/// A pageserver, with a bug in it.
#[derive(Debug)]
pub(super) struct PlantedPageserver {
    pub(super) inner: Arc<dyn Pageserver>,
    pub(super) plant: Plant,
    pub(super) calls: AtomicU64,
}

impl PlantedPageserver {
    fn bend(&self, mut shard: Shard) -> Shard {
        match self.plant {
            Plant::Still => shard.revision = Revision::default(),
            Plant::Restless => shard.revision.layers += self.calls.fetch_add(1, Ordering::Relaxed),
            Plant::Rare if number(shard.id).is_multiple_of(ONE_TENANT_IN) => shard.upload_period *= 20,
            _ => {}
        }
        shard
    }
}

fn number(shard: TenantShardId) -> u16 {
    let [_, high, low, ..] = *shard.tenant.as_bytes();
    u16::from_be_bytes([high, low])
}

#[async_trait]
impl Pageserver for PlantedPageserver {
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
        Ok(self.inner.shards().await?.into_iter().map(|shard| self.bend(shard)).collect())
    }

    async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError> {
        self.inner.shard(shard).await.map(|shard| self.bend(shard))
    }

    async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError> {
        self.inner.layers(shard).await
    }

    fn hold(&self, shard: TenantShardId) -> Result<HeldOpen, PageserverError> {
        let held = self.inner.hold(shard)?;
        Ok(if self.plant == Plant::Unheld { Box::new(()) } else { held })
    }

    async fn uploaded(&self, shard: &Shard, heatmap: &[u8]) -> io::Result<()> {
        self.inner.uploaded(shard, heatmap).await
    }
}
