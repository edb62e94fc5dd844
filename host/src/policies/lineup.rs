//! Who is asked for whom.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

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

/// A policy in its place.
#[derive(Debug)]
pub(crate) struct Seat {
    judge: Judge,
    tenure: Digest,
    pub(super) chosen: Chosen,
    pub(super) place: Place,
    /// Somebody sees to it that it is taken back.
    pub(super) taken_back: AtomicBool,
    /// What it remembers from when it was watched, for its first call for each shard.
    learned: Mutex<BTreeMap<TenantShardId, Vec<u8>>>,
}

impl Seat {
    /// It sits there since the log's entry `since`, or always has.
    pub(super) fn new(policy: Arc<Policy>, chosen: Chosen, place: Place, since: u64) -> Self {
        let tenure = Digest::of(&[&policy.key().as_bytes()[..], &since.to_le_bytes()].concat());
        let (taken_back, learned) = (AtomicBool::default(), Mutex::default());
        // Nothing waits for the answers of one that is watched.
        let policy = if place == Place::Watched { Arc::new(policy.aside()) } else { policy };
        Seat { judge: Judge::new(policy), tenure, chosen, place, taken_back, learned }
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

    /// Stands for its component, its configuration, and since when it sits here. What it wants remembered is handed to
    /// it as long as that is the same, and to nobody else, be it the same policy after another one decided.
    pub(crate) const fn tenure(&self) -> Digest {
        self.tenure
    }

    /// What it remembers of a shard from when it was watched, until it has answered for it.
    pub(crate) fn learned(&self, shard: TenantShardId) -> Option<Vec<u8>> {
        lock(&self.learned).get(&shard).cloned()
    }

    /// It has answered for the shard, or the shard is gone.
    pub(crate) fn drop_learned(&self, shard: TenantShardId) {
        lock(&self.learned).remove(&shard);
    }
}

/// Who is asked for whom. A value: a change makes another, so that each call sees one or the other, and never a mix.
#[derive(Clone, Debug)]
pub(super) struct Lineup {
    pub(super) active: Arc<Seat>,
    pub(super) overrides: BTreeMap<Scope, Arc<Seat>>,
    pub(super) shadow: Option<Arc<Shadow>>,
    /// Who should sit somewhere, and does not. At most one for each place.
    pub(super) absent: Vec<Absent>,
}

/// A policy that the log has in a place where it does not sit.
#[derive(Clone, Debug)]
pub(super) struct Absent {
    pub(super) place: Place,
    pub(super) chosen: Chosen,
    /// Since when, as the log would have it.
    pub(super) since: String,
    pub(super) why: String,
    /// It was taken back, and that is still to be written down.
    pub(super) taken_back: Option<Arc<Seat>>,
}

impl Lineup {
    /// Whoever sits in this place now is who should.
    pub(super) fn settle(&mut self, place: Place) {
        self.absent.retain(|absent| absent.place != place);
    }

    /// One for all.
    pub(super) fn of(seat: Seat) -> Self {
        Lineup { active: Arc::new(seat), overrides: BTreeMap::new(), shadow: None, absent: Vec::new() }
    }

    /// Who decides for a shard: one for just this shard before one for its tenant, and that before the one for all.
    pub(super) fn seat(&self, shard: TenantShardId) -> &Arc<Seat> {
        if self.overrides.is_empty() {
            return &self.active;
        }
        let own = self.overrides.get(&Scope::Shard(shard)).or_else(|| self.overrides.get(&Scope::Tenant(shard.tenant)));
        own.unwrap_or(&self.active)
    }

    /// Where a policy sits, under this configuration.
    pub(super) fn seats_of(&self, key: Digest) -> Vec<Arc<Seat>> {
        let shadow = self.shadow.as_ref().map(|shadow| &shadow.seat);
        let seats = [&self.active].into_iter().chain(self.overrides.values()).chain(shadow);
        seats.filter(|seat| seat.key() == key).map(Arc::clone).collect()
    }
}
