//! What a host is made of.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::handle::HostHandle;
use crate::clock::Clock;
use crate::compute::Compute;
use crate::pageserver::Pageserver;
use crate::policy::Judge;
use crate::random::Random;
use crate::remote::Remote;
use crate::state::State;

/// A host that is ready to run.
#[derive(Debug)]
pub struct Host {}

/// What a host is made of: all but the first three have defaults for real use.
#[derive(Debug)]
pub struct HostBuilder {}

impl Host {
    /// Keeps the heatmaps of `pageserver`'s shards in `remote` as `judge` decides them.
    pub fn builder(pageserver: Arc<dyn Pageserver>, remote: Arc<dyn Remote>, judge: Arc<Judge>) -> HostBuilder {
        todo!()
    }

    /// Runs it on this runtime until the handle's [`shutdown`](HostHandle::shutdown).
    pub fn spawn(self) -> HostHandle {
        todo!()
    }
}

impl HostBuilder {
    /// The default is the machine's.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        todo!()
    }

    /// The default is seeded by the operating system.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        todo!()
    }

    /// The default is tokio's threads for blocking work.
    #[must_use]
    pub fn compute(self, compute: Compute) -> Self {
        todo!()
    }

    /// What survives a restart; the default is kept in memory only, so that after a restart every heatmap is read from
    /// the bucket once. See [`State::open`].
    #[must_use]
    pub fn state(self, state: State) -> Self {
        todo!()
    }

    /// Uploads that run at once by schedule: `heatmap_upload_concurrency`.
    #[must_use]
    pub fn concurrency(self, concurrency: NonZeroUsize) -> Self {
        todo!()
    }

    /// How often the pageserver is asked for all its shards, as a safety net: who tells the handle of changes need not
    /// wait for it.
    #[must_use]
    pub fn rescan_period(self, period: Duration) -> Self {
        todo!()
    }

    /// How often the bucket is asked whether it still has the heatmap of a shard that did not change.
    #[must_use]
    pub fn recheck_period(self, period: Duration) -> Self {
        todo!()
    }

    /// How long a shutdown waits for uploads that run.
    #[must_use]
    pub fn shutdown_limit(self, limit: Duration) -> Self {
        todo!()
    }

    /// Ready to run.
    pub fn build(self) -> Host {
        todo!()
    }
}
