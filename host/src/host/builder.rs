//! What a host is made of.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::handle::{Drained, HostHandle};
use super::inner::Inner;
use super::running::Host;
use crate::clock::{Clock, SystemClock};
use crate::compute::Compute;
use crate::jobs::JobLoop;
use crate::metrics::Counters;
use crate::pageserver::Pageserver;
use crate::policies::Policies;
use crate::random::Random;
use crate::remote::{Bounded, Remote};
use crate::state::State;
use crate::upload::{DEFAULT_CONCURRENCY, Generator, Moved, Registry, Uploader, Uploads};

/// How often all shards are listed, unless the embedder says otherwise.
pub const DEFAULT_RESCAN_PERIOD: Duration = Duration::from_secs(60);

/// The shortest time between two listings of all shards.
pub const MIN_RESCAN_PERIOD: Duration = Duration::from_secs(1);

/// How long what is remembered of the bucket is believed, unless the embedder says otherwise.
pub const DEFAULT_RECHECK_PERIOD: Duration = Duration::from_hours(1);

/// How long a shutdown waits for uploads that run, unless the embedder says otherwise.
pub const DEFAULT_SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// What a host is made of: all but the first three have defaults for real use.
#[derive(Debug)]
pub struct HostBuilder {
    pageserver: Arc<dyn Pageserver>,
    remote: Arc<dyn Remote>,
    policies: Policies,
    clock: Arc<dyn Clock>,
    random: Random,
    compute: Compute,
    state: State,
    concurrency: NonZeroUsize,
    rescan_period: Duration,
    recheck_period: Duration,
    shutdown_limit: Duration,
}

impl HostBuilder {
    pub(super) fn new(pageserver: Arc<dyn Pageserver>, remote: Arc<dyn Remote>, policies: Policies) -> Self {
        HostBuilder {
            pageserver,
            remote,
            policies,
            clock: Arc::new(SystemClock::default()),
            random: Random::from_os(),
            compute: Compute::default(),
            state: State::in_memory(),
            concurrency: DEFAULT_CONCURRENCY,
            rescan_period: DEFAULT_RESCAN_PERIOD,
            recheck_period: DEFAULT_RECHECK_PERIOD,
            shutdown_limit: DEFAULT_SHUTDOWN_LIMIT,
        }
    }

    /// The default is the machine's.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        HostBuilder { clock, ..self }
    }

    /// The default is seeded by the operating system.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        HostBuilder { random, ..self }
    }

    /// The default is tokio's threads for blocking work.
    #[must_use]
    pub fn compute(self, compute: Compute) -> Self {
        HostBuilder { compute, ..self }
    }

    /// What survives a restart; the default is kept in memory only, so that after a restart every heatmap is read from
    /// the bucket once. See [`State::open`].
    #[must_use]
    pub fn state(self, state: State) -> Self {
        HostBuilder { state, ..self }
    }

    /// Uploads that run at once by schedule: `heatmap_upload_concurrency`.
    #[must_use]
    pub fn concurrency(self, concurrency: NonZeroUsize) -> Self {
        HostBuilder { concurrency, ..self }
    }

    /// How often the pageserver is asked for all its shards, as a safety net: who tells the handle of changes need not
    /// wait for it. At least [`MIN_RESCAN_PERIOD`].
    #[must_use]
    pub fn rescan_period(self, rescan_period: Duration) -> Self {
        HostBuilder { rescan_period, ..self }
    }

    /// How often the bucket is asked whether it still has the heatmap of a shard that did not change.
    #[must_use]
    pub fn recheck_period(self, recheck_period: Duration) -> Self {
        HostBuilder { recheck_period, ..self }
    }

    /// How long a shutdown waits for uploads that run.
    #[must_use]
    pub fn shutdown_limit(self, shutdown_limit: Duration) -> Self {
        HostBuilder { shutdown_limit, ..self }
    }

    /// Ready to run. What the last run kept and cannot be read counts as unknown, with a warning.
    pub fn build(self) -> Host {
        let HostBuilder { pageserver, remote, policies, clock, random, compute, state, concurrency, .. } = self;
        let known = state.load().unwrap_or_else(|error| {
            tracing::warn!("every heatmap is read from the bucket once, because the state cannot be read: {error}");
            Default::default()
        });
        let remembered = state.remembered().unwrap_or_else(|error| {
            tracing::warn!("what policies remember of tenants that are gone stays, because it cannot be read: {error}");
            Default::default()
        });
        let generator = Generator::new(pageserver, policies, Arc::clone(&clock)).remembering(state.clone(), compute);
        let remote = Bounded::new(remote, Arc::clone(&clock));
        let uploads = Arc::new(Uploads {
            uploader: Uploader::new(generator, Arc::new(remote)).by_chance(random.fork()),
            registry: Registry::new(known, remembered),
            state,
            counters: Counters::default(),
            recheck_period: self.recheck_period,
            stopping: CancellationToken::new(),
            ended: Notify::new(),
            moved: Moved::default(),
        });
        let (jobs, job_handle) = JobLoop::new(Arc::clone(&uploads), Arc::clone(&clock), random, concurrency);
        let inner = Inner {
            uploads,
            jobs: job_handle,
            started: clock.elapsed(),
            started_unix_s: clock.unix_s(),
            rescan_period: Mutex::new(self.rescan_period.max(MIN_RESCAN_PERIOD)),
            pageserver_error: Mutex::default(),
            state_unwritten: AtomicBool::default(),
            drained: Mutex::new(Drained::default()),
            ended: CancellationToken::new(),
        };
        Host::new(HostHandle(Arc::new(inner)), jobs, self.shutdown_limit)
    }
}
