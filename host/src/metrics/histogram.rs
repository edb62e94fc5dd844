//! How many observations were how large.

use std::sync::{Mutex, PoisonError};

use super::Buckets;

/// A histogram with fixed upper bounds.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Observations at most as large as the bound of the same index, and larger than the one before; the last are
    /// larger than all.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Nothing observed. The bounds rise.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Histogram { bounds, state: Mutex::new(State { counts: vec![0; bounds.len() + 1], sum: 0.0 }) }
    }

    pub(crate) fn observe(&self, value: f64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        state.counts.iter_mut().skip(bucket).take(1).for_each(|count| *count += 1);
        state.sum += value;
    }

    pub(crate) fn buckets(&self) -> Buckets {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        let cumulative = self.bounds.iter().zip(&state.counts).map(|(bound, in_bucket)| {
            count += in_bucket;
            (*bound, count)
        });
        let cumulative = cumulative.collect();
        Buckets { cumulative, sum: state.sum, count: state.counts.iter().sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_counted_up_to_their_bounds() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for value in [0.5, 1.0, 1.5, 10.0, 11.0] {
            histogram.observe(value);
        }
        let buckets = histogram.buckets();
        assert_eq!(buckets.cumulative, [(1.0, 2), (10.0, 4)]);
        assert_eq!((buckets.count, buckets.sum), (5, 24.0));
    }
}
