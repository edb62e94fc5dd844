//! Why the store cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::Digest;
use crate::policy::PolicyError;

/// The store cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another host has it.
    #[error("{}: another host keeps its policies here: end it, or give this one a folder of its own", .folder.display())]
    Locked {
        /// The store's folder.
        folder: PathBuf,
    },
    /// The disk refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Of the file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// An entry could not be written. The log is as it was.
    #[error("{}: the change could not be written down, so it does not hold: {source}", .path.display())]
    Append {
        /// Of the log.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// An entry is larger than entries may be.
    #[error("{}: an entry of {bytes} bytes is not written, at most {limit}: give the policy a smaller configuration", .path.display())]
    TooLong {
        /// Of the log.
        path: PathBuf,
        /// Of the entry.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The log is full, and what it adds up to is too large to begin another with.
    #[error(
        "{}: the log is full, and what is installed and decided takes {bytes} bytes, at most {limit}: \
         roll back policies of single tenants, or give them smaller configurations",
        .path.display()
    )]
    Full {
        /// Of the log.
        path: PathBuf,
        /// What it adds up to.
        bytes: usize,
        /// How many that may be.
        limit: usize,
    },
    /// The log is larger than a host makes it.
    #[error("{}: {bytes} bytes, and a host writes at most {limit}: it is none of its logs, move it away", .path.display())]
    Foreign {
        /// Of the log.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// How many it may have.
        limit: usize,
    },
    /// An entry cannot be read any more.
    #[error("{}: entry {seq} is damaged; start the host again to have the log mended", .path.display())]
    DamagedEntry {
        /// Of the log.
        path: PathBuf,
        /// The entry's number.
        seq: u64,
    },
    /// A component is gone.
    #[error("{}: there is no such file, although sha256:{digest} is installed: install it again", .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Which component.
        digest: Digest,
    },
    /// A component is not what was put there.
    #[error("{}: the file is damaged, its sha256 is {found}: install {expected} again", .path.display())]
    Damaged {
        /// Of the component.
        path: PathBuf,
        /// Which component should be there.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// A component does not load.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl StoreError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| StoreError::Io { path: path.to_owned(), source }
    }
}
