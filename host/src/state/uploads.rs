//! What uploads remember over a restart: one redb file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable};

use super::error::StateError;
use super::file::{Fault, KNOWN, MEMORY, StateFile};
use super::known::Known;
use super::pending::{Changes, Memory, Pending};
use super::record::{self, Kind, Reader};
use crate::Digest;
use crate::layer::TenantShardId;

/// What uploads remember. Clones are of the same one. Changes are gathered and written by [`State::commit`], so that
/// uploads do not each wait for the disk: what is lost with a crash costs uploads, never correctness.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    file: StateFile,
    /// Never held while the file is worked on.
    pending: Mutex<Pending>,
    /// Held for a commit, so that there is one at a time.
    committing: Mutex<()>,
    warned_of_records: AtomicBool,
    warned_of_dropped: AtomicBool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("path", &self.inner.file.path()).finish_non_exhaustive()
    }
}

impl State {
    /// Opens or makes the file. One that is damaged is put aside, with a warning, and a new one is made.
    ///
    /// # Errors
    /// If another process has it open, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        Ok(Self::over(StateFile::open(path)?))
    }

    /// Kept in memory only.
    pub fn in_memory() -> Self {
        Self::over(StateFile::in_memory())
    }

    fn over(file: StateFile) -> Self {
        let inner = Inner {
            file,
            pending: Mutex::default(),
            committing: Mutex::default(),
            warned_of_records: AtomicBool::default(),
            warned_of_dropped: AtomicBool::default(),
        };
        State { inner: Arc::new(inner) }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.inner.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is known, at the start.
    pub(crate) fn load(&self) -> Result<BTreeMap<TenantShardId, Known>, StateError> {
        // A commit that ends in between would be seen in neither.
        let _no_commit = self.inner.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, unreadable) = self.inner.file.run(read_known)?;
        if unreadable > 0 {
            self.warn_of_records(unreadable);
        }
        for (shard, known) in self.pending().known() {
            match known {
                Some(known) => all.insert(shard, known.clone()),
                None => all.remove(&shard),
            };
        }
        Ok(all)
    }

    /// What a policy handed back at the shard's last call, if it was this policy (`policy` stands for component and
    /// configuration); else nothing.
    pub(crate) fn memory(&self, shard: TenantShardId, policy: Digest) -> Result<Vec<u8>, StateError> {
        let pending = |pending: &Pending| match pending.memory(shard)? {
            Some(memory) => Some(memory.of(policy).to_vec()),
            None => Some(Vec::new()),
        };
        if let Some(memory) = pending(&self.pending()) {
            return Ok(memory);
        }
        // What a commit wrote since is in the file.
        let key = record::key(shard);
        let record = self.inner.file.run(|database| {
            let table = database.begin_read()?.open_table(MEMORY)?;
            Ok(table.get(key)?.map(|record| record.value().to_vec()))
        })?;
        let Some(record) = record else { return Ok(Vec::new()) };
        let memory = record::open(Kind::Memory, &key, &record).and_then(|body| {
            let mut reader = Reader(body);
            let kept_for = Digest::from_bytes(reader.take()?);
            Some(if kept_for == policy { reader.0.to_vec() } else { Vec::new() })
        });
        if memory.is_none() {
            self.warn_of_records(1);
        }
        Ok(memory.unwrap_or_default())
    }

    pub(crate) fn keep(&self, shard: TenantShardId, known: &Known) {
        self.pending().keep(shard, known.clone());
    }

    pub(crate) fn keep_memory(&self, shard: TenantShardId, policy: Digest, memory: Vec<u8>) {
        let memory = (!memory.is_empty()).then_some(Memory { policy, bytes: memory });
        let kept = self.pending().keep_memory(shard, memory);
        if !kept && !self.inner.warned_of_dropped.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{}: what policies want remembered is too much to wait for being written; that of tenant {shard} and \
                 perhaps others is forgotten, and their policy starts anew",
                self.inner.file.path().display()
            );
        }
    }

    pub(crate) fn forget(&self, shard: TenantShardId) {
        self.pending().forget(shard);
    }

    /// Bytes that wait for a commit, or for the end of one.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending().bytes()
    }

    /// Memories of policies that were forgotten, because too much waited for a commit.
    pub(crate) fn dropped_memories(&self) -> u64 {
        self.pending().dropped
    }

    /// Writes all that was gathered, in one transaction. Blocks. After an error all still waits.
    pub(crate) fn commit(&self) -> Result<(), StateError> {
        let _one_at_a_time = self.inner.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.pending().begin();
        let written = if changes.is_empty() { Ok(()) } else { self.inner.file.run(|file| write(file, &changes)) };
        // Else what is there could not be moved back, and would be cloned.
        drop(changes);
        self.pending().end(written.is_ok());
        written
    }

    fn warn_of_records(&self, count: usize) {
        if !self.inner.warned_of_records.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{}: {count} records are damaged or of another version, and count as none: what they were about is \
                 looked at in the bucket once more",
                self.inner.file.path().display()
            );
        }
    }
}

/// All that is known, and how many records cannot be read.
fn read_known(database: &Database) -> Result<(BTreeMap<TenantShardId, Known>, usize), Fault> {
    let table = database.begin_read()?.open_table(KNOWN)?;
    let (mut all, mut unreadable) = (BTreeMap::new(), 0);
    for entry in table.iter()? {
        let (key, record) = entry?;
        let key = key.value();
        match record::open(Kind::Known, &key, record.value()).and_then(Known::decode) {
            Some(known) => _ = all.insert(record::shard(&key), known),
            None => unreadable += 1,
        }
    }
    Ok((all, unreadable))
}

fn write(database: &Database, changes: &Changes) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    {
        let mut heatmaps = transaction.open_table(KNOWN)?;
        let mut memories = transaction.open_table(MEMORY)?;
        for (shard, change) in changes {
            let key = record::key(*shard);
            match change.known.as_ref().map(|known| known.as_ref().and_then(Known::encode)) {
                Some(Some(body)) => _ = heatmaps.insert(key, &record::seal(Kind::Known, &key, &body)[..])?,
                Some(None) => _ = heatmaps.remove(key)?,
                None => {}
            }
            match &change.memory {
                Some(Some(Memory { policy, bytes })) => {
                    let body = [policy.as_bytes(), &bytes[..]].concat();
                    memories.insert(key, &record::seal(Kind::Memory, &key, &body)[..])?;
                }
                Some(None) => _ = memories.remove(key)?,
                None => {}
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
