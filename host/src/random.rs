//! Chance, handed in at the top: a run can then be repeated from a seed.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A source of random numbers.
pub struct Random(Mutex<fastrand::Rng>);

impl Random {
    /// Seeded by the operating system.
    pub fn from_os() -> Self {
        Random(Mutex::new(fastrand::Rng::new()))
    }

    /// The same numbers for the same seed, on every machine.
    pub fn seeded(seed: u64) -> Self {
        Random(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// A source of its own, seeded by this one: whoever draws from it moves no numbers of others.
    #[must_use]
    pub fn fork(&self) -> Self {
        Random(Mutex::new(self.draw(fastrand::Rng::fork)))
    }

    /// A moment within `0..whole`, each as likely as any other; zero where the whole is.
    pub fn moment_in(&self, whole: Duration) -> Duration {
        let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(if nanos == 0 { 0 } else { self.draw(|rng| rng.u64(0..nanos)) })
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_fill_the_whole_and_stay_within() {
        let random = Random::seeded(7);
        let whole = Duration::from_secs(60);
        let moments: Vec<_> = (0..1000).map(|_| random.moment_in(whole)).collect();
        assert!(moments.iter().all(|moment| *moment < whole));
        assert!(moments.iter().any(|moment| *moment < whole / 10));
        assert!(moments.iter().any(|moment| *moment > whole / 10 * 9));
        assert_eq!(random.moment_in(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_fork_goes_its_own_way_and_repeats_itself() {
        let whole = Duration::from_secs(1);
        let drawn = |forked: bool| {
            let random = Random::seeded(1);
            let fork = random.fork();
            let before = forked.then(|| fork.moment_in(whole));
            (before, random.moment_in(whole))
        };
        assert_eq!(drawn(true), drawn(true));
        assert_eq!(drawn(true).1, drawn(false).1, "what one draws moves nothing of the other");
        assert_ne!(drawn(true).0, Some(drawn(true).1));
    }

    #[test]
    fn a_seed_repeats_itself() {
        let (one, other, third) = (Random::seeded(1), Random::seeded(1), Random::seeded(2));
        let whole = Duration::from_secs(1);
        let moment = one.moment_in(whole);
        assert_eq!(moment, other.moment_in(whole));
        assert_ne!(moment, third.moment_in(whole));
    }
}
