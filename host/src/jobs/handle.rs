//! What others hold of a running job loop.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Work;
use super::command::{CommandError, MAX_COMMANDS, Waiter};
use super::run::Shared;
use super::schedule::{JobStats, JobTimes};

/// A running job loop. Clones are of the same one; dropping them all does not end it.
#[derive(Debug)]
pub struct JobHandle<W: Work> {
    shared: Arc<Shared<W>>,
    commands: Arc<Semaphore>,
}

impl<W: Work> Clone for JobHandle<W> {
    fn clone(&self) -> Self {
        JobHandle { shared: Arc::clone(&self.shared), commands: Arc::clone(&self.commands) }
    }
}

impl<W: Work> JobHandle<W> {
    pub(super) fn new(shared: Arc<Shared<W>>) -> Self {
        JobHandle { shared, commands: Arc::new(Semaphore::new(MAX_COMMANDS)) }
    }

    /// Adds a key, or changes its period, see [`Schedule::set`](super::Schedule::set).
    pub fn set(&self, key: W::Key, period: Duration) {
        let now = self.shared.clock.elapsed();
        let schedule = &mut self.shared.state().schedule;
        let before = schedule.next_change();
        schedule.set(key, period, now, &self.shared.random);
        // What is left may fit now.
        if schedule.next_change() != before || period.is_zero() {
            self.shared.changed.notify_one();
        }
    }

    /// Takes a key out. A job of it that runs goes on, and is not repeated.
    pub fn remove(&self, key: W::Key) {
        self.shared.state().schedule.remove(key);
        // What is left may fit now, and waits for no ranking then.
        self.shared.changed.notify_one();
    }

    /// At most so many jobs run at once by schedule, from now on; those above it that run go on.
    pub fn set_concurrency(&self, concurrency: NonZeroUsize) {
        self.shared.state().schedule.set_concurrency(concurrency.get());
        self.shared.changed.notify_one();
    }

    /// Runs a job now, past the schedule and the concurrency limit. Behind one of the same key that runs it waits, and
    /// takes its outcome if the work says that it answers. Dropping the future leaves a job that has begun running.
    ///
    /// # Errors
    /// If too many commands are under way, the loop is shutting down, or the work panics.
    pub async fn command(&self, key: W::Key) -> Result<W::Outcome, CommandError> {
        let answer = {
            let state = &mut *self.shared.state();
            if state.stopping.is_some() || self.shared.ended.is_cancelled() {
                return Err(CommandError::ShuttingDown);
            }
            // Whoever has gone before its job began holds no place.
            state.commands.values_mut().for_each(|waiters| waiters.retain(|waiter| !waiter.is_gone()));
            let Ok(place) = Arc::clone(&self.commands).try_acquire_owned() else {
                return Err(CommandError::Busy { limit: MAX_COMMANDS });
            };
            let (waiter, answer) = Waiter::new(place);
            state.commands.entry(key).or_default().push(waiter);
            answer
        };
        self.shared.changed.notify_one();
        let ended = &self.shared.ended;
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_| {
                // Nobody answers: the loop was dropped, or the job broke off.
                Err(if ended.is_cancelled() { CommandError::ShuttingDown } else { CommandError::BrokeOff })
            }),
            () = ended.cancelled() => Err(CommandError::ShuttingDown),
        }
    }

    /// When a key runs; `None` where there is no such key.
    pub fn times(&self, key: W::Key) -> Option<JobTimes> {
        let now = self.shared.clock.elapsed();
        self.shared.state().schedule.times(key, now)
    }

    /// How much there is to do.
    pub fn stats(&self) -> JobStats {
        self.shared.state().schedule.stats()
    }

    /// Takes no more work, waits up to `limit` for jobs that run, and cuts off the others. Answers when the loop has
    /// ended, with the keys that were cut off.
    pub async fn shutdown(&self, limit: Duration) -> Vec<W::Key> {
        self.shared.state().stopping.get_or_insert(limit);
        self.shared.changed.notify_one();
        self.shared.ended.cancelled().await;
        self.shared.state().cut_off.clone()
    }
}
