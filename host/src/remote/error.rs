//! What a store could not do.

use std::path::PathBuf;

use super::KeyError;

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
    /// A listing would be longer than the caller can take. List a longer prefix.
    #[error("{prefix}: more than {limit_objects} objects begin so; list a longer prefix")]
    TooMany {
        /// The URL of the prefix.
        prefix: String,
        /// The most that are listed.
        limit_objects: usize,
    },
    /// No object can have this key.
    #[error("{object}: {why}")]
    BadKey {
        /// What would be the object's URL.
        object: String,
        /// Which rule it breaks.
        #[source]
        why: KeyError,
    },
}

/// Why a remote could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The usual chain (environment, profile, container, machine) gave no credentials.
    #[error(
        "{remote}: no credentials ({why}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run \
         where a role gives them"
    )]
    NoCredentials {
        /// The remote's URL.
        remote: String,
        /// What the chain said.
        why: String,
    },
    /// Neither an option nor the environment names a region, and no endpoint is given either.
    #[error(
        "{remote}: no region: give --region or set AWS_REGION; for a store that is not AWS give --endpoint or set \
         AWS_ENDPOINT_URL"
    )]
    NoRegion {
        /// The remote's URL.
        remote: String,
    },
    /// The endpoint is not the URL of a server.
    #[error("{remote}: {endpoint:?} is no endpoint: {why}; expected http://host:port or https://host")]
    BadEndpoint {
        /// The remote's URL.
        remote: String,
        /// What was given, without credentials.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The path of a local remote is a file.
    #[error("{}: not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The path of a local remote cannot be looked at.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
}
