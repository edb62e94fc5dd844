//! Commands: jobs that somebody asks for.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What comes of a command.
pub(super) type Answer<O> = Result<O, CommandError>;

/// A command that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiter<O> {
    answer: oneshot::Sender<Answer<O>>,
    /// Its place among [`MAX_COMMANDS`], held until its job has ended: whoever asked may go before.
    _place: OwnedSemaphorePermit,
}

impl<O> Waiter<O> {
    /// One, and where its answer comes out.
    pub(super) fn new(place: OwnedSemaphorePermit) -> (Self, oneshot::Receiver<Answer<O>>) {
        let (answer, receiver) = oneshot::channel();
        (Waiter { answer, _place: place }, receiver)
    }

    /// Whoever asked does not wait any more.
    pub(super) fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, answer: Answer<O>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

/// Most commands at once, those behind a running job included, and those that run on although whoever asked has gone.
/// They run past the concurrency limit, so that something else has to bound them.
pub const MAX_COMMANDS: usize = 64;

/// Why a command has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Too many at once.
    #[error("{limit} commands run already: try again in a moment")]
    Busy {
        /// How many may.
        limit: usize,
    },
    /// No more work is taken, or the command was cut off.
    #[error("the host is shutting down")]
    ShuttingDown,
    /// A bug: the work panicked.
    #[error("the work broke off, which is a bug: the log says where")]
    BrokeOff,
}
