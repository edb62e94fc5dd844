//! A clock over tokio's paused time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use thermocline::clock::Clock;
use tokio::time::Instant;

/// A clock over the time of a tokio runtime, which a test pauses: it then stands still while there is something to
/// do, and moves to the next moment that something waits for. The wall clock can jump, as a machine's does.
#[derive(Debug)]
pub struct SimClock {
    started: Instant,
    started_unix_s: i64,
    jumped_s: AtomicI64,
}

impl SimClock {
    /// Started now, at this second of the Unix epoch. MUST be called on the runtime whose time it tells.
    #[allow(clippy::disallowed_methods, reason = "this is the edge: paused time is asked of tokio")]
    pub fn new(started_unix_s: i64) -> Self {
        SimClock { started: Instant::now(), started_unix_s, jumped_s: AtomicI64::new(0) }
    }

    /// Moves the wall clock, forwards or backwards. The time that elapses knows nothing of it.
    pub fn jump(&self, seconds: i64) {
        self.jumped_s.fetch_add(seconds, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn unix_s(&self) -> i64 {
        let jumped = self.started_unix_s.saturating_add(self.jumped_s.load(Ordering::Relaxed));
        jumped.saturating_add_unsigned(self.elapsed().as_secs())
    }

    #[allow(clippy::disallowed_methods, reason = "this is the edge: paused time is asked of tokio")]
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the edge: paused time is asked of tokio")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
