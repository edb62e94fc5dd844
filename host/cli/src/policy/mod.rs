//! Policies, as their authors handle them.

pub mod build;
pub(crate) mod fixture;
pub(crate) mod measured;
pub mod scaffold;
pub mod shipped;
pub(crate) mod tables;
