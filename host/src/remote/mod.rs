//! Object storage behind one small trait.

mod bounded;
pub mod conformance;
mod error;
mod key;
mod local;
mod open;
mod s3;
mod url;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Digest;
pub(crate) use bounded::Bounded;
pub use bounded::CALL_LIMIT;
pub use error::{OpenError, RemoteError};
pub use key::{KeyError, MAX_COMPONENT_BYTES, MAX_KEY_BYTES, check_key, check_prefix};
pub use local::LocalDir;
pub use open::open;
pub use s3::{
    DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_OPERATION_TIMEOUT, S3, S3Credentials, S3Options,
    S3Timeouts,
};
pub use url::{ObjectUrl, ParseUrlError, RemoteUrl};

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

/// Largest object that is read or written: the heatmap of 4 million layers.
pub const MAX_OBJECT_BYTES: u64 = 1536 << 20;

/// Most objects in one listing: about 200 MB of keys. Who meets it lists a prefix that is too short.
pub const MAX_LISTED_OBJECTS: usize = 1_000_000;

/// What one call may cost its caller in memory. The defaults are also the largest that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest object that is read or written.
    pub object_bytes: u64,
    /// Most objects in one listing.
    pub listed_objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { object_bytes: MAX_OBJECT_BYTES, listed_objects: MAX_LISTED_OBJECTS }
    }
}

/// Object storage, as little of it as heatmaps need. Keys are relative to the prefix that the remote was
/// opened with, and have no empty, `.` or `..` component.
///
/// For implementors: a put MUST be atomic and durable when it answers: a reader sees the old object or the
/// new one, whole, whatever happens to the writer. Its condition MUST be checked together with the write, also
/// against writers in other processes. What is no key MUST be refused with [`RemoteError::BadKey`] before
/// anything is done, and is left out of listings. Retries are the caller's: an implementation makes none, and
/// never hides a put whose outcome is unknown. A call that is dropped while it runs may still be carried out.
/// The suite in [`conformance`] holds an implementation to all this.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync {
    /// Reads an object, unless it still is the version `unless`.
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError>;

    /// Writes an object if the condition holds, else answers [`RemoteError::Conflict`].
    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError>;

    /// As [`put`](Self::put), for a body whose digest the caller knows. A store that is told the checksum of what it
    /// gets need not have it computed once more. A digest of something else costs the write: such a store refuses it.
    async fn put_digested(&self, key: &str, body: Bytes, _: Digest, condition: PutIf) -> Result<ETag, RemoteError> {
        self.put(key, body, condition).await
    }

    /// Objects whose key begins with `prefix`, in the order of their keys. The prefix need not end where a
    /// component does.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError>;

    /// Names of the folders right below `prefix`, which ends with `/`: what stands before the next `/` of keys
    /// that go on. In order, none twice. Stores that can answer this without listing what is in the folders
    /// SHOULD: a timeline's holds all its layers.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, RemoteError> {
        let listed = self.list(prefix).await?;
        let below = listed.iter().filter_map(|object| object.key.strip_prefix(prefix)?.split_once('/'));
        let mut folders: Vec<_> = below.map(|(folder, _)| folder.to_owned()).collect();
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }

    /// Removes an object. That there is none is no error.
    async fn delete(&self, key: &str) -> Result<(), RemoteError>;

    /// The URL of an object, for messages.
    fn url(&self, key: &str) -> String;
}
