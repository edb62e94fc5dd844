//! The loop that runs a schedule.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt as _, OptionFuture, select};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::command::{CommandError, Waiter};
use super::handle::JobHandle;
use super::schedule::Schedule;
use super::{Due, Trigger, Work};
use crate::clock::Clock;
use crate::random::Random;

/// Until a ranking is given up, and the longest overdue run first.
pub const RANK_LIMIT: Duration = Duration::from_secs(10);

/// Until a command that waits behind a job gets a job of its own, because nobody says whether that one answers it.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long jobs that were cancelled may take to end before they are dropped.
pub const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// Jobs that are begun at a stretch before others get the thread.
const YIELD_EVERY: usize = 64;

/// Runs jobs as they become due, and commands as they come.
#[derive(Debug)]
pub struct JobLoop<W: Work> {
    shared: Arc<Shared<W>>,
    /// Ends the jobs that run when a shutdown has waited long enough.
    cancel: CancellationToken,
    /// Tells the handles that the loop has ended, also where it is dropped.
    ended: DropGuard,
}

/// What the loop and its handles share. The lock is short: nothing is waited for under it.
#[derive(Debug)]
pub(super) struct Shared<W: Work> {
    pub(super) work: Arc<W>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
    pub(super) ended: CancellationToken,
    /// Something has changed that the loop should look at.
    pub(super) changed: Notify,
    state: Mutex<State<W>>,
}

#[derive(Debug)]
pub(super) struct State<W: Work> {
    pub(super) schedule: Schedule<W::Key>,
    /// Commands that have not begun. Those behind a running job begin when it has ended.
    pub(super) commands: BTreeMap<W::Key, Vec<Waiter<W::Outcome>>>,
    /// How long a shutdown waits; `None` while there is none.
    pub(super) stopping: Option<Duration>,
    /// Keys whose jobs a shutdown cut off.
    pub(super) cut_off: Vec<W::Key>,
}

impl<W: Work> Shared<W> {
    /// Whether an outcome answers the commands that came meanwhile. Whoever does not say so in time gets a run.
    async fn answers(&self, key: W::Key, outcome: &W::Outcome, cancel: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            answered = self.work.answers(key, outcome) => answered,
            () = cancel.cancelled() => false,
            () = self.clock.sleep(ANSWER_LIMIT) => false,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that runs.
struct Job<W: Work> {
    key: W::Key,
    /// Commands that it was begun for.
    serves: Vec<Waiter<W::Outcome>>,
}

/// A job that has ended.
struct Done<O> {
    outcome: O,
    /// Commands that came while it ran.
    behind: Vec<Waiter<O>>,
    /// Whether the outcome answers them.
    answered: bool,
}

type Ranking<K> = BoxFuture<'static, (Vec<Due<K>>, Vec<u32>)>;
type Jobs<W> = HashMap<Id, Job<W>>;
type Tasks<W> = JoinSet<Done<<W as Work>::Outcome>>;

impl<W: Work> JobLoop<W> {
    /// A loop without keys, and its handle. At most `concurrency` jobs run at once by schedule.
    pub fn new(work: Arc<W>, clock: Arc<dyn Clock>, random: Random, concurrency: NonZeroUsize) -> (Self, JobHandle<W>) {
        let ended = CancellationToken::new();
        let state = State {
            schedule: Schedule::new(concurrency.get()),
            commands: BTreeMap::new(),
            stopping: None,
            cut_off: Vec::new(),
        };
        let shared =
            Shared { work, clock, random, ended: ended.clone(), changed: Notify::new(), state: Mutex::new(state) };
        let shared = Arc::new(shared);
        let handle = JobHandle::new(Arc::clone(&shared));
        (JobLoop { shared, cancel: CancellationToken::new(), ended: ended.drop_guard() }, handle)
    }

    /// Runs until the handle's [`shutdown`](JobHandle::shutdown). Jobs are tasks of their own, which end when this
    /// future is dropped.
    pub async fn run(self) {
        let (mut tasks, mut jobs) = (Tasks::<W>::new(), Jobs::<W>::new());
        // Dropped before them: commands of jobs that are dropped then find that the loop has ended.
        let this = self;
        let mut ranking: Option<Ranking<W::Key>> = None;
        let stop_after = loop {
            if let Some(limit) = this.shared.state().stopping {
                break limit;
            }
            // Before places are taken: else old orders would be used up before what is due since is ranked.
            if ranking.is_none() {
                ranking = this.ask_for_ranking();
            }
            let begun = this.begin(&mut tasks, &mut jobs);
            if begun == YIELD_EVERY {
                tokio::task::yield_now().await;
                continue;
            }
            if ranking.is_none() {
                ranking = this.ask_for_ranking();
            }
            let wake = this.shared.state().schedule.next_change();
            let now = this.shared.clock.elapsed();
            let sleep = wake.map(|wake| this.shared.clock.sleep(wake.saturating_sub(now)));
            tokio::select! {
                biased;
                // First, because ends may come so fast that nothing after them has a turn.
                Some((due, order)) = OptionFuture::from(ranking.as_mut()) => {
                    ranking = None;
                    this.shared.state().schedule.rank(&due, &order);
                }
                Some(ended) = tasks.join_next_with_id() => this.end(ended, &mut jobs),
                () = this.shared.changed.notified() => {}
                Some(()) = OptionFuture::from(sleep) => {}
            }
        };
        this.drain(stop_after, &mut tasks, &mut jobs).await;
        drop(this.ended);
    }

    /// Begins jobs: commands first, then what is due as long as there are places. Answers how many, up to a bound.
    fn begin(&self, tasks: &mut Tasks<W>, jobs: &mut Jobs<W>) -> usize {
        let now = self.shared.clock.elapsed();
        let state = &mut *self.shared.state();
        state.schedule.advance(now);
        let mut begun = 0;
        // Keys whose commands wait behind a job are few: as many as there are commands at most.
        let commanded: Vec<_> = state.commands.keys().copied().filter(|key| !state.schedule.is_running(*key)).collect();
        for key in commanded {
            let mut serves = state.commands.remove(&key).unwrap_or_default();
            serves.retain(|waiter| !waiter.is_gone());
            if !serves.is_empty() {
                state.schedule.begin(key, false, now);
                self.spawn(key, Trigger::Command, serves, tasks, jobs);
                begun += 1;
            }
        }
        while begun < YIELD_EVERY
            && let Some(key) = state.schedule.next(now)
        {
            state.schedule.begin(key, true, now);
            self.spawn(key, Trigger::Schedule, Vec::new(), tasks, jobs);
            begun += 1;
        }
        begun.min(YIELD_EVERY)
    }

    fn spawn(
        &self,
        key: W::Key,
        trigger: Trigger,
        serves: Vec<Waiter<W::Outcome>>,
        tasks: &mut Tasks<W>,
        jobs: &mut Jobs<W>,
    ) {
        let (shared, cancel) = (Arc::clone(&self.shared), self.cancel.clone());
        let task = tasks.spawn(async move {
            let outcome = shared.work.run(key, trigger, &cancel).await;
            // Whoever comes from here on came after the job, and gets one of his own.
            let behind = shared.state().commands.remove(&key).unwrap_or_default();
            let answered = behind.is_empty() || shared.answers(key, &outcome, &cancel).await;
            Done { outcome, behind, answered }
        });
        jobs.insert(task.id(), Job { key, serves });
    }

    fn ask_for_ranking(&self) -> Option<Ranking<W::Key>> {
        let now = self.shared.clock.elapsed();
        let due = {
            let schedule = &mut self.shared.state().schedule;
            schedule.advance(now);
            schedule.to_rank(now)
        };
        if due.is_empty() {
            return None;
        }
        let shared = Arc::clone(&self.shared);
        let ask = async move {
            let ranked = AssertUnwindSafe(shared.work.rank(&due)).catch_unwind();
            let order = match select(ranked, shared.clock.sleep(RANK_LIMIT)).await {
                Either::Left((Ok(order), _)) => order,
                Either::Left((Err(_), _)) => {
                    tracing::error!("ranking broke off, which is a bug: the longest overdue run first");
                    Vec::new()
                }
                Either::Right(_) => {
                    tracing::warn!("ranking took longer than {RANK_LIMIT:?}: the longest overdue run first");
                    Vec::new()
                }
            };
            (due, order)
        };
        Some(ask.boxed())
    }

    /// Notes the end of a job, and answers the commands that it answers.
    fn end(&self, ended: Result<(Id, Done<W::Outcome>), JoinError>, jobs: &mut Jobs<W>) {
        let (id, done) = match ended {
            Ok((id, done)) => (id, Ok(done)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(Job { key, serves }) = jobs.remove(&id) else { return };
        let state = &mut *self.shared.state();
        state.schedule.end(key, self.shared.clock.elapsed(), &self.shared.random);
        match done {
            Ok(Done { outcome, behind, answered }) => {
                let (answered, again) = if answered { (behind, Vec::new()) } else { (Vec::new(), behind) };
                serves.into_iter().chain(answered).for_each(|waiter| waiter.answer(Ok(outcome.clone())));
                if !again.is_empty() {
                    state.commands.entry(key).or_default().splice(0..0, again);
                }
            }
            Err(error) => {
                let cancelled = error.is_cancelled();
                if !cancelled {
                    tracing::error!(%key, "the job broke off, which is a bug: {error}");
                }
                let why = if cancelled { CommandError::ShuttingDown } else { CommandError::BrokeOff };
                serves.into_iter().for_each(|waiter| waiter.answer(Err(why)));
            }
        }
    }

    /// Waits for jobs that run, up to the limit, and then cuts them off.
    async fn drain(&self, limit: Duration, tasks: &mut Tasks<W>, jobs: &mut Jobs<W>) {
        self.refuse_commands();
        self.end_jobs(limit, tasks, jobs).await;
        if !tasks.is_empty() {
            {
                let state = &mut *self.shared.state();
                state.cut_off = state.schedule.running();
            }
            self.cancel.cancel();
            self.end_jobs(CANCEL_GRACE, tasks, jobs).await;
            tasks.abort_all();
            while let Some(ended) = tasks.join_next_with_id().await {
                self.end(ended, jobs);
            }
        }
        self.refuse_commands();
    }

    /// Notes the ends of jobs until all have ended, or the time is over.
    async fn end_jobs(&self, limit: Duration, tasks: &mut Tasks<W>, jobs: &mut Jobs<W>) {
        let mut over = self.shared.clock.sleep(limit);
        loop {
            tokio::select! {
                biased;
                ended = tasks.join_next_with_id() => match ended {
                    Some(ended) => self.end(ended, jobs),
                    None => return,
                },
                () = &mut over => return,
            }
        }
    }

    /// Commands that have not begun never will.
    fn refuse_commands(&self) {
        let commands = std::mem::take(&mut self.shared.state().commands);
        commands.into_values().flatten().for_each(|waiter| waiter.answer(Err(CommandError::ShuttingDown)));
    }
}
