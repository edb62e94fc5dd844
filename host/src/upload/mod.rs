//! Uploads of heatmaps: from a shard to an object in the bucket, and never over a newer one.

mod backoff;
mod eligible;
mod fence;
mod generator;
mod outcome;
mod past;
mod sweep;
mod turn;
mod uploader;

pub use generator::Generator;
pub use outcome::{Attempt, GenerateError, Generated, Outcome, OutcomeKind, Skip, UploadError};
pub use sweep::DEFAULT_CONCURRENCY;
pub use turn::MAX_ATTEMPTS;
pub use uploader::Uploader;

pub use crate::jobs::Trigger;
