//! Pageservers, hosts and the bucket between them, and how hosts start and end.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use tempfile::TempDir;
use thermocline::compute::Compute;
use thermocline::pageserver::Pageserver;
use thermocline::random::Random;
use thermocline::remote::Remote;
use thermocline::{Host, HostHandle, State};
use tokio::task::JoinHandle;

use super::bucket::SimBucket;
use super::chance::numbers;
use super::event::{Event, HostId, NodeId, Terms};
use super::ledger::HostFacts;
use super::life::{Life, LifeClock};
use super::link::Link;
use super::node::{Node, Port};
use super::plant::{Plant, PlantedPageserver, PlantedRemote};
use super::policies::Policies;
use super::shape::Shape;
use super::watch::Watch;
use super::weather::Weather;
use crate::doubles::SimClock;

/// When runs begin, seconds since the Unix epoch.
pub(super) const BEGIN_UNIX_S: i64 = 1_800_000_000;

/// The pageserver at a place.
pub(super) fn node_id(place: usize) -> NodeId {
    NodeId(u8::try_from(place).unwrap_or(u8::MAX))
}

/// What a host finds of its last run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    All,
    /// What was copied aside some time ago.
    Old,
    Nothing,
}

/// A host's process.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: HostId,
    pub(super) handle: HostHandle,
    pub(super) life: Life,
    pub(super) clock: Arc<SimClock>,
    task: JoinHandle<()>,
}

/// A pageserver, and the host beside it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) node: Node,
    pub(super) running: Option<Running>,
    starts: u16,
    state: Option<State>,
    file: Option<PathBuf>,
    copy: Option<PathBuf>,
}

/// All there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) shape: Shape,
    pub(super) clock: Arc<SimClock>,
    pub(super) watch: Watch,
    pub(super) weather: Arc<Weather>,
    pub(super) places: Vec<Place>,
    pub(super) plant: Option<Plant>,
    bucket: Arc<SimBucket>,
    policies: Policies,
    requests: Arc<AtomicU64>,
    folder: Option<TempDir>,
}

impl World {
    pub(super) fn new(
        seed: u64,
        shape: Shape,
        plant: Option<Plant>,
        policies: &Policies,
        clock: Arc<SimClock>,
        watch: Watch,
    ) -> anyhow::Result<Self> {
        let states = Arc::new(AtomicU64::new(0));
        let moody = !shape.mood.is_steady();
        let place = |number| {
            let node = Node::new(NodeId(number), seed, watch.clone(), moody, Arc::clone(&states));
            Place { node, running: None, starts: 0, state: None, file: None, copy: None }
        };
        Ok(World {
            seed,
            places: (0..shape.nodes).map(place).collect(),
            weather: Arc::new(Weather::new(seed, shape.latency, shape.fine_from)),
            bucket: Arc::new(SimBucket::new(watch.clone())),
            policies: policies.clone(),
            requests: Arc::new(AtomicU64::new(1)),
            folder: if shape.durable { Some(folder()?) } else { None },
            shape,
            clock,
            watch,
            plant,
        })
    }

    pub(super) fn running(&self, node: usize) -> Option<&Running> {
        self.places.get(node)?.running.as_ref()
    }

    /// Starts the host of a pageserver.
    pub(super) fn start(&mut self, node: usize, kept: Kept, terms: Terms) -> anyhow::Result<()> {
        let folder = self.folder.as_ref().map(|folder| folder.path().to_owned());
        let judge = self.policies.judge(self.shape.mood)?;
        let Some(place) = self.places.get_mut(node) else { return Ok(()) };
        place.starts += 1;
        let id = HostId { node: node_id(node), start: place.starts };
        let (state, kept) = place.state(folder.as_deref(), kept)?;
        let kept = (place.starts > 1).then_some(kept);
        place.state = Some(state.clone());

        let life = Life::default();
        let link = Link {
            host: id,
            life: life.clone(),
            clock: Arc::clone(&self.clock),
            watch: self.watch.clone(),
            weather: Arc::clone(&self.weather),
            bucket: Arc::clone(&self.bucket),
            requests: Arc::clone(&self.requests),
        };
        let port = Port {
            node: place.node.clone(),
            host: id,
            life: life.clone(),
            clock: Arc::clone(&self.clock),
            walk: self.shape.walk,
        };
        let (mut remote, mut pageserver): (Arc<dyn Remote>, Arc<dyn Pageserver>) = (Arc::new(link), Arc::new(port));
        if let Some(plant) = self.plant {
            let bucket = Arc::clone(&self.bucket);
            remote = Arc::new(PlantedRemote { inner: remote, plant, bucket, calls: AtomicU64::default() });
            pageserver = Arc::new(PlantedPageserver { inner: pageserver, plant, calls: AtomicU64::default() });
        }
        let concurrency = self.concurrency(terms.concurrency);
        let random = numbers(self.seed, &format!("host {id:?}")).u64(..);
        let host = Host::builder(pageserver, remote, judge)
            .clock(Arc::new(LifeClock { clock: Arc::clone(&self.clock), life: life.clone() }))
            .random(Random::seeded(random))
            .compute(Compute::Inline)
            .state(state)
            .concurrency(concurrency)
            .rescan_period(terms.rescan)
            .recheck_period(terms.recheck)
            .shutdown_limit(terms.shutdown_limit)
            .build();
        self.watch.see(&Event::Started { host: id, terms, policy: self.shape.mood, kept });
        let handle = host.handle();
        let task = tokio::spawn(host.run());
        if let Some(place) = self.places.get_mut(node) {
            place.running = Some(Running { id, handle, life, clock: Arc::clone(&self.clock), task });
        }
        Ok(())
    }

    /// What the host is told when this many uploads may run.
    pub(super) fn concurrency(&self, limit: usize) -> NonZeroUsize {
        let told = if self.plant == Some(Plant::Crowd) { 2 * limit + 1 } else { limit };
        NonZeroUsize::new(told).unwrap_or(NonZeroUsize::MIN)
    }

    /// Ends a host as a power cut would.
    pub(super) fn crash(&mut self, node: usize) {
        let Some(place) = self.places.get_mut(node) else { return };
        let Some(running) = place.running.take() else { return };
        running.life.end();
        running.task.abort();
        self.watch.see(&Event::Crashed { host: running.id });
        place.node.restarted();
    }

    /// Asks a host to end. Its place is free once it has.
    pub(super) fn shut_down(&mut self, node: usize) {
        let plant = self.plant;
        let Some(running) = self.running(node) else { return };
        let (id, handle, watch) = (running.id, running.handle.clone(), self.watch.clone());
        watch.see(&Event::ShutdownBegan { host: id });
        tokio::spawn(async move {
            let cut_off = if plant == Some(Plant::Undead) { 0 } else { handle.shutdown().await.cut_off.len() };
            watch.see(&Event::ShutdownEnded { host: id, cut_off });
        });
    }

    /// Whether the host of a pageserver runs, and is not about to end.
    pub(super) fn runs(&self, node: usize) -> bool {
        let id = self.running(node).map(|running| running.id);
        self.watch.ask(|ledger| id.and_then(|id| ledger.hosts.get(&id)).is_some_and(HostFacts::runs))
    }

    /// Forgets a host that has ended. Answers whether there is none.
    pub(super) fn is_down(&mut self, node: usize) -> bool {
        let Some(place) = self.places.get_mut(node) else { return true };
        let Some(running) = &place.running else { return true };
        let id = running.id;
        let ended = self.watch.ask(|ledger| ledger.hosts.get(&id).is_some_and(|host| host.ended.is_some()));
        if ended {
            place.running = None;
            place.node.restarted();
        }
        ended
    }

    /// Copies a state file aside, for a later start to find.
    pub(super) fn back_up(&mut self, node: usize) -> anyhow::Result<()> {
        let folder = self.folder.as_ref().map(|folder| folder.path().join(format!("{node}.copy")));
        if let (Some(place), Some(copy)) = (self.places.get_mut(node), folder)
            && let Some(file) = place.file.as_ref().filter(|file| file.exists())
        {
            std::fs::copy(file, &copy).context("copying the state aside")?;
            place.copy = Some(copy);
        }
        Ok(())
    }
}

impl Place {
    /// The state for the next start. The file of the last one may still be open: it is copied as it lies on the disk,
    /// which is what a crash leaves. Answers also what of it could be had: not all is where it lies in memory only, or
    /// was never copied aside.
    fn state(&mut self, folder: Option<&Path>, kept: Kept) -> anyhow::Result<(State, Kept)> {
        let Some(folder) = folder else {
            let before = self.state.take().filter(|_| kept == Kept::All);
            return Ok(before.map_or_else(|| (State::in_memory(), Kept::Nothing), |state| (state, Kept::All)));
        };
        let before = match kept {
            Kept::All => self.file.take(),
            Kept::Old => self.copy.clone(),
            Kept::Nothing => None,
        };
        let file = folder.join(format!("{:?}{}.redb", self.node.id(), self.starts));
        let before = before.filter(|before| before.exists());
        let kept = if before.is_some() { kept } else { Kept::Nothing };
        if let Some(before) = before {
            std::fs::copy(before, &file).context("copying the state")?;
        }
        self.file = Some(file.clone());
        Ok((State::open(&file)?, kept))
    }
}

/// In memory, where there is such a file system: each commit waits for the disk.
fn folder() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? })
}
