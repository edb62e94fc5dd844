//! `thermocline policy`: those who write policies, and those who run them.

mod bench;
mod build;
mod change;
mod check;
mod compare;
mod compared;
mod inspect;
mod install;
mod list;
mod log;
mod new;
mod run;
mod show;
mod shown;
mod test;

pub(crate) use bench::bench;
pub(crate) use build::build;
pub(crate) use change::{activate, remove, rollback, shadow};
pub(crate) use check::check;
pub(crate) use compare::compare;
pub(crate) use inspect::inspect;
pub(crate) use install::install;
pub(crate) use list::list;
pub(crate) use log::log;
pub(crate) use new::new;
pub(crate) use run::run;
pub(crate) use show::show;
pub(crate) use test::test;
