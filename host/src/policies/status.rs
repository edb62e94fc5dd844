//! What is told of policies.

use std::time::Duration;

use super::scope::Scope;
use super::which::Which;

/// What an installed policy is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyRole {
    /// It decides for all that have none of their own.
    Active,
    /// It decides for some.
    Override(Scope),
    /// It is watched.
    Shadow,
    /// It failed too often, and is not tried again until somebody says so. Since when, as the log has it.
    RolledBack(String),
    /// The log has it in a place, and it does not sit there: it could not be loaded when the host was started; or it was
    /// taken back, and that could not be written down so far. Another one decides in its place.
    Absent {
        /// What it should do.
        from: Box<PolicyRole>,
        /// Why it does not.
        why: String,
    },
}

/// An installed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// Which.
    pub which: Which,
    /// SHA-256 of the component.
    pub digest: crate::Digest,
    /// What it calls itself.
    pub name: String,
    /// What it calls its version.
    pub version: String,
    /// The version of the contract that it was built for, as far as it is known.
    pub contract: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// When it was installed; absent for the built-in one.
    pub installed_at: Option<String>,
    /// By whom.
    pub installed_by: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
    /// What it does, the configuration beside it. Empty: it is installed, no more.
    pub roles: Vec<(PolicyRole, Option<String>)>,
}

/// How a watched policy compares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Calls that were compared.
    pub compared: u64,
    /// Of them, those in which it listed exactly the same hot layers.
    pub same_layers: u64,
    /// Of them, those in which the whole answer was the same, order included.
    pub same_answer: u64,
    /// Hot layers that both listed, all calls together.
    pub common_layers: u64,
    /// Hot layers that only the watched one listed.
    pub added_layers: u64,
    /// Their bytes.
    pub added_bytes: u64,
    /// Hot layers that only the active one listed.
    pub dropped_layers: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Calls in which it failed, by the code of the failure.
    pub failures: std::collections::BTreeMap<&'static str, u64>,
    /// The last failure's message.
    pub last_failure: Option<String>,
    /// Calls that were left out, because as many as may run were running.
    pub skipped: u64,
    /// Time of its calls, all together.
    pub elapsed: Duration,
    /// Time of the active one's calls on the same tables.
    pub active_elapsed: Duration,
}

/// The policy that is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowStatus {
    /// Which.
    pub which: Which,
    /// What it calls itself.
    pub name: String,
    /// What it calls its version.
    pub version: String,
    /// Its configuration.
    pub config: String,
    /// Whose calls; absent where it is for all.
    pub tenant: Option<Scope>,
    /// Of their shards, the share that is watched.
    pub share: f64,
    /// Since when, as the log has it.
    pub since: String,
    /// How it compares since the host was started, or since it is watched.
    pub agreement: Agreement,
}
