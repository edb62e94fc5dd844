//! Time, handed in at the top: one process can then be simulated from a seed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

/// Tells the time, and waits.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Seconds since the Unix epoch: what policies see, and what heatmaps say.
    fn unix_s(&self) -> i64;

    /// Time since some fixed moment. Never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

#[allow(clippy::disallowed_methods, reason = "this is the edge: the one place that asks the machine")]
#[async_trait]
impl Clock for SystemClock {
    fn unix_s(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the edge: the one place that asks the machine")]
    fn default() -> Self {
        SystemClock(Instant::now())
    }
}
