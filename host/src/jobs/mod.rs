//! The job loop: work that comes back with a period, for many keys, without looking at those that are not due.
//!
//! It is generic over the kind of work, see [`Work`]. What is due comes out of a heap of timers, so that a tick costs
//! what is due and not what exists.

mod command;
mod handle;
mod run;
mod schedule;

use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use command::{CommandError, MAX_COMMANDS};
pub use handle::JobHandle;
pub use run::{CANCEL_GRACE, JobLoop, RANK_LIMIT};
pub use schedule::{JobStats, JobTimes, OVERDUE_PERIODS, Schedule};

/// Who asks for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// The clock.
    Schedule,
    /// Somebody, for this one key.
    Command,
}

impl Trigger {
    /// As in labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Trigger::Schedule => "schedule",
            Trigger::Command => "command",
        }
    }
}

/// A job that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due<K> {
    /// Whose.
    pub key: K,
    /// How long it has been due.
    pub overdue: Duration,
    /// How often it comes back.
    pub period: Duration,
}

/// A kind of work.
#[async_trait]
pub trait Work: fmt::Debug + Send + Sync + 'static {
    /// What there is one job of at a time.
    type Key: Copy + Ord + Hash + fmt::Debug + fmt::Display + Send + Sync + 'static;
    /// What came of a job.
    type Outcome: Clone + fmt::Debug + Send + Sync + 'static;

    /// Does one job. MUST end soon after `cancel` is.
    async fn run(&self, key: Self::Key, trigger: Trigger, cancel: &CancellationToken) -> Self::Outcome;

    /// The rows of `due` in the order in which they are to run, the most urgent first. Asked only where more is due
    /// than can run. Rows that do not exist or come twice are passed over, and rows left out come last, the longest
    /// overdue first.
    async fn rank(&self, due: &[Due<Self::Key>]) -> Vec<u32>;

    /// Whether the outcome of a job also answers a command that came while the job ran. Else the command runs once
    /// the job has ended.
    async fn answers(&self, key: Self::Key, outcome: &Self::Outcome) -> bool;
}
