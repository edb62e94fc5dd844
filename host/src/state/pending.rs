//! What waits to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::known::Known;
use crate::Digest;
use crate::layer::TenantShardId;

/// Most bytes of policies' memories that wait at once, those that are being written included. Where commits fail for
/// long, the memories of other shards are forgotten rather than kept here: their policy then starts anew, as after a
/// state that was lost. The memory of a tenant of more than two million layers does not fit, and is never kept.
pub(super) const MAX_MEMORY_BYTES: usize = 64 << 20;

/// What a change takes beside a memory's bytes, as an estimate.
const CHANGE_BYTES: usize = 256;

/// What is to become of one shard's records; `None` where one stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) known: Option<Option<Known>>,
    pub(super) memory: Option<Option<Memory>>,
}

/// What a policy handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) policy: Digest,
    pub(super) bytes: Vec<u8>,
}

impl Change {
    fn memory_bytes(&self) -> usize {
        self.memory.iter().flatten().map(|memory| memory.bytes.len()).sum()
    }
}

pub(super) type Changes = BTreeMap<TenantShardId, Change>;

/// What waits, and what is being written: if that fails, it waits again.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Changes,
    in_flight: Arc<Changes>,
    memory_bytes: usize,
    /// Memories that were forgotten for want of space.
    pub(super) dropped: u64,
}

impl Pending {
    pub(super) fn keep(&mut self, shard: TenantShardId, known: Known) {
        self.waiting.entry(shard).or_default().known = Some(Some(known));
    }

    pub(super) fn forget(&mut self, shard: TenantShardId) {
        self.keep_memory(shard, None);
        self.waiting.entry(shard).or_default().known = Some(None);
    }

    /// Answers whether there was space for it.
    pub(super) fn keep_memory(&mut self, shard: TenantShardId, memory: Option<Memory>) -> bool {
        let change = self.waiting.entry(shard).or_default();
        self.memory_bytes -= change.memory_bytes();
        change.memory = Some(memory);
        self.memory_bytes += change.memory_bytes();
        // The one that no longer fits, and not an older one of before in its place: the policy would take what it has
        // done since for undone.
        let fits = self.memory_bytes <= MAX_MEMORY_BYTES;
        if !fits {
            self.memory_bytes -= change.memory_bytes();
            change.memory = Some(None);
            self.dropped += 1;
        }
        fits
    }

    /// The latest change of a shard's memory.
    pub(super) fn memory(&self, shard: TenantShardId) -> Option<&Option<Memory>> {
        let of = |changes: &'_ Changes| changes.get(&shard).is_some_and(|change| change.memory.is_some());
        let changes = if of(&self.waiting) { &self.waiting } else { self.in_flight.as_ref() };
        changes.get(&shard)?.memory.as_ref()
    }

    /// Adds the shards of which something is to be remembered, and takes out those of which nothing is any more.
    pub(super) fn memories(&self, shards: &mut BTreeSet<TenantShardId>) {
        for (shard, change) in self.in_flight.iter().chain(&self.waiting) {
            match &change.memory {
                Some(Some(_)) => _ = shards.insert(*shard),
                Some(None) => _ = shards.remove(shard),
                None => {}
            }
        }
    }

    /// Every change of what is known, the later after the earlier.
    pub(super) fn known(&self) -> impl Iterator<Item = (TenantShardId, &Option<Known>)> {
        let all = self.in_flight.iter().chain(&self.waiting);
        all.filter_map(|(shard, change)| Some((*shard, change.known.as_ref()?)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.memory_bytes + (self.waiting.len() + self.in_flight.len()) * CHANGE_BYTES
    }

    /// Takes all that waits, to be written. What was taken before must have ended.
    pub(super) fn begin(&mut self) -> Arc<Changes> {
        self.in_flight = Arc::new(std::mem::take(&mut self.waiting));
        Arc::clone(&self.in_flight)
    }

    /// It was written, or it waits again, unless something later does.
    pub(super) fn end(&mut self, written: bool) {
        let changes = std::mem::take(&mut self.in_flight);
        if written {
            self.memory_bytes -= changes.values().map(Change::memory_bytes).sum::<usize>();
            return;
        }
        for (shard, earlier) in Arc::unwrap_or_clone(changes) {
            let change = self.waiting.entry(shard).or_default();
            if change.memory.is_some() {
                self.memory_bytes -= earlier.memory_bytes();
            } else {
                change.memory = earlier.memory;
            }
            change.known = change.known.take().or(earlier.known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::known::tests::known;
    use super::*;
    use crate::layer::TenantId;

    fn shard(number: u8) -> TenantShardId {
        TenantShardId::unsharded(TenantId::from_bytes([number; 16]))
    }

    fn memory(bytes: usize) -> Option<Memory> {
        Some(Memory { policy: Digest::of(b"policy"), bytes: vec![7; bytes] })
    }

    #[test]
    fn the_limit_on_memories_is_obeyed_and_violated() {
        let mut pending = Pending::default();
        assert!(pending.keep_memory(shard(1), memory(MAX_MEMORY_BYTES - 1)));
        assert!(pending.keep_memory(shard(2), memory(1)));
        // Replaced, not added.
        assert!(pending.keep_memory(shard(2), memory(1)));
        assert_eq!(pending.dropped, 0);
        assert!(!pending.keep_memory(shard(3), memory(1)));
        assert!(!pending.keep_memory(shard(2), memory(2)), "nor is the one of before kept");
        assert_eq!(pending.dropped, 2);
        assert_eq!(pending.memory(shard(1)), Some(&memory(MAX_MEMORY_BYTES - 1)));
        assert_eq!(pending.memory(shard(2)), Some(&None));
        assert_eq!(pending.memory(shard(3)), Some(&None));
        assert_eq!(pending.bytes(), MAX_MEMORY_BYTES - 1 + 3 * CHANGE_BYTES);
    }

    #[test]
    fn what_is_being_written_counts() {
        let mut pending = Pending::default();
        pending.keep_memory(shard(1), memory(MAX_MEMORY_BYTES));
        pending.begin();
        assert!(!pending.keep_memory(shard(2), memory(1)));
        assert_eq!(pending.memory(shard(1)), Some(&memory(MAX_MEMORY_BYTES)));
        pending.end(true);
        assert_eq!(pending.bytes(), CHANGE_BYTES);
        assert!(pending.keep_memory(shard(2), memory(MAX_MEMORY_BYTES)));
    }

    #[test]
    fn what_could_not_be_written_waits_again_unless_something_later_does() {
        let mut pending = Pending::default();
        pending.keep(shard(1), known(1, "first"));
        pending.keep_memory(shard(1), memory(10));
        pending.keep_memory(shard(2), memory(20));
        pending.begin();
        pending.keep(shard(1), known(1, "second"));
        pending.keep_memory(shard(2), memory(5));
        pending.end(false);
        assert_eq!(pending.known().collect::<Vec<_>>(), [(shard(1), &Some(known(1, "second")))]);
        assert_eq!(pending.memory(shard(1)), Some(&memory(10)));
        assert_eq!(pending.memory(shard(2)), Some(&memory(5)));
        assert_eq!(pending.bytes(), 15 + 2 * CHANGE_BYTES);
        pending.begin();
        pending.end(true);
        assert_eq!(pending.bytes(), 0);
    }

    #[test]
    fn what_is_forgotten_is_so_while_it_waits() {
        let mut pending = Pending::default();
        pending.keep(shard(1), known(1, "first"));
        pending.keep_memory(shard(1), memory(10));
        pending.begin();
        pending.forget(shard(1));
        assert_eq!(pending.memory(shard(1)), Some(&None));
        assert_eq!(pending.known().last(), Some((shard(1), &None)));
        pending.end(false);
        assert_eq!(pending.known().collect::<Vec<_>>(), [(shard(1), &None)]);
        assert_eq!(pending.bytes(), CHANGE_BYTES);
    }
}
