//! A policy that is watched: it is asked as the one that decides is, and nothing it says is used.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use siphasher::sip::SipHasher13;
use thermocline_policy::Tenant;

use super::lineup::Seat;
use super::live::Share;
use super::lock;
use super::status::Agreement;
use crate::layer::{LayerTable, TenantShardId};
use crate::policy::{Comparison, PolicyError, Selection};

/// Most bytes that a watched policy may want remembered, all shards together. The memories of further ones are forgotten.
pub(super) const MAX_LEARNED_BYTES: usize = 64 << 20;

/// A policy that is watched.
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) seat: Arc<Seat>,
    pub(super) share: Share,
    /// Since when, as the log has it.
    pub(super) since: String,
    agreement: Mutex<Agreement>,
    learned: Mutex<Learned>,
    running: AtomicUsize,
}

/// What it wants remembered: apart from what the one that decides does.
#[derive(Debug, Default)]
struct Learned {
    memories: BTreeMap<TenantShardId, Vec<u8>>,
    bytes: usize,
}

/// What the one that decides was asked, and what it answered.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) shard: TenantShardId,
    pub(crate) tenant: Tenant,
    pub(crate) table: Arc<LayerTable>,
    pub(crate) answer: Selection,
    pub(crate) elapsed: Duration,
}

/// A place among the calls that may run at once.
#[derive(Debug)]
struct Slot(Arc<Shadow>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call of a watched policy that is still to be made.
#[derive(Debug)]
pub(crate) struct Watching {
    slot: Slot,
    decided: Decided,
}

impl Shadow {
    pub(super) fn new(seat: Seat, share: Share, since: String) -> Self {
        Shadow {
            seat: Arc::new(seat),
            share,
            since,
            agreement: Mutex::default(),
            learned: Mutex::default(),
            running: AtomicUsize::new(0),
        }
    }

    /// Whether it sees the calls of a shard: always or never.
    pub(super) fn sees(&self, shard: TenantShardId) -> bool {
        if self.share.tenant.is_some_and(|tenant| !tenant.covers(shard)) {
            return false;
        }
        // Fixed keys, so that a restart changes nothing.
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        hasher.write(shard.to_string().as_bytes());
        #[allow(clippy::cast_precision_loss, reason = "a share, no count")]
        let part = hasher.finish() as f64 / u64::MAX as f64;
        part < self.share.share || self.share.share >= 1.0
    }

    /// Takes a call on, if no more than may are running: who decides must not wait for who is watched, and tables must
    /// not pile up. One slot of the engine at least is left to those that decide.
    pub(super) fn watch(self: &Arc<Self>, decided: Decided) -> Option<Watching> {
        let slots = self.seat.policy().engine().limits().concurrent_calls.get() as usize;
        let most = slots.saturating_sub(1);
        let slot = Slot(Arc::clone(self));
        if self.running.fetch_add(1, Ordering::Relaxed) >= most {
            lock(&self.agreement).skipped += 1;
            return None;
        }
        Some(Watching { slot, decided })
    }

    /// What it wants remembered, all of it.
    pub(super) fn take_learned(&self) -> BTreeMap<TenantShardId, Vec<u8>> {
        std::mem::take(&mut *lock(&self.learned)).memories
    }

    pub(super) fn agreement(&self) -> Agreement {
        lock(&self.agreement).clone()
    }

    fn memory(&self, shard: TenantShardId) -> Vec<u8> {
        lock(&self.learned).memories.get(&shard).cloned().unwrap_or_default()
    }

    fn learn(&self, shard: TenantShardId, memory: &[u8]) {
        let mut learned = lock(&self.learned);
        if let Some(before) = learned.memories.remove(&shard) {
            learned.bytes -= before.len();
        }
        if !memory.is_empty() && learned.bytes + memory.len() <= MAX_LEARNED_BYTES {
            learned.bytes += memory.len();
            learned.memories.insert(shard, memory.to_vec());
        }
    }
}

impl Watching {
    /// Asks, compares, and answers how it failed if it did.
    pub(super) fn run(self) -> (Arc<Seat>, Option<PolicyError>) {
        let Watching { slot, decided } = self;
        let shadow = &slot.0;
        let memory = shadow.memory(decided.shard);
        let called = shadow.seat.policy().select(&decided.tenant, &decided.table, &memory);
        let failure = match called {
            Ok(called) => {
                // Nobody waits for the comparison.
                let mut one = Agreement {
                    elapsed: called.report.elapsed,
                    active_elapsed: decided.elapsed,
                    ..Agreement::default()
                };
                one.compare(&decided.table, &decided.answer, &called.answer);
                lock(&shadow.agreement).add(&one);
                shadow.learn(decided.shard, called.answer.memory());
                None
            }
            Err(failure) => {
                let mut agreement = lock(&shadow.agreement);
                *agreement.failures.entry(failure.kind().code()).or_default() += 1;
                agreement.last_failure = Some(format!("tenant {}: {failure}", decided.shard));
                drop(agreement);
                Some(failure)
            }
        };
        (Arc::clone(&shadow.seat), failure)
    }
}

impl Agreement {
    /// Takes in what was compared elsewhere.
    fn add(&mut self, one: &Agreement) {
        self.compared += one.compared;
        self.same_layers += one.same_layers;
        self.same_answer += one.same_answer;
        self.common_layers += one.common_layers;
        self.added_layers += one.added_layers;
        self.added_bytes += one.added_bytes;
        self.dropped_layers += one.dropped_layers;
        self.dropped_bytes += one.dropped_bytes;
        self.elapsed += one.elapsed;
        self.active_elapsed += one.active_elapsed;
    }

    /// Takes in one more pair of answers.
    fn compare(&mut self, table: &LayerTable, active: &Selection, watched: &Selection) {
        let comparison = Comparison::of(table, active, watched);
        self.compared += 1;
        self.common_layers += comparison.common.layers();
        self.added_layers += comparison.added.layers();
        self.added_bytes += comparison.added.bytes;
        self.dropped_layers += comparison.dropped.layers();
        self.dropped_bytes += comparison.dropped.bytes;
        self.same_layers += u64::from(comparison.same_layers());
        self.same_answer += u64::from(comparison.same_answer);
    }
}
