//! Commands: jobs that somebody asks for.

use tokio::sync::oneshot;

/// Where a command's answer goes.
pub(super) type Waiter<O> = oneshot::Sender<Result<O, CommandError>>;

/// Most commands at once, those behind a running job included. They run past the concurrency limit, so that something
/// else has to bound them.
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
