//! Uploads of heatmaps, against stores that fail and pageservers that change.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod bucket;
mod data_dir;
mod doubles;
mod faults;
mod race;
mod sweep;
mod tenant;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use thermocline::keys;
use thermocline::layer::{Generation, TenantId, TenantShardId};
use thermocline::pageserver::{AttachMode, Pageserver, Revision, Shard};
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG, Policy};
use thermocline::remote::{Got, PutIf, Remote};
use thermocline::upload::{Attempt, Generator, Trigger, Uploader};
use thermocline_tests::Table;
use thermocline_tests::doubles::{Call, FakeClock, FakePageserver, Memory, Recording};

/// The time at which everything here happens.
const NOW: i64 = 1_700_000_000;

/// The generation of the location that uploads.
const OURS: u32 = 5;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

static BUILT_IN: LazyLock<Arc<Judge>> = LazyLock::new(|| Arc::new(Judge::built_in(&ENGINE, NO_CONFIG).unwrap()));

/// Asks a component first.
fn judge(component: &[u8]) -> Arc<Judge> {
    Arc::new(Judge::new(Arc::new(Policy::load(&ENGINE, component, NO_CONFIG).unwrap())))
}

fn id(number: u8) -> TenantShardId {
    TenantShardId::unsharded(TenantId::from_bytes([number; 16]))
}

/// An attached shard of a tenant that is small.
fn shard(number: u8) -> Shard {
    Shard {
        id: id(number),
        generation: Generation::new(OURS),
        attach_mode: AttachMode::Single,
        active: true,
        upload_period: Duration::from_secs(60),
        checkpoint_distance_bytes: 1 << 28,
        revision: Revision::default(),
    }
}

/// Layers of which two are listed, 16 KiB together.
fn layers() -> Table {
    layers_read_at(NOW)
}

/// The same layers, read at another time.
fn layers_read_at(seconds: i64) -> Table {
    let listed = Table::new().timeline("main").image("base", 0..100, 16).resident().visible().read_at(seconds);
    let listed = listed.delta("recent", 0..100, 17..32).resident().visible().read_at(seconds);
    listed.delta("covered", 0..50, 8..16).resident()
}

/// One tenant shard, and all that its upload meets.
struct World {
    pageserver: FakePageserver,
    clock: Arc<FakeClock>,
    /// What reached the store, faults left out.
    store: Arc<Recording>,
    shard: Shard,
}

impl World {
    fn new() -> Self {
        World::of(shard(1))
    }

    fn of(shard: Shard) -> Self {
        let pageserver = FakePageserver::new();
        pageserver.attach(shard.clone(), layers());
        let store = Arc::new(Recording::new(Arc::new(Memory::new())));
        World { pageserver, clock: Arc::new(FakeClock::new(NOW)), store, shard }
    }

    /// With this in the bucket, put there by somebody else.
    async fn with_object(body: impl Into<Bytes>) -> Self {
        let world = World::new();
        put(&*world.store, world.shard.id, body).await;
        world.store.take();
        world
    }

    async fn with_or_without_object(body: Option<String>) -> Self {
        match body {
            Some(body) => World::with_object(body).await,
            None => World::new(),
        }
    }

    fn uploader(&self) -> Uploader {
        self.uploader_to(Arc::clone(&self.store) as _)
    }

    /// To a remote that leads to the store in the end.
    fn uploader_to(&self, remote: Arc<dyn Remote>) -> Uploader {
        uploader(&self.pageserver, &BUILT_IN, &self.clock, remote)
    }

    async fn upload(&self) -> Attempt {
        self.uploader().upload(&self.shard, Trigger::Schedule).await
    }

    async fn object(&self) -> Option<Bytes> {
        object(&*self.store, self.shard.id).await
    }

    fn local(&self) -> Option<Bytes> {
        self.pageserver.heatmap(self.shard.id)
    }

    /// Every version that the bucket ever had, since the recording was taken last.
    fn written(&self) -> Vec<Bytes> {
        let puts = self.store.records().into_iter().filter(|record| record.outcome.is_ok());
        puts.filter_map(|record| record.put.map(|(body, _)| body)).collect()
    }

    fn calls(&self) -> Vec<Call> {
        self.store.records().into_iter().map(|record| record.call).collect()
    }
}

fn uploader(
    pageserver: &FakePageserver,
    judge: &Arc<Judge>,
    clock: &Arc<FakeClock>,
    remote: Arc<dyn Remote>,
) -> Uploader {
    let pageserver: Arc<dyn Pageserver> = Arc::new(pageserver.clone());
    Uploader::new(Generator::new(pageserver, Arc::clone(judge), Arc::clone(clock) as _), remote)
}

/// Puts a heatmap into the bucket, whatever is there.
async fn put(remote: &dyn Remote, shard: TenantShardId, body: impl Into<Bytes>) {
    let condition = match remote.get(&keys::heatmap(shard), None).await.unwrap() {
        Got::Object(object) => PutIf::Matches(object.etag),
        Got::Missing | Got::Unchanged => PutIf::Absent,
    };
    remote.put(&keys::heatmap(shard), body.into(), condition).await.unwrap();
}

async fn object(remote: &dyn Remote, shard: TenantShardId) -> Option<Bytes> {
    match remote.get(&keys::heatmap(shard), None).await.unwrap() {
        Got::Object(object) => Some(object.body),
        Got::Missing | Got::Unchanged => None,
    }
}

/// A heatmap of another location, without a layer.
fn document(generation: u32) -> String {
    format!(r#"{{"generation":{generation},"timelines":[],"upload_period_ms":60000}}"#)
}

fn bytes(attempt: &Attempt) -> Bytes {
    attempt.generated.as_ref().unwrap().heatmap.bytes.clone()
}

/// That an attempt had the outcome that a pattern fits.
macro_rules! assert_outcome {
    ($attempt:expr, $pattern:pat $(if $guard:expr)?) => {
        match &($attempt).outcome {
            $pattern $(if $guard)? => {}
            other => panic!("{other:?}"),
        }
    };
}
pub(crate) use assert_outcome;
