//! Uploads of heatmaps: from a shard to an object in the bucket, and never over a newer one.

mod backoff;
mod eligible;
mod fence;
mod generator;
mod moved;
mod outcome;
mod past;
mod registry;
mod sweep;
mod turn;
mod uploader;
mod uploads;

pub use eligible::MIN_UPLOAD_PERIOD;
pub use generator::Generator;
pub use outcome::{Attempt, GenerateError, Generated, Outcome, OutcomeKind, Skip, UploadError};
pub use sweep::DEFAULT_CONCURRENCY;
pub use turn::MAX_ATTEMPTS;
pub use uploader::Uploader;
pub use uploads::TURN_LIMIT;

pub(crate) use backoff::wait_after;
pub(crate) use eligible::period;
pub(crate) use moved::{Moved, News};
pub(crate) use registry::{Registry, Tracked};
pub(crate) use uploads::Uploads;

pub use crate::jobs::Trigger;
