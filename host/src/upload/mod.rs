//! Uploads of heatmaps: from a shard to an object in the bucket, and never over a newer one.

mod backoff;
mod fence;
mod generator;
mod outcome;
mod sweep;
mod uploader;

pub use generator::Generator;
pub use outcome::{Attempt, GenerateError, Generated, Outcome, OutcomeKind, Skip, UploadError};
pub use sweep::DEFAULT_CONCURRENCY;
pub use uploader::{MAX_ATTEMPTS, Uploader};

pub use crate::jobs::Trigger;
