//! The author's toolkit, used as authors use it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "all of this is tests, also what stands outside of a test's function; they share more than each uses"
)]

mod author;
mod bench;
#[path = "../support/command.rs"]
mod command;
mod compare;
mod crashes;
mod fixtures;
mod guide;
mod new;
#[path = "../support/node.rs"]
mod node;
mod pins;
mod run;
#[path = "../cli/shown.rs"]
mod shown;
