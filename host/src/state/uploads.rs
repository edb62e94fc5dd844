//! What uploads remember over a restart: one redb file.

use std::collections::BTreeMap;
use std::path::Path;

use super::known::Known;
use crate::Digest;
use crate::layer::TenantShardId;

/// What uploads remember. Clones are of the same one. Changes are gathered and written by [`State::commit`], so that
/// uploads do not each wait for the disk: what is lost with a crash costs uploads, never correctness.
#[derive(Clone, Debug)]
pub struct State {}

/// Why the state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("…")]
pub struct StateError {}

impl State {
    /// Opens or makes the file. One that is damaged is put aside, with a warning, and a new one is made.
    ///
    /// # Errors
    /// If another process has it open, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        todo!()
    }

    /// Kept in memory only.
    pub fn in_memory() -> Self {
        todo!()
    }

    /// All that is known, at the start.
    pub(crate) fn load(&self) -> Result<BTreeMap<TenantShardId, Known>, StateError> {
        todo!()
    }

    /// What a policy handed back at the shard's last call, if it was this policy (`policy` stands for component and
    /// configuration); else nothing.
    pub(crate) fn memory(&self, shard: TenantShardId, policy: Digest) -> Result<Vec<u8>, StateError> {
        todo!()
    }

    pub(crate) fn keep(&self, shard: TenantShardId, known: &Known) {
        todo!()
    }

    pub(crate) fn keep_memory(&self, shard: TenantShardId, policy: Digest, memory: Vec<u8>) {
        todo!()
    }

    pub(crate) fn forget(&self, shard: TenantShardId) {
        todo!()
    }

    /// Bytes that wait for a commit.
    pub(crate) fn pending_bytes(&self) -> usize {
        todo!()
    }

    /// Writes all that was gathered, in one transaction. Blocks.
    pub(crate) fn commit(&self) -> Result<(), StateError> {
        todo!()
    }
}
