//! Chance by seed: each part of a run draws its own numbers, so that one that draws more moves no other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use fastrand::Rng;

/// The numbers of one part of a run.
pub(super) fn numbers(seed: u64, part: &str) -> Rng {
    let mut hasher = DefaultHasher::new();
    (seed, part).hash(&mut hasher);
    Rng::with_seed(hasher.finish())
}

/// Whether what happens `thousandths` times in a thousand happens now.
pub(super) fn happens(rng: &mut Rng, thousandths: u32) -> bool {
    rng.u32(0..1000) < thousandths
}

/// One of them; `None` where there is none.
pub(super) fn one_of<T: Copy>(rng: &mut Rng, of: &[T]) -> Option<T> {
    if of.is_empty() { None } else { of.get(rng.usize(0..of.len())).copied() }
}

/// A duration from `from` up to, and not with, `to`.
pub(super) fn between(rng: &mut Rng, from: Duration, to: Duration) -> Duration {
    let (from, to) = (micros(from), micros(to));
    Duration::from_micros(if from < to { rng.u64(from..to) } else { from })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
