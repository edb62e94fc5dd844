//! `thermocline policy`: those who write policies, and those who run them.

mod build;
mod change;
mod check;
mod compared;
mod inspect;
mod install;
mod list;
mod log;
mod show;
mod shown;

pub(crate) use build::build;
pub(crate) use change::{activate, remove, rollback, shadow};
pub(crate) use check::check;
pub(crate) use inspect::inspect;
pub(crate) use install::install;
pub(crate) use list::list;
pub(crate) use log::log;
pub(crate) use show::show;
