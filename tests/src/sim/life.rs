//! A host's life, which can end at any moment.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::doubles::SimClock;

/// A host's life. Tasks of one that crashed still exist in this process, but nothing that they wait for ever comes:
/// seen from outside they are gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Life(CancellationToken);

impl Life {
    /// Ends it here and now.
    pub(super) fn end(&self) {
        self.0.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_cancelled()
    }

    /// What `work` answers, or nothing ever again.
    pub(super) async fn lives<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.0.cancelled() => pending().await,
            answer = work => answer,
        }
    }
}

/// The clock as a host sees it, while it lives.
#[derive(Debug)]
pub(super) struct LifeClock {
    pub(super) clock: Arc<SimClock>,
    pub(super) life: Life,
}

#[async_trait]
impl Clock for LifeClock {
    fn unix_s(&self) -> i64 {
        self.clock.unix_s()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.life.lives(self.clock.sleep(duration)).await;
    }
}
