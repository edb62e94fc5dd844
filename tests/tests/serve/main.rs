//! The daemon, run as operators run it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "all of this is tests, also what stands outside of a test's function; they share more than each uses"
)]

mod check;
#[path = "../support/command.rs"]
mod command;
mod daemon;
mod exposition;
mod generations;
mod kills;
mod life;
mod monitoring;
#[path = "../support/node.rs"]
mod node;
mod policies;
mod policy_kills;
