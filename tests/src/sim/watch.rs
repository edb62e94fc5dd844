//! The onlooker: everything that happens comes by here, in one order.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thermocline::clock::Clock;

use super::check::{self, Check};
use super::event::Event;
use super::ledger::Ledger;
use crate::doubles::{SimClock, lock};

/// Most events of a run: one that has more goes round in circles.
const MAX_EVENTS: u64 = 5_000_000;

/// Most violations of one invariant that are told of in a run.
const MAX_OF_A_KIND: usize = 3;

/// Something that must hold did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// When, since the start of the run.
    pub at: Duration,
    /// What was wrong.
    pub what: String,
}

/// Sees everything, and has all checks look at it. Clones are of the same one.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<SimClock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    checks: Vec<Box<dyn Check>>,
    violations: Vec<Violation>,
    hash: DefaultHasher,
    events: u64,
    text: Option<Vec<String>>,
}

impl Watch {
    /// With `text`, all events are kept as they read.
    pub(super) fn new(clock: Arc<SimClock>, text: bool) -> Self {
        let state = State {
            ledger: Ledger::default(),
            checks: check::all(),
            violations: Vec::new(),
            hash: DefaultHasher::new(),
            events: 0,
            text: text.then(Vec::new),
        };
        Watch(Arc::new(Inner { clock, state: Mutex::new(state) }))
    }

    pub(super) fn now(&self) -> Duration {
        self.0.clock.elapsed()
    }

    /// Something happens now.
    pub(super) fn see(&self, event: &Event) {
        let now = self.now();
        let state = &mut *lock(&self.0.state);
        state.ledger.note(now, event);
        if !matches!(event, Event::Tick) {
            state.events += 1;
            let line = format!("{:>10.3} {event:?}", now.as_secs_f64());
            state.hash.write(line.as_bytes());
            state.text.iter_mut().for_each(|text| text.push(line.clone()));
        }
        for check in &mut state.checks {
            let invariant = check.name();
            for what in check.look(&state.ledger, event) {
                state.text.iter_mut().for_each(|text| text.push(format!("    VIOLATION of {invariant}: {what}")));
                if state.violations.iter().filter(|before| before.invariant == invariant).count() < MAX_OF_A_KIND {
                    state.violations.push(Violation { invariant, at: now, what });
                }
            }
        }
    }

    /// Asks what was so.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Ledger) -> T) -> T {
        question(&lock(&self.0.state).ledger)
    }

    /// Whether the run goes round in circles.
    pub(super) fn is_endless(&self) -> bool {
        lock(&self.0.state).events > MAX_EVENTS
    }

    /// How it went: events, their digest, violations, and the text.
    pub(super) fn close(&self) -> (u64, u64, Vec<Violation>, Vec<String>) {
        let state = &mut *lock(&self.0.state);
        let violations = std::mem::take(&mut state.violations);
        (state.events, state.hash.finish(), violations, state.text.take().unwrap_or_default())
    }
}
