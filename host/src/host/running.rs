//! A host while it runs: its jobs, the list of shards, and the state file.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{Either, join, select};
use tokio_util::sync::DropGuard;

use super::builder::HostBuilder;
use super::handle::{Drained, HostHandle};
use super::inner::{Inner, lock};
use crate::jobs::JobLoop;
use crate::layer::TenantShardId;
use crate::pageserver::{Pageserver, PageserverError, Shard};
use crate::policies::Policies;
use crate::remote::Remote;
use crate::upload::{News, Uploads, period};

/// How often what is to survive a restart is written.
const COMMIT_PERIOD: Duration = Duration::from_secs(1);

/// Until a pageserver that does not answer is passed over.
const LIST_LIMIT: Duration = Duration::from_secs(60);

/// How long the last commit may take.
const LAST_COMMIT_LIMIT: Duration = Duration::from_secs(10);

/// How soon a pageserver whose shards could not be listed is asked again.
const RELIST_PERIOD: Duration = Duration::from_secs(5);

/// Shards after which others get the thread.
const YIELD_EVERY: usize = 1000;

/// A host that is ready to run.
#[derive(Debug)]
pub struct Host {
    handle: HostHandle,
    jobs: JobLoop<Uploads>,
    shutdown_limit: Duration,
    /// Tells the handles that the host has ended, also where it is dropped.
    ended: DropGuard,
}

impl Host {
    /// Keeps the heatmaps of `pageserver`'s shards in `remote` as `policies` decide them. A single policy is enough.
    pub fn builder(
        pageserver: Arc<dyn Pageserver>,
        remote: Arc<dyn Remote>,
        policies: impl Into<Policies>,
    ) -> HostBuilder {
        HostBuilder::new(pageserver, remote, policies.into())
    }

    pub(super) fn new(handle: HostHandle, jobs: JobLoop<Uploads>, shutdown_limit: Duration) -> Self {
        let ended = handle.0.ended.clone().drop_guard();
        Host { handle, jobs, shutdown_limit, ended }
    }

    /// To ask it things, and to end it.
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Runs it on this runtime until the handle's [`shutdown`](HostHandle::shutdown).
    pub fn spawn(self) -> HostHandle {
        let handle = self.handle();
        tokio::spawn(self.run());
        handle
    }

    /// Runs it until a handle's [`shutdown`](HostHandle::shutdown). Whoever drops the future ends the host, as a crash
    /// would: jobs are aborted, and what has begun on a thread of its own is the last that is done.
    pub async fn run(self) {
        let Host { handle, jobs, shutdown_limit, ended } = self;
        let host = &*handle.0;
        let stop = async {
            host.uploads.stopping.cancelled().await;
            let cut_off = host.jobs.shutdown(shutdown_limit).await;
            *lock(&host.drained) = Drained { cut_off };
        };
        let work = pin!(join(jobs.run(), stop));
        let keep = pin!(join(host.keep_shards(), host.keep_state()));
        select(work, keep).await;
        // A disk that hangs must not keep the host from ending.
        select(pin!(host.commit()), host.clock().sleep(LAST_COMMIT_LIMIT)).await;
        drop(ended);
    }
}

impl Inner {
    /// Keeps the list of shards: what is told at once, and everything from time to time.
    async fn keep_shards(&self) {
        let (mut rescanned, mut listed): (Option<Duration>, bool) = (None, false);
        loop {
            let period = *lock(&self.rescan_period);
            let wait = if listed { period } else { period.min(RELIST_PERIOD) };
            let due = rescanned.map_or(Duration::ZERO, |rescanned| rescanned.saturating_add(wait));
            let News { all, shards } = self.uploads.moved.take();
            let now = self.clock().elapsed();
            if all || now >= due {
                listed = self.rescan().await;
                rescanned = Some(self.clock().elapsed());
                continue;
            }
            for (number, shard) in shards.into_iter().enumerate() {
                self.look(shard).await;
                yield_after(number).await;
            }
            select(pin!(self.uploads.moved.told()), self.clock().sleep(due.saturating_sub(now))).await;
        }
    }

    /// Lists all shards. Answers whether it could.
    async fn rescan(&self) -> bool {
        let listed = match self.in_time(self.uploads.uploader.generator().pageserver().shards()).await {
            Ok(listed) => listed,
            Err(error) => {
                self.uploads.counters.pageserver_errors.fetch_add(1, Ordering::Relaxed);
                let told = error.to_string();
                let before = lock(&self.pageserver_error).replace(told.clone());
                if before.as_ref() != Some(&told) {
                    tracing::warn!("{told}; the shards known so far are served");
                }
                return false;
            }
        };
        *lock(&self.pageserver_error) = None;
        let mut ids = Vec::with_capacity(listed.len());
        for (number, shard) in listed.into_iter().enumerate() {
            ids.push(shard.id);
            self.see(shard);
            yield_after(number).await;
        }
        ids.sort_unstable();
        for (number, shard) in self.uploads.registry.missing_from(&ids).into_iter().enumerate() {
            // It may have come since.
            self.look(shard).await;
            yield_after(number).await;
        }
        true
    }

    /// What the pageserver answers. One that hangs must not keep the others from being seen.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, PageserverError>>) -> Result<T, PageserverError> {
        match select(pin!(answer), self.clock().sleep(LIST_LIMIT)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(PageserverError::Unavailable(format!("no answer within {LIST_LIMIT:?}").into())),
        }
    }

    /// Looks at one shard.
    async fn look(&self, shard: TenantShardId) {
        match self.in_time(self.uploads.uploader.generator().pageserver().shard(shard)).await {
            Ok(shard) => self.see(shard),
            Err(PageserverError::NotAttached(_)) => self.forget(shard),
            // It is there, and its turns say what is wrong with it.
            Err(error) => tracing::debug!(%shard, "{error}"),
        }
    }

    fn see(&self, shard: Shard) {
        self.jobs.set(shard.id, period(&shard));
        self.uploads.registry.see(shard);
    }

    /// Forgets a shard that is not attached here any more. Its heatmap in the bucket stays: it is another location's
    /// now, or is deleted by whoever knows that the tenant is.
    pub(super) fn forget(&self, shard: TenantShardId) {
        self.jobs.remove(shard);
        self.uploads.registry.forget(shard);
        self.uploads.state.forget(shard);
        self.uploads.uploader.generator().policies().forget(shard);
    }

    /// Writes the state as it changes.
    async fn keep_state(&self) {
        loop {
            self.clock().sleep(COMMIT_PERIOD).await;
            self.commit().await;
            let generator = self.uploads.uploader.generator();
            if generator.policies().owes_entries() {
                let policies = generator.policies().clone();
                // A panic has been told, and the next second tries again.
                let _ = generator.compute().run(move || policies.write_owed_entries()).await;
            }
        }
    }

    async fn commit(&self) {
        let state = self.uploads.state.clone();
        if state.pending_bytes() == 0 {
            return;
        }
        let failure = match self.uploads.uploader.generator().compute().run(move || state.commit()).await {
            Ok(Ok(())) => return self.state_unwritten.store(false, Ordering::Relaxed),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.uploads.counters.state_write_errors.fetch_add(1, Ordering::Relaxed);
        if !self.state_unwritten.swap(true, Ordering::Relaxed) {
            tracing::warn!("{failure}; it is tried again, and a restart meanwhile reads every heatmap from the bucket");
        }
    }
}

async fn yield_after(number: usize) {
    if number % YIELD_EVERY == YIELD_EVERY - 1 {
        tokio::task::yield_now().await;
    }
}
