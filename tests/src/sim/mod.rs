//! The simulation: whole hosts, beside made-up pageservers, over a bucket to which requests get lost.
//!
//! A run is one seed. The hosts are those that ship, with the policies in the engine that ships; what is made up is all
//! that they are handed: pageservers, the way to the bucket, the clock, and chance. Time is a paused runtime's, so that
//! half an hour passes in a moment. An onlooker sees everything that happens from outside, and checks what must hold
//! against its own book-keeping: see [`INVARIANTS`].
//!
//! ```text
//! Script --> Nodes --Pageserver--> Host --Remote--> Link --Weather--> SimBucket
//!    |         |                    |                |                   |
//!    +---------+------ events ------+----------------+-------------------+--> Watch --> Ledger, Checks
//! ```
//!
//! The same seed gives the same run, event by event: [`Run::digest`] is over all of them.

mod bucket;
mod caller;
mod chance;
mod check;
mod event;
mod ledger;
mod life;
mod link;
mod node;
mod picture;
mod plant;
mod policies;
mod script;
mod shape;
mod tenant;
mod watch;
mod weather;
mod world;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

pub use check::INVARIANTS;
pub use plant::{PLANTS, Plant};
pub use policies::Policies;
pub use shape::Size;
pub use watch::Violation;

use crate::doubles::SimClock;
use script::Script;
use shape::Shape;
use watch::Watch;
use world::{BEGIN_UNIX_S, World};

/// How a run is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How large it is.
    pub size: Size,
    /// The bug in it.
    pub plant: Option<Plant>,
    /// Whether to keep all events as they read.
    pub trace: bool,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// How many events there were.
    pub events: u64,
    /// Of all events.
    pub digest: u64,
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// All events as they read, if they were to be kept.
    pub trace: Vec<String>,
}

/// Runs one seed.
///
/// # Errors
/// If there is no runtime, or no room for files.
pub fn run(seed: u64, options: Options, policies: &Policies) -> anyhow::Result<Run> {
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| play(seed, options, policies)));
    played.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it says nothing more");
        let violation = Violation { invariant: "panic", at: Duration::ZERO, what: said.to_owned() };
        Ok(Run { seed, events: 0, digest: 0, violations: vec![violation], trace: Vec::new() })
    })
}

fn play(seed: u64, options: Options, policies: &Policies) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let (events, digest, mut violations, trace) = runtime.block_on(async {
        let clock = Arc::new(SimClock::new(BEGIN_UNIX_S));
        let watch = Watch::new(Arc::clone(&clock), options.trace);
        let shape = Shape::draw(seed, options.size);
        let world = World::new(seed, shape, options.plant, policies, clock, watch.clone())?;
        let played = Script::new(world).play().await;
        let mut seen = watch.close();
        if let Err(error) = played {
            let violation = Violation { invariant: "run", at: watch.now(), what: format!("{error:#}") };
            seen.2.push(violation);
        }
        Ok::<_, anyhow::Error>(seen)
    })?;
    violations.sort_by_key(|violation| violation.at);
    Ok(Run { seed, events, digest, violations, trace })
}
