//! The command, run as users run it.

#[path = "../support/command.rs"]
mod command;
mod demo;
mod evictions;
mod files;
mod heatmaps;
mod kills;
mod node;
mod original_state;
mod outcomes;
mod policies;
mod real_layers;
mod shown;
#[path = "../support/mod.rs"]
mod support;
mod truncated;
mod usage;
