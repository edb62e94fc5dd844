//! A whole little pageserver that embeds the host: it flushes, compacts and evicts layers while its heatmaps are kept
//! fresh in a bucket, here a folder.
//!
//! ```sh
//! cargo run --release -p thermocline --example embed
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use thermocline::clock::{Clock, SystemClock};
use thermocline::heatmap::Heatmap;
use thermocline::layer::{
    Generation, Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, Marks, TenantShardId, TimelineId, visibility,
};
use thermocline::pageserver::{AttachMode, HeldOpen, PageserverError, Revision, Shard};
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG};
use thermocline::remote::LocalDir;
use thermocline::{Host, Pageserver, State, keys};
use tokio::sync::RwLock;

/// The WAL that one layer holds.
const LSNS_A_LAYER: u64 = 0x1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let id: TenantShardId = "de100000000000000000000000000001".parse()?;
    let pageserver = Arc::new(LittlePageserver::new(folder.path().join("local")));
    pageserver.attach(id, Generation::new(1))?;

    // One engine for the process; policies of your own: `Policy::load`, and `Judge::new`.
    let engine = Engine::new(Limits::default())?;
    let judge = Arc::new(Judge::built_in(&engine, NO_CONFIG)?);
    let bucket = folder.path().join("bucket");
    let host = Host::builder(pageserver.clone(), Arc::new(LocalDir::new(&bucket)?), judge)
        .state(State::open(&folder.path().join("thermocline.redb"))?)
        .build()
        .spawn();

    // Each step moves the tenant's revision, and the host uploads what has changed: by itself within a period, and at
    // once where it is asked to.
    for step in 1..=12 {
        pageserver.flush(id);
        if step % 4 == 0 {
            pageserver.compact(id);
        }
        if step % 6 == 0 {
            pageserver.evict_oldest(id);
        }
        let attempt = host.upload_now(id).await?;
        println!("step {step:2}: {:9} {}", attempt.outcome.kind().as_str(), listed(&bucket, id)?);
    }

    // Nothing changes any more: the host finds that out without walking a layer.
    SystemClock::default().sleep(Duration::from_secs(3)).await;
    let status = host.shard(id).ok_or("the shard is attached")?;
    let outcome = status.last.map_or("none", |last| last.outcome.as_str());
    println!("idle:    {outcome:9} the next turn is due in {:?}", status.next_due.unwrap_or_default());

    // The tenant is deleted, and says so: nobody else can know.
    pageserver.delete(id).await;
    host.changed(id);
    host.delete_now(id, 1).await?;
    println!(
        "deleted: {}",
        if bucket.join(keys::heatmap(id)).exists() { "its heatmap is still there" } else { "its heatmap is gone" }
    );

    let drained = host.shutdown().await;
    println!("ended:   {} uploads were cut off", drained.cut_off.len());
    Ok(())
}

/// What a standby would find.
fn listed(bucket: &std::path::Path, id: TenantShardId) -> Result<String, Box<dyn std::error::Error>> {
    let bytes = std::fs::read(bucket.join(keys::heatmap(id)))?;
    let heatmap = Heatmap::decode(&bytes)?;
    if heatmap.verify().errors > 0 {
        return Err("the heatmap is not as it should be".into());
    }
    let layers = heatmap.timelines.iter().map(|timeline| timeline.layers.len()).sum::<usize>();
    Ok(format!("{layers} layers, {} bytes", bytes.len()))
}

/// A pageserver, as little of one as has heatmaps.
#[derive(Debug)]
struct LittlePageserver {
    folder: PathBuf,
    tenants: Mutex<BTreeMap<TenantShardId, Tenant>>,
}

#[derive(Debug)]
struct Tenant {
    shard: Shard,
    timeline: TimelineId,
    tip: Lsn,
    /// Each layer, and whether it is on the disk.
    layers: BTreeMap<LayerName, bool>,
    /// Held for reading by whoever needs the tenant open, and for writing by its shutdown.
    gate: Arc<RwLock<()>>,
}

impl LittlePageserver {
    fn new(folder: PathBuf) -> Self {
        LittlePageserver { folder, tenants: Mutex::default() }
    }

    fn attach(&self, id: TenantShardId, generation: Generation) -> io::Result<()> {
        std::fs::create_dir_all(self.folder.join(id.to_string()))?;
        let shard = Shard {
            id,
            generation,
            attach_mode: AttachMode::Single,
            active: true,
            upload_period: Duration::from_secs(2),
            checkpoint_distance_bytes: 256 << 20,
            revision: Revision::default(),
        };
        let timeline = TimelineId::from_bytes([0x11; 16]);
        let tenant = Tenant { shard, timeline, tip: Lsn(0x10), layers: BTreeMap::new(), gate: Arc::default() };
        self.tenants().insert(id, tenant);
        Ok(())
    }

    /// A delta layer with the WAL since the last one.
    fn flush(&self, id: TenantShardId) {
        self.change(id, |tenant| {
            let start = tenant.tip;
            tenant.tip = Lsn(start.0 + LSNS_A_LAYER);
            tenant.layers.extend(LayerName::delta(Key::MIN, Key::MAX, start, tenant.tip).map(|name| (name, true)));
        });
    }

    /// An image layer that covers all deltas below it.
    fn compact(&self, id: TenantShardId) {
        self.change(id, |tenant| {
            tenant.layers.insert(LayerName::image(Key::MIN, Key::MAX, tenant.tip), true);
        });
    }

    /// The oldest layer leaves the disk; it is still in the bucket.
    fn evict_oldest(&self, id: TenantShardId) {
        self.change(id, |tenant| {
            if let Some(resident) = tenant.layers.values_mut().find(|resident| **resident) {
                *resident = false;
            }
        });
    }

    /// Waits for whoever holds the tenant open, then forgets it.
    async fn delete(&self, id: TenantShardId) {
        let gate = self.tenants().remove(&id).map(|tenant| tenant.gate);
        if let Some(gate) = gate {
            drop(gate.write().await);
        }
    }

    /// Every change of the layer set moves the revision: that is all the host needs to know when to look.
    fn change(&self, id: TenantShardId, change: impl FnOnce(&mut Tenant)) {
        if let Some(tenant) = self.tenants().get_mut(&id) {
            change(tenant);
            tenant.shard.revision.layers += 1;
        }
    }

    fn attached<T>(
        &self,
        id: TenantShardId,
        look: impl FnOnce(&Tenant) -> Result<T, PageserverError>,
    ) -> Result<T, PageserverError> {
        self.tenants().get(&id).map_or(Err(PageserverError::NotAttached(id)), look)
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<TenantShardId, Tenant>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Pageserver for LittlePageserver {
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
        Ok(self.tenants().values().map(|tenant| tenant.shard.clone()).collect())
    }

    async fn shard(&self, id: TenantShardId) -> Result<Shard, PageserverError> {
        self.attached(id, |tenant| Ok(tenant.shard.clone()))
    }

    async fn layers(&self, id: TenantShardId) -> Result<LayerTable, PageserverError> {
        self.attached(id, |tenant| {
            let names: Vec<_> = tenant.layers.keys().copied().collect();
            // Nothing branches off, so that the tip is the only place where the timeline is read.
            let visible = visibility::visible(&names, &[tenant.tip]);
            let mut table = LayerTable::builder();
            table.timeline(tenant.timeline);
            for ((&name, &resident), visible) in tenant.layers.iter().zip(visible) {
                let mut marks = if resident { Marks::RESIDENT } else { Marks::NONE };
                if visible {
                    marks |= Marks::VISIBLE;
                }
                let metadata =
                    LayerMetadata { file_size: 8 << 20, generation: tenant.shard.generation, shard: id.shard };
                table.layer(Layer {
                    timeline: tenant.timeline,
                    name,
                    metadata,
                    access_time: 1_715_107_956,
                    access_count: 1,
                    resident_since: NonZeroU32::new(1_715_000_000),
                    marks,
                });
            }
            table.build().map_err(|error| PageserverError::Damaged { shard: id, why: error.to_string() })
        })
    }

    fn hold(&self, id: TenantShardId) -> Result<HeldOpen, PageserverError> {
        self.attached(id, |tenant| match Arc::clone(&tenant.gate).try_read_owned() {
            Ok(guard) => Ok(Box::new(guard) as HeldOpen),
            Err(_) => Err(PageserverError::NotReady { shard: id, why: "it is being shut down".into() }),
        })
    }

    async fn uploaded(&self, shard: &Shard, heatmap: &[u8]) -> io::Result<()> {
        // In earnest: crash-safe, and only if the shard is still attached in this generation.
        std::fs::write(self.folder.join(shard.id.to_string()).join("heatmap-v1.json"), heatmap)
    }
}
