//! What the host counts, as plain data: an embedder's registry reads it whenever it is scraped.

mod counters;
mod histogram;

pub(crate) use counters::{Counters, PolicyCall, duration_label};
pub(crate) use histogram::Histogram;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many observations were how large.
    Histogram,
    /// Only grows, but has the name under which dashboards know it: one that Prometheus' rules do not allow a counter.
    Untyped,
}

/// All samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// As in `/metrics`.
    pub name: &'static str,
    /// What it tells, in a sentence.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// One for each set of labels.
    pub samples: Vec<Sample>,
}

impl Family {
    /// One number without labels.
    pub(crate) fn one(name: &'static str, help: &'static str, kind: Kind, value: u64) -> Self {
        Family { name, help, kind, samples: vec![Sample { labels: Vec::new(), value: Value::Number(value as f64) }] }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// What was measured.
    pub value: Value,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram.
    Histogram(Buckets),
}

/// A histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Upper bounds, rising, and how many observations are not above each. All observations are not above infinity,
    /// which is not listed.
    pub cumulative: Vec<(f64, u64)>,
    /// Of all observations.
    pub sum: f64,
    /// All observations.
    pub count: u64,
}
