//! What shards are at, as far as it is known that nothing has changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::changes::Change;
use crate::layer::TenantShardId;
use crate::pageserver::Revision;

/// The revisions of shards. One that is *settled* has all of its folders watched, and keeps its number until an event
/// moves it. Every other gets a new number each time it is asked for: whoever cannot tell has to look.
///
/// Two threads meet here, and neither waits for the other: events are noted, and orders taken by the thread that sets
/// watches. Whatever is ordered is a set of shards, so that it is bounded, however fast events come.
#[derive(Debug, Default)]
pub(super) struct Revisions {
    board: Mutex<Board>,
    ordered: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    /// The number given last.
    last: u64,
    settled: HashMap<TenantShardId, u64>,
    orders: Orders,
    /// Not to be had now; ordered again with the next rescan.
    unwatched: Orders,
    watched: bool,
    stopping: bool,
}

/// What the thread that sets watches is to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// Watch everything, and tell that everything is to be looked at.
    pub(super) all: bool,
    /// Watch these shards' folders, and settle them.
    pub(super) cover: BTreeSet<TenantShardId>,
    /// Tell that these came, went, or are located otherwise.
    pub(super) tell: BTreeSet<TenantShardId>,
}

impl Board {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Revisions {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the shard is at. Ask before anything of it is read: a change that comes meanwhile then moves it on.
    pub(super) fn of(&self, shard: TenantShardId) -> Revision {
        let mut board = self.board();
        let number = match board.settled.get(&shard) {
            Some(settled) => *settled,
            None => board.next(),
        };
        Revision { layers: number, access_times: number }
    }

    /// Moves every shard on, and tries again to watch what could not be watched.
    pub(super) fn move_all(&self) {
        let mut board = self.board();
        let number = board.next();
        board.settled.values_mut().for_each(|settled| *settled = number);
        let Orders { all, mut cover, .. } = std::mem::take(&mut board.unwatched);
        board.orders.all |= all;
        board.orders.cover.append(&mut cover);
        self.ordered.notify_all();
    }

    /// Notes an event. Never waits.
    pub(super) fn note(&self, change: Change) {
        let mut board = self.board();
        match change {
            Change::Layers(shard) | Change::Config(shard) => {
                let number = board.next();
                board.settled.entry(shard).and_modify(|settled| *settled = number);
                if change == Change::Config(shard) {
                    board.orders.tell.insert(shard);
                }
            }
            Change::Timelines(shard) | Change::Shard(shard) => {
                board.settled.remove(&shard);
                board.orders.cover.insert(shard);
                if change == Change::Shard(shard) {
                    board.orders.tell.insert(shard);
                }
            }
            Change::Lost => {
                board.settled.clear();
                board.orders.all = true;
            }
        }
        self.ordered.notify_all();
    }

    /// All of the shard's folders are watched since it was ordered. It stays unsettled if they are others by now.
    pub(super) fn settle(&self, shard: TenantShardId) {
        let mut board = self.board();
        if board.watched && !board.stopping && !board.orders.all && !board.orders.cover.contains(&shard) {
            // A new number, whatever it was before: what changed before the folders were watched, nobody has told.
            let number = board.next();
            board.settled.insert(shard, number);
        }
    }

    /// Its folders cannot be watched now.
    pub(super) fn unwatched(&self, shard: TenantShardId) {
        self.board().unwatched.cover.insert(shard);
    }

    /// Nor can the folder of tenants.
    pub(super) fn all_unwatched(&self) {
        self.board().unwatched.all = true;
    }

    /// Begins to watch, with everything ordered; answers whether nobody does yet.
    pub(super) fn begin(&self) -> bool {
        let mut board = self.board();
        if board.watched {
            return false;
        }
        board.watched = true;
        board.orders.all = true;
        true
    }

    /// Nothing is settled from now on, and whoever waits for orders is sent away.
    pub(super) fn stop(&self) {
        let mut board = self.board();
        board.stopping = true;
        board.settled.clear();
        self.ordered.notify_all();
    }

    /// Nobody watches any more: another may.
    pub(super) fn end(&self) {
        let mut board = self.board();
        *board = Board { last: board.last, ..Board::default() };
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.board().stopping
    }

    /// Waits for orders; `None` when it is to end.
    pub(super) fn orders(&self) -> Option<Orders> {
        let idle = |board: &mut Board| !board.stopping && board.orders == Orders::default();
        let mut board = self.ordered.wait_while(self.board(), idle).unwrap_or_else(PoisonError::into_inner);
        if board.stopping {
            return None;
        }
        let orders = std::mem::take(&mut board.orders);
        if orders.all {
            board.unwatched = Orders::default();
        }
        Some(orders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::TenantId;

    fn shard(number: u8) -> TenantShardId {
        TenantShardId::unsharded(TenantId::from_bytes([number; 16]))
    }

    /// Two shards that are settled.
    fn settled() -> Revisions {
        let revisions = Revisions::default();
        assert!(revisions.begin());
        assert!(revisions.orders().unwrap().all);
        revisions.settle(shard(1));
        revisions.settle(shard(2));
        revisions
    }

    /// Whether each of the two is where it was after this.
    fn stays(revisions: &Revisions, after: impl FnOnce()) -> [bool; 2] {
        let before = [1, 2].map(|number| revisions.of(shard(number)));
        after();
        let now = [1, 2].map(|number| revisions.of(shard(number)));
        [before[0] == now[0], before[1] == now[1]]
    }

    #[test]
    fn who_is_not_watched_moves_always() {
        let revisions = Revisions::default();
        assert_eq!(stays(&revisions, || {}), [false, false]);
        revisions.settle(shard(1));
        assert_eq!(stays(&revisions, || {}), [false, false], "nobody watches");
        let revisions = settled();
        assert_eq!(stays(&revisions, || {}), [true, true]);
        assert_ne!(revisions.of(shard(3)), revisions.of(shard(3)));
        revisions.stop();
        assert_eq!(stays(&revisions, || {}), [false, false]);
        assert_eq!(revisions.orders(), None);
    }

    #[test]
    fn a_change_moves_its_shard() {
        let revisions = settled();
        assert_eq!(stays(&revisions, || revisions.note(Change::Layers(shard(1)))), [false, true]);
        assert_eq!(stays(&revisions, || revisions.note(Change::Config(shard(2)))), [true, false]);
        assert_eq!(stays(&revisions, || revisions.move_all()), [false, false]);
        assert_eq!(stays(&revisions, || {}), [true, true]);
        let expected = Orders { tell: BTreeSet::from([shard(2)]), ..Orders::default() };
        assert_eq!(revisions.orders(), Some(expected));
    }

    #[test]
    fn folders_that_come_or_go_unsettle_their_shard_until_they_are_watched() {
        let revisions = settled();
        let before = revisions.of(shard(1));
        revisions.note(Change::Timelines(shard(1)));
        assert_eq!(stays(&revisions, || {}), [false, true]);
        let orders = revisions.orders().unwrap();
        assert_eq!(orders, Orders { cover: BTreeSet::from([shard(1)]), ..Orders::default() });
        // While they are being watched, others come.
        revisions.note(Change::Timelines(shard(1)));
        revisions.settle(shard(1));
        assert_eq!(stays(&revisions, || {}), [false, true]);
        assert_eq!(revisions.orders(), Some(orders));
        revisions.settle(shard(1));
        assert_eq!(stays(&revisions, || {}), [true, true]);
        assert_ne!(revisions.of(shard(1)), before);
    }

    #[test]
    fn lost_events_unsettle_all() {
        let revisions = settled();
        revisions.note(Change::Lost);
        assert_eq!(stays(&revisions, || {}), [false, false]);
        revisions.settle(shard(1));
        assert_eq!(stays(&revisions, || {}), [false, false], "ordered before events were lost");
        assert!(revisions.orders().unwrap().all);
        revisions.settle(shard(1));
        assert_eq!(stays(&revisions, || {}), [true, false]);
    }

    #[test]
    fn what_cannot_be_watched_is_tried_again_with_the_next_rescan() {
        let revisions = settled();
        revisions.note(Change::Shard(shard(1)));
        revisions.orders().unwrap();
        revisions.unwatched(shard(1));
        assert_eq!(stays(&revisions, || {}), [false, true]);
        revisions.move_all();
        assert_eq!(revisions.orders().unwrap().cover, BTreeSet::from([shard(1)]));
        revisions.all_unwatched();
        revisions.unwatched(shard(1));
        revisions.move_all();
        let expected = Orders { all: true, cover: BTreeSet::from([shard(1)]), ..Orders::default() };
        assert_eq!(revisions.orders(), Some(expected));
    }

    #[test]
    fn one_watches_at_a_time() {
        let revisions = settled();
        assert!(!revisions.begin());
        let before = revisions.of(shard(1));
        revisions.stop();
        assert!(!revisions.begin());
        revisions.end();
        assert!(revisions.begin());
        revisions.orders().unwrap();
        revisions.settle(shard(1));
        assert_ne!(revisions.of(shard(1)), before, "numbers are never given twice");
    }
}
