//! A pageserver of many equal tenants, and a bucket that keeps nothing: what remains is the host.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use thermocline::Digest;
use thermocline::layer::{Generation, Layer, LayerTable, TenantShardId};
use thermocline::pageserver::{AttachMode, HeldOpen, Pageserver, PageserverError, Revision, Shard};
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG};
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};

use super::sample;
use super::tick::tenant;

/// Tenants that all have the same layers, but for one that comes and goes with each change.
#[derive(Debug)]
pub(super) struct Node {
    shards: BTreeMap<TenantShardId, AtomicU64>,
    upload_period: Duration,
    layers: Vec<Layer>,
    /// Each look at a shard finds it changed.
    restless: bool,
}

impl Node {
    pub(super) fn new(tenants: u64, layers: usize, upload_period: Duration) -> Self {
        let shards = (0..tenants).map(|number| (tenant(number), AtomicU64::new(0))).collect();
        let mut layers = sample::resident_layers(layers);
        // As a map of layers hands them out.
        layers.sort_unstable_by_key(|layer| (layer.timeline, layer.name));
        Node { shards, upload_period, layers, restless: false }
    }

    /// The same, but each look at a shard finds it changed.
    pub(super) fn restless(self) -> Self {
        Node { restless: true, ..self }
    }

    /// The `number`th tenant's layers change.
    pub(super) fn change(&self, number: u64) {
        if let Some(revision) = self.shards.get(&tenant(number)) {
            revision.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn describe(&self, id: TenantShardId, revision: &AtomicU64) -> Shard {
        Shard {
            id,
            generation: Generation::new(7),
            attach_mode: AttachMode::Single,
            active: true,
            upload_period: self.upload_period,
            checkpoint_distance_bytes: 256 << 20,
            revision: Revision { layers: revision.load(Ordering::Relaxed), access_times: 0 },
        }
    }

    fn revision(&self, shard: TenantShardId) -> Result<&AtomicU64, PageserverError> {
        self.shards.get(&shard).ok_or(PageserverError::NotAttached(shard))
    }
}

#[async_trait]
impl Pageserver for Node {
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
        Ok(self.shards.iter().map(|(id, revision)| self.describe(*id, revision)).collect())
    }

    async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError> {
        let revision = self.revision(shard)?;
        if self.restless {
            revision.fetch_add(1, Ordering::Relaxed);
        }
        Ok(self.describe(shard, revision))
    }

    async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError> {
        let odd = self.revision(shard)?.load(Ordering::Relaxed) % 2 == 1;
        let mut table = LayerTable::builder();
        table.reserve(self.layers.len());
        self.layers.iter().skip(usize::from(odd)).for_each(|layer| table.layer(*layer));
        table.build().map_err(|error| PageserverError::Damaged { shard, why: error.to_string() })
    }

    fn hold(&self, _: TenantShardId) -> Result<HeldOpen, PageserverError> {
        Ok(Box::new(()))
    }

    async fn uploaded(&self, _: &Shard, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// A bucket that takes everything and keeps nothing. Whoever asks for an object whose ETag he has hears that it is
/// unchanged, and anybody else that there is none.
#[derive(Debug, Default)]
pub(super) struct Sink {
    puts: AtomicUsize,
}

impl Sink {
    pub(super) fn puts(&self) -> usize {
        self.puts.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Remote for Sink {
    async fn get(&self, _: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        Ok(if unless.is_some() { Got::Unchanged } else { Got::Missing })
    }

    async fn put(&self, _: &str, _: Bytes, _: PutIf) -> Result<ETag, RemoteError> {
        let number = self.puts.fetch_add(1, Ordering::Relaxed);
        Ok(ETag(format!("\"{number:032x}\"")))
    }

    async fn list(&self, _: &str) -> Result<Vec<Listed>, RemoteError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &str) -> Result<(), RemoteError> {
        Ok(())
    }

    fn url(&self, key: &str) -> String {
        format!("nowhere:{key}")
    }
}

/// Counts what another bucket has taken, and keeps the last body.
#[derive(Debug)]
pub(super) struct Counting {
    inner: Arc<dyn Remote>,
    puts: AtomicUsize,
    last: Mutex<Bytes>,
}

impl Counting {
    pub(super) fn new(inner: Arc<dyn Remote>) -> Self {
        Counting { inner, puts: AtomicUsize::default(), last: Mutex::default() }
    }

    pub(super) fn puts(&self) -> usize {
        self.puts.load(Ordering::Relaxed)
    }

    /// What was put last.
    pub(super) fn last(&self) -> Bytes {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Remote for Counting {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.inner.get(key, unless).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        let digest = Digest::of(&body);
        self.put_digested(key, body, digest, condition).await
    }

    async fn put_digested(
        &self,
        key: &str,
        body: Bytes,
        digest: Digest,
        condition: PutIf,
    ) -> Result<ETag, RemoteError> {
        let etag = self.inner.put_digested(key, body.clone(), digest, condition).await?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = body;
        self.puts.fetch_add(1, Ordering::Relaxed);
        Ok(etag)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.inner.delete(key).await
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}

/// The policy that ships, as a component.
pub(super) fn judge() -> anyhow::Result<Arc<Judge>> {
    let engine = Engine::new(Limits::default())?;
    Ok(Arc::new(Judge::built_in(&engine, NO_CONFIG).map_err(|error| anyhow!("{error}"))?))
}
