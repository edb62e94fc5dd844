//! Object storage behind one small trait.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// What a store calls one version of an object. Opaque: only compared, and handed back to its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// An object, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub body: Bytes,
    /// Which version of it this is.
    pub etag: ETag,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// The object.
    Object(Object),
    /// It still is the version that the caller has.
    Unchanged,
    /// There is no such object.
    Missing,
}

/// When a write may take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutIf {
    /// Only if there is no such object.
    Absent,
    /// Only if it still is this version.
    Matches(ETag),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its key, below the remote's prefix.
    pub key: String,
    /// Its size, bytes.
    pub size_bytes: u64,
}

/// Why a store did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The condition of a put does not hold: somebody else wrote the object meanwhile. Read it again.
    #[error("{object}: another writer changed the object meanwhile")]
    Conflict {
        /// The object's URL.
        object: String,
    },
    /// The store did not take the request, and may take it later. Nothing was written.
    #[error("{object}: the store is busy: {why}")]
    Busy {
        /// The object's URL.
        object: String,
        /// What it answered.
        why: String,
    },
    /// No answer that settles what happened. A put may have been written: read the object to know.
    #[error("{object}: no answer from the store: {why}")]
    Unknown {
        /// The object's URL.
        object: String,
        /// What went wrong.
        why: String,
    },
    /// The store refuses, and will again. Nothing was written.
    #[error("{object}: the store refuses: {why}")]
    Refused {
        /// The object's URL.
        object: String,
        /// What it answered.
        why: String,
    },
    /// The object is larger than the caller can take.
    #[error("{object}: {size_bytes} bytes are more than the limit of {limit_bytes}")]
    TooLarge {
        /// The object's URL.
        object: String,
        /// Its size.
        size_bytes: u64,
        /// The largest that is read.
        limit_bytes: u64,
    },
}

/// Largest object that is read or written: the heatmap of 4 million layers.
pub const MAX_OBJECT_BYTES: u64 = 1536 << 20;

/// Object storage, as little of it as heatmaps need. Keys are relative to the prefix that the remote was
/// opened with, and have no empty, `.` or `..` component.
///
/// For implementors: a put MUST be atomic and durable when it answers: a reader sees the old object or the
/// new one, whole, whatever happens to the writer. Its condition MUST be checked together with the write.
/// Retries are the caller's: an implementation makes at most one that is cheap, and never hides a put whose
/// outcome is unknown.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync {
    /// Reads an object, unless it still is the version `unless`.
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError>;

    /// Writes an object if the condition holds, else answers [`RemoteError::Conflict`].
    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError>;

    /// Objects whose key begins with `prefix`, in the order of their keys.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError>;

    /// Removes an object. That there is none is no error.
    async fn delete(&self, key: &str) -> Result<(), RemoteError>;

    /// The URL of an object, for messages.
    fn url(&self, key: &str) -> String;
}
