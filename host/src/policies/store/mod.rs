//! Components by their digest, and the log of what was done with them.

use std::path::Path;

use super::entry::Entry;
use super::standing::Standing;
use crate::Digest;
use crate::policy::{Engine, Policy};

/// Most components in a store.
pub const MAX_INSTALLED: usize = 64;

/// Components by their digest, and the log of what was done with them. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct PolicyStore {}

/// The store cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {}

impl PolicyStore {
    /// Opens or makes the folder.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let _ = folder;
        todo!()
    }

    /// Kept in memory only.
    pub fn in_memory() -> Self {
        todo!()
    }

    /// What the log adds up to.
    pub fn standing(&self) -> Standing {
        todo!()
    }

    /// Keeps a component; on disk when this answers. One that is there already is left alone.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let _ = bytes;
        todo!()
    }

    /// Drops a component, and what was compiled of it.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        let _ = digest;
        todo!()
    }

    /// A component, loaded (not configured). Its bytes are checked against the digest; what was compiled before is used
    /// again where it was compiled by this very engine, and only if nobody else can have written it.
    pub fn load(&self, engine: &Engine, digest: Digest) -> Result<Policy, StoreError> {
        let _ = (engine, digest);
        todo!()
    }

    /// Adds an entry; on disk when this answers. It gets the next number.
    pub fn append(&self, entry: Entry) -> Result<Entry, StoreError> {
        let _ = entry;
        todo!()
    }

    /// At most `limit` entries after number `after`, in order.
    pub fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let _ = (after, limit);
        todo!()
    }
}
