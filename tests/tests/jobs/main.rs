//! The job loop, over work that is made up and time that is wound.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod commands;
mod ends;
mod ranking;
mod runs;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use thermocline::clock::Clock;
use thermocline::jobs::{Due, JobHandle, JobLoop, Trigger, Work};
use thermocline::random::Random;
use thermocline_tests::doubles::SimClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const PERIOD: Duration = s(60);

/// What a job does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Does {
    /// Ends at once.
    #[default]
    Nothing,
    /// Takes so long, or until it is cancelled.
    Takes(Duration),
    /// Takes so long, whoever cancels.
    Insists(Duration),
    Panics,
}

/// What a ranking says.
#[derive(Clone, Debug, Default)]
enum Ranks {
    /// As due.
    #[default]
    Nothing,
    Rows(Vec<u32>),
    /// This key last, always.
    Last(u32),
    Hangs,
    Panics,
}

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    key: u32,
    trigger: Trigger,
    at: Duration,
    ended: Option<Duration>,
}

#[derive(Debug, Default)]
struct State {
    does: BTreeMap<u32, Does>,
    otherwise: Does,
    ranks: Ranks,
    answers: bool,
    answers_after: Duration,
    runs: Vec<Run>,
    running: usize,
    most_running: usize,
    rankings: Vec<(Duration, Vec<Due<u32>>)>,
    asked: usize,
}

/// Work that is made up. Its outcome is the number of the run.
#[derive(Debug)]
struct Fake {
    clock: Arc<SimClock>,
    state: Mutex<State>,
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// When a key's jobs began.
    fn began(&self, key: u32) -> Vec<Duration> {
        self.state().runs.iter().filter(|run| run.key == key).map(|run| run.at).collect()
    }

    /// The keys of all jobs, in the order in which they began.
    fn order(&self) -> Vec<u32> {
        self.state().runs.iter().map(|run| run.key).collect()
    }
}

/// Counts a job while it lives.
struct Counted<'a>(&'a Fake);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

#[async_trait]
impl Work for Fake {
    type Key = u32;
    type Outcome = usize;

    async fn run(&self, key: u32, trigger: Trigger, cancel: &CancellationToken) -> usize {
        let (does, number) = {
            let state = &mut *self.state();
            state.runs.push(Run { key, trigger, at: self.clock.elapsed(), ended: None });
            state.running += 1;
            state.most_running = state.most_running.max(state.running);
            (state.does.get(&key).copied().unwrap_or(state.otherwise), state.runs.len() - 1)
        };
        let _counted = Counted(self);
        match does {
            Does::Nothing => {}
            Does::Takes(duration) => tokio::select! {
                () = self.clock.sleep(duration) => {}
                () = cancel.cancelled() => {}
            },
            Does::Insists(duration) => self.clock.sleep(duration).await,
            Does::Panics => panic!("as told"),
        }
        let ended = self.clock.elapsed();
        self.state().runs[number].ended = Some(ended);
        number
    }

    async fn rank(&self, due: &[Due<u32>]) -> Vec<u32> {
        let ranks = {
            let state = &mut *self.state();
            state.rankings.push((self.clock.elapsed(), due.to_vec()));
            state.ranks.clone()
        };
        match ranks {
            Ranks::Nothing => Vec::new(),
            Ranks::Rows(rows) => rows,
            Ranks::Last(key) => {
                let rows = 0..u32::try_from(due.len()).unwrap();
                let (last, mut first): (Vec<_>, Vec<_>) = rows.partition(|row| due[*row as usize].key == key);
                first.extend(last);
                first
            }
            Ranks::Hangs => std::future::pending().await,
            Ranks::Panics => panic!("as told"),
        }
    }

    async fn answers(&self, _: u32, _: &usize) -> bool {
        let (answers, after) = {
            let state = &mut *self.state();
            state.asked += 1;
            (state.answers, state.answers_after)
        };
        if !after.is_zero() {
            self.clock.sleep(after).await;
        }
        answers
    }
}

/// A running loop.
struct Bench {
    work: Arc<Fake>,
    handle: JobHandle<Fake>,
    clock: Arc<SimClock>,
    task: JoinHandle<()>,
}

impl Bench {
    fn new(concurrency: usize, state: State) -> Self {
        let clock = Arc::new(SimClock::new(0));
        let work = Arc::new(Fake { clock: Arc::clone(&clock), state: Mutex::new(state) });
        let (jobs, handle) = JobLoop::new(
            Arc::clone(&work),
            Arc::clone(&clock) as _,
            Random::seeded(1),
            NonZeroUsize::new(concurrency).unwrap(),
        );
        Bench { work, handle, clock, task: tokio::spawn(jobs.run()) }
    }

    /// Every job takes so long.
    fn taking(concurrency: usize, duration: Duration) -> Self {
        Bench::new(concurrency, State { otherwise: Does::Takes(duration), ..State::default() })
    }

    /// Winds time on; all that happens meanwhile has happened.
    async fn wait(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Whatever can go on without time going on has.
    async fn settle(&self) {
        self.wait(Duration::from_millis(1)).await;
    }

    /// A command that runs on its own.
    fn command(&self, key: u32) -> JoinHandle<Result<usize, thermocline::jobs::CommandError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.command(key).await })
    }
}
