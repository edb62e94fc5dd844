//! A clock over tokio's paused time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use thermocline::clock::Clock;
use tokio::time::Instant;

/// A clock that goes with tokio's time, which a paused runtime winds from timer to timer. Its wall clock can be set.
#[derive(Debug)]
pub struct SimClock {
    began: Instant,
    started_unix_s: i64,
    offset_s: AtomicI64,
}

impl SimClock {
    /// Started now, at this second of the Unix epoch.
    #[allow(clippy::disallowed_methods, reason = "time of a paused runtime is made up")]
    pub fn new(started_unix_s: i64) -> Self {
        SimClock { began: Instant::now(), started_unix_s, offset_s: AtomicI64::new(0) }
    }

    /// Sets the wall clock forward, or back where it is negative. Nothing else notices.
    pub fn jump(&self, seconds: i64) {
        self.offset_s.fetch_add(seconds, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn unix_s(&self) -> i64 {
        let offset_s = self.offset_s.load(Ordering::Relaxed);
        self.started_unix_s.saturating_add(offset_s).saturating_add_unsigned(self.elapsed().as_secs())
    }

    #[allow(clippy::disallowed_methods, reason = "time of a paused runtime is made up")]
    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "time of a paused runtime is made up")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
