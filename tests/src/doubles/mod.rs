//! What stands in for a part of the outside world in tests, each with one job: remotes, of which all but [`Memory`]
//! wrap another, a pageserver, and clocks.

mod clock;
mod flaky;
mod gated;
mod late;
mod memory;
mod pageserver;
mod recording;
mod rival;
mod sim_clock;

pub use clock::FakeClock;
pub use flaky::{Fault, Flaky, Odds};
pub use gated::Gated;
pub use late::Late;
pub use memory::Memory;
pub use pageserver::{Event, FakePageserver};
pub use recording::{Record, Recording};
pub use rival::Rival;
pub use sim_clock::SimClock;

/// What a remote can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Read an object.
    Get,
    /// Write an object.
    Put,
    /// List objects.
    List,
    /// Remove an object.
    Delete,
}

/// A test that panicked while it held a lock has failed already: others go on with what is there.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
