//! A pageserver: shards with layers, and what of them a host is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use thermocline::clock::Clock;
use thermocline::layer::{Generation, LayerTable, TenantShardId};
use thermocline::pageserver::{HeldOpen, Pageserver, PageserverError, Revision, Shard};

use super::chance::{between, happens, numbers};
use super::event::{Event, HostId, Location, NodeId};
use super::life::Life;
use super::picture::Picture;
use super::tenant::{Moved, Tenant};
use super::watch::Watch;
use crate::doubles::{SimClock, lock};

/// A pageserver. Clones are of the same one.
#[derive(Clone, Debug)]
pub(super) struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: NodeId,
    watch: Watch,
    /// Whether the policy may list the first layer only.
    moody: bool,
    /// Numbers the states of all pageservers.
    states: Arc<AtomicU64>,
    shards: Mutex<BTreeMap<TenantShardId, Attached>>,
    rng: Mutex<Rng>,
}

#[derive(Debug)]
struct Attached {
    location: Location,
    tenant: Tenant,
    revision: Revision,
    held: u32,
}

impl Attached {
    fn shard(&self, id: TenantShardId) -> Shard {
        let Location { generation, mode, active, period, checkpoint, .. } = self.location;
        Shard {
            id,
            generation: Generation::new(generation),
            attach_mode: mode,
            active,
            upload_period: period,
            checkpoint_distance_bytes: checkpoint,
            revision: self.revision,
        }
    }
}

impl Node {
    pub(super) fn new(id: NodeId, seed: u64, watch: Watch, moody: bool, states: Arc<AtomicU64>) -> Self {
        let rng = Mutex::new(numbers(seed, &format!("node {id:?}")));
        Node(Arc::new(Inner { id, watch, moody, states, shards: Mutex::default(), rng }))
    }

    pub(super) fn id(&self) -> NodeId {
        self.0.id
    }

    /// Every shard, and how it is attached.
    pub(super) fn shards(&self) -> Vec<(TenantShardId, Location)> {
        lock(&self.0.shards).iter().map(|(shard, attached)| (*shard, attached.location)).collect()
    }

    pub(super) fn tenant(&self, shard: TenantShardId) -> Option<Tenant> {
        lock(&self.0.shards).get(&shard).map(|attached| attached.tenant.clone())
    }

    /// Attaches a shard, or attaches it anew.
    pub(super) fn attach(&self, shard: TenantShardId, location: Location, tenant: Tenant, told: bool) {
        let shards = &mut *lock(&self.0.shards);
        let before = shards.remove(&shard);
        let revision = before.as_ref().map_or_else(Revision::default, |before| moved(before.revision, Moved::Layers));
        let held = before.map_or(0, |before| before.held);
        self.0.watch.see(&Event::Attached { node: self.0.id, shard, location, told });
        self.changed(shard, &tenant);
        shards.insert(shard, Attached { location, tenant, revision, held });
    }

    /// Changes how a shard is attached.
    pub(super) fn set(&self, shard: TenantShardId, told: bool, change: impl FnOnce(&mut Location)) {
        if let Some(attached) = lock(&self.0.shards).get_mut(&shard) {
            let before = attached.location;
            change(&mut attached.location);
            let location = attached.location;
            if location != before {
                self.0.watch.see(&Event::Attached { node: self.0.id, shard, location, told });
            }
        }
    }

    /// Changes a shard's layers.
    pub(super) fn change(&self, shard: TenantShardId, change: impl FnOnce(&mut Tenant) -> Moved) {
        if let Some(attached) = lock(&self.0.shards).get_mut(&shard) {
            let what = change(&mut attached.tenant);
            if what != Moved::Nothing {
                attached.revision = moved(attached.revision, what);
                self.changed(shard, &attached.tenant);
            }
        }
    }

    /// Detaches a shard: at once, or when nobody holds it open any more.
    pub(super) fn detach(&self, shard: TenantShardId) {
        self.set(shard, true, |location| location.closing = true);
        self.close_if_free(shard);
    }

    fn close_if_free(&self, shard: TenantShardId) {
        let shards = &mut *lock(&self.0.shards);
        if shards.get(&shard).is_some_and(|attached| attached.location.closing && attached.held == 0) {
            shards.remove(&shard);
            self.0.watch.see(&Event::Detached { node: self.0.id, shard });
        }
    }

    /// The process ended: nobody holds anything open any more, and revisions begin anew.
    pub(super) fn restarted(&self) {
        let shards: Vec<_> = {
            let shards = &mut *lock(&self.0.shards);
            for attached in shards.values_mut() {
                attached.held = 0;
                let begin = lock(&self.0.rng).u64(0..3);
                attached.revision = Revision { layers: begin, access_times: begin };
            }
            shards.keys().copied().collect()
        };
        shards.into_iter().for_each(|shard| self.close_if_free(shard));
    }

    fn changed(&self, shard: TenantShardId, tenant: &Tenant) {
        let state = self.0.states.fetch_add(1, Ordering::Relaxed) + 1;
        let mut pictures: Vec<Picture> = vec![tenant.listed()];
        if self.0.moody {
            pictures.push(tenant.first_only());
        }
        self.0.watch.see(&Event::Changed { node: self.0.id, shard, state, pictures });
    }
}

fn moved(before: Revision, what: Moved) -> Revision {
    match what {
        Moved::Nothing => before,
        Moved::AccessTimes => Revision { access_times: before.access_times + 1, ..before },
        Moved::Layers => Revision { layers: before.layers + 1, ..before },
    }
}

/// A pageserver as one host sees it, while that lives.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) node: Node,
    pub(super) host: HostId,
    pub(super) life: Life,
    pub(super) clock: Arc<SimClock>,
    /// The longest that walking a shard's layers takes.
    pub(super) walk: Duration,
}

impl Port {
    fn attached<T>(
        &self,
        shard: TenantShardId,
        work: impl FnOnce(&mut Attached) -> Result<T, PageserverError>,
    ) -> Result<T, PageserverError> {
        lock(&self.node.0.shards).get_mut(&shard).map_or(Err(PageserverError::NotAttached(shard)), work)
    }

    fn see(&self, event: &Event) {
        self.node.0.watch.see(event);
    }
}

/// Lets a shard go when it is dropped.
struct Hold(Port, TenantShardId);

impl Drop for Hold {
    fn drop(&mut self) {
        let Hold(port, shard) = self;
        if !port.life.is_over() {
            port.see(&Event::Released { host: port.host, shard: *shard });
            let released = port.attached(*shard, |attached| {
                attached.held = attached.held.saturating_sub(1);
                Ok(())
            });
            if released.is_ok() {
                port.node.close_if_free(*shard);
            }
        }
    }
}

#[async_trait]
impl Pageserver for Port {
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
        self.life.lives(std::future::ready(())).await;
        self.see(&Event::Listed { host: self.host });
        if happens(&mut lock(&self.node.0.rng), 20) {
            return Err(PageserverError::Unavailable("planned by the simulation".into()));
        }
        Ok(lock(&self.node.0.shards).iter().map(|(shard, attached)| attached.shard(*shard)).collect())
    }

    async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError> {
        self.life.lives(std::future::ready(())).await;
        let answer = self.attached(shard, |attached| Ok(attached.shard(shard)));
        let revision = answer.as_ref().map(|shard| shard.revision).unwrap_or_default();
        self.see(&Event::Asked { host: self.host, shard, revision });
        answer
    }

    async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError> {
        self.life.lives(std::future::ready(())).await;
        self.see(&Event::Walked { host: self.host, shard });
        let wait = {
            let rng = &mut *lock(&self.node.0.rng);
            if happens(rng, 100) { between(rng, Duration::ZERO, self.walk) } else { Duration::ZERO }
        };
        if !wait.is_zero() {
            self.life.lives(self.clock.sleep(wait)).await;
        }
        self.attached(shard, |attached| {
            if !attached.location.ready {
                return Err(PageserverError::NotReady { shard, why: "a timeline still loads".into() });
            }
            attached.tenant.table().map_err(|why| PageserverError::Damaged { shard, why: why.to_string() })
        })
    }

    fn hold(&self, shard: TenantShardId) -> Result<HeldOpen, PageserverError> {
        if self.life.is_over() {
            return Err(PageserverError::NotAttached(shard));
        }
        self.attached(shard, |attached| {
            if attached.location.closing {
                return Err(PageserverError::NotReady { shard, why: "it is being shut down".into() });
            }
            attached.held += 1;
            Ok(())
        })?;
        self.see(&Event::Held { host: self.host, shard });
        Ok(Box::new(Hold(self.clone(), shard)))
    }

    async fn uploaded(&self, shard: &Shard, _: &[u8]) -> io::Result<()> {
        self.life.lives(std::future::ready(())).await;
        self.see(&Event::Kept { host: self.host, shard: shard.id });
        if happens(&mut lock(&self.node.0.rng), 20) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}
