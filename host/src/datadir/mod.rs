//! A [`Pageserver`] over a pageserver's data directory, read while that pageserver runs.
//!
//! What a shard consists of is told by the bucket: the newest index of each timeline names its layers, where it
//! is read, and where its children branch off. What is resident is told by the folders; and what was inherited,
//! by the local heatmap and by what this host has noted of layers that it saw on disk. Without a remote, the
//! folders and the local heatmap have to do, and each look says what was assumed.

mod bucket;
mod changes;
mod config;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod index_part;
mod layer_map;
mod look;
mod manifest;
mod note;
mod read_points;
mod revisions;
mod scan;
mod tenant;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::atomic_file;
use crate::heatmap::{Heatmap, MAX_HEATMAP_BYTES};
use crate::keys;
use crate::layer::{LayerTable, TenantShardId};
use crate::pageserver::{HeldOpen, Pageserver, PageserverError, Shard};
use crate::remote::Remote;
use crate::state::{Sightings, StateDir};

use bucket::Bucket;
use look::Evidence;
use revisions::Revisions;

pub use index_part::index_part_layers;
pub use look::Look;
pub use note::Note;
pub use tenant::{Location, Skip, Tenant};
pub use watch::{Watch, WatchError};

/// How often a tenant's heatmap is uploaded where neither the tenant's configuration nor `pageserver.toml` says.
pub const DEFAULT_UPLOAD_PERIOD: Duration = Duration::from_secs(60);

/// The folder of tenants in a data directory.
const TENANTS: &str = "tenants";

/// The state folder's name in a data directory.
const STATE: &str = "thermocline";

/// How a data directory is read.
#[derive(Clone, Debug)]
pub struct DataDirOptions {
    /// The bucket that its tenants are stored in. Without it, some things have to be assumed: see
    /// [`Note::NoRemote`].
    pub remote: Option<Arc<dyn Remote>>,
    /// Where to note which layers were seen on disk. The default, `thermocline` in the data directory, lives and
    /// dies with what it describes.
    pub state_dir: Option<PathBuf>,
    /// The upload period of tenants for which neither `config-v1` nor `pageserver.toml` says.
    pub default_upload_period: Duration,
    /// Whether looks are noted. A layer that was on disk at a look that was noted counts as evicted once it is
    /// gone; whoever only tries something out leaves no trace.
    pub note_sightings: bool,
}

impl Default for DataDirOptions {
    fn default() -> Self {
        DataDirOptions {
            remote: None,
            state_dir: None,
            default_upload_period: DEFAULT_UPLOAD_PERIOD,
            note_sightings: true,
        }
    }
}

/// Why a folder cannot be read as a data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// It has no `tenants`.
    #[error("{}: there is no folder `tenants`: name the folder that holds it, as in pageserver -D", .path.display())]
    NoTenants {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {0}")]
    Unreadable(io::Error),
}

/// A pageserver's data directory.
///
/// While it is [watched](DataDir::watch), the revision of a shard moves when something under its folder changes. No
/// event tells of access times, which are in the files, nor of what compaction and deletions do elsewhere, which is in
/// the bucket: therefore [`DataDir::forget_revisions`] is to be called from time to time. A data directory that is not
/// watched has revisions that are never equal, and every upload looks.
#[derive(Clone, Debug)]
pub struct DataDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    remote: Option<Arc<dyn Remote>>,
    state: StateDir,
    default_upload_period: Mutex<Duration>,
    note_sightings: bool,
    revisions: Arc<Revisions>,
    warned_of_state: AtomicBool,
    warned_of_folders: AtomicBool,
    warned_of_settings: AtomicBool,
}

impl DataDir {
    /// Over the data directory at `path`.
    ///
    /// # Errors
    /// If it is none.
    pub fn open(path: &Path, options: DataDirOptions) -> Result<Self, DataDirError> {
        let DataDirOptions { remote, state_dir, default_upload_period, note_sightings } = options;
        if !path.join(TENANTS).is_dir() {
            return Err(DataDirError::NoTenants { path: path.to_owned() });
        }
        let inner = Inner {
            path: path.to_owned(),
            remote,
            state: StateDir::new(state_dir.unwrap_or_else(|| path.join(STATE))),
            default_upload_period: Mutex::new(default_upload_period),
            note_sightings,
            revisions: Arc::default(),
            warned_of_state: AtomicBool::default(),
            warned_of_folders: AtomicBool::default(),
            warned_of_settings: AtomicBool::default(),
        };
        Ok(DataDir { inner: Arc::new(inner) })
    }

    /// The upload period of tenants for which neither `config-v1` nor `pageserver.toml` says, from now on. A host sees it
    /// at each shard's next turn, or when it lists all of them.
    pub fn set_default_upload_period(&self, period: Duration) {
        *self.inner.default_upload_period.lock().unwrap_or_else(PoisonError::into_inner) = period;
    }

    /// Every tenant that has a folder, in the order of their ids, with its location or why it is skipped. Walks no
    /// layer.
    ///
    /// # Errors
    /// If the folder of tenants cannot be read.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, DataDirError> {
        self.blocking(Inner::tenants).await.map_err(DataDirError::Unreadable)
    }

    /// One tenant's location. That it has no folder counts as detached.
    ///
    /// # Errors
    /// None but that the process is being shut down.
    pub async fn tenant(&self, id: TenantShardId) -> Result<Tenant, DataDirError> {
        let location = self.blocking(move |inner| Ok(inner.locate(id))).await.map_err(DataDirError::Unreadable)?;
        Ok(Tenant { id, location })
    }

    /// Watches the folders of tenants while the answer lives: a shard's revision then moves only when something that a
    /// look depends on has changed. `on_change` is told of a shard that came, went, or may be located otherwise, and
    /// `None` where that may be so of every shard: once at the beginning, when events were lost, and when the folder of
    /// tenants was removed. It may be told more than need be. It is called from a thread of the watch, one call at a
    /// time, and MUST NOT panic or block for long.
    ///
    /// Where the system does not watch all, the shards that it does not watch have revisions that always move, and
    /// there is one warning.
    ///
    /// # Errors
    /// If nothing can be watched, or it is being watched already.
    pub fn watch(
        &self,
        on_change: impl Fn(Option<TenantShardId>) + Send + Sync + 'static,
    ) -> Result<Watch, WatchError> {
        watch::watch(&self.inner.tenants_folder(), &self.inner.revisions, on_change)
    }

    /// Moves every shard's revision, so that the next upload of each looks: at access times, and at what changed in the
    /// bucket, neither of which a watch sees. Tries again to watch what could not be watched before, and a folder of
    /// tenants that was removed and is back. To be called at every full rescan.
    pub fn forget_revisions(&self) {
        self.inner.revisions.move_all();
    }

    /// Removes unfinished files that a kill left in the state folder, and answers how many. Once at the start is
    /// enough. `now_unix_s` is the time, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// As the file system gives them.
    pub async fn remove_leftovers(&self, now_unix_s: i64) -> io::Result<usize> {
        self.blocking(move |inner| atomic_file::remove_leftovers(inner.state.path(), now_unix_s)).await
    }

    /// One shard's layers, with what had to be assumed or passed over.
    ///
    /// # Errors
    /// If it is not attached here, its data is damaged, or the bucket does not answer.
    pub async fn look(&self, id: TenantShardId) -> Result<Look, PageserverError> {
        let damaged = |why: String| PageserverError::Damaged { shard: id, why };
        let not_read = |error: io::Error| damaged(error.to_string());
        let shard = self.shard(id).await?;
        // The indexes first, then the files: what is flushed in between is known to be new, while the other way
        // round what compaction removed in between would look as if it were.
        let bucket = match &self.inner.remote {
            Some(remote) => Some(Bucket::read(remote, id, shard.generation).await?),
            None => None,
        };
        self.blocking(move |inner| Ok(inner.look(&shard, bucket))).await.map_err(not_read)?
    }

    /// Does what blocks on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(io::Error::other)?
    }
}

impl Inner {
    fn tenants_folder(&self) -> PathBuf {
        self.path.join(TENANTS)
    }

    fn folder(&self, id: TenantShardId) -> PathBuf {
        self.tenants_folder().join(id.to_string())
    }

    /// The period of tenants that do not say.
    fn default_period(&self) -> Duration {
        let path = self.path.join("pageserver.toml");
        let parsed = tenant::read_text(&path, config::MAX_BYTES)
            .and_then(|text| config::parse_default_period(&text.unwrap_or_default()).map_err(io::Error::other));
        let period = parsed.unwrap_or_else(|error| {
            if !self.warned_of_settings.swap(true, Ordering::Relaxed) {
                tracing::warn!("{}: {error}; took the default period", path.display());
            }
            None
        });
        period.unwrap_or_else(|| *self.default_upload_period.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads how a shard is located, with the revision that it was at before: a change meanwhile moves it on.
    fn locate(&self, id: TenantShardId) -> Location {
        let revision = self.revisions.of(id);
        tenant::locate(id, &self.folder(id), self.default_period(), revision)
    }

    /// The shard, if it is attached and can have a heatmap.
    fn attached(&self, id: TenantShardId) -> Result<Shard, PageserverError> {
        match self.locate(id) {
            Location::Attached(shard) => Ok(shard),
            // A disk that is not mounted has detached nobody.
            Location::Skipped(Skip::Detached) if !self.tenants_folder().is_dir() => {
                let error = io::Error::new(io::ErrorKind::NotFound, self.tenants_folder().display().to_string());
                Err(PageserverError::Unavailable(Box::new(error)))
            }
            Location::Skipped(Skip::Secondary | Skip::Detached) => Err(PageserverError::NotAttached(id)),
            // It exists, and attaching it with a generation makes it ready.
            Location::Skipped(skip @ Skip::NoGeneration) => {
                Err(PageserverError::NotReady { shard: id, why: skip.to_string() })
            }
            Location::Skipped(skip) => Err(PageserverError::Damaged { shard: id, why: skip.to_string() }),
        }
    }

    /// Whether a shard is still located as it was when a heatmap of it was made. Where it is not, the local heatmap is
    /// another location's, and what that inherited.
    ///
    /// # Errors
    /// If that cannot be told.
    fn is_still(&self, shard: &Shard) -> io::Result<bool> {
        match self.locate(shard.id) {
            Location::Attached(now) => Ok(now.generation == shard.generation),
            Location::Skipped(skip @ Skip::Damaged { .. }) => Err(io::Error::other(skip.to_string())),
            Location::Skipped(_) => Ok(false),
        }
    }

    fn tenants(&self) -> io::Result<Vec<Tenant>> {
        let (shards, unknown) = tenant::folders(&self.tenants_folder())?;
        if let Some(first) = unknown.first()
            && !self.warned_of_folders.swap(true, Ordering::Relaxed)
        {
            let (path, count) = (self.tenants_folder(), unknown.len());
            let path = path.display();
            tracing::warn!("{path}: {count} entries are no tenant shards, the first is {first:?}");
        }
        let period = self.default_period();
        let locate = |id| {
            let revision = self.revisions.of(id);
            Tenant { id, location: tenant::locate(id, &self.folder(id), period, revision) }
        };
        Ok(shards.into_iter().map(locate).collect())
    }

    fn look(&self, shard: &Shard, bucket: Option<Bucket>) -> Result<Look, PageserverError> {
        let id = shard.id;
        let damaged = |why: String| PageserverError::Damaged { shard: id, why };
        let folder = self.folder(id);
        let scan = scan::scan(&folder).map_err(|error| damaged(error.to_string()))?;

        let mut notes = Vec::new();
        let file = folder.join(keys::HEATMAP);
        let heatmap = tenant::read(&file, MAX_HEATMAP_BYTES)
            .and_then(|bytes| bytes.map(|bytes| Heatmap::decode(&bytes)).transpose().map_err(io::Error::other));
        let heatmap = heatmap.unwrap_or_else(|error| {
            notes.push(Note::DamagedHeatmap { file, why: error.to_string() });
            None
        });
        // A shard without a generation is not attached as far as heatmaps go.
        let generation = shard.generation.get().unwrap_or_default();
        let sightings = self.state.load(id, generation).unwrap_or_else(|error| {
            notes.push(Note::DamagedState { why: error.to_string() });
            Sightings::none(generation)
        });
        if !self.is_still(shard).unwrap_or(false) {
            let why = "it was attached anew or detached while it was read".to_owned();
            return Err(PageserverError::NotReady { shard: id, why });
        }

        let location = layer_map::Location { generation: shard.generation, shard: id.shard };
        let evidence = Evidence { location, bucket, scan, heatmap, sightings: sightings.clone() };
        let mut look = evidence.assemble().map_err(|error| damaged(error.to_string()))?;
        look.notes.append(&mut notes);
        if self.note_sightings {
            look.notes.extend(self.note_sightings(id, &sightings, &look.table));
        }
        Ok(look)
    }

    /// That they cannot be noted is told once.
    fn note_sightings(&self, id: TenantShardId, before: &Sightings, table: &LayerTable) -> Option<Note> {
        let after = before.after(table);
        if after == *before {
            return None;
        }
        let why = self.state.store(id, &after).err()?.to_string();
        let first = !self.warned_of_state.swap(true, Ordering::Relaxed);
        first.then(|| Note::StateNotKept { folder: self.state.path().to_owned(), why })
    }
}

#[async_trait]
impl Pageserver for DataDir {
    async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
        let tenants = self.tenants().await.map_err(|error| PageserverError::Unavailable(Box::new(error)))?;
        let attached = tenants.into_iter().filter_map(|tenant| match tenant.location {
            Location::Attached(shard) => Some(shard),
            Location::Skipped(_) => None,
        });
        Ok(attached.collect())
    }

    async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError> {
        let unavailable = |error: io::Error| PageserverError::Unavailable(Box::new(error));
        self.blocking(move |inner| Ok(inner.attached(shard))).await.map_err(unavailable)?
    }

    async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError> {
        let Look { table, notes } = self.look(shard).await?;
        for note in notes {
            tracing::warn!(%shard, "{note}");
        }
        Ok(table)
    }

    /// A data directory is another process's: nothing here keeps a shard open. What is in flight when it closes is
    /// fenced off by its generation.
    fn hold(&self, shard: TenantShardId) -> Result<HeldOpen, PageserverError> {
        let there = self.inner.folder(shard).join(config::FILE).exists();
        if there { Ok(Box::new(())) } else { Err(PageserverError::NotAttached(shard)) }
    }

    async fn uploaded(&self, shard: &Shard, heatmap: &[u8]) -> io::Result<()> {
        let (bytes, shard) = (heatmap.to_vec(), shard.clone());
        let keep = move |inner: &Inner| {
            let file = inner.folder(shard.id).join(keys::HEATMAP);
            let kept = tenant::read(&file, MAX_HEATMAP_BYTES);
            // After an upload that found all unchanged, nothing is written here either.
            if kept.is_ok_and(|kept| kept.as_deref() == Some(&bytes)) {
                return Ok(());
            }
            // Once more after the bytes are on disk, which takes a while: they take their place only then.
            if !inner.is_still(&shard)? {
                return Ok(());
            }
            atomic_file::write_if(&file, &bytes, || inner.is_still(&shard))
        };
        self.blocking(keep).await
    }
}
