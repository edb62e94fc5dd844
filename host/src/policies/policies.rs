//! The policies of a running host.

use std::sync::Arc;

use super::entry::Entry;
use super::error::{ChangeError, PoliciesError};
use super::reference::PolicyRef;
use super::scope::Scope;
use super::source::Source;
use super::status::{PolicySummary, ShadowStatus};
use super::store::PolicyStore;
use crate::Digest;
use crate::clock::Clock;
use crate::policy::{Engine, Policy};

/// Who did it, and why: for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// By whom.
    pub by: String,
    /// Why, in their words.
    pub why: Option<String>,
}

/// Whose calls a shadow sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Absent: of all.
    pub tenant: Option<Scope>,
    /// Of their shards, more than 0 and at most 1. Which shards is fixed, so that each is seen always or never.
    pub share: f64,
}

impl Default for Share {
    fn default() -> Self {
        Share { tenant: None, share: 1.0 }
    }
}

/// The policies of a running host. Clones are of the same ones. Changes are made one after the other; each is written to
/// the store's log before it holds. They compute for up to seconds: asynchronous callers use
/// [`HostHandle`](crate::HostHandle)'s, or move them off their reactor.
#[derive(Clone, Debug)]
pub struct Policies {}

impl Policies {
    /// Takes up what the store's log says. A policy that cannot be loaded any more is passed over with a warning, and
    /// the built-in one decides in its place.
    pub fn open(engine: Engine, store: PolicyStore, clock: Arc<dyn Clock>) -> Result<Self, PoliciesError> {
        let _ = (engine, store, clock);
        todo!()
    }

    /// One policy for everybody, nothing kept: for embedders and tools that need no more.
    pub fn only(policy: Arc<Policy>) -> Self {
        let _ = policy;
        todo!()
    }

    /// Checks a component, and keeps it in the store. It decides nothing yet. `config` is what it is tried with.
    pub async fn install(
        &self,
        source: &dyn Source,
        pin: Option<Digest>,
        config: Option<&str>,
        note: &Note,
    ) -> Result<PolicySummary, ChangeError> {
        let _ = (source, pin, config, note);
        todo!()
    }

    /// Drops a component that nobody uses from the store.
    pub fn remove(&self, policy: &PolicyRef, note: &Note) -> Result<Entry, ChangeError> {
        let _ = (policy, note);
        todo!()
    }

    /// Lets a policy decide from now on; `tenant` absent: for all that have none of their own. Calls that run end with
    /// the policy that they began with.
    pub fn activate(
        &self,
        policy: &PolicyRef,
        config: Option<&str>,
        tenant: Option<Scope>,
        note: &Note,
    ) -> Result<Entry, ChangeError> {
        let _ = (policy, config, tenant, note);
        todo!()
    }

    /// Watches a policy beside the active one, in the place of the one that was watched.
    pub fn shadow(
        &self,
        policy: &PolicyRef,
        config: Option<&str>,
        share: Share,
        note: &Note,
    ) -> Result<Entry, ChangeError> {
        let _ = (policy, config, share, note);
        todo!()
    }

    /// Ends the watching.
    pub fn end_shadow(&self, note: &Note) -> Result<Entry, ChangeError> {
        let _ = note;
        todo!()
    }

    /// Goes back to the policy that decided before; with `tenant`, to the one that decides for all.
    pub fn rollback(&self, tenant: Option<Scope>, note: &Note) -> Result<Entry, ChangeError> {
        let _ = (tenant, note);
        todo!()
    }

    /// All that are installed, the built-in one first.
    pub fn list(&self) -> Vec<PolicySummary> {
        todo!()
    }

    /// One of them, with its description.
    pub fn show(&self, policy: &PolicyRef) -> Result<(PolicySummary, Arc<Policy>), ChangeError> {
        let _ = policy;
        todo!()
    }

    /// The policy that is watched.
    pub fn shadow_status(&self) -> Option<ShadowStatus> {
        todo!()
    }

    /// At most `limit` entries of the log after number `after`, in order.
    pub fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, ChangeError> {
        let _ = (after, limit);
        todo!()
    }
}
