//! Thermocline tells a pageserver's warm standbys which layers to hold.

mod atomic_file;
pub mod clock;
pub mod datadir;
mod digest;
pub mod heatmap;
pub mod keys;
pub mod layer;
pub mod pageserver;
pub mod policy;
pub mod remote;
mod state;
pub mod upload;

pub use digest::Digest;
