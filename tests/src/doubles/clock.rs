//! A clock that the test winds.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use thermocline::clock::Clock;

use super::lock;

/// A clock that stands still but for sleeps, each of which moves it on at once.
#[derive(Debug)]
pub struct FakeClock {
    started_unix_s: i64,
    sleeps: Mutex<Vec<Duration>>,
}

impl FakeClock {
    /// Started at this second of the Unix epoch.
    pub fn new(started_unix_s: i64) -> Self {
        FakeClock { started_unix_s, sleeps: Mutex::default() }
    }

    /// All sleeps so far.
    pub fn sleeps(&self) -> Vec<Duration> {
        lock(&self.sleeps).clone()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn unix_s(&self) -> i64 {
        self.started_unix_s.saturating_add_unsigned(self.elapsed().as_secs())
    }

    fn elapsed(&self) -> Duration {
        lock(&self.sleeps).iter().sum()
    }

    async fn sleep(&self, duration: Duration) {
        lock(&self.sleeps).push(duration);
    }
}
