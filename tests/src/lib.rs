//! placeholder

pub mod doubles;
#[cfg(feature = "servers")]
pub mod servers;
