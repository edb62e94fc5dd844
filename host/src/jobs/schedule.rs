//! When whose job runs: a pure structure, without clock, lock or task.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::Due;
use crate::random::Random;

/// Periods after which a key that is due runs next, whatever the ranking.
pub const OVERDUE_PERIODS: u32 = 3;

/// Jitter of a period at each reschedule: a tenth of it, so that what comes out is 0.95 to 1.05 periods. Without it
/// periods would synchronise over time, and load would come in bursts.
const JITTER: u32 = 10;

/// While new keys become due, how often they are ranked together with the others.
const RERANK_PERIOD: Duration = Duration::from_secs(1);

/// Most periods whose overruns are told apart; those of others are counted with the longest.
const MAX_OVERRUN_PERIODS: usize = 64;

/// Every key with its period, and which of them are due. Times are durations since some fixed moment, and never go
/// back. What a call costs grows with what is due, and with no more than the logarithm of what exists.
#[derive(Debug)]
pub struct Schedule<K> {
    entries: BTreeMap<K, Entry>,
    /// Keys that wait for their time.
    timers: BTreeSet<(Duration, K)>,
    /// Keys that are due, by when they became so.
    due: BTreeSet<(Duration, K)>,
    /// The same keys, by when they run next whatever the ranking.
    critical: BTreeSet<(Duration, K)>,
    /// Keys in the order of the last ranking. Some of them may have run since.
    ranked: VecDeque<K>,
    /// When the last ranking was asked for.
    ranked_at: Option<Duration>,
    /// Keys have become due since.
    unranked: bool,
    /// The answer to it is outstanding.
    ranking: bool,
    running: BTreeMap<K, Running>,
    /// Of them, those that take a place.
    running_scheduled: usize,
    concurrency: usize,
    overruns: BTreeMap<Duration, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Zero: not by schedule.
    period: Duration,
    /// `None` while it runs, and where it has no schedule.
    due_at: Option<Duration>,
    ended_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    since: Duration,
    scheduled: bool,
}

/// When a key runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobTimes {
    /// A job runs now.
    pub running: bool,
    /// Until the next one by schedule; zero where it is due.
    pub next_due: Option<Duration>,
    /// How long it has been due.
    pub overdue: Duration,
}

/// How much there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStats {
    /// Keys.
    pub keys: usize,
    /// Of them, those that are due and wait for a place.
    pub due: usize,
    /// Jobs that run, commands included.
    pub running: usize,
    /// Jobs that run at once by schedule.
    pub concurrency: usize,
    /// Jobs that took longer than their period, by the period.
    pub overruns: Vec<(Duration, u64)>,
}

impl<K: Copy + Ord> Schedule<K> {
    /// Without keys; at most `concurrency` jobs run at once by schedule.
    pub const fn new(concurrency: usize) -> Self {
        Schedule {
            entries: BTreeMap::new(),
            timers: BTreeSet::new(),
            due: BTreeSet::new(),
            critical: BTreeSet::new(),
            ranked: VecDeque::new(),
            ranked_at: None,
            unranked: false,
            ranking: false,
            running: BTreeMap::new(),
            running_scheduled: 0,
            concurrency,
            overruns: BTreeMap::new(),
        }
    }

    /// Adds a key, or changes its period; zero takes it out of the schedule. A new key, or one that had no schedule,
    /// runs first at a random point of its first period. One that runs is rescheduled when it ends.
    pub fn set(&mut self, key: K, period: Duration, now: Duration, random: &Random) {
        let Some(&Entry { period: before, due_at, ended_at }) = self.entries.get(&key) else {
            self.entries.insert(key, Entry { period, due_at: None, ended_at: None });
            if !period.is_zero() && !self.running.contains_key(&key) {
                self.plan(key, now.saturating_add(random.moment_in(period)));
            }
            return;
        };
        if before == period {
            return;
        }
        self.unplan(key);
        self.entries.insert(key, Entry { period, due_at: None, ended_at });
        if period.is_zero() || self.running.contains_key(&key) {
            return;
        }
        let first = || now.saturating_add(random.moment_in(period));
        self.plan(
            key,
            match (due_at, ended_at) {
                (Some(due_at), Some(ended_at)) => due_at.min(ended_at.saturating_add(jittered(period, random))),
                (Some(due_at), None) => due_at.min(first()),
                (None, _) => first(),
            },
        );
    }

    /// Takes a key out. A job of it that runs goes on.
    pub fn remove(&mut self, key: K) {
        self.unplan(key);
        self.entries.remove(&key);
    }

    /// At most so many jobs run at once by schedule, from now on.
    pub const fn set_concurrency(&mut self, concurrency: usize) {
        self.concurrency = concurrency;
    }

    /// Notes what has become due.
    pub fn advance(&mut self, now: Duration) {
        while let Some(&(due_at, key)) = self.timers.first()
            && due_at <= now
        {
            self.timers.pop_first();
            self.due.insert((due_at, key));
            self.critical.insert((self.critical_at(key, due_at), key));
            self.unranked = true;
        }
    }

    /// When something becomes due next, or has to be ranked.
    pub fn next_change(&self) -> Option<Duration> {
        let timer = self.timers.first().map(|(due_at, _)| *due_at);
        if self.free() == 0 || self.due.is_empty() {
            return timer;
        }
        let critical = self.critical.first().map(|(critical_at, _)| *critical_at);
        let rerank =
            self.ranked_at.map(|at| at.saturating_add(RERANK_PERIOD)).filter(|_| self.unranked && !self.ranking);
        timer.into_iter().chain(critical).chain(rerank).min()
    }

    /// The key whose job is to run now by schedule, if there is a place for it. Whoever gets it begins it.
    pub fn next(&mut self, now: Duration) -> Option<K> {
        let free = self.free();
        if free == 0 {
            return None;
        }
        if let Some(&(critical_at, key)) = self.critical.first()
            && critical_at <= now
        {
            return Some(key);
        }
        if self.due.len() <= free {
            return self.due.first().map(|(_, key)| *key);
        }
        while let Some(key) = self.ranked.pop_front() {
            if self.is_due(key) {
                return Some(key);
            }
        }
        None
    }

    /// What is to be ranked now: more is due than there are places, and no order for it. Empty where nothing is.
    pub fn to_rank(&mut self, now: Duration) -> Vec<Due<K>> {
        let free = self.free();
        let stale = self.unranked && self.ranked_at.is_none_or(|at| now >= at.saturating_add(RERANK_PERIOD));
        if self.ranking || free == 0 || self.due.len() <= free || !(self.ranked.is_empty() || stale) {
            return Vec::new();
        }
        self.ranked_at = Some(now);
        self.unranked = false;
        self.ranking = true;
        let due = self.due.iter().map(|&(due_at, key)| Due {
            key,
            overdue: now.saturating_sub(due_at),
            period: self.entries.get(&key).map_or(Duration::ZERO, |entry| entry.period),
        });
        due.collect()
    }

    /// The answer to a ranking: rows of `due`, the most urgent first. Rows that do not exist or come twice are passed
    /// over, and rows left out come last, the longest overdue first.
    pub fn rank(&mut self, due: &[Due<K>], order: &[u32]) {
        let mut left: Vec<_> = due.iter().map(|due| Some(due.key)).collect();
        let mut take = |row: u32| left.get_mut(row as usize).and_then(Option::take);
        let named: Vec<_> = order.iter().filter_map(|&row| take(row)).collect();
        self.ranking = false;
        self.ranked = named.into_iter().chain(left.into_iter().flatten()).collect();
    }

    /// A job begins. `scheduled` ones take a place.
    pub fn begin(&mut self, key: K, scheduled: bool, now: Duration) {
        self.unplan(key);
        self.running.insert(key, Running { since: now, scheduled });
        self.running_scheduled += usize::from(scheduled);
    }

    /// A job has ended, however it did.
    pub fn end(&mut self, key: K, now: Duration, random: &Random) {
        let Some(Running { since, scheduled }) = self.running.remove(&key) else { return };
        self.running_scheduled -= usize::from(scheduled);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.ended_at = Some(now);
        let period = entry.period;
        if period.is_zero() {
            return;
        }
        if now.saturating_sub(since) > period {
            self.overran(period);
        }
        self.plan(key, now.saturating_add(jittered(period, random)));
    }

    /// Whether a job of this key runs.
    pub fn is_running(&self, key: K) -> bool {
        self.running.contains_key(&key)
    }

    /// Keys whose jobs run.
    pub fn running(&self) -> Vec<K> {
        self.running.keys().copied().collect()
    }

    /// When a key runs; `None` where there is no such key.
    pub fn times(&self, key: K, now: Duration) -> Option<JobTimes> {
        let due_at = self.entries.get(&key)?.due_at;
        Some(JobTimes {
            running: self.is_running(key),
            next_due: due_at.map(|due_at| due_at.saturating_sub(now)),
            overdue: due_at.map_or(Duration::ZERO, |due_at| now.saturating_sub(due_at)),
        })
    }

    /// How much there is to do.
    pub fn stats(&self) -> JobStats {
        JobStats {
            keys: self.entries.len(),
            due: self.due.len(),
            running: self.running.len(),
            concurrency: self.concurrency,
            overruns: self.overruns.iter().map(|(period, count)| (*period, *count)).collect(),
        }
    }

    const fn free(&self) -> usize {
        self.concurrency.saturating_sub(self.running_scheduled)
    }

    fn is_due(&self, key: K) -> bool {
        let due_at = self.entries.get(&key).and_then(|entry| entry.due_at);
        due_at.is_some_and(|due_at| self.due.contains(&(due_at, key)))
    }

    fn critical_at(&self, key: K, due_at: Duration) -> Duration {
        let period = self.entries.get(&key).map_or(Duration::ZERO, |entry| entry.period);
        due_at.saturating_add(period.saturating_mul(OVERDUE_PERIODS))
    }

    fn plan(&mut self, key: K, due_at: Duration) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due_at = Some(due_at);
            self.timers.insert((due_at, key));
        }
    }

    fn unplan(&mut self, key: K) {
        let Some(due_at) = self.entries.get_mut(&key).and_then(|entry| entry.due_at.take()) else { return };
        if !self.timers.remove(&(due_at, key)) {
            self.due.remove(&(due_at, key));
            self.critical.remove(&(self.critical_at(key, due_at), key));
        }
    }

    fn overran(&mut self, period: Duration) {
        let known = self.overruns.contains_key(&period) || self.overruns.len() < MAX_OVERRUN_PERIODS;
        let longest = self.overruns.last_key_value().map_or(period, |(longest, _)| *longest);
        *self.overruns.entry(if known { period } else { longest }).or_default() += 1;
    }
}

/// A period with jitter.
fn jittered(period: Duration, random: &Random) -> Duration {
    let jitter = period / JITTER;
    period.saturating_sub(jitter / 2).saturating_add(random.moment_in(jitter))
}
