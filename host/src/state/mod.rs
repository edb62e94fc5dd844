//! The little that must survive a restart.

mod error;
mod file;
mod known;
mod pending;
mod record;
mod sightings;
mod uploads;

pub(crate) use known::Known;
pub(crate) use sightings::{Sightings, StateDir};
pub use error::StateError;
pub use uploads::State;
