//! How large a run is, and what its hosts are like: drawn from the seed.

use std::time::Duration;

use fastrand::Rng;

use super::chance::{between, happens, numbers, one_of};
use super::event::Terms;
use super::policies::Mood;

/// How large runs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// Up to hundreds of tenants, up to half an hour.
    #[default]
    Full,
    /// A few tenants, some minutes: for tests.
    Small,
}

/// Upload periods of tenants, seconds.
pub(super) const PERIODS_S: [u64; 5] = [10, 15, 20, 30, 60];

/// What a run is like.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) nodes: u8,
    pub(super) tenants: u16,
    /// How long things happen.
    pub(super) stirred: Duration,
    /// From when on no request fails.
    pub(super) fine_from: Duration,
    /// Between two things that happen, on average.
    pub(super) gap: Duration,
    pub(super) latency: (Duration, Duration),
    pub(super) walk: Duration,
    pub(super) mood: Mood,
    /// Whether the state is kept in a file.
    pub(super) durable: bool,
    pub(super) terms: Terms,
}

impl Shape {
    pub(super) fn draw(seed: u64, size: Size) -> Self {
        let rng = &mut numbers(seed, "shape");
        let (minutes, tenants) = match (size, rng.u32(0..10)) {
            (Size::Small, _) => (rng.u64(4..8), rng.u16(2..20)),
            (Size::Full, 0..6) => (rng.u64(10..30), rng.u16(3..30)),
            (Size::Full, 6..9) => (rng.u64(10..25), rng.u16(30..120)),
            (Size::Full, _) => (rng.u64(8..15), rng.u16(120..400)),
        };
        let stirred = Duration::from_mins(minutes);
        let slowest = Duration::from_millis(one_of(rng, &[10, 50, 200, 600]).unwrap_or(10));
        let latency = (slowest / 10, slowest);
        let walk = Duration::from_millis(one_of(rng, &[1, 20, 300]).unwrap_or(1));
        let mood = Mood::draw(rng);
        let job = walk + 8 * slowest + Duration::from_millis(200);
        let gap = stirred / (u32::from(tenants) * 25).clamp(300, 5000);
        let terms = Terms { steady: mood.is_steady(), trusted: mood.is_trusted(), ..terms(rng, tenants, job) };
        Shape {
            nodes: if happens(rng, 700) { 2 } else { 1 },
            tenants,
            stirred,
            fine_from: stirred * rng.u32(60..95) / 100,
            gap,
            latency,
            walk,
            mood,
            durable: happens(rng, 400),
            terms,
        }
    }
}

fn terms(rng: &mut Rng, tenants: u16, job: Duration) -> Terms {
    // Enough for all tenants to be uploaded within some periods, and often no more than that.
    let least = u128::from(tenants) * job.as_millis() / 60_000;
    let concurrency = usize::try_from(least).unwrap_or(1) + rng.usize(1..8);
    Terms {
        concurrency,
        rescan: between(rng, Duration::from_secs(5), Duration::from_secs(60)),
        recheck: between(rng, Duration::from_secs(60), Duration::from_secs(600)),
        shutdown_limit: between(rng, Duration::from_secs(1), Duration::from_secs(20)),
        job,
        steady: true,
        trusted: true,
    }
}
