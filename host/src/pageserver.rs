//! All that the host asks of the pageserver that embeds it.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::layer::{Generation, LayerTable, TenantShardId};

/// How a location is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttachMode {
    /// The only one.
    Single,
    /// During a migration: the new location, beside one that may still read.
    Multi,
    /// During a migration: the old location. It reads, and deletes and schedules nothing.
    Stale,
}

/// One attached tenant shard, as far as it is known without walking a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which shard.
    pub id: TenantShardId,
    /// The generation in which it is attached. A heatmap carries its number, so a shard without one
    /// is not uploaded.
    pub generation: Generation,
    /// How it is attached.
    pub attach_mode: AttachMode,
    /// Whether it serves reads. A shard that does not is not uploaded.
    pub active: bool,
    /// How often its heatmap is uploaded, at most once in [`MIN_UPLOAD_PERIOD`](crate::upload::MIN_UPLOAD_PERIOD);
    /// zero where it is not.
    pub upload_period: Duration,
    /// Bytes; a tenant whose hot layers are smaller counts as small.
    pub checkpoint_distance_bytes: u64,
    /// What it is at now.
    pub revision: Revision,
}

/// What a shard was at when it was listed: equal revisions mean that no layer need be walked. They are compared within
/// one run of the process only, in which those of a shard MUST NOT repeat, also if it is detached and attached again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Revision {
    /// Moves whenever a layer is added, removed, evicted, downloaded, or changes visibility.
    pub layers: u64,
    /// Moves whenever an access time does.
    pub access_times: u64,
}

/// Why a pageserver cannot hand over a shard's layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageserverError {
    /// No such shard is attached here.
    #[error("tenant {0} is not attached here")]
    NotAttached(TenantShardId),
    /// It is, but not ready: a timeline still loads, or the tenant shuts down. Try again later.
    #[error("tenant {shard} is not ready: {why}")]
    NotReady {
        /// Which shard.
        shard: TenantShardId,
        /// What it waits for.
        why: String,
    },
    /// Its data cannot be read.
    #[error("tenant {shard}: {why}")]
    Damaged {
        /// Which shard.
        shard: TenantShardId,
        /// What is wrong, with the file's name.
        why: String,
    },
    /// What the bucket knows of it cannot be read now: the store is busy, or does not answer.
    #[error("tenant {shard}: {why}")]
    Bucket {
        /// Which shard.
        shard: TenantShardId,
        /// What the store answered, with the object's URL.
        why: String,
    },
    /// Its tenants cannot be listed.
    #[error("the tenants cannot be listed: {0}")]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps a shard open while it lives.
pub type HeldOpen = Box<dyn Any + Send>;

/// A pageserver, as little of it as heatmaps need.
///
/// For implementors: every method is called from the host's task, MUST NOT block its thread for long, and
/// may be called at any time, also while a tenant comes or goes.
#[async_trait]
pub trait Pageserver: fmt::Debug + Send + Sync {
    /// The shards attached here. MUST NOT walk layers. It is called at the start, and from time to time as a safety
    /// net for changes that nobody told of.
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError>;

    /// One shard, as it is now. It is called whenever the shard is due, and before each try of an upload, so it MUST
    /// be cheap. Answers [`PageserverError::NotAttached`] where it is not attached here.
    async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError>;

    /// One shard's layers, each with its marks: resident, visible, and inherited from the heatmap that this
    /// location took over when it was attached. MUST name every timeline, also those without a layer, and
    /// MUST answer [`PageserverError::NotReady`] rather than leave out a timeline that still loads.
    async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError>;

    /// Keeps a shard open until the answer is dropped: shutting the tenant down waits for the upload that is
    /// in flight. Called before its layers are read. Answers [`PageserverError::NotAttached`] where the shard is
    /// not attached any more, and [`PageserverError::NotReady`] where it is being shut down.
    fn hold(&self, shard: TenantShardId) -> Result<HeldOpen, PageserverError>;

    /// Called when a heatmap is in the bucket, so that the shard's local `heatmap-v1.json` has the same bytes:
    /// written crash-safe (temporary file, fsync, rename, fsync of the folder). Called also where the bucket had
    /// them before, to mend a local file that has others; one that has these SHOULD be left alone. An error only
    /// warns: the bucket's is what standbys read.
    ///
    /// `shard` is as it was when the heatmap was made: if it has been attached in another generation since, its local
    /// heatmap MUST be left alone.
    async fn uploaded(&self, shard: &Shard, heatmap: &[u8]) -> std::io::Result<()>;
}
