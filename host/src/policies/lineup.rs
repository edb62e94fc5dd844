//! Who is asked for whom.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::failures::{Failures, RollbackRule};
use super::lock;
use super::scope::Scope;
use super::shadow::Shadow;
use super::standing::Chosen;
use crate::Digest;
use crate::layer::TenantShardId;
use crate::policy::{Judge, Policy};

/// Where a policy sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It decides for all that have none of their own.
    Active,
    /// It decides for some.
    For(Scope),
    /// It is watched.
    Watched,
}

/// A policy in its place. A policy that comes back to a place sits there anew: earlier failures do not count.
#[derive(Debug)]
pub(crate) struct Seat {
    judge: Judge,
    pub(super) chosen: Chosen,
    pub(super) place: Place,
    failures: Mutex<Failures>,
    /// What it remembers from when it was watched, for its first call for each shard.
    learned: Mutex<BTreeMap<TenantShardId, Vec<u8>>>,
}

impl Seat {
    pub(super) fn new(policy: Arc<Policy>, chosen: Chosen, place: Place) -> Self {
        Seat { judge: Judge::new(policy), chosen, place, failures: Mutex::default(), learned: Mutex::default() }
    }

    /// The same, with what it learned while it was watched.
    pub(super) fn having_learned(self, learned: BTreeMap<TenantShardId, Vec<u8>>) -> Self {
        Seat { learned: Mutex::new(learned), ..self }
    }

    /// Who answers.
    pub(crate) const fn judge(&self) -> &Judge {
        &self.judge
    }

    pub(super) const fn policy(&self) -> &Arc<Policy> {
        self.judge.policy()
    }

    /// Stands for its component and configuration.
    pub(crate) fn key(&self) -> Digest {
        self.policy().key()
    }

    /// What it remembers of a shard from when it was watched. Tells it once.
    pub(crate) fn take_learned(&self, shard: TenantShardId) -> Option<Vec<u8>> {
        lock(&self.learned).remove(&shard)
    }

    /// Counts a failure. Answers whether they are too many now.
    pub(super) fn note_failure(&self, now: Duration, rule: &RollbackRule) -> bool {
        lock(&self.failures).note(now, rule)
    }
}

/// Who is asked for whom. A value: a change makes another, so that each call sees one or the other, and never a mix.
#[derive(Clone, Debug)]
pub(super) struct Lineup {
    pub(super) active: Arc<Seat>,
    pub(super) overrides: BTreeMap<Scope, Arc<Seat>>,
    pub(super) shadow: Option<Arc<Shadow>>,
}

impl Lineup {
    /// Who decides for a shard: one for just this shard before one for its tenant, and that before the one for all.
    pub(super) fn seat(&self, shard: TenantShardId) -> &Arc<Seat> {
        if self.overrides.is_empty() {
            return &self.active;
        }
        let own = self.overrides.get(&Scope::Shard(shard)).or_else(|| self.overrides.get(&Scope::Tenant(shard.tenant)));
        own.unwrap_or(&self.active)
    }

    /// Whether it still sits where it sat.
    pub(super) fn has(&self, seat: &Arc<Seat>) -> bool {
        let there = match seat.place {
            Place::Active => Some(&self.active),
            Place::For(scope) => self.overrides.get(&scope),
            Place::Watched => self.shadow.as_ref().map(|shadow| &shadow.seat),
        };
        there.is_some_and(|there| Arc::ptr_eq(there, seat))
    }
}
