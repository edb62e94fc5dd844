//! One file a command.

pub(crate) mod demo;
pub(crate) mod generate;
pub(crate) mod heatmap;
pub(crate) mod policy;
pub(crate) mod simulate;
pub(crate) mod trace;
pub(crate) mod upload;
