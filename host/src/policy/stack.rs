//! Work that recurses as deep as its input goes.

/// Stack of the thread that such work runs on: its caller's may be small.
const STACK_BYTES: usize = 8 << 20;

/// There is no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoResult {
    /// The work panicked, and took its thread with it.
    #[error("{0} crashed, which is a fault of it")]
    Crashed(&'static str),
    /// The machine has no thread left.
    #[error("no thread for {0}: {1}")]
    NoThread(&'static str, std::io::Error),
}

/// Does work on a thread of its own: with a stack of known size, and so that a fault ends that thread and not the host.
/// `who` does it: up to 15 bytes are seen as the thread's name.
pub(super) fn on_own_stack<T: Send>(who: &'static str, work: impl FnOnce() -> T + Send) -> Result<T, NoResult> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(who.into()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, work) {
            Ok(thread) => thread.join().map_err(|_| NoResult::Crashed(who)),
            Err(error) => Err(NoResult::NoThread(who, error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_ends_the_work_and_nothing_else() {
        assert_eq!(on_own_stack("the compiler", || 7).unwrap(), 7);
        let error = on_own_stack("the compiler", || panic!("of the compiler")).unwrap_err();
        assert_eq!(error.to_string(), "the compiler crashed, which is a fault of it");
    }
}
