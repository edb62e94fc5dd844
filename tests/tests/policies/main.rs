//! The life of a policy in a running host: installed, watched, active, rolled back.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod configuration;
mod failing;
mod life;
mod memory;
mod only;
mod refused;
mod restart;
mod shadow;
mod swaps;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::clock::Clock;
use thermocline::compute::Compute;
use thermocline::heatmap::Heatmap;
use thermocline::layer::{Generation, TenantId, TenantShardId};
use thermocline::pageserver::{AttachMode, Revision, Shard};
use thermocline::policies::source::SourceError;
use thermocline::policies::{Entry, Note, Policies, PolicyRef, PolicyRole, PolicyStore, Source};
use thermocline::policy::{Engine, Limits};
use thermocline::random::Random;
use thermocline::remote::{Got, Remote};
use thermocline::{Digest, Host, HostHandle, State, keys};
use thermocline_tests::Table;
use thermocline_tests::by_hand::ByHand;
use thermocline_tests::doubles::{FakePageserver, Memory, Recording, SimClock};

/// Before the time that checks of conformance show a policy.
const NOW: i64 = 1_700_000_000;
const PERIOD: Duration = Duration::from_secs(60);

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Limits { time: Duration::from_millis(500), ..Limits::default() }).unwrap());

fn id(number: u8) -> TenantShardId {
    TenantShardId::unsharded(TenantId::from_bytes([number; 16]))
}

fn shard(number: u8) -> Shard {
    Shard {
        id: id(number),
        generation: Generation::new(5),
        attach_mode: AttachMode::Single,
        active: true,
        upload_period: PERIOD,
        checkpoint_distance_bytes: 1 << 20,
        revision: Revision::default(),
    }
}

/// As many layers, all resident and visible, a MiB each: `layer 1` is row 0.
fn layers(count: u64) -> Table {
    (1..=count).fold(Table::new().timeline("main"), |table, number| {
        table.image(&format!("layer {number}"), number..number + 1, 16).resident().visible().size(1 << 20)
    })
}

/// A policy that lists one row, with this heat.
fn lists(name: &str, row: u32, heat: f32) -> Vec<u8> {
    ByHand::conforming().lists(row, heat).name(name).build().unwrap()
}

fn note() -> Note {
    Note { by: "ada".into(), why: Some("to see".into()) }
}

fn reference(text: &str) -> PolicyRef {
    text.parse().unwrap()
}

/// Bytes that a test hands over.
#[derive(Debug)]
struct Given(Bytes);

#[async_trait]
impl Source for Given {
    fn name(&self) -> String {
        "given".into()
    }

    async fn fetch(&self, _: usize) -> Result<Bytes, SourceError> {
        Ok(self.0.clone())
    }
}

fn given(component: &[u8]) -> Given {
    Given(Bytes::copy_from_slice(component))
}

/// A pageserver, a bucket and policies.
struct World {
    pageserver: FakePageserver,
    clock: Arc<SimClock>,
    bucket: Arc<Recording>,
    store: PolicyStore,
    policies: Policies,
    state: State,
}

impl World {
    /// With as many shards, of three layers each.
    fn new(shards: u8) -> Self {
        let (clock, store) = (Arc::new(SimClock::new(NOW)), PolicyStore::in_memory());
        let policies = Policies::open(ENGINE.clone(), store.clone(), Arc::clone(&clock) as _).unwrap();
        let pageserver = FakePageserver::new();
        (1..=shards).for_each(|number| pageserver.attach(shard(number), layers(3)));
        let bucket = Arc::new(Recording::new(Arc::new(Memory::new())));
        World { pageserver, clock, bucket, store, policies, state: State::in_memory() }
    }

    /// The same after a restart of the host.
    fn restarted(self) -> Self {
        let policies = Policies::open(ENGINE.clone(), self.store.clone(), Arc::clone(&self.clock) as _).unwrap();
        World { policies, ..self }
    }

    fn start(&self) -> HostHandle {
        Host::builder(Arc::new(self.pageserver.clone()), Arc::clone(&self.bucket) as _, self.policies.clone())
            .clock(Arc::clone(&self.clock) as _)
            .random(Random::seeded(7))
            .compute(Compute::Inline)
            .state(self.state.clone())
            .build()
            .spawn()
    }

    async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// Passes time in which every shard's layers change all along, so that policies are asked.
    async fn work(&self, time: Duration) {
        for _ in 0..time.as_secs().div_ceil(PERIOD.as_secs()) {
            self.pass(PERIOD).await;
            self.touch();
        }
    }

    /// Every shard's layers are new, so that its policy is asked.
    fn touch(&self) {
        (1..=u8::MAX).for_each(|number| self.pageserver.set_layers(id(number), layers(3)));
    }

    async fn install(&self, component: &[u8]) -> Digest {
        self.policies.install(&given(component), None, None, &note()).await.unwrap().digest
    }

    fn activate(&self, name: &str) -> Entry {
        self.policies.activate(&reference(name), None, None, &note()).unwrap()
    }

    /// Which rows the heatmap in the bucket lists, and which policy says so where it scores.
    async fn listed(&self, number: u8) -> (Vec<u32>, Option<String>) {
        let heatmap = self.heatmap(number).await;
        let layers = heatmap.timelines.iter().flat_map(|timeline| &timeline.layers);
        let mut rows: Vec<_> = layers.map(|layer| row_of(&layer.name.to_string())).collect();
        rows.sort_unstable();
        (rows, heatmap.policy.map(|policy| policy.name))
    }

    async fn heatmap(&self, number: u8) -> Heatmap {
        match self.bucket.get(&keys::heatmap(id(number)), None).await.unwrap() {
            Got::Object(object) => Heatmap::decode(&object.body).unwrap(),
            Got::Missing | Got::Unchanged => panic!("there is no heatmap of {number}"),
        }
    }

    /// The log, a line an entry.
    fn log(&self) -> Vec<String> {
        let entries = self.policies.log(0, 1000).unwrap();
        entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect()
    }

    /// What an installed policy does.
    fn roles(&self, name: &str) -> Vec<PolicyRole> {
        let summaries = self.policies.list();
        let summary = summaries.into_iter().find(|summary| summary.name == name);
        summary.unwrap().roles.into_iter().map(|(role, _)| role).collect()
    }
}

/// The row of a layer that [`layers`] made.
fn row_of(name: &str) -> u32 {
    let start = name.split('-').next().unwrap();
    u32::from_str_radix(&start[start.len() - 8..], 16).unwrap() - 1
}
