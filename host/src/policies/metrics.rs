//! What is counted of policies, beside their calls.

use super::live::Policies;
use super::status::{Agreement, PolicyRole, PolicySummary, ShadowStatus};
use crate::metrics::{Family, Kind, Sample, Value};

impl Policies {
    /// What is counted, at this moment.
    pub(crate) fn families(&self) -> Vec<Family> {
        let policies = self.list();
        let in_role = |is: fn(&PolicyRole) -> bool| {
            let samples = policies.iter().filter(move |policy| policy.roles.iter().any(|(role, _)| is(role)));
            samples.map(|policy| number(labels(policy), 1)).collect()
        };
        let (automatic, commanded) = self.rollbacks();
        let mut families = vec![
            Family {
                name: "thermocline_policy_active",
                help: "1 for the policy that decides for all tenants that have none of their own.",
                kind: Kind::Gauge,
                samples: in_role(|role| matches!(role, PolicyRole::Active)),
            },
            Family::one(
                "thermocline_policy_overrides",
                "Tenants and shards that have a policy of their own.",
                Kind::Gauge,
                self.overrides().len() as u64,
            ),
            Family {
                name: "thermocline_policy_rolled_back",
                help: "1 for each policy that was taken back because it failed too often, until it is activated or \
                       watched again, or removed.",
                kind: Kind::Gauge,
                samples: in_role(|role| matches!(role, PolicyRole::RolledBack(_))),
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
        families.extend(self.shadow_status().iter().flat_map(watched));
        families
    }
}

/// How the watched policy compares.
fn watched(status: &ShadowStatus) -> [Family; 4] {
    let Agreement { compared, same_answer, same_layers, skipped, failures, .. } = &status.agreement;
    let Agreement { common_layers, added_layers, dropped_layers, added_bytes, dropped_bytes, .. } = status.agreement;
    let named = |label: &'static str, value: &str| {
        vec![("policy", status.name.clone()), ("version", status.version.clone()), (label, value.to_owned())]
    };
    let counter = |name, help, samples| Family { name, help, kind: Kind::Counter, samples };
    let failed: u64 = failures.values().sum();
    [
        counter(
            "thermocline_policy_shadow_calls_total",
            "Calls of the policy that is watched: it answered the same as the one that decides, the same layers in \
             another order, or other layers; it failed; or it was left out because it was busy.",
            [
                ("same", *same_answer),
                ("same_layers", same_layers.saturating_sub(*same_answer)),
                ("other_layers", compared.saturating_sub(*same_layers)),
                ("failed", failed),
                ("skipped", *skipped),
            ]
            .map(|(result, count)| number(named("result", result), count))
            .to_vec(),
        ),
        counter(
            "thermocline_policy_shadow_layers_total",
            "Layers that both list as hot, that only the watched policy does, and that only the one that decides does.",
            [("common", common_layers), ("added", added_layers), ("dropped", dropped_layers)]
                .map(|(kind, count)| number(named("kind", kind), count))
                .to_vec(),
        ),
        counter(
            "thermocline_policy_shadow_bytes_total",
            "Bytes of the layers that only one of them lists as hot.",
            [("added", added_bytes), ("dropped", dropped_bytes)]
                .map(|(kind, count)| number(named("kind", kind), count))
                .to_vec(),
        ),
        counter(
            "thermocline_policy_shadow_seconds_total",
            "Time of the calls that were compared.",
            [("watched", status.agreement.elapsed), ("active", status.agreement.active_elapsed)]
                .map(|(which, elapsed)| Sample {
                    labels: named("which", which),
                    value: Value::Number(elapsed.as_secs_f64()),
                })
                .to_vec(),
        ),
    ]
}

fn labels(policy: &PolicySummary) -> Vec<(&'static str, String)> {
    vec![("policy", policy.name.clone()), ("version", policy.version.clone()), ("digest", policy.digest.to_string())]
}

fn number(labels: Vec<(&'static str, String)>, value: u64) -> Sample {
    Sample { labels, value: Value::Number(value as f64) }
}
