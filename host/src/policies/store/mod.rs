//! Components by their digest, and the log of what was done with them.
//!
//! A folder has
//!
//! - `log.jsonl`, the truth: an entry a line, each on disk before it holds. Once it has [`MAX_LOG_BYTES`], it is kept as
//!   `log.1.jsonl`, and another begins with what it added up to. A line that was not finished is cut off when the log is
//!   opened; a log with damaged lines is kept as `log.damaged-1.jsonl`, and the lines that are whole go on counting;
//! - `components/SHA256.wasm`: what was installed;
//! - `compiled/ENGINE/SHA256.cwasm`: what a compiler made of them, used again by the same compiler. May be deleted;
//! - `lock`, so that no two hosts have one folder.
//!
//! Everything in it is made for this user only. Compiled code is used only where nobody else can have written it.

mod compiled;
mod error;
mod line;
mod log;
mod log_file;
mod medium;

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub use self::error::StoreError;
use self::log::Log;
pub use self::log::{MAX_ENTRY_BYTES, MAX_LOG_BYTES};
use self::log_file::{InMemory, OnDisk};
use self::medium::{Medium, make_folder};
use super::entry::Entry;
use super::lock;
use super::standing::Standing;
use crate::Digest;
use crate::policy::{Engine, Policy};

/// Most components in a store.
pub const MAX_INSTALLED: usize = 64;

/// Most component files, also of those that nobody wrote down: a host may be killed, or its disk be full, between the
/// file and the entry.
const MAX_FILES: usize = 2 * MAX_INSTALLED;

const LOCK: &str = "lock";
const LOG: &str = "log.jsonl";
const COMPONENTS: &str = "components";
const COMPONENT_SUFFIX: &str = ".wasm";

/// Components by their digest, and the log of what was done with them. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct PolicyStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    medium: Medium,
    log: Mutex<Log>,
    /// Locked as long as it is open.
    _lock: Option<File>,
}

impl PolicyStore {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// If another host has it, or it cannot be read or written. Damage in the log is none: what is whole counts.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder).map_err(StoreError::io(folder))?;
        let lock = take(folder)?;
        let path = folder.join(LOG);
        let file = OnDisk::open(&path).map_err(StoreError::io(&path))?;
        let (medium, log) = (Medium::Folder(folder.to_owned()), Mutex::new(Log::open(Box::new(file))?));
        let store = PolicyStore(Arc::new(Inner { medium, log, _lock: Some(lock) }));
        store.tidy();
        Ok(store)
    }

    /// Kept in memory only.
    pub fn in_memory() -> Self {
        let log = Log::empty(Box::new(InMemory::default()));
        PolicyStore(Arc::new(Inner { medium: Medium::Memory(Mutex::default()), log: Mutex::new(log), _lock: None }))
    }

    /// Removes what hosts that were killed have left. What stays only takes room.
    fn tidy(&self) {
        let medium = &self.0.medium;
        let mut folders = vec![String::new(), COMPONENTS.to_owned()];
        folders.extend(
            medium
                .names(compiled::FOLDER)
                .unwrap_or_default()
                .iter()
                .map(|engine| format!("{}/{engine}", compiled::FOLDER)),
        );
        for folder in folders {
            if let Err(error) = medium.remove_leftovers(&folder) {
                tracing::warn!("{}: unfinished files stay: {error}", medium.path(&folder).display());
            }
        }
        self.remove_unknown();
    }

    /// Removes components that the log does not speak of, unless it may have lost their entries.
    fn remove_unknown(&self) {
        let medium = &self.0.medium;
        let log = lock(&self.0.log);
        if log.is_damaged() || log.standing().seq == 0 {
            return;
        }
        for name in medium.names(COMPONENTS).unwrap_or_default() {
            let digest = name.strip_suffix(COMPONENT_SUFFIX).and_then(|digest| digest.parse().ok());
            let Some(unknown) = digest.filter(|digest| !log.standing().mentions(*digest)) else { continue };
            if let Err(error) = self.remove(unknown) {
                tracing::warn!("{error}; nobody needs this file");
            }
        }
    }

    /// What the log adds up to.
    pub fn standing(&self) -> Standing {
        lock(&self.0.log).standing().clone()
    }

    /// Keeps a component; on disk when this answers. One that is there already, and whole, is left alone.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let medium = &self.0.medium;
        let digest = Digest::of(bytes);
        let name = component(digest);
        if matches!(medium.read(&name), Ok(Some(found)) if found == bytes) {
            return Ok(digest);
        }
        if medium.names(COMPONENTS).map_or(0, |names| names.len()) >= MAX_FILES {
            self.remove_unknown();
        }
        medium.write(&name, bytes).map_err(StoreError::io(&medium.path(&name)))?;
        Ok(digest)
    }

    /// Drops a component, and what was compiled of it. That there is none is no error.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        let medium = &self.0.medium;
        compiled::remove(medium, digest).map_err(StoreError::io(&medium.path(compiled::FOLDER)))?;
        let name = component(digest);
        medium.remove(&name).map_err(StoreError::io(&medium.path(&name)))
    }

    /// A component, loaded (not configured). Its bytes are checked against the digest; what was compiled before is used
    /// again where it was compiled by this very engine, and only if nobody else can have written it.
    ///
    /// # Errors
    /// If it is not there, not what was put there, or does not load.
    pub fn load(&self, engine: &Engine, digest: Digest) -> Result<Policy, StoreError> {
        let medium = &self.0.medium;
        let name = component(digest);
        let path = medium.path(&name);
        let Some(bytes) = medium.read(&name).map_err(StoreError::io(&path))? else {
            return Err(StoreError::Missing { path, digest });
        };
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(StoreError::Damaged { path, expected: digest, found });
        }
        Ok(compiled::load(medium, engine, digest, &bytes)?)
    }

    /// Adds an entry; on disk when this answers. It gets the next number.
    ///
    /// # Errors
    /// If it cannot be written. The log is then as it was.
    pub fn append(&self, entry: Entry) -> Result<Entry, StoreError> {
        lock(&self.0.log).append(entry)
    }

    /// At most `limit` entries after number `after`, in order; fewer where they are large, but none only if there are no
    /// more. Those of a log that was full are told by its file.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        lock(&self.0.log).entries(after, limit)
    }
}

fn component(digest: Digest) -> String {
    format!("{COMPONENTS}/{digest}{COMPONENT_SUFFIX}")
}

/// Takes the folder's lock, which ends with the process at the latest.
fn take(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let open = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = open.map_err(StoreError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::Io { path, source: error }),
    }
}
