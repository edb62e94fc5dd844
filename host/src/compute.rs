//! Where computation runs: policies and encoding take milliseconds, and the reactor's threads are for waiting.

/// Where computation runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// On tokio's threads for blocking work.
    #[default]
    Threads,
    /// Right where it is asked for. For simulations: threads would let the machine decide what happens first.
    Inline,
}

/// A bug: the work panicked, or the runtime ended under it.
#[derive(Debug, thiserror::Error)]
#[error("the work was cut off: {0}")]
pub struct CutOff(String);

impl Compute {
    /// Does the work, and answers what it did. Once begun, it goes on even if this future is dropped.
    ///
    /// # Errors
    /// If it panics, or the runtime ends.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CutOff> {
        match self {
            Compute::Threads => {
                // What is logged over there is of whoever asked for it.
                let span = tracing::Span::current();
                let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
                done.map_err(|error| CutOff(error.to_string()))
            }
            Compute::Inline => Ok(work()),
        }
    }

    /// Does the work, and nobody waits for it. Where it panics, the runtime says so and goes on.
    pub(crate) fn start(self, work: impl FnOnce() + Send + 'static) {
        match self {
            Compute::Threads => {
                let span = tracing::Span::current();
                drop(tokio::task::spawn_blocking(move || span.in_scope(work)));
            }
            Compute::Inline => work(),
        }
    }
}
