//! The little that must survive a restart.

mod known;
mod sightings;
mod uploads;

pub(crate) use known::Known;
pub(crate) use sightings::{Sightings, StateDir};
pub use uploads::{State, StateError};
