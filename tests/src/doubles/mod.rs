//! Remotes that stand in for a real one in tests, each with one job. All but [`Memory`] wrap another.

mod flaky;
mod gated;
mod memory;
mod recording;

pub use flaky::{Fault, Flaky, Odds};
pub use gated::Gated;
pub use memory::Memory;
pub use recording::{Record, Recording};

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
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
