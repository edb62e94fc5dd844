//! Thermocline tells a pageserver's warm standbys which layers to hold.

#[allow(dead_code, reason = "its callers come with the remote and the data directory")]
mod atomic_file;
mod digest;
pub mod heatmap;
pub mod layer;
pub mod pageserver;
pub mod policy;
pub mod remote;

pub use digest::Digest;
