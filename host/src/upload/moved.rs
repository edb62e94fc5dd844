//! Shards that are to be looked at again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::layer::TenantShardId;

/// Shards that are to be looked at again. Bounded by the shards there are: past [`MOST`] of them, all are.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    news: Mutex<News>,
    told: Notify,
}

/// What is to be looked at again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// All shards.
    pub(crate) all: bool,
    /// These.
    pub(crate) shards: BTreeSet<TenantShardId>,
}

/// Most shards that are looked at one by one: listing all of them costs less then.
const MOST: usize = 10_000;

impl Moved {
    /// This one came, went, or has other settings.
    pub(crate) fn tell(&self, shard: TenantShardId) {
        self.add(|news| {
            news.shards.insert(shard);
            news.all |= news.shards.len() > MOST;
        });
    }

    /// Any may have.
    pub(crate) fn tell_all(&self) {
        self.add(|news| news.all = true);
    }

    /// There is no news, but whoever waits for some should look at what else it goes by.
    pub(crate) fn wake(&self) {
        self.told.notify_one();
    }

    fn add(&self, add: impl FnOnce(&mut News)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut news);
        if news.all {
            news.shards.clear();
        }
        drop(news);
        self.told.notify_one();
    }

    /// Waits for news.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    /// What there is, which is then no news any more.
    pub(crate) fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::TenantId;

    fn shard(number: usize) -> TenantShardId {
        TenantShardId::unsharded(TenantId::from_bytes((number as u128).to_be_bytes()))
    }

    #[tokio::test]
    async fn news_are_told_once() {
        let moved = Moved::default();
        moved.tell(shard(1));
        moved.tell(shard(1));
        moved.told().await;
        assert_eq!(moved.take(), News { all: false, shards: [shard(1)].into() });
        assert_eq!(moved.take(), News::default());
    }

    #[test]
    fn the_limit_on_single_shards_is_obeyed_and_violated() {
        let moved = Moved::default();
        (0..MOST).for_each(|number| moved.tell(shard(number)));
        let News { all, shards } = moved.take();
        assert!(!all && shards.len() == MOST);
        (0..=MOST).for_each(|number| moved.tell(shard(number)));
        assert_eq!(moved.take(), News { all: true, shards: BTreeSet::new() });
    }
}
