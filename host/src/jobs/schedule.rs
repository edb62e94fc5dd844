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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(60);

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// When a key becomes due, or became so.
    fn due_at(schedule: &Schedule<u32>, key: u32, now: Duration) -> Option<Duration> {
        let times = schedule.times(key, now)?;
        Some((now + times.next_due?).checked_sub(times.overdue).unwrap())
    }

    /// Keys `0..count` that are due at 60 seconds at the latest.
    fn keys(count: u32, concurrency: usize) -> (Schedule<u32>, Random) {
        let (mut schedule, random) = (Schedule::new(concurrency), Random::seeded(1));
        (0..count).for_each(|key| schedule.set(key, PERIOD, Duration::ZERO, &random));
        (schedule, random)
    }

    /// Begins all that may run.
    fn begin_all(schedule: &mut Schedule<u32>, now: Duration) -> Vec<u32> {
        std::iter::from_fn(|| {
            let key = schedule.next(now)?;
            schedule.begin(key, true, now);
            Some(key)
        })
        .collect()
    }

    fn within(value: Duration, low: Duration, high: Duration) -> bool {
        low <= value && value <= high
    }

    #[test]
    fn first_runs_are_spread_over_the_period() {
        let (schedule, _) = keys(6000, 1);
        let mut tenths = [0; 10];
        for key in 0..6000 {
            let due_at = due_at(&schedule, key, Duration::ZERO).unwrap();
            tenths[usize::try_from(due_at.as_nanos() * 10 / PERIOD.as_nanos()).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (450..750).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_key_comes_back_a_period_after_it_ended_give_or_take_a_twentieth() {
        let (mut schedule, random) = keys(1000, 1000);
        let (began, ended) = (PERIOD, PERIOD + s(7));
        schedule.advance(began);
        assert_eq!(begin_all(&mut schedule, began).len(), 1000);
        (0..1000).for_each(|key| schedule.end(key, ended, &random));
        let waits: Vec<_> = (0..1000).map(|key| due_at(&schedule, key, ended).unwrap() - ended).collect();
        assert!(
            waits.iter().all(|wait| within(*wait, s(57), s(63))),
            "{:?} {:?}",
            waits.iter().min(),
            waits.iter().max()
        );
        assert!(*waits.iter().min().unwrap() < s(58) && *waits.iter().max().unwrap() > s(62), "no jitter to speak of");
    }

    #[test]
    fn keys_that_ran_together_drift_apart() {
        let (mut schedule, random) = keys(100, 100);
        let mut now = PERIOD;
        for _ in 0..20 {
            schedule.advance(now);
            for key in begin_all(&mut schedule, now) {
                schedule.end(key, now, &random);
            }
            // All of them again at one moment: without jitter they would stay together from here on.
            now = schedule.timers.last().unwrap().0;
        }
        let mut at: Vec<_> = (0..100).map(|key| due_at(&schedule, key, now).unwrap()).collect();
        at.sort_unstable();
        at.dedup();
        assert!(
            at.len() > 90 && at[at.len() - 1] - at[0] > s(3),
            "{} moments within {:?}",
            at.len(),
            at[at.len() - 1] - at[0]
        );
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let (mut schedule, _) = keys(1, 1);
        let at = due_at(&schedule, 0, Duration::ZERO).unwrap();
        assert_eq!(schedule.next_change(), Some(at));
        schedule.advance(at - Duration::from_nanos(1));
        assert_eq!(schedule.next(at), None);
        schedule.advance(at);
        assert_eq!(schedule.next(at), Some(0));
    }

    #[rstest]
    #[case::shorter(Some(s(10)), s(9), s(11))]
    #[case::longer_keeps_the_time_it_had(Some(s(600)), s(0), s(63))]
    #[case::the_same(Some(PERIOD), s(57), s(63))]
    #[case::off(None, s(0), s(0))]
    fn a_key_that_has_run_and_gets_another_period(
        #[case] period: Option<Duration>,
        #[case] earliest: Duration,
        #[case] latest: Duration,
    ) {
        for seed in 0..50 {
            let (mut schedule, random) = (Schedule::new(1), Random::seeded(seed));
            schedule.set(0, PERIOD, Duration::ZERO, &random);
            schedule.advance(PERIOD);
            assert_eq!(begin_all(&mut schedule, PERIOD), [0]);
            schedule.end(0, PERIOD, &random);
            let before = due_at(&schedule, 0, PERIOD).unwrap();

            schedule.set(0, period.unwrap_or_default(), PERIOD, &random);
            let Some(after) = due_at(&schedule, 0, PERIOD) else {
                assert_eq!(period, None);
                schedule.advance(s(1_000_000));
                assert_eq!((schedule.next(s(1_000_000)), schedule.next_change()), (None, None));
                schedule.set(0, PERIOD, s(100), &random);
                assert!(within(due_at(&schedule, 0, s(100)).unwrap(), s(100), s(160)), "back as a new one");
                continue;
            };
            assert!(period.is_some() && after <= before, "{after:?} {before:?}");
            assert!(within(after - PERIOD, earliest, latest), "{after:?}");
        }
    }

    #[test]
    fn a_longer_period_does_not_put_off_a_key_that_has_never_run() {
        let (mut schedule, random) = keys(1, 1);
        let before = due_at(&schedule, 0, Duration::ZERO).unwrap();
        schedule.set(0, 100 * PERIOD, Duration::ZERO, &random);
        assert!(due_at(&schedule, 0, Duration::ZERO).unwrap() <= before);
    }

    #[rstest]
    #[case::period(Some(2 * PERIOD), true)]
    #[case::off(Some(Duration::ZERO), false)]
    #[case::removed(None, false)]
    fn what_changes_while_a_key_runs_holds_once_it_has_ended(
        #[case] change: Option<Duration>,
        #[case] comes_back: bool,
    ) {
        let (mut schedule, random) = keys(1, 1);
        schedule.advance(PERIOD);
        schedule.begin(0, true, PERIOD);
        match change {
            Some(period) => schedule.set(0, period, PERIOD, &random),
            None => schedule.remove(0),
        }
        assert_eq!(schedule.next_change(), None, "nothing of it is planned while it runs");
        assert_eq!(schedule.stats().running, 1);
        schedule.end(0, PERIOD, &random);
        assert_eq!(schedule.stats().running, 0);
        assert_eq!(due_at(&schedule, 0, PERIOD).is_some(), comes_back);
        if comes_back {
            assert!(within(due_at(&schedule, 0, PERIOD).unwrap(), PERIOD + s(114), PERIOD + s(126)));
        }
    }

    #[test]
    fn a_key_that_is_removed_while_it_runs_and_set_again_has_one_job() {
        let (mut schedule, random) = keys(1, 2);
        schedule.advance(PERIOD);
        schedule.begin(0, true, PERIOD);
        schedule.remove(0);
        schedule.set(0, s(1), PERIOD, &random);
        schedule.advance(2 * PERIOD);
        assert_eq!(schedule.next(2 * PERIOD), None);
        schedule.end(0, 2 * PERIOD, &random);
        schedule.advance(3 * PERIOD);
        assert_eq!(schedule.next(3 * PERIOD), Some(0));
    }

    #[test]
    fn no_more_run_than_may_and_no_fewer() {
        let (mut schedule, random) = keys(10, 3);
        schedule.advance(PERIOD);
        let due = schedule.to_rank(PERIOD);
        schedule.rank(&due, &[]);
        assert_eq!(begin_all(&mut schedule, PERIOD).len(), 3);
        schedule.set_concurrency(5);
        let more = begin_all(&mut schedule, PERIOD);
        assert_eq!(more.len(), 2);
        schedule.set_concurrency(1);
        for key in schedule.running().into_iter().take(4) {
            schedule.end(key, PERIOD, &random);
            assert_eq!(schedule.next(PERIOD), None);
        }
        let last = schedule.running()[0];
        schedule.end(last, PERIOD, &random);
        assert_eq!(begin_all(&mut schedule, PERIOD).len(), 1);
        assert_eq!(schedule.stats().due, 4);
    }

    #[test]
    fn a_command_takes_no_place_and_moves_the_next_run() {
        let (mut schedule, random) = keys(2, 1);
        schedule.begin(0, false, Duration::ZERO);
        schedule.advance(PERIOD);
        assert_eq!(begin_all(&mut schedule, PERIOD), [1]);
        schedule.end(0, PERIOD, &random);
        assert!(within(due_at(&schedule, 0, PERIOD).unwrap(), PERIOD + s(57), PERIOD + s(63)));
        assert_eq!(schedule.stats().running, 1);
    }

    #[test]
    fn a_command_for_a_key_that_there_is_not_leaves_none() {
        let (mut schedule, random) = keys(0, 1);
        schedule.begin(9, false, Duration::ZERO);
        schedule.end(9, s(1), &random);
        assert_eq!(schedule.stats(), JobStats { concurrency: 1, ..JobStats::default() });
        assert_eq!((schedule.times(9, s(1)), schedule.next_change()), (None, None));
    }

    #[test]
    fn nothing_is_ranked_where_everything_fits() {
        let (mut schedule, _) = keys(3, 3);
        schedule.advance(PERIOD);
        assert_eq!(schedule.to_rank(PERIOD), []);
        assert_eq!(begin_all(&mut schedule, PERIOD).len(), 3);
        let (mut schedule, _) = keys(4, 3);
        schedule.advance(PERIOD);
        assert_eq!(schedule.to_rank(PERIOD).len(), 4, "one more does not");
    }

    /// Four keys that are due, of which one at a time may run.
    fn four() -> (Schedule<u32>, Random, Vec<Due<u32>>) {
        let (mut schedule, random) = keys(4, 1);
        schedule.advance(PERIOD);
        let due = schedule.to_rank(PERIOD);
        (schedule, random, due)
    }

    /// The rows of `due` in the order in which they run.
    fn run_down(schedule: &mut Schedule<u32>, random: &Random, due: &[Due<u32>]) -> Vec<usize> {
        let mut rows = Vec::new();
        while let Some(key) = schedule.next(PERIOD) {
            rows.push(due.iter().position(|due| due.key == key).unwrap());
            schedule.begin(key, true, PERIOD);
            schedule.end(key, PERIOD, random);
        }
        rows
    }

    #[rstest]
    #[case::as_said(&[2, 0, 3, 1], [2, 0, 3, 1])]
    #[case::nothing_said(&[], [0, 1, 2, 3])]
    #[case::some_left_out(&[3], [3, 0, 1, 2])]
    #[case::twice(&[1, 1, 1, 0, 1], [1, 0, 2, 3])]
    #[case::no_such_rows(&[4, 99, u32::MAX, 2], [2, 0, 1, 3])]
    fn the_ranking_decides_and_what_it_leaves_out_comes_longest_overdue_first(
        #[case] order: &[u32],
        #[case] expected: [usize; 4],
    ) {
        let (mut schedule, random, due) = four();
        assert!(due.is_sorted_by(|one, other| one.overdue >= other.overdue), "{due:?}");
        assert!(due.iter().all(|due| due.period == PERIOD));
        assert_eq!(schedule.next(PERIOD), None, "it is waited for");
        schedule.rank(&due, order);
        assert_eq!(run_down(&mut schedule, &random, &due), expected);
    }

    #[test]
    fn a_key_that_has_gone_since_the_ranking_is_passed_over() {
        let (mut schedule, random, due) = four();
        schedule.remove(due[0].key);
        schedule.set(due[1].key, Duration::ZERO, PERIOD, &random);
        schedule.rank(&due, &[0, 1, 3, 2]);
        assert_eq!(run_down(&mut schedule, &random, &due), [3, 2]);
    }

    #[test]
    fn one_ranking_at_a_time_and_a_new_one_after_a_second_where_more_is_due() {
        let (mut schedule, random, due) = four();
        assert_eq!(schedule.to_rank(PERIOD + s(9)), [], "the first one is outstanding");
        schedule.rank(&due, &[]);
        assert_eq!(schedule.to_rank(PERIOD + s(9)), [], "nothing has become due since");
        schedule.set(9, Duration::from_millis(1), PERIOD, &random);
        let soon = PERIOD + Duration::from_millis(999);
        schedule.advance(soon);
        assert_eq!(schedule.to_rank(soon), []);
        assert_eq!(schedule.next_change(), Some(due_at(&schedule, 9, soon).unwrap() + Duration::from_millis(3)));
        schedule.remove(9);
        assert_eq!(schedule.next_change(), Some(PERIOD + RERANK_PERIOD));
        assert_eq!(schedule.to_rank(PERIOD + s(1)).len(), 4);
    }

    #[test]
    fn a_key_that_is_overdue_by_three_periods_waits_for_no_ranking() {
        let (mut schedule, _, due) = four();
        let critical = due_at(&schedule, due[0].key, PERIOD).unwrap() + OVERDUE_PERIODS * PERIOD;
        assert_eq!(schedule.next_change(), Some(critical));
        assert_eq!(schedule.next(critical - Duration::from_nanos(1)), None);
        assert_eq!(schedule.next(critical), Some(due[0].key));
        schedule.rank(&due, &[3, 2, 1, 0]);
        assert_eq!(schedule.next(critical), Some(due[0].key), "nor for those that are ranked higher");
    }

    #[rstest]
    #[case::longer(PERIOD + Duration::from_nanos(1), &[(PERIOD, 1)])]
    #[case::as_long(PERIOD, &[])]
    fn jobs_that_take_longer_than_their_period_are_counted(
        #[case] took: Duration,
        #[case] overruns: &[(Duration, u64)],
    ) {
        let (mut schedule, random) = keys(1, 1);
        schedule.begin(0, true, PERIOD);
        schedule.end(0, PERIOD + took, &random);
        assert_eq!(schedule.stats().overruns, overruns);
    }

    #[rstest]
    #[case::obeyed(64, 64)]
    #[case::violated(65, 64)]
    fn overruns_of_so_many_periods_are_told_apart(#[case] periods: u32, #[case] told_apart: usize) {
        let (mut schedule, random) = keys(0, 1);
        for key in 0..periods {
            schedule.set(key, s(1) + Duration::from_millis(key.into()), Duration::ZERO, &random);
            schedule.begin(key, false, Duration::ZERO);
            schedule.end(key, s(100), &random);
        }
        let overruns = schedule.stats().overruns;
        assert_eq!(overruns.len(), told_apart);
        assert_eq!(overruns.iter().map(|(_, count)| count).sum::<u64>(), u64::from(periods), "none is lost");
    }

    /// The same rules over a list that is walked for everything.
    #[derive(Debug, Default)]
    struct Walked {
        keys: Vec<WalkedKey>,
        running: Vec<(u32, bool)>,
        concurrency: usize,
        ranked: Vec<u32>,
        ranking: Option<Vec<Due<u32>>>,
        ranked_at: Option<Duration>,
        unranked: bool,
    }

    #[derive(Clone, Copy, Debug)]
    struct WalkedKey {
        key: u32,
        period: Duration,
        due_at: Option<Duration>,
        is_due: bool,
    }

    impl Walked {
        fn get(&mut self, key: u32) -> Option<&mut WalkedKey> {
            self.keys.iter_mut().find(|one| one.key == key)
        }

        fn runs(&self, key: u32) -> bool {
            self.running.iter().any(|(running, _)| *running == key)
        }

        fn free(&self) -> usize {
            self.concurrency.saturating_sub(self.running.iter().filter(|(_, scheduled)| *scheduled).count())
        }

        fn due(&self) -> Vec<WalkedKey> {
            let mut due: Vec<_> = self.keys.iter().filter(|key| key.is_due).copied().collect();
            due.sort_by_key(|key| (key.due_at, key.key));
            due
        }

        fn critical_at(key: &WalkedKey) -> Duration {
            key.due_at.unwrap() + 3 * key.period
        }

        fn advance(&mut self, now: Duration) {
            for key in &mut self.keys {
                if !key.is_due && key.due_at.is_some_and(|due_at| due_at <= now) {
                    key.is_due = true;
                    self.unranked = true;
                }
            }
        }

        fn next(&mut self, now: Duration) -> Option<u32> {
            let (due, free) = (self.due(), self.free());
            if free == 0 {
                return None;
            }
            let critical = due.iter().filter(|key| Self::critical_at(key) <= now);
            if let Some(critical) = critical.min_by_key(|key| (Self::critical_at(key), key.key)) {
                return Some(critical.key);
            }
            if due.len() <= free {
                return due.first().map(|key| key.key);
            }
            while !self.ranked.is_empty() {
                let key = self.ranked.remove(0);
                if due.iter().any(|due| due.key == key) {
                    return Some(key);
                }
            }
            None
        }

        fn wants_ranking(&self, now: Duration) -> bool {
            let stale = self.unranked && self.ranked_at.is_none_or(|at| now >= at + s(1));
            let crowded = self.free() > 0 && self.due().len() > self.free();
            self.ranking.is_none() && crowded && (self.ranked.is_empty() || stale)
        }

        fn next_change(&self) -> Option<Duration> {
            let timers = self.keys.iter().filter(|key| !key.is_due).filter_map(|key| key.due_at);
            let mut at: Vec<_> = timers.collect();
            if self.free() > 0 && !self.due().is_empty() {
                at.extend(self.due().iter().map(Self::critical_at));
                at.extend(self.ranked_at.map(|at| at + s(1)).filter(|_| self.unranked && self.ranking.is_none()));
            }
            at.into_iter().min()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, Duration),
        Remove(u32),
        Advance(Duration),
        Next,
        Command(u32),
        End(prop::sample::Index),
        AskForRanking,
        Rank(Vec<u32>),
        Concurrency(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || 0..12_u32;
        let millis = prop::sample::select(vec![0_u64, 1, 10, 300, 1000, 4000]);
        prop_oneof![
            4 => (key(), millis.prop_map(Duration::from_millis)).prop_map(|(key, period)| Step::Set(key, period)),
            1 => key().prop_map(Step::Remove),
            6 => (0..1500_u64).prop_map(|millis| Step::Advance(Duration::from_millis(millis))),
            8 => Just(Step::Next),
            2 => key().prop_map(Step::Command),
            5 => any::<prop::sample::Index>().prop_map(Step::End),
            3 => Just(Step::AskForRanking),
            3 => prop::collection::vec(0..14_u32, 0..14).prop_map(Step::Rank),
            1 => (0..5_usize).prop_map(Step::Concurrency),
        ]
    }

    proptest! {
        #[test]
        fn does_what_walking_a_list_does(steps in prop::collection::vec(step(), 1..200), seed: u64) {
            let random = Random::seeded(seed);
            let mut schedule = Schedule::new(2);
            let mut walked = Walked { concurrency: 2, ..Walked::default() };
            let mut now = Duration::ZERO;
            for step in steps {
                match step {
                    Step::Set(key, period) => {
                        let before = walked.get(key).copied();
                        schedule.set(key, period, now, &random);
                        let planned = due_at(&schedule, key, now);
                        let runs = walked.runs(key);
                        prop_assert_eq!(planned.is_some(), !period.is_zero() && !runs);
                        match before {
                            Some(before) if before.period == period => prop_assert_eq!(planned, before.due_at),
                            _ => {
                                if let Some(planned) = planned {
                                    let had = before.and_then(|before| before.due_at);
                                    prop_assert!(had.is_none_or(|had| planned <= had), "a change puts nothing off");
                                    // A twentieth of the period, because one that has run comes a period after its end.
                                    prop_assert!(planned <= now + period + period / 20);
                                    prop_assert!(had.is_some() || now <= planned);
                                }
                                walked.keys.retain(|one| one.key != key);
                                walked.keys.push(WalkedKey { key, period, due_at: planned, is_due: false });
                            }
                        }
                    }
                    Step::Remove(key) => {
                        schedule.remove(key);
                        walked.keys.retain(|one| one.key != key);
                    }
                    Step::Advance(by) => {
                        now += by;
                        schedule.advance(now);
                        walked.advance(now);
                    }
                    Step::Next => {
                        let next = schedule.next(now);
                        prop_assert_eq!(next, walked.next(now));
                        if let Some(key) = next {
                            prop_assert!(!walked.runs(key), "one job a key");
                            schedule.begin(key, true, now);
                            walked.running.push((key, true));
                            let begun = walked.get(key).unwrap();
                            (begun.due_at, begun.is_due) = (None, false);
                        }
                    }
                    Step::Command(key) => {
                        if !schedule.is_running(key) {
                            schedule.begin(key, false, now);
                            walked.running.push((key, false));
                            if let Some(begun) = walked.get(key) {
                                (begun.due_at, begun.is_due) = (None, false);
                            }
                        }
                    }
                    Step::End(index) => {
                        if !walked.running.is_empty() {
                            let (key, _) = walked.running.remove(index.index(walked.running.len()));
                            schedule.end(key, now, &random);
                            let planned = due_at(&schedule, key, now);
                            if let Some(ended) = walked.get(key) {
                                prop_assert_eq!(planned.is_some(), !ended.period.is_zero());
                                if let Some(planned) = planned {
                                    prop_assert!(within(planned - now, ended.period / 20 * 19, ended.period / 20 * 21));
                                }
                                ended.due_at = planned;
                            }
                        }
                    }
                    Step::AskForRanking => {
                        let due = schedule.to_rank(now);
                        prop_assert_eq!(!due.is_empty(), walked.wants_ranking(now));
                        if !due.is_empty() {
                            let expected: Vec<_> = walked.due().iter().map(|key| key.key).collect();
                            prop_assert_eq!(due.iter().map(|due| due.key).collect::<Vec<_>>(), expected);
                            (walked.ranked_at, walked.unranked) = (Some(now), false);
                            walked.ranking = Some(due);
                        }
                    }
                    Step::Rank(order) => {
                        if let Some(due) = walked.ranking.take() {
                            schedule.rank(&due, &order);
                            let mut rows = order.clone();
                            rows.extend(0..u32::try_from(due.len()).unwrap());
                            walked.ranked.clear();
                            for key in rows.iter().filter_map(|row| due.get(*row as usize)).map(|due| due.key) {
                                if !walked.ranked.contains(&key) {
                                    walked.ranked.push(key);
                                }
                            }
                        }
                    }
                    Step::Concurrency(concurrency) => {
                        schedule.set_concurrency(concurrency);
                        walked.concurrency = concurrency;
                    }
                }
                let stats = schedule.stats();
                prop_assert_eq!(stats.keys, walked.keys.len());
                prop_assert_eq!(stats.due, walked.due().len());
                prop_assert_eq!(stats.running, walked.running.len());
                prop_assert_eq!(schedule.next_change(), walked.next_change());
                prop_assert_eq!(schedule.critical.len(), schedule.due.len());
                let planned = walked.keys.iter().filter(|key| key.due_at.is_some()).count();
                prop_assert_eq!(schedule.timers.len() + schedule.due.len(), planned, "nothing stays behind");
            }
        }
    }
}
