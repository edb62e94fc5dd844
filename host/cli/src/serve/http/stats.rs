//! What the HTTP API counts of itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use thermocline::metrics::{Buckets, Family, Kind, Sample, Value};

use super::Api;

/// Upper bounds of durations, seconds: from a list in memory to an upload that waits for another.
const BOUNDS_S: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0];

/// Requests by what they asked for. Routes are patterns and unknown methods are one, so that nobody can make series.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    requests: BTreeMap<(&'static str, String, u16), u64>,
    durations: BTreeMap<(&'static str, String), Histogram>,
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    /// Not cumulative: each observation counts in the first bucket that takes it.
    counts: [u64; BOUNDS_S.len()],
    sum_s: f64,
    count: u64,
}

pub(super) async fn count(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let began = api.clock.elapsed();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let uri = request.uri().clone();
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), api.clock.elapsed().saturating_sub(began));
    tracing::debug!(method, %uri, status, ?took, "request");
    api.stats.add(method, route, status, took);
    response
}

impl Stats {
    fn add(&self, method: &'static str, route: String, status: u16, took: Duration) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = counted.durations.entry((method, route.clone())).or_default();
        let took_s = took.as_secs_f64();
        if let Some(count) =
            histogram.counts.iter_mut().zip(BOUNDS_S).find_map(|(count, s)| (took_s <= s).then_some(count))
        {
            *count += 1;
        }
        histogram.sum_s += took_s;
        histogram.count += 1;
        *counted.requests.entry((method, route, status)).or_default() += 1;
    }

    /// In the order in which they are shown.
    pub(super) fn families(&self) -> Vec<Family> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = |method: &str, route: &str| vec![("method", method.to_owned()), ("route", route.to_owned())];
        #[allow(clippy::cast_precision_loss, reason = "the format's numbers are floats; counts below 2^53 are exact")]
        let requests = counted.requests.iter().map(|((method, route, status), count)| {
            let mut labels = labels(method, route);
            labels.push(("status", status.to_string()));
            Sample { labels, value: Value::Number(*count as f64) }
        });
        let durations = counted.durations.iter().map(|((method, route), histogram)| {
            let running = histogram.counts.iter().scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            });
            let cumulative = BOUNDS_S.into_iter().zip(running).collect();
            let value = Buckets { cumulative, sum: histogram.sum_s, count: histogram.count };
            Sample { labels: labels(method, route), value: Value::Histogram(value) }
        });
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        vec![
            Family {
                name: "thermocline_build_info",
                help: "Which build runs; always 1.",
                kind: Kind::Gauge,
                samples: vec![Sample { labels: version, value: Value::Number(1.0) }],
            },
            Family {
                name: "thermocline_http_requests_total",
                help: "Requests that were answered.",
                kind: Kind::Counter,
                samples: requests.collect(),
            },
            Family {
                name: "thermocline_http_request_duration_seconds",
                help: "How long requests took, until their answers began.",
                kind: Kind::Histogram,
                samples: durations.collect(),
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_every_bucket_that_takes_it() {
        let stats = Stats::default();
        for ms in [1, 2, 700_000] {
            stats.add("GET", "/x".into(), 200, Duration::from_millis(ms));
        }
        let families = stats.families();
        let Value::Histogram(buckets) = &families[2].samples[0].value else { panic!("{families:?}") };
        assert_eq!(buckets.cumulative[..2], [(0.001, 1), (0.005, 2)]);
        assert_eq!(buckets.cumulative.last(), Some(&(600.0, 2)));
        assert_eq!((buckets.count, buckets.sum), (3, 700.003));
        assert_eq!(families[1].samples[0].value, Value::Number(3.0));
    }
}
