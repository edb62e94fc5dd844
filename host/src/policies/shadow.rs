//! A policy that is watched: it is asked as the one that decides is, and nothing it says is used.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
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
    /// Shards of which a call runs, and whether they are gone meanwhile. Locked before what is learned.
    running: Mutex<BTreeMap<TenantShardId, bool>>,
}

/// What it wants remembered: apart from what the one that decides does.
#[derive(Debug, Default)]
struct Learned {
    memories: BTreeMap<TenantShardId, Vec<u8>>,
    bytes: usize,
}

impl Learned {
    fn remove(&mut self, shard: TenantShardId) {
        if let Some(before) = self.memories.remove(&shard) {
            self.bytes -= before.len();
        }
    }
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

/// A place among the calls that may run at once, one for a shard: what a call learns is handed to the next one.
#[derive(Debug)]
struct Slot {
    shadow: Arc<Shadow>,
    shard: TenantShardId,
}

impl Slot {
    /// `None` where too many run.
    fn take(shadow: &Arc<Shadow>, shard: TenantShardId, most: usize) -> Option<Self> {
        let mut running = lock(&shadow.running);
        if running.len() >= most || running.contains_key(&shard) {
            return None;
        }
        running.insert(shard, false);
        Some(Slot { shadow: Arc::clone(shadow), shard })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.shadow.running).remove(&self.shard);
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
            running: Mutex::default(),
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

    /// Takes a call on, if no more than may are running, and none of the same shard: who decides must not wait for who is
    /// watched, and tables must not pile up. One slot of the engine at least is left to those that decide.
    pub(super) fn watch(self: &Arc<Self>, decided: Decided) -> Option<Watching> {
        let slots = self.seat.policy().engine().limits().concurrent_calls.get() as usize;
        let Some(slot) = Slot::take(self, decided.shard, slots.saturating_sub(1)) else {
            lock(&self.agreement).skipped += 1;
            return None;
        };
        Some(Watching { slot, decided })
    }

    /// What it wants remembered, all of it.
    pub(super) fn take_learned(&self) -> BTreeMap<TenantShardId, Vec<u8>> {
        std::mem::take(&mut *lock(&self.learned)).memories
    }

    /// A shard is not attached here any more. Nor is kept what a call learns of it that still runs.
    pub(super) fn forget(&self, shard: TenantShardId) {
        let mut running = lock(&self.running);
        if let Some(gone) = running.get_mut(&shard) {
            *gone = true;
        }
        lock(&self.learned).remove(shard);
    }

    pub(super) fn agreement(&self) -> Agreement {
        lock(&self.agreement).clone()
    }

    fn memory(&self, shard: TenantShardId) -> Vec<u8> {
        lock(&self.learned).memories.get(&shard).cloned().unwrap_or_default()
    }

    fn learn(&self, shard: TenantShardId, memory: &[u8]) {
        let running = lock(&self.running);
        if running.get(&shard) == Some(&true) {
            return;
        }
        let mut learned = lock(&self.learned);
        learned.remove(shard);
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
        let shadow = &slot.shadow;
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use rstest::rstest;

    use super::*;
    use crate::layer::TenantId;
    use crate::policies::lineup::Place;
    use crate::policies::standing::Chosen;
    use crate::policy::{Engine, Limits, NO_CONFIG, Policy, RESIDENT_SET};

    /// A watched policy on an engine with so many slots.
    fn shadow(slots: u32) -> Arc<Shadow> {
        let limits = Limits { concurrent_calls: NonZeroU32::new(slots).unwrap(), ..Limits::default() };
        let policy = Policy::load(&Engine::new(limits).unwrap(), RESIDENT_SET, NO_CONFIG).unwrap();
        let seat = Seat::new(Arc::new(policy), Chosen::default(), Place::Watched, 0);
        Arc::new(Shadow::new(seat, Share::default(), String::new()))
    }

    fn shard(number: u8) -> TenantShardId {
        TenantShardId::unsharded(TenantId::from_bytes([number; 16]))
    }

    fn decided(number: u8) -> Decided {
        let tenant = Tenant { shard: shard(number).to_string(), generation: 1, now: 0, checkpoint_distance: 0 };
        Decided {
            shard: shard(number),
            tenant,
            table: Arc::new(LayerTable::default()),
            answer: Selection::default(),
            elapsed: Duration::ZERO,
        }
    }

    #[rstest]
    #[case::obeyed(3, false)]
    #[case::violated(4, true)]
    fn a_slot_is_left_to_those_that_decide(#[case] calls: u8, #[case] skipped: bool) {
        let shadow = shadow(4);
        let running: Vec<_> = (1..=calls).filter_map(|number| shadow.watch(decided(number))).collect();
        assert_eq!(running.len(), 3);
        assert_eq!(shadow.agreement().skipped, u64::from(skipped));
        // Also a call that is never made gives its place back.
        drop(running);
        assert!(shadow.watch(decided(9)).is_some());
    }

    #[test]
    fn a_call_of_a_shard_is_left_out_while_the_one_before_runs() {
        let shadow = shadow(4);
        let first = shadow.watch(decided(1)).unwrap();
        assert!(shadow.watch(decided(1)).is_none(), "it would not know what the first one learns");
        assert_eq!(shadow.agreement().skipped, 1);
        assert!(shadow.watch(decided(2)).is_some());
        let (_, failure) = first.run();
        assert!(failure.is_none(), "{failure:?}");
        assert!(shadow.watch(decided(1)).is_some());
        assert_eq!((shadow.agreement().compared, shadow.agreement().skipped), (1, 1));
    }

    #[rstest]
    #[case::obeyed(MAX_LEARNED_BYTES - 10, true)]
    #[case::violated(MAX_LEARNED_BYTES - 9, false)]
    fn what_is_learned_is_so_much_and_no_more(#[case] bytes: usize, #[case] fits: bool) {
        let shadow = shadow(2);
        shadow.learn(shard(1), &vec![7; bytes]);
        shadow.learn(shard(2), &[7; 10]);
        assert_eq!(shadow.memory(shard(2)).len(), if fits { 10 } else { 0 });
        assert_eq!(shadow.memory(shard(1)).len(), bytes);
        // Nothing of before is left where the new one has no room, and what is forgotten makes room.
        shadow.learn(shard(1), &vec![7; MAX_LEARNED_BYTES + 1]);
        assert!(shadow.memory(shard(1)).is_empty());
        shadow.learn(shard(2), &[]);
        shadow.learn(shard(3), &vec![7; MAX_LEARNED_BYTES]);
        assert_eq!(shadow.take_learned().len(), 1);
        assert_eq!(shadow.take_learned().len(), 0);
    }

    #[test]
    fn nothing_stays_of_a_shard_that_is_gone() {
        let shadow = shadow(4);
        shadow.learn(shard(1), b"abc");
        shadow.learn(shard(2), b"abc");
        let late = shadow.watch(decided(2)).unwrap();
        shadow.forget(shard(1));
        shadow.forget(shard(2));
        shadow.learn(shard(2), b"late");
        assert_eq!((shadow.memory(shard(1)), shadow.memory(shard(2))), (vec![], vec![]));
        drop(late);
        shadow.learn(shard(2), b"again");
        assert_eq!(shadow.memory(shard(2)), b"again", "it has come back");
    }
}
