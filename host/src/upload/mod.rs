//! Uploads of heatmaps: from a shard to an object in the bucket, and never over a newer one.

mod backoff;
mod fence;
mod generator;
mod outcome;
mod sweep;
mod uploader;

pub use generator::Generator;
pub use outcome::{Attempt, GenerateError, Generated, Outcome, Skip, UploadError};
pub use sweep::DEFAULT_CONCURRENCY;
pub use uploader::{MAX_ATTEMPTS, Trigger, Uploader};
