//! The shards that are attached here, and what is known of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outcome::{Attempt, Outcome, OutcomeKind, Skip};
use super::past::Past;
use crate::jobs::Trigger;
use crate::layer::TenantShardId;
use crate::pageserver::Shard;
use crate::state::Known;

/// One shard.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// As it was seen last.
    pub(crate) shard: Shard,
    pub(super) past: Past,
    /// When its heatmap in the bucket was last known to say what it should, since the clock's start. `None`: not since
    /// the host was started.
    pub(crate) confirmed: Option<Duration>,
    /// The last job, since the host was started.
    pub(crate) last: Option<Box<Last>>,
    /// Jobs that failed in a row.
    pub(crate) failures: u32,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) ended_unix_s: i64,
    pub(crate) trigger: Trigger,
    pub(crate) outcome: OutcomeKind,
    pub(crate) reason: Option<String>,
    pub(crate) elapsed: Duration,
    pub(crate) policy_error: Option<String>,
}

impl Tracked {
    fn new(shard: Shard, kept: Option<Known>) -> Self {
        let past = Past { ours: kept, ..Past::default() };
        Tracked { shard, past, confirmed: None, last: None, failures: 0 }
    }

    /// The heatmap in the bucket, if it is ours.
    pub(crate) const fn heatmap(&self) -> Option<&Known> {
        self.past.ours.as_ref()
    }

    /// Layer changes since the last heatmap, as far as they are known.
    pub(super) fn changes(&self) -> u64 {
        self.past.made.as_ref().map_or(0, |made| made.changes_until(self.shard.revision))
    }

    /// How long ago its heatmap was last known to say what it should; `None` where there is none of ours.
    pub(crate) fn age(&self, now: Duration, now_unix_s: i64) -> Option<Duration> {
        let ours = self.heatmap()?;
        Some(match self.confirmed {
            Some(confirmed) => now.saturating_sub(confirmed),
            None => Duration::from_secs(u64::try_from(now_unix_s - ours.written_unix_s).unwrap_or_default()),
        })
    }
}

/// The shards that are attached here. Locks are short: none is held while something is waited for.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<State>);

/// What was kept of a shard: its heatmap in the bucket; `None` where only a policy wanted something remembered.
type Kept = Option<Known>;

#[derive(Debug, Default)]
struct State {
    /// Boxed, because shards are listed in order: nodes of a tree that is filled in order stay half empty.
    shards: BTreeMap<TenantShardId, Box<Tracked>>,
    /// What was kept from the last run, of shards that have not been seen in this one.
    kept: BTreeMap<TenantShardId, Kept>,
    running: BTreeSet<TenantShardId>,
}

impl Registry {
    /// Nothing attached so far; `known` is what the last run knew, and of `remembered` a policy wanted something
    /// remembered.
    pub(crate) fn new(known: BTreeMap<TenantShardId, Known>, remembered: BTreeSet<TenantShardId>) -> Self {
        let mut kept: BTreeMap<_, Kept> = remembered.into_iter().map(|shard| (shard, None)).collect();
        kept.extend(known.into_iter().map(|(shard, known)| (shard, Some(known))));
        Registry(Mutex::new(State { kept, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard as it is now.
    pub(crate) fn see(&self, shard: Shard) {
        let State { shards, kept, .. } = &mut *self.state();
        match shards.get_mut(&shard.id) {
            Some(tracked) => tracked.shard = shard,
            None => {
                let kept = kept.remove(&shard.id).flatten();
                shards.insert(shard.id, Box::new(Tracked::new(shard, kept)));
            }
        }
    }

    /// A shard that is not attached here any more.
    pub(crate) fn forget(&self, shard: TenantShardId) {
        let State { shards, kept, .. } = &mut *self.state();
        shards.remove(&shard);
        kept.remove(&shard);
    }

    /// Shards that are tracked, or kept from the last run, and are not in `listed`, which is in order.
    pub(crate) fn missing_from(&self, listed: &[TenantShardId]) -> Vec<TenantShardId> {
        let state = self.state();
        let known = state.shards.keys().chain(state.kept.keys());
        known.filter(|shard| listed.binary_search(shard).is_err()).copied().collect()
    }

    /// Looks at one shard, which must not ask the registry again.
    pub(crate) fn with<T>(&self, shard: TenantShardId, look: impl FnOnce(&Tracked) -> T) -> Option<T> {
        self.state().shards.get(&shard).map(|tracked| look(tracked))
    }

    /// Looks at every shard, in the order of their ids; as [`with`](Self::with).
    pub(crate) fn map<T>(&self, mut look: impl FnMut(&Tracked) -> T) -> Vec<T> {
        self.state().shards.values().map(|tracked| look(tracked)).collect()
    }

    /// What a turn that begins now should know. Until it ends, what is remembered of the bucket is in doubt: a put may
    /// be carried out of which nobody hears.
    pub(super) fn begin(&self, shard: TenantShardId) -> Past {
        let State { shards, kept, running } = &mut *self.state();
        running.insert(shard);
        match shards.get_mut(&shard) {
            Some(tracked) => {
                let past = tracked.past.clone();
                tracked.past.asked = None;
                past
            }
            None => Past { ours: kept.get(&shard).cloned().flatten(), ..Past::default() },
        }
    }

    /// The turn has ended, however it did.
    pub(super) fn end(&self, shard: TenantShardId) {
        self.state().running.remove(&shard);
    }

    /// Whether a turn of this shard is under way.
    pub(crate) fn is_running(&self, shard: TenantShardId) -> bool {
        self.state().running.contains(&shard)
    }

    /// What came of a turn.
    pub(super) fn settle(&self, turn: Ended<'_>) {
        let Ended { attempt, trigger, past, seen, now, now_unix_s } = turn;
        let State { shards, kept, .. } = &mut *self.state();
        let tracked = match (shards.get_mut(&attempt.shard), seen) {
            (Some(tracked), seen) => {
                tracked.shard = seen.unwrap_or_else(|| tracked.shard.clone());
                tracked
            }
            (None, Some(shard)) => {
                kept.remove(&shard.id);
                shards.entry(shard.id).or_insert_with(|| Box::new(Tracked::new(shard, None)))
            }
            (None, None) => return,
        };
        tracked.past = past;
        match &attempt.outcome {
            Outcome::Uploaded | Outcome::Unchanged | Outcome::Skipped(Skip::OnlyAccessTimes) => {
                tracked.confirmed = Some(now);
                tracked.failures = 0;
            }
            Outcome::Skipped(_) => {}
            Outcome::Failed(_) => tracked.failures = tracked.failures.saturating_add(1),
        }
        let policy_error = attempt.generated.as_ref().and_then(|generated| generated.policy_error.as_ref());
        tracked.last = Some(Box::new(Last {
            ended_unix_s: now_unix_s,
            trigger,
            outcome: attempt.outcome.kind(),
            reason: attempt.outcome.reason(),
            elapsed: attempt.elapsed,
            policy_error: policy_error.map(ToString::to_string),
        }));
    }
}

/// A turn that has ended.
pub(super) struct Ended<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) trigger: Trigger,
    pub(super) past: Past,
    /// The shard, if it was seen.
    pub(super) seen: Option<Shard>,
    pub(super) now: Duration,
    pub(super) now_unix_s: i64,
}
