//! Thermocline tells a pageserver's warm standbys which layers to hold.

pub mod layer;
