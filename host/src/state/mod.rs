//! The little that must survive a restart.

mod sightings;

pub(crate) use sightings::{Sightings, StateDir};
