//! A pageserver whose shards a test makes up.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::layer::{LayerTable, TenantShardId};
use thermocline::pageserver::{HeldOpen, Pageserver, PageserverError, Shard};

use super::lock;
use crate::Table;

/// What a pageserver was asked, and when a shard was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A shard is held open.
    Held,
    /// Its layers were read.
    Layers,
    /// Its heatmap is in the bucket.
    Uploaded,
    /// It is not held open any more.
    Released,
}

/// A pageserver whose shards a test makes up. A clone is another handle to it.
#[derive(Clone, Debug, Default)]
pub struct FakePageserver(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    tenants: BTreeMap<TenantShardId, Tenant>,
    unlisted: Option<String>,
    listing_hangs: bool,
    held: usize,
    most_held: usize,
}

#[derive(Debug)]
struct Tenant {
    shard: Shard,
    layers: Result<Table, String>,
    closing: bool,
    disk_full: bool,
    hangs: bool,
    panics: bool,
    heatmap: Option<Bytes>,
    events: Vec<Event>,
}

impl FakePageserver {
    /// Without a shard.
    pub fn new() -> Self {
        FakePageserver::default()
    }

    /// Attaches a shard, or attaches it anew.
    pub fn attach(&self, shard: Shard, layers: Table) {
        let tenant = Tenant {
            shard,
            layers: Ok(layers),
            closing: false,
            disk_full: false,
            hangs: false,
            panics: false,
            heatmap: None,
            events: Vec::new(),
        };
        lock(&self.0).tenants.insert(tenant.shard.id, tenant);
    }

    /// Detaches a shard.
    pub fn detach(&self, shard: TenantShardId) {
        lock(&self.0).tenants.remove(&shard);
    }

    /// Its layers are these now.
    pub fn set_layers(&self, shard: TenantShardId, layers: Table) {
        self.with(shard, |tenant| {
            tenant.layers = Ok(layers);
            tenant.shard.revision.layers += 1;
        });
    }

    /// The same layers were read at other times.
    pub fn set_access_times(&self, shard: TenantShardId, layers: Table) {
        self.with(shard, |tenant| {
            tenant.layers = Ok(layers);
            tenant.shard.revision.access_times += 1;
        });
    }

    /// It has other settings now.
    pub fn update(&self, shard: TenantShardId, update: impl FnOnce(&mut Shard)) {
        self.with(shard, |tenant| update(&mut tenant.shard));
    }

    /// From now on its shards cannot be listed; or they can again.
    pub fn cannot_be_listed(&self, why: Option<&str>) {
        lock(&self.0).unlisted = why.map(Into::into);
    }

    /// From now on nobody who asks for all shards is answered; or everybody is again.
    pub fn listing_hangs(&self, hangs: bool) {
        lock(&self.0).listing_hangs = hangs;
    }

    /// From now on nobody who asks for this shard is answered; or everybody is again.
    pub fn hangs(&self, shard: TenantShardId, hangs: bool) {
        self.with(shard, |tenant| tenant.hangs = hangs);
    }

    /// From now on reading its layers panics; or it does no more.
    pub fn panics(&self, shard: TenantShardId, panics: bool) {
        self.with(shard, |tenant| tenant.panics = panics);
    }

    /// One of its timelines still loads.
    pub fn is_loading(&self, shard: TenantShardId, why: &str) {
        self.with(shard, |tenant| tenant.layers = Err(why.into()));
    }

    /// It is being shut down, and not held open for anybody any more.
    pub fn is_closing(&self, shard: TenantShardId) {
        self.with(shard, |tenant| tenant.closing = true);
    }

    /// Its local heatmap cannot be written.
    pub fn has_full_disk(&self, shard: TenantShardId) {
        self.with(shard, |tenant| tenant.disk_full = true);
    }

    /// Its local heatmap.
    pub fn heatmap(&self, shard: TenantShardId) -> Option<Bytes> {
        self.with(shard, |tenant| tenant.heatmap.clone()).flatten()
    }

    /// What happened to a shard since it was attached, or since this was asked last.
    pub fn take_events(&self, shard: TenantShardId) -> Vec<Event> {
        self.with(shard, |tenant| std::mem::take(&mut tenant.events)).unwrap_or_default()
    }

    /// How many shards are held open now, one that is held twice counting twice.
    pub fn held(&self) -> usize {
        lock(&self.0).held
    }

    /// How many at most were held open at one time.
    pub fn most_held(&self) -> usize {
        lock(&self.0).most_held
    }

    fn with<T>(&self, shard: TenantShardId, work: impl FnOnce(&mut Tenant) -> T) -> Option<T> {
        lock(&self.0).tenants.get_mut(&shard).map(work)
    }

    fn attached<T>(
        &self,
        shard: TenantShardId,
        work: impl FnOnce(&mut Tenant) -> Result<T, PageserverError>,
    ) -> Result<T, PageserverError> {
        self.with(shard, work).unwrap_or(Err(PageserverError::NotAttached(shard)))
    }
}

/// Lets a shard go when it is dropped.
struct Guard(FakePageserver, TenantShardId);

impl Drop for Guard {
    fn drop(&mut self) {
        lock(&self.0.0).held -= 1;
        self.0.with(self.1, |tenant| tenant.events.push(Event::Released));
    }
}

#[async_trait]
impl Pageserver for FakePageserver {
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
        if lock(&self.0).listing_hangs {
            std::future::pending::<()>().await;
        }
        let state = lock(&self.0);
        match &state.unlisted {
            Some(why) => Err(PageserverError::Unavailable(why.clone().into())),
            None => Ok(state.tenants.values().map(|tenant| tenant.shard.clone()).collect()),
        }
    }

    async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError> {
        if self.with(shard, |tenant| tenant.hangs) == Some(true) {
            std::future::pending::<()>().await;
        }
        self.attached(shard, |tenant| Ok(tenant.shard.clone()))
    }

    async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError> {
        self.attached(shard, |tenant| {
            tenant.events.push(Event::Layers);
            assert!(!tenant.panics, "planned by the test");
            let not_ready = |why: &String| PageserverError::NotReady { shard, why: why.clone() };
            let table = tenant.layers.as_ref().map_err(not_ready)?;
            table.table().map_err(|why| PageserverError::Damaged { shard, why })
        })
    }

    fn hold(&self, shard: TenantShardId) -> Result<HeldOpen, PageserverError> {
        self.attached(shard, |tenant| {
            if tenant.closing {
                return Err(PageserverError::NotReady { shard, why: "it is being shut down".into() });
            }
            tenant.events.push(Event::Held);
            Ok(())
        })?;
        let state = &mut *lock(&self.0);
        state.held += 1;
        state.most_held = state.most_held.max(state.held);
        Ok(Box::new(Guard(self.clone(), shard)))
    }

    async fn uploaded(&self, shard: &Shard, heatmap: &[u8]) -> io::Result<()> {
        let kept = self.with(shard.id, |tenant| {
            if tenant.disk_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            tenant.heatmap = Some(Bytes::copy_from_slice(heatmap));
            tenant.events.push(Event::Uploaded);
            Ok(())
        });
        kept.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }
}
