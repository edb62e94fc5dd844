//! One change, or one that was refused: a line of the log.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::scope::Scope;
use super::which::Which;

/// Who does what nobody asked for: the host itself, where a policy fails too often.
pub const HOST: &str = "thermocline";

/// Who activates the policy that a configuration names.
pub const CONFIGURATION: &str = "configuration";

/// What somebody did, or wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A component came into the store.
    Install,
    /// A component went out of the store.
    Remove,
    /// A policy is watched beside the active one.
    Shadow,
    /// It is not watched any more.
    EndShadow,
    /// A policy decides from now on.
    Activate,
    /// The one that decided before decides again.
    Rollback,
    /// No tenant has a policy of its own any more.
    EndOverrides,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result", content = "error")]
pub enum Outcome {
    /// It holds.
    Ok,
    /// Nothing changed, and why.
    Refused(String),
}

/// A line of the log. What is not known, or not part of the action, is absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1, without gaps.
    pub seq: u64,
    /// When, as in `2026-11-22T12:30:00Z`.
    pub at: String,
    /// What.
    pub action: Action,
    /// For whom; absent where it is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Scope>,
    /// Which policy was in this place before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Which>,
    /// Which policy it is about, and is in this place now if it was not refused. A file that is refused has a digest too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Which>,
    /// What `to` calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What `to` calls its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of the contract that a component was built for, where it is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Its configuration, where it is to decide or to be watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<RawValue>>,
    /// Of the shards, the share that is watched, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Where the component came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Bytes of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// By whom: an operator, or `thermocline` itself.
    pub by: String,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Entry {
    /// Whether the host did it by itself.
    pub fn is_automatic(&self) -> bool {
        self.by == HOST
    }
}

#[cfg(test)]
impl Entry {
    /// Somebody did this, and nothing else is known.
    pub(super) fn plain(action: Action) -> Self {
        Entry {
            seq: 0,
            at: "2026-11-22T12:30:00Z".into(),
            action,
            tenant: None,
            from: None,
            to: None,
            name: None,
            version: None,
            contract: None,
            config: None,
            share: None,
            source: None,
            size_bytes: None,
            by: "anna".into(),
            why: None,
            outcome: Outcome::Ok,
        }
    }

    /// As it is written, for comparisons.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}
