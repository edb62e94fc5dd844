//! Where the store's files are: in a folder of this user's, or in memory.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::OFlags;

use crate::atomic_file;
use crate::policies::lock;

/// Nobody else lists, reads or writes what the store makes.
const FOLDER_MODE: u32 = 0o700;

/// Write permission of the group and of all others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Bytes of a file that are read at all. More is nothing that the store wrote.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;

/// Files by their names: `folder/file`.
#[derive(Debug)]
pub(super) enum Medium {
    /// In this folder.
    Folder(PathBuf),
    /// Gone with the process.
    Memory(Mutex<BTreeMap<String, Vec<u8>>>),
}

impl Medium {
    /// Where a file is, for errors.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Medium::Folder(folder) => folder.join(name),
            Medium::Memory(_) => Path::new("policies in memory").join(name),
        }
    }

    /// A file's bytes. `None` if there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.read_if(name, |_| Ok(()))
    }

    /// The same, of a file that nobody but this user can have written.
    ///
    /// # Errors
    /// Also if somebody else could write the file, or put another into its place.
    pub(super) fn read_own(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        if let Medium::Folder(folder) = self {
            own_folders(folder, name)?;
        }
        self.read_if(name, own)
    }

    fn read_if(&self, name: &str, check: impl FnOnce(&fs::Metadata) -> io::Result<()>) -> io::Result<Option<Vec<u8>>> {
        let folder = match self {
            Medium::Folder(folder) => folder,
            Medium::Memory(files) => return Ok(lock(files).get(name).cloned()),
        };
        // Neither a link to elsewhere nor a pipe that never answers.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match File::options().read(true).custom_flags(flags).open(folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("this is no file of at most {MAX_FILE_BYTES} bytes")));
        }
        check(&metadata)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Keeps a file; on disk when this answers.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Medium::Folder(folder) => {
                let path = folder.join(name);
                make_folder(path.parent().unwrap_or(folder))?;
                atomic_file::write_private(&path, bytes)
            }
            Medium::Memory(files) => {
                lock(files).insert(name.to_owned(), bytes.to_vec());
                Ok(())
            }
        }
    }

    /// The same, where nobody else can put another into its place.
    ///
    /// # Errors
    /// Also if somebody can.
    pub(super) fn write_own(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if let Medium::Folder(folder) = self {
            make_folder(folder.join(name).parent().unwrap_or(folder))?;
            own_folders(folder, name)?;
        }
        self.write(name, bytes)
    }

    /// Drops a file. That there is none is no error.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match self {
            Medium::Folder(folder) => ignore_absent(fs::remove_file(folder.join(name))),
            Medium::Memory(files) => {
                lock(files).remove(name);
                Ok(())
            }
        }
    }

    /// Drops a folder and what is in it. That there is none is no error.
    pub(super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        match self {
            Medium::Folder(folder) => ignore_absent(fs::remove_dir_all(folder.join(name))),
            Medium::Memory(files) => {
                let within = format!("{name}/");
                lock(files).retain(|name, _| !name.starts_with(&within));
                Ok(())
            }
        }
    }

    /// The names in a folder, files and folders.
    pub(super) fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        match self {
            Medium::Folder(root) => {
                let entries = match fs::read_dir(root.join(folder)) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                    Err(error) => return Err(error),
                };
                // Names that are no text are none of the store's.
                entries
                    .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
                    .collect()
            }
            Medium::Memory(files) => {
                let within = format!("{folder}/");
                let files = lock(files);
                let mut names: Vec<String> = files
                    .keys()
                    .filter_map(|name| name.strip_prefix(&within)?.split('/').next().map(str::to_owned))
                    .collect();
                names.dedup();
                Ok(names)
            }
        }
    }

    /// Removes what writers that were killed have left in a folder. There must be no other writer.
    pub(super) fn remove_leftovers(&self, name: &str) -> io::Result<()> {
        match self {
            // Whatever its age: the lock says that nobody else writes.
            Medium::Folder(folder) => atomic_file::remove_leftovers(&folder.join(name), i64::MAX).map(drop),
            Medium::Memory(_) => Ok(()),
        }
    }
}

/// Makes a folder and those above it, so that a power cut does not take them away again.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if above != Path::new("") => above,
        _ => Path::new("."),
    };
    make_folder(above)?;
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(above)?.sync_all()
}

/// Whether only this user can put files where `name` is: the root, which may be reached through a link, and each folder
/// below.
fn own_folders(root: &Path, name: &str) -> io::Result<()> {
    let at = |folder: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    own(&fs::metadata(root)?).map_err(|error| at(root, error))?;
    let mut folder = root.to_owned();
    for part in Path::new(name).parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => own(&metadata).map_err(|error| at(&folder, error))?,
            Ok(_) => return Err(at(&folder, io::Error::other("this is no folder"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(&folder, error)),
        }
    }
    Ok(())
}

fn own(metadata: &fs::Metadata) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let refused = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if metadata.uid() != user {
        return refused(format!("it belongs to user {}, and this host runs as user {user}", metadata.uid()));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return refused(format!("others may write it (mode {:03o}): chmod go-w", metadata.mode() & 0o777));
    }
    Ok(())
}

fn ignore_absent(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
