//! The host: every attached shard's heatmap, kept fresh in the bucket.

mod builder;
mod delete;
mod error;
mod gauges;
mod handle;
mod inner;
mod report;
mod running;
mod status;

pub use builder::{
    DEFAULT_RECHECK_PERIOD, DEFAULT_RESCAN_PERIOD, DEFAULT_SHUTDOWN_LIMIT, HostBuilder, MIN_RESCAN_PERIOD,
};
pub use error::DeleteError;
pub use handle::{Drained, HostHandle};
pub use running::Host;
pub use status::{HeatmapStatus, HostStatus, LastJob, PolicyStatus, ShardStatus};
