//! The command, run as users run it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "all of this is tests, also what stands outside of a test's function"
)]

#[path = "../support/command.rs"]
mod command;
mod demo;
mod evictions;
mod files;
mod heatmaps;
mod kills;
#[path = "../support/node.rs"]
mod node;
mod original_state;
mod outcomes;
mod pictures;
mod policies;
mod real_layers;
mod shown;
mod simulate;
#[path = "../support/mod.rs"]
mod support;
mod trace;
mod truncated;
mod usage;
