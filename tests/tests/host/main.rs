//! Whole hosts, in simulated time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod bucket;
mod delete;
mod policy;
mod restart;
mod schedule;
mod shutdown;
mod status;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use thermocline::clock::Clock;
use thermocline::compute::Compute;
use thermocline::host::{HostBuilder, ShardStatus};
use thermocline::layer::{Generation, TenantId, TenantShardId};
use thermocline::metrics::{Sample, Value};
use thermocline::pageserver::{AttachMode, Revision, Shard};
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG, Policy};
use thermocline::random::Random;
use thermocline::remote::{Got, PutIf, Remote};
use thermocline::upload::OutcomeKind;
use thermocline::{Host, HostHandle, State, keys};
use thermocline_tests::Table;
use thermocline_tests::doubles::{Call, Event, FakePageserver, Memory, Recording, SimClock};

const NOW: i64 = 1_700_000_000;
const OURS: u32 = 5;
const PERIOD: Duration = Duration::from_secs(60);

/// Long enough for a job by schedule to have begun and ended, jitter included.
const A_PERIOD_AND_A_BIT: Duration = Duration::from_secs(64);

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

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
        upload_period: PERIOD,
        checkpoint_distance_bytes: 1 << 28,
        revision: Revision::default(),
    }
}

/// As many layers, all resident and visible.
fn layers(count: u64) -> Table {
    layers_read_at(count, NOW)
}

fn layers_read_at(count: u64, seconds: i64) -> Table {
    (1..=count).fold(Table::new().timeline("main"), |table, number| {
        table.image(&format!("layer {number}"), 0..100, 16 * number).resident().visible().read_at(seconds)
    })
}

/// A heatmap of another location, without a layer.
fn document(generation: u32) -> String {
    format!(r#"{{"generation":{generation},"timelines":[],"upload_period_ms":60000}}"#)
}

/// A pageserver, a bucket, and what hosts are made of.
struct World {
    pageserver: FakePageserver,
    clock: Arc<SimClock>,
    /// What reached the bucket, faults left out.
    bucket: Arc<Recording>,
    /// What the host writes to: the bucket, or something before it.
    remote: Arc<dyn Remote>,
    judge: Arc<Judge>,
    state: State,
}

impl World {
    /// With one shard of two layers.
    fn new() -> Self {
        let world = World::empty();
        world.pageserver.attach(shard(1), layers(2));
        world
    }

    fn empty() -> Self {
        let bucket = Arc::new(Recording::new(Arc::new(Memory::new())));
        World {
            pageserver: FakePageserver::new(),
            clock: Arc::new(SimClock::new(NOW)),
            remote: Arc::clone(&bucket) as _,
            bucket,
            judge: Arc::new(Judge::built_in(&ENGINE, NO_CONFIG).unwrap()),
            state: State::in_memory(),
        }
    }

    fn through(self, before: impl FnOnce(Arc<dyn Remote>) -> Arc<dyn Remote>) -> Self {
        World { remote: before(Arc::clone(&self.bucket) as _), ..self }
    }

    fn judged_by(self, component: &[u8]) -> Self {
        let policy = Policy::load(&ENGINE, component, NO_CONFIG).unwrap();
        World { judge: Arc::new(Judge::new(Arc::new(policy))), ..self }
    }

    fn builder(&self) -> HostBuilder {
        Host::builder(Arc::new(self.pageserver.clone()), Arc::clone(&self.remote), Arc::clone(&self.judge))
            .clock(Arc::clone(&self.clock) as _)
            .random(Random::seeded(7))
            .compute(Compute::Inline)
            .state(self.state.clone())
    }

    fn start(&self) -> HostHandle {
        self.builder().build().spawn()
    }

    async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// What is in the bucket for a shard.
    async fn object(&self, shard: TenantShardId) -> Option<Bytes> {
        match self.bucket.get(&keys::heatmap(shard), None).await.unwrap() {
            Got::Object(object) => Some(object.body),
            Got::Missing | Got::Unchanged => None,
        }
    }

    /// Somebody else puts something in the place of a shard's heatmap.
    async fn put(&self, shard: TenantShardId, body: impl Into<Bytes>) {
        let condition = match self.bucket.get(&keys::heatmap(shard), None).await.unwrap() {
            Got::Object(object) => PutIf::Matches(object.etag),
            Got::Missing | Got::Unchanged => PutIf::Absent,
        };
        self.bucket.put(&keys::heatmap(shard), body.into(), condition).await.unwrap();
    }

    /// Forgets the calls so far.
    fn forget(&self) {
        self.bucket.take();
        (1..=u8::MAX).for_each(|number| drop(self.pageserver.take_events(id(number))));
    }

    fn puts(&self) -> usize {
        self.bucket.count(Call::Put)
    }

    fn gets(&self) -> usize {
        self.bucket.count(Call::Get)
    }

    /// How often a shard's layers were walked since that was forgotten.
    fn walks(&self, number: u8) -> usize {
        self.pageserver.take_events(id(number)).into_iter().filter(|event| *event == Event::Layers).count()
    }
}

/// How many layers the heatmap in the bucket lists.
async fn listed(world: &World, number: u8) -> Option<usize> {
    let heatmap = thermocline::heatmap::Heatmap::decode(&world.object(id(number)).await?).unwrap();
    Some(heatmap.timelines.iter().map(|timeline| timeline.layers.len()).sum())
}

fn status(host: &HostHandle, number: u8) -> ShardStatus {
    host.shard(id(number)).unwrap()
}

/// How many turns were counted that came to this, for this reason.
fn turns(host: &HostHandle, outcome: &str, reason: &str) -> f64 {
    let families = host.metrics(0);
    let turns = families.iter().find(|family| family.name == "thermocline_heatmap_uploads_total").unwrap();
    let is = |sample: &&Sample| sample.labels[0].1 == outcome && sample.labels[1].1 == reason;
    turns.samples.iter().find(is).map_or(0.0, |sample| match sample.value {
        Value::Number(number) => number,
        Value::Histogram(_) => panic!("turns are counted"),
    })
}

/// What came of the last job, and why.
fn last(host: &HostHandle, number: u8) -> (OutcomeKind, String) {
    let last = status(host, number).last.unwrap();
    (last.outcome, last.reason.unwrap_or_default())
}
