//! Policies, as their authors handle them.

pub mod build;
