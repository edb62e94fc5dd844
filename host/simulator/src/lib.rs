//! What a policy is worth: failovers simulated on a trace of page accesses.
mod attached;
mod clairvoyant;
mod contestant;
mod demand;
mod dense;
mod flow;
mod needs;
mod report;
mod run;
mod settings;
mod standby;
mod store;
pub mod trace;

pub use contestant::{Contestant, Decider, Decision, Native};
pub use demand::WINDOWS_MS;
pub use report::{Report, Row};
pub use run::{CLAIRVOYANT, NOTHING, SimulationError, simulate};
pub use settings::{MAX_BUDGET, MAX_BUDGETS, MAX_FAILOVERS, MAX_LISTED_LAYERS, MIN_PERIOD_MS, Room, Settings};
pub use store::{GivenError, GivenLayer, Rules};
pub use trace::{Trace, TraceError};
