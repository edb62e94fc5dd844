//! What is counted while the host runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use super::{Family, Kind, Sample, Value};
use crate::heatmap::PolicyIdentity;
use crate::jobs::Trigger;
use crate::policy::Report;
use crate::upload::{Attempt, Outcome, OutcomeKind};

/// Upper bounds for uploads: from one that finds nothing to do, to one that meets its limit.
const UPLOAD_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Upper bounds for calls of policies: from a tenant of ten layers to one of ten million.
const POLICY_SECONDS: &[f64] = &[0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Most policies that are told apart: the calls of more are counted as those of `other`.
const MAX_POLICIES: usize = 64;

/// What a policy is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PolicyCall {
    Select,
    RankUploads,
}

impl PolicyCall {
    const fn as_str(self) -> &'static str {
        match self {
            PolicyCall::Select => "select",
            PolicyCall::RankUploads => "rank-uploads",
        }
    }
}

/// What is counted while the host runs.
#[derive(Debug)]
pub(crate) struct Counters {
    uploads: Mutex<BTreeMap<(OutcomeKind, &'static str, Trigger), u64>>,
    upload_seconds: Histogram,
    conflicts: AtomicU64,
    retries: AtomicU64,
    uploaded_bytes: AtomicU64,
    policies: Mutex<BTreeMap<PolicyName, PolicyCounters>>,
    pub(crate) state_write_errors: AtomicU64,
    pub(crate) pageserver_errors: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PolicyName {
    name: String,
    version: String,
    digest: String,
}

#[derive(Debug, Default)]
struct PolicyCounters {
    results: BTreeMap<(PolicyCall, &'static str), u64>,
    seconds: BTreeMap<PolicyCall, Histogram>,
    memory_peak_bytes: usize,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            uploads: Mutex::default(),
            upload_seconds: Histogram::new(UPLOAD_SECONDS),
            conflicts: AtomicU64::default(),
            retries: AtomicU64::default(),
            uploaded_bytes: AtomicU64::default(),
            policies: Mutex::default(),
            state_write_errors: AtomicU64::default(),
            pageserver_errors: AtomicU64::default(),
        }
    }
}

impl Counters {
    /// Counts what came of a job.
    pub(crate) fn uploaded(&self, attempt: &Attempt, trigger: Trigger) {
        let Attempt { outcome, generated, tries, conflicts, elapsed, .. } = attempt;
        *lock(&self.uploads).entry((outcome.kind(), outcome.code(), trigger)).or_default() += 1;
        add(&self.conflicts, u64::from(*conflicts));
        add(&self.retries, u64::from(tries.saturating_sub(1)));
        if !matches!(outcome, Outcome::Skipped(_)) {
            self.upload_seconds.observe(elapsed.as_secs_f64());
        }
        let Some(generated) = generated else { return };
        if matches!(outcome, Outcome::Uploaded) {
            add(&self.uploaded_bytes, generated.heatmap.bytes.len() as u64);
        }
        let result = generated.policy_error.as_ref().map_or("ok", |error| error.kind().code());
        self.policy_called(&generated.policy, PolicyCall::Select, result, &generated.report);
    }

    /// Counts a call of a policy.
    pub(crate) fn policy_called(
        &self,
        policy: &PolicyIdentity,
        call: PolicyCall,
        result: &'static str,
        report: &Report,
    ) {
        let named =
            PolicyName { name: policy.name.clone(), version: policy.version.clone(), digest: policy.digest.clone() };
        let mut policies = lock(&self.policies);
        let known = policies.contains_key(&named) || policies.len() < MAX_POLICIES;
        let other = || PolicyName { name: "other".into(), version: String::new(), digest: String::new() };
        let counters = policies.entry(if known { named } else { other() }).or_default();
        *counters.results.entry((call, result)).or_default() += 1;
        let seconds = counters.seconds.entry(call).or_insert_with(|| Histogram::new(POLICY_SECONDS));
        seconds.observe(report.elapsed.as_secs_f64());
        counters.memory_peak_bytes = counters.memory_peak_bytes.max(report.memory_bytes);
    }

    /// Uploads of one kind.
    fn uploads_that(&self, is: impl Fn(OutcomeKind) -> bool) -> u64 {
        lock(&self.uploads).iter().filter(|((kind, ..), _)| is(*kind)).map(|(_, count)| count).sum()
    }

    /// All of it.
    pub(crate) fn families(&self) -> Vec<Family> {
        let mut families = vec![
            Family::one(
                "pageserver_secondary_upload_heatmap",
                "Heatmaps that were uploaded.",
                Kind::Untyped,
                self.uploads_that(|kind| kind == OutcomeKind::Uploaded),
            ),
            Family::one(
                "pageserver_secondary_upload_heatmap_errors",
                "Uploads of heatmaps that failed.",
                Kind::Untyped,
                self.uploads_that(|kind| kind == OutcomeKind::Failed),
            ),
            Family {
                name: "pageserver_secondary_upload_heatmap_duration",
                help: "Time from the start of an upload to its end, seconds, skipped ones left out.",
                kind: Kind::Histogram,
                samples: vec![Sample { labels: Vec::new(), value: Value::Histogram(self.upload_seconds.buckets()) }],
            },
            Family {
                name: "thermocline_heatmap_uploads_total",
                help: "Turns of tenant shards by what came of them, why, and who asked.",
                kind: Kind::Counter,
                samples: self.upload_samples(),
            },
            Family::one(
                "thermocline_upload_conflicts_total",
                "How often another writer of the same heatmap was met.",
                Kind::Counter,
                read(&self.conflicts),
            ),
            Family::one(
                "thermocline_upload_retries_total",
                "Tries of uploads after the first.",
                Kind::Counter,
                read(&self.retries),
            ),
            Family::one(
                "thermocline_upload_bytes_total",
                "Bytes of uploaded heatmaps.",
                Kind::Counter,
                read(&self.uploaded_bytes),
            ),
            Family::one(
                "thermocline_state_write_errors_total",
                "How often the state file could not be written.",
                Kind::Counter,
                read(&self.state_write_errors),
            ),
            Family::one(
                "thermocline_pageserver_errors_total",
                "How often the pageserver's shards could not be listed.",
                Kind::Counter,
                read(&self.pageserver_errors),
            ),
        ];
        families.extend(self.policy_families());
        families
    }

    fn upload_samples(&self) -> Vec<Sample> {
        let uploads = lock(&self.uploads);
        let samples = uploads.iter().map(|(&(kind, reason, trigger), &count)| Sample {
            labels: vec![
                ("outcome", kind.as_str().into()),
                ("reason", reason.into()),
                ("trigger", trigger.as_str().into()),
            ],
            value: Value::Number(count as f64),
        });
        samples.collect()
    }

    fn policy_families(&self) -> [Family; 3] {
        let (mut calls, mut seconds, mut memory) = (Vec::new(), Vec::new(), Vec::new());
        for (PolicyName { name, version, digest }, counters) in &*lock(&self.policies) {
            let named = || vec![("policy", name.clone()), ("version", version.clone()), ("digest", digest.clone())];
            for (&(call, result), &count) in &counters.results {
                let mut labels = named();
                labels.extend([("call", call.as_str().to_owned()), ("result", result.to_owned())]);
                calls.push(Sample { labels, value: Value::Number(count as f64) });
            }
            for (call, histogram) in &counters.seconds {
                let mut labels = named();
                labels.push(("call", call.as_str().to_owned()));
                seconds.push(Sample { labels, value: Value::Histogram(histogram.buckets()) });
            }
            memory.push(Sample { labels: named(), value: Value::Number(counters.memory_peak_bytes as f64) });
        }
        [
            Family {
                name: "thermocline_policy_calls_total",
                help: "Calls of policies by what came of them; where one failed, the built-in policy decided.",
                kind: Kind::Counter,
                samples: calls,
            },
            Family {
                name: "thermocline_policy_call_duration_seconds",
                help: "Time that calls of policies took.",
                kind: Kind::Histogram,
                samples: seconds,
            },
            Family {
                name: "thermocline_policy_memory_peak_bytes",
                help: "The most memory that one call of a policy took.",
                kind: Kind::Gauge,
                samples: memory,
            },
        ]
    }
}

/// A duration as a label: as in configurations, without spaces.
pub(crate) fn duration_label(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
