//! What the entries of the log add up to.

use std::collections::BTreeMap;

use super::entry::{Action, Entry, Outcome};
use super::scope::Scope;
use super::which::Which;
use crate::Digest;
use crate::policy::NO_CONFIG;

/// Most policies that rollbacks lead back to, the last first.
const MAX_BEFORE: usize = 16;

/// A component and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The component.
    pub which: Which,
    /// Its configuration, JSON text.
    pub config: String,
}

impl Default for Chosen {
    fn default() -> Self {
        Chosen { which: Which::BuiltIn, config: NO_CONFIG.into() }
    }
}

/// A component in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// What it calls itself.
    pub name: String,
    /// What it calls its version.
    pub version: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was installed, as the log has it.
    pub at: String,
    /// By whom.
    pub by: String,
    /// Where it came from.
    pub source: String,
}

/// A policy that is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadowed {
    /// Which.
    pub chosen: Chosen,
    /// Whose calls; absent where it is for all.
    pub tenant: Option<Scope>,
    /// Of their shards, the share that is watched, 0 to 1.
    pub share: f64,
    /// Since when, as the log has it.
    pub since: String,
}

/// What the entries of the log add up to: what a restart begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The last entry's number.
    pub seq: u64,
    /// What is in the store.
    pub installed: BTreeMap<Digest, Installed>,
    /// Which policy decides.
    pub active: Chosen,
    /// Which ones decided before, the last one last.
    pub before: Vec<Chosen>,
    /// Which policy the configuration named when it last named another.
    pub configured: Option<Chosen>,
    /// Which policies decide for some.
    pub overrides: BTreeMap<Scope, Chosen>,
    /// Which policy is watched.
    pub shadow: Option<Shadowed>,
    /// Which policies failed too often since they were last activated or watched, and when that was.
    pub rolled_back: BTreeMap<Which, String>,
}

impl Standing {
    /// Takes in one more entry.
    pub fn apply(&mut self, entry: &Entry) {
        let _ = (entry, Action::Install, Outcome::Ok, MAX_BEFORE);
        todo!()
    }
}
