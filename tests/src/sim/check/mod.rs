//! What must hold, whatever happens: one invariant a file, each judged from what an onlooker sees.

mod answered;
mod deleted;
mod fresh;
mod generation;
mod idle;
mod limits;
mod shutdown;
mod starvation;
mod whole;

use std::fmt;

use super::event::Event;
use super::ledger::Ledger;

/// One thing that must hold.
pub(super) trait Check: fmt::Debug + Send {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Looks at an event, of which the ledger knows already, and says what is wrong.
    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String>;
}

/// The names of all invariants.
pub const INVARIANTS: [&str; 9] =
    ["generation", "whole", "fresh", "starvation", "limits", "shutdown", "answered", "idle", "deleted"];

/// All of them.
pub(super) fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(generation::NeverBack::default()),
        Box::new(whole::Whole),
        Box::new(fresh::Fresh::default()),
        Box::new(starvation::NobodyStarves::default()),
        Box::new(limits::Limits::default()),
        Box::new(shutdown::Shutdown),
        Box::new(answered::Answered::default()),
        Box::new(idle::Idle::default()),
        Box::new(deleted::Deleted::default()),
    ]
}
