//! What is counted of policies, beside their calls.

use std::collections::BTreeSet;

use super::lineup::Absent;
use super::live::Policies;
use super::status::{Agreement, ShadowStatus};
use super::which::Which;
use crate::metrics::{Family, Kind, Sample, Value};

impl Policies {
    /// What is counted, at this moment.
    pub(crate) fn families(&self) -> Vec<Family> {
        // Whoever scrapes waits for nobody, and copies no configuration.
        let (standing, lineup) = (self.0.store.standing(), self.lineup());
        let one = |which: Which| standing.names(which).map(|(name, version)| number(labels(which, name, version), 1));
        let of = |absent: &Absent| absent.chosen.which;
        let absent: BTreeSet<Which> = lineup.absent.iter().map(of).collect();
        let unwritten = lineup.absent.iter().filter(|absent| absent.taken_back.is_some()).map(of);
        let rolled_back: BTreeSet<Which> = standing.rolled_back.keys().copied().chain(unwritten).collect();
        let identity = lineup.active.policy().identity();
        let active = vec![
            ("policy", identity.name().unwrap_or_default().to_owned()),
            ("version", identity.version().unwrap_or_default().to_owned()),
            ("digest", identity.digest().to_string()),
        ];
        let (automatic, commanded) = self.rollbacks();
        let mut families = vec![
            Family {
                name: "thermocline_policy_active",
                help: "1 for the policy that decides for all tenants that have none of their own.",
                kind: Kind::Gauge,
                samples: vec![number(active, 1)],
            },
            Family::one(
                "thermocline_policy_overrides",
                "Tenants and shards that have a policy of their own.",
                Kind::Gauge,
                lineup.overrides.len() as u64,
            ),
            Family {
                name: "thermocline_policy_rolled_back",
                help: "1 for each policy that was taken back because it failed too often, until it is activated \
                       again, or removed.",
                kind: Kind::Gauge,
                samples: rolled_back.into_iter().filter_map(one).collect(),
            },
            Family {
                name: "thermocline_policy_absent",
                help: "1 for each policy that the log has in a place where it does not sit, and another one decides: it \
                       could not be loaded when the daemon was started, or was taken back and that could not be written \
                       down so far.",
                kind: Kind::Gauge,
                samples: absent.into_iter().filter_map(one).collect(),
            },
            Family {
                name: "thermocline_policy_rollbacks_total",
                help: "Rollbacks: those that the daemon did by itself, and those that somebody asked for.",
                kind: Kind::Counter,
                samples: vec![
                    number(vec![("trigger", "automatic".into())], automatic),
                    number(vec![("trigger", "command".into())], commanded),
                ],
            },
        ];
        families.extend(watched(self.shadow_status().as_ref()));
        families
    }
}

/// How the watched policy compares; names without numbers where none is watched.
fn watched(status: Option<&ShadowStatus>) -> [Family; 4] {
    let counter = |name, help, count: fn(&Agreement) -> Vec<(&'static str, f64)>, label| Family {
        name,
        help,
        kind: Kind::Counter,
        samples: status.map_or_else(Vec::new, |status| {
            let named = |value: &str| {
                vec![("policy", status.name.clone()), ("version", status.version.clone()), (label, value.to_owned())]
            };
            let counts = count(&status.agreement).into_iter();
            counts.map(|(what, count)| Sample { labels: named(what), value: Value::Number(count) }).collect()
        }),
    };
    [
        counter(
            "thermocline_policy_shadow_calls_total",
            "Calls of the policy that is watched: it answered the same as the one that decides, the same layers in \
             another order, or other layers; it failed; or it was left out because it was busy.",
            |agreement| {
                let Agreement { compared, same_answer, same_layers, skipped, failures, .. } = agreement;
                vec![
                    ("same", *same_answer as f64),
                    ("same_layers", same_layers.saturating_sub(*same_answer) as f64),
                    ("other_layers", compared.saturating_sub(*same_layers) as f64),
                    ("failed", failures.values().sum::<u64>() as f64),
                    ("skipped", *skipped as f64),
                ]
            },
            "result",
        ),
        counter(
            "thermocline_policy_shadow_layers_total",
            "Layers that both list as hot, that only the watched policy does, and that only the one that decides does.",
            |agreement| {
                vec![
                    ("common", agreement.common_layers as f64),
                    ("added", agreement.added_layers as f64),
                    ("dropped", agreement.dropped_layers as f64),
                ]
            },
            "kind",
        ),
        counter(
            "thermocline_policy_shadow_bytes_total",
            "Bytes of the layers that only one of them lists as hot.",
            |agreement| vec![("added", agreement.added_bytes as f64), ("dropped", agreement.dropped_bytes as f64)],
            "kind",
        ),
        counter(
            "thermocline_policy_shadow_seconds_total",
            "Time of the calls that were compared.",
            |agreement| {
                vec![("watched", agreement.elapsed.as_secs_f64()), ("active", agreement.active_elapsed.as_secs_f64())]
            },
            "which",
        ),
    ]
}

fn labels(which: Which, name: &str, version: &str) -> Vec<(&'static str, String)> {
    vec![("policy", name.to_owned()), ("version", version.to_owned()), ("digest", which.digest().to_string())]
}

fn number(labels: Vec<(&'static str, String)>, value: u64) -> Sample {
    Sample { labels, value: Value::Number(value as f64) }
}
