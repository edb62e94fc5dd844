//! Thermocline tells a pageserver's warm standbys which layers to hold.

mod atomic_file;
mod digest;
pub mod heatmap;
pub mod layer;
pub mod pageserver;
pub mod policy;
pub mod remote;

pub use digest::Digest;
