//! What a running host and its handles share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::handle::Drained;
use crate::clock::Clock;
use crate::jobs::JobHandle;
use crate::upload::Uploads;

/// What a running host and its handles share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) uploads: Arc<Uploads>,
    pub(super) jobs: JobHandle<Uploads>,
    pub(super) started: Duration,
    pub(super) started_unix_s: i64,
    /// How often all shards are listed.
    pub(super) rescan_period: Mutex<Duration>,
    /// Why the pageserver's shards could not be listed when that was last tried.
    pub(super) pageserver_error: Mutex<Option<String>>,
    /// The state could not be written when that was last tried.
    pub(super) state_unwritten: AtomicBool,
    /// How the shutdown went, once there was one.
    pub(super) drained: Mutex<Drained>,
    /// Cancelled when the host has ended, however it did.
    pub(super) ended: CancellationToken,
}

impl Inner {
    pub(super) fn clock(&self) -> &dyn Clock {
        self.uploads.uploader.generator().clock()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
