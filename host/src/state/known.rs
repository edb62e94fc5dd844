//! What is known of one shard's heatmap in the bucket.

use crate::Digest;
use crate::remote::ETag;

/// The heatmap that this location has put into the bucket, or found there and had nothing to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The generation in which the shard was attached here, and which the heatmap carries.
    pub(crate) generation: u32,
    /// SHA-256 of its bytes.
    pub(crate) digest: Digest,
    /// Of all but access times.
    pub(crate) content_digest: Digest,
    /// What the bucket calls this version.
    pub(crate) etag: ETag,
    /// When it was written, seconds since the Unix epoch.
    pub(crate) written_unix_s: i64,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// Layers that it lists for download.
    pub(crate) hot_layers: u64,
    /// Layers that it lists as cold.
    pub(crate) cold_layers: u64,
    /// Sizes of the hot layers together.
    pub(crate) hot_bytes: u64,
}
