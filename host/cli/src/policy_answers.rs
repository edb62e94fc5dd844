//! What a running host tells of its policies: as the HTTP API writes it, and as the command reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thermocline::policies::{Agreement, Entry, PolicyRole, PolicySummary, ShadowStatus};
use utoipa::ToSchema;

/// The header in which a client says who changes something, where no token says it.
pub(crate) const BY_HEADER: &str = "x-thermocline-by";
/// The header with the configuration that a component is tried with when it is installed.
pub(crate) const CONFIG_HEADER: &str = "x-thermocline-config";
/// Longest configuration in that header: with a token, it must fit into a request's head.
pub(crate) const MAX_CONFIG_HEADER_BYTES: usize = 8 << 10;
/// Longest reason that is taken for a change.
pub(crate) const MAX_WHY_BYTES: usize = 512;
/// Most entries of the log in an answer.
pub(crate) const MAX_ENTRIES: usize = 1000;

/// Policies that are installed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PoliciesAnswer {
    /// The built-in one first.
    pub(crate) policies: Vec<PolicyRow>,
}

/// An installed policy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PolicyRow {
    /// `built-in`, or `sha256:` and 64 hex digits.
    pub(crate) policy: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The version of the contract that it was built for, as far as it is known.
    #[serde(default)]
    pub(crate) contract: Option<String>,
    /// Of the component.
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    /// Null for the built-in one.
    pub(crate) installed_at: Option<String>,
    pub(crate) installed_by: Option<String>,
    /// Where it came from, as whoever installed it calls that.
    pub(crate) source: Option<String>,
    /// What it does. Empty: it is installed, no more.
    pub(crate) roles: Vec<RoleAnswer>,
}

/// What an installed policy does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RoleAnswer {
    pub(crate) role: RoleName,
    /// Of an override: for whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// Of one that was rolled back: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// Of one that is absent: what it should do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<RoleName>,
    /// Of one that is absent: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// The configuration with which it does so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
}

/// `active`: it decides for all that have none of their own. `override`: it decides for some. `shadow`: it is watched.
/// `rolled-back`: it failed too often, and is not tried again until somebody says so. `absent`: it should do what `from`
/// says, and another one does so in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleName {
    Active,
    Override,
    Shadow,
    RolledBack,
    Absent,
}

/// An installed policy, with what it says of itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PolicyDetails {
    #[serde(flatten)]
    pub(crate) row: PolicyRow,
    /// In its own words.
    pub(crate) summary: String,
    /// JSON Schema of its configuration.
    pub(crate) config_schema: Value,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// How it compares, where it is watched.
    pub(crate) shadow: Option<ShadowAnswer>,
}

/// Which policy is watched.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WatchedAnswer {
    /// Null where none is.
    pub(crate) shadow: Option<ShadowAnswer>,
}

/// The policy that is watched beside the active one, and how it compares.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShadowAnswer {
    /// `built-in`, or `sha256:` and 64 hex digits.
    pub(crate) policy: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) config: Value,
    /// Whose calls; null where it is watched for all.
    pub(crate) tenant: Option<String>,
    /// Of their shards, the share that is watched.
    pub(crate) share: f64,
    pub(crate) since: String,
    /// Since the daemon was started, or since it is watched.
    pub(crate) agreement: AgreementAnswer,
}

/// How a watched policy compares with the one that decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct AgreementAnswer {
    /// Calls that were compared.
    pub(crate) compared: u64,
    /// Of them, those in which it listed exactly the same hot layers.
    pub(crate) same_layers: u64,
    /// Of them, those in which the whole answer was the same, order included.
    pub(crate) same_answer: u64,
    /// Hot layers that both listed, all calls together.
    pub(crate) common_layers: u64,
    /// Hot layers that only the watched one listed.
    pub(crate) added_layers: u64,
    pub(crate) added_bytes: u64,
    /// Hot layers that only the deciding one listed.
    pub(crate) dropped_layers: u64,
    pub(crate) dropped_bytes: u64,
    /// Calls in which it failed, by the kind of failure.
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) last_failure: Option<String>,
    /// Calls that were left out, because as many as may run were running.
    pub(crate) skipped: u64,
    /// Time of its calls, all together.
    pub(crate) elapsed_s: f64,
    /// Time of the deciding one's calls on the same tables.
    pub(crate) active_elapsed_s: f64,
}

/// What to activate a policy with.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivateBody {
    /// Its configuration; `{}` where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) config: Option<Box<serde_json::value::RawValue>>,
    /// For this tenant or shard only: 32 hex digits, and -NNCC for one shard of a sharded tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// For the log, at most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// How to watch a policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShadowBody {
    /// Its configuration; `{}` where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) config: Option<Box<serde_json::value::RawValue>>,
    /// Only on calls for this tenant or shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// Of the shards, how many: more than 0 and at most 1, which it is where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
    /// For the log, at most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// What to go back on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackBody {
    /// For this tenant or shard only: it goes back to the policy that decides for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// For the log, at most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// A page of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LogPage {
    /// In order.
    #[schema(value_type = Vec<LogEntry>)]
    pub(crate) entries: Vec<Entry>,
    /// Where there are more: `after` of the next page.
    pub(crate) next: Option<u64>,
}

/// A change of policies, or one that was refused. What is not known, or not part of the action, is absent.
#[derive(ToSchema)]
#[allow(dead_code, reason = "says to the document what an entry of the host's log looks like, and is never made")]
pub(crate) struct LogEntry {
    /// Counts from 1, without gaps.
    seq: u64,
    /// When, as in `2026-11-22T12:30:00Z`.
    at: String,
    /// `install`, `remove`, `shadow`, `end-shadow`, `activate`, `rollback` or
    /// `end-overrides`.
    action: String,
    /// For whom; absent where it is for all.
    tenant: Option<String>,
    /// Which policy was in this place before: `built-in`, or `sha256:` and 64 hex digits.
    from: Option<String>,
    /// Which policy it is about.
    to: Option<String>,
    name: Option<String>,
    version: Option<String>,
    /// The version of the contract that an installed component was built for.
    contract: Option<String>,
    config: Option<Value>,
    /// Of the shards, the share that is watched.
    share: Option<f64>,
    /// Where the component came from.
    source: Option<String>,
    size_bytes: Option<u64>,
    /// By whom: an operator, or `thermocline` itself.
    by: String,
    why: Option<String>,
    /// `ok` or `refused`.
    result: String,
    /// Why it was refused.
    error: Option<String>,
}

/// A configuration, as it is shown. The host has read it as JSON before.
fn config(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

impl From<PolicySummary> for PolicyRow {
    fn from(summary: PolicySummary) -> Self {
        PolicyRow {
            policy: summary.which.to_string(),
            name: summary.name,
            version: summary.version,
            contract: summary.contract,
            sha256: summary.digest.to_string(),
            size_bytes: summary.size_bytes,
            installed_at: summary.installed_at,
            installed_by: summary.installed_by,
            source: summary.source,
            roles: summary.roles.into_iter().map(RoleAnswer::from).collect(),
        }
    }
}

impl From<(PolicyRole, Option<String>)> for RoleAnswer {
    fn from((role, text): (PolicyRole, Option<String>)) -> Self {
        let plain = |role| RoleAnswer { role, tenant: None, since: None, from: None, why: None, config: None };
        let answer = match role {
            PolicyRole::Active => plain(RoleName::Active),
            PolicyRole::Override(scope) => RoleAnswer { tenant: Some(scope.to_string()), ..plain(RoleName::Override) },
            PolicyRole::Shadow => plain(RoleName::Shadow),
            PolicyRole::RolledBack(since) => RoleAnswer { since: Some(since), ..plain(RoleName::RolledBack) },
            PolicyRole::Absent { from, why } => {
                let from = RoleAnswer::from((*from, None));
                RoleAnswer { role: RoleName::Absent, from: Some(from.role), why: Some(why), ..from }
            }
        };
        RoleAnswer { config: text.map(config), ..answer }
    }
}

impl From<ShadowStatus> for ShadowAnswer {
    fn from(status: ShadowStatus) -> Self {
        ShadowAnswer {
            policy: status.which.to_string(),
            name: status.name,
            version: status.version,
            config: config(status.config),
            tenant: status.tenant.map(|scope| scope.to_string()),
            share: status.share,
            since: status.since,
            agreement: status.agreement.into(),
        }
    }
}

impl From<Agreement> for AgreementAnswer {
    fn from(agreement: Agreement) -> Self {
        AgreementAnswer {
            compared: agreement.compared,
            same_layers: agreement.same_layers,
            same_answer: agreement.same_answer,
            common_layers: agreement.common_layers,
            added_layers: agreement.added_layers,
            added_bytes: agreement.added_bytes,
            dropped_layers: agreement.dropped_layers,
            dropped_bytes: agreement.dropped_bytes,
            failures: agreement.failures.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
            last_failure: agreement.last_failure,
            skipped: agreement.skipped,
            elapsed_s: agreement.elapsed.as_secs_f64(),
            active_elapsed_s: agreement.active_elapsed.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_field_of_an_entry() {
        let full = r#"{"seq": 1, "at": "2026-11-22T12:30:00Z", "action": "shadow", "from": "built-in",
            "tenant": "0a330000000000000000000000000003", "to": "built-in", "name": "a", "version": "1.2.3",
            "contract": "0.2.0", "config": {}, "share": 0.5, "source": "a.wasm", "size_bytes": 7, "by": "a", "why": "b",
            "result": "refused", "error": "no"}"#;
        let entry: Entry = serde_json::from_str(full).unwrap();
        let Value::Object(fields) = serde_json::to_value(&entry).unwrap() else { panic!("no object") };
        let schema = serde_json::to_value(<LogEntry as utoipa::PartialSchema>::schema()).unwrap();
        let documented = schema["properties"].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>());
        assert_eq!(serde_json::from_str::<Value>(full).unwrap(), Value::Object(fields));
    }
}
