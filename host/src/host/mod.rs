//! The host: every attached shard's heatmap, kept fresh in the bucket.

mod builder;
mod error;
mod handle;
mod status;

pub use builder::{Host, HostBuilder};
pub use error::DeleteError;
pub use handle::{Drained, HostHandle};
pub use status::{HeatmapStatus, HostStatus, LastJob, PolicyStatus, ShardStatus};
