//! The file of the state: opened, put aside where it cannot be read, and opened again where the disk refused.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition, TableError, TableHandle};

use super::error::StateError;
use super::record::Key;

/// What redb keeps in memory of the file. It is read at the start and then written to; the gibibyte that redb takes
/// unasked would outweigh the host.
const CACHE_BYTES: usize = 8 << 20;

/// The version of the tables. A file of a later one is left to the host that wrote it.
const SCHEMA: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SCHEMA_KEY: &str = "schema";
pub(super) const KNOWN: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("heatmaps");
pub(super) const MEMORY: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("policy_memory");

/// What went wrong with the file, as far as it matters what to do next.
#[derive(Debug)]
pub(super) enum Fault {
    Locked,
    Io(io::Error),
    Damaged(String),
    /// It is of this later version.
    Later(u64),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Fault::Locked,
            // Both are what redb says of a file that is none of its own, or was cut off.
            redb::Error::Io(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                Fault::Damaged(error.to_string())
            }
            redb::Error::Io(error) => Fault::Io(error),
            // An earlier error closed the file to all that follows. Opened again, it may do.
            error @ (redb::Error::PreviousIo
            | redb::Error::DatabaseClosed
            | redb::Error::Backend(_)
            | redb::Error::Unsupported
            | redb::Error::LockPoisoned(_)) => Fault::Io(io::Error::other(error)),
            error => Fault::Damaged(error.to_string()),
        }
    }
}

/// Tries what [`StateFile::open`] would do, and leaves no trace.
pub(super) fn check(path: &Path) -> Result<(), StateError> {
    let refused = |source| StateError::Io { path: path.to_owned(), source };
    for folder in path.ancestors().skip(1) {
        match folder.metadata() {
            // Folders that are missing are made, in the nearest one that is there. The file has no name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
            Ok(_) => {
                tempfile::tempfile_in(folder).map_err(refused)?;
                break;
            }
        }
    }
    match fs::OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(refused)?,
    };
    // One that is damaged would be put aside.
    match guarded(|| Ok(Database::builder().open_read_only(path)?)) {
        Err(Fault::Locked) => Err(StateError::Locked { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// Makes or opens a database, once more for each time that it has to be opened again.
type Connect = Box<dyn Fn(&redb::Builder) -> Result<Database, DatabaseError> + Send + Sync>;

/// The file, open or to be opened again.
pub(super) struct StateFile {
    path: PathBuf,
    connect: Connect,
    slot: RwLock<Slot>,
}

#[derive(Default)]
struct Slot {
    database: Option<Database>,
    /// How many times it was opened, so that of many who find it damaged, one puts it aside.
    opened: u64,
}

impl StateFile {
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let name = path.to_owned();
        let file = Self::with(path, Box::new(move |builder| builder.create(&name)));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| file.error(Fault::Io(error)))?;
        }
        file.run(|_| Ok(()))?;
        Ok(file)
    }

    pub(super) fn in_memory() -> Self {
        Self::with(
            Path::new("the state in memory"),
            Box::new(|builder| builder.create_with_backend(InMemoryBackend::new())),
        )
    }

    pub(super) fn with(path: &Path, connect: Connect) -> Self {
        StateFile { path: path.to_owned(), connect, slot: RwLock::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Works on the file. One that proves damaged is put aside, and the work is done on the new one; after any other
    /// error the file is opened again when it is next needed, because redb refuses everything after the first.
    pub(super) fn run<T>(&self, work: impl Fn(&Database) -> Result<T, Fault>) -> Result<T, StateError> {
        let once = || {
            self.connect()?;
            let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
            let Some(database) = &slot.database else {
                return Err(Fault::Io(io::Error::other("it was closed after an error; try again")));
            };
            let (done, opened) = (guarded(|| work(database)), slot.opened);
            drop(slot);
            done.inspect_err(|fault| self.close(opened, fault))
        };
        match once() {
            Err(Fault::Damaged(_)) => once(),
            done => done,
        }
        .map_err(|fault| self.error(fault))
    }

    fn connect(&self) -> Result<(), Fault> {
        if self.slot.read().unwrap_or_else(PoisonError::into_inner).database.is_some() {
            return Ok(());
        }
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.database.is_some() {
            return Ok(());
        }
        let database = match guarded(|| self.open_database()) {
            Err(fault @ (Fault::Damaged(_) | Fault::Later(_))) => {
                self.put_aside(&fault)?;
                guarded(|| self.open_database())?
            }
            opened => opened?,
        };
        *slot = Slot { database: Some(database), opened: slot.opened + 1 };
        Ok(())
    }

    fn open_database(&self) -> Result<Database, Fault> {
        let mut builder = Database::builder();
        // Without the check redb trusts pages that were altered since it wrote them, and may panic on them later.
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = (self.connect)(&builder)?;
        let schema = {
            let transaction = database.begin_read()?;
            match transaction.open_table(META) {
                Ok(meta) => meta.get(SCHEMA_KEY)?.map(|version| version.value()),
                Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => Some(0),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(error.into()),
            }
        };
        match schema {
            Some(SCHEMA) => {}
            Some(later) if later > SCHEMA => return Err(Fault::Later(later)),
            // Just made: all of its tables with the first commit, so that readers find them.
            Some(0) => {
                let transaction = database.begin_write()?;
                transaction.open_table(META)?.insert(SCHEMA_KEY, SCHEMA)?;
                transaction.open_table(KNOWN)?;
                transaction.open_table(MEMORY)?;
                transaction.commit()?;
            }
            _ => return Err(Fault::Damaged(format!("it is a redb file, but has no {} of a host", META.name()))),
        }
        Ok(database)
    }

    /// Closes it after an error, unless that has been done.
    fn close(&self, opened: u64, fault: &Fault) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.opened != opened {
            return;
        }
        let Some(database) = slot.database.take() else { return };
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
        if let Fault::Damaged(_) = fault
            && let Err(fault) = self.put_aside(fault)
        {
            tracing::warn!("{}", self.error(fault));
        }
    }

    /// There is one file put aside for each reason: a later one takes its place, so that they do not fill the disk.
    fn put_aside(&self, fault: &Fault) -> Result<(), Fault> {
        let (aside, why) = match fault {
            Fault::Later(version) => (format!("version-{version}"), format!("it is of the later version {version}")),
            Fault::Damaged(why) => ("damaged".to_owned(), format!("it is damaged: {why}")),
            Fault::Locked | Fault::Io(_) => return Ok(()),
        };
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(aside);
        fs::rename(&self.path, &name).map_err(Fault::Io)?;
        tracing::warn!(
            "{}: the state file was put aside as {}, because {why}; a new one was made, and every heatmap is looked at \
             in the bucket once more",
            self.path.display(),
            Path::new(&name).display(),
        );
        Ok(())
    }

    fn error(&self, fault: Fault) -> StateError {
        let path = self.path.clone();
        match fault {
            Fault::Locked => StateError::Locked { path },
            Fault::Io(source) => StateError::Io { path, source },
            Fault::Damaged(why) => StateError::Damaged { path, why },
            Fault::Later(version) => StateError::Damaged { path, why: format!("it is of version {version}") },
        }
    }
}

/// redb answers most damage with an error and some with a panic, which must not end the host: a file that was altered
/// behind its back breaks assertions of its. All that such a panic leaves behind is the database, which is then
/// dropped, and with it its locks.
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Fault::Damaged(text.unwrap_or("redb panicked").to_owned()))
    })
}
