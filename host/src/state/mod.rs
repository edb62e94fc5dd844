//! The little that must survive a restart.

mod error;
mod file;
mod known;
mod pending;
mod record;
mod sightings;
mod uploads;

pub use error::StateError;
pub(crate) use known::Known;
pub(crate) use sightings::{Sightings, StateDir};
pub(crate) use uploads::Remembered;
pub use uploads::State;
