//! A folder as object storage.
//!
//! Objects are files, keys are their paths. Writers of one folder take turns: each holds a lock (`flock`) on the
//! folder of the object while it looks at the condition and replaces the file. Such a lock holds between
//! processes, ends with its process however that ends, and leaves no file behind. Readers need no lock, because
//! an object is only ever replaced by a rename.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::url::file_url;
use super::{ETag, Got, Limits, Listed, Object, OpenError, PutIf, Remote, RemoteError, check_key, check_prefix};
use crate::Digest;
use crate::atomic_file::{self, TEMPORARY_SUFFIX};

/// How long a writer waits between two tries for a lock that another one holds. A put holds it for some
/// milliseconds, unless the object is large.
const LOCK_POLL: Duration = Duration::from_millis(5);

/// How often it tries: for 10 seconds. A writer that was stopped while it held the lock must not stop all others.
const LOCK_ATTEMPTS: u32 = 2_000;

/// Bytes read at once to take the digest of an object that is there.
const DIGEST_BUFFER_BYTES: usize = 64 << 10;

/// A remote over a folder. The ETag of an object is the SHA-256 of its bytes.
///
/// Folders, its root included, are made by the first put that needs them. Symbolic links are followed, except by
/// listings into folders. Whoever writes into the folder by other means should do so by rename.
#[derive(Clone, Debug)]
pub struct LocalDir {
    root: Arc<Path>,
    /// The folder was there. If it is gone, so is what it is on, and nothing may be read or written in its place.
    was_there: Arc<AtomicBool>,
    limits: Limits,
}

impl LocalDir {
    /// Over the folder `root`, which need not exist yet.
    ///
    /// # Errors
    /// Where `root` is there and is no folder, or cannot be looked at.
    pub fn new(root: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: root.to_owned(), source };
        let absolute = std::path::absolute(root).map_err(failed)?;
        let is_there = match fs::metadata(&absolute) {
            Ok(found) if found.is_dir() => true,
            Ok(_) => return Err(OpenError::NotAFolder { path: absolute }),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        let was_there = Arc::new(AtomicBool::new(is_there));
        Ok(LocalDir { root: absolute.into(), was_there, limits: Limits::default() })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        LocalDir { limits, ..self }
    }

    /// Its folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// That the folder is there, if it ever was: a disk that is not mounted has no objects, and takes none.
    fn look_at_root(&self, key: &str) -> Result<(), RemoteError> {
        if self.root.is_dir() {
            self.was_there.store(true, Ordering::Relaxed);
        } else if self.was_there.load(Ordering::Relaxed) {
            let why = format!("the folder {} is gone: mount or make it again", self.root.display());
            return Err(RemoteError::Busy { object: self.url(key), why });
        }
        Ok(())
    }

    fn checked(&self, key: &str) -> Result<PathBuf, RemoteError> {
        check_key(key).map_err(|why| RemoteError::BadKey { object: self.url(key), why })?;
        Ok(self.root.join(key))
    }

    fn too_large(&self, key: &str, size_bytes: u64) -> RemoteError {
        RemoteError::TooLarge { object: self.url(key), size_bytes, limit_bytes: self.limits.object_bytes }
    }

    /// Runs blocking work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&LocalDir, &str) -> Result<T, RemoteError> + Send + 'static,
    ) -> Result<T, RemoteError> {
        let (this, owned) = (self.clone(), key.to_owned());
        let outcome = tokio::task::spawn_blocking(move || {
            this.look_at_root(&owned)?;
            work(&this, &owned)
        });
        let outcome = outcome.await;
        outcome.unwrap_or_else(|error| Err(RemoteError::Unknown { object: self.url(key), why: error.to_string() }))
    }

    /// Does `work` again and again until it gets the lock it needs.
    #[allow(clippy::disallowed_methods, reason = "a file lock of another process wakes nobody: it must be asked for")]
    async fn locking<T: Send + 'static>(
        &self,
        key: &str,
        work: impl Fn(&LocalDir, &str) -> Result<Attempt<T>, RemoteError> + Clone + Send + 'static,
    ) -> Result<T, RemoteError> {
        for _ in 0..LOCK_ATTEMPTS {
            match self.blocking(key, work.clone()).await? {
                Attempt::Done(value) => return Ok(value),
                Attempt::Again => tokio::time::sleep(LOCK_POLL).await,
            }
        }
        let waited = LOCK_POLL * LOCK_ATTEMPTS;
        let why = format!("another process has locked its folder for {waited:?}: see who holds it with `fuser`");
        Err(RemoteError::Busy { object: self.url(key), why })
    }

    fn read(&self, key: &str) -> Result<Option<Object>, RemoteError> {
        let path = self.checked(key)?;
        let Some(file) = open(&path).map_err(|error| failed(self.url(key), "reading", &path, &error))? else {
            return Ok(None);
        };
        if file.size_bytes > self.limits.object_bytes {
            return Err(self.too_large(key, file.size_bytes));
        }
        let mut body = Vec::with_capacity(usize::try_from(file.size_bytes).unwrap_or_default());
        // Not a byte more than the limit, even if the file grows meanwhile.
        let read = file.content.take(self.limits.object_bytes.saturating_add(1)).read_to_end(&mut body);
        let size_bytes = read.map_err(|error| failed(self.url(key), "reading", &path, &error))? as u64;
        if size_bytes > self.limits.object_bytes {
            return Err(self.too_large(key, size_bytes));
        }
        let etag = etag(Digest::of(&body));
        Ok(Some(Object { body: body.into(), etag }))
    }

    fn write(&self, key: &str, body: &[u8], condition: &PutIf) -> Result<Attempt<ETag>, RemoteError> {
        let path = self.checked(key)?;
        let object = || self.url(key);
        let folder = path.parent().unwrap_or(&self.root);
        if *condition == PutIf::Absent {
            make_folders(folder).map_err(|error| failed(object(), "making the folder of", &path, &error))?;
        }
        let lock = match lock(folder) {
            Ok(Attempt::Done(lock)) => lock,
            Ok(Attempt::Again) => return Ok(Attempt::Again),
            Err(error) if is_absence(&error) => match condition {
                PutIf::Absent => return Ok(Attempt::Again),
                PutIf::Matches(_) => return Err(RemoteError::Conflict { object: object() }),
            },
            Err(error) => return Err(failed(object(), "locking the folder of", &path, &error)),
        };
        let current = digest(&path).map_err(|error| failed(object(), "reading", &path, &error))?;
        let holds = match condition {
            PutIf::Absent => current.is_none(),
            PutIf::Matches(expected) => current.as_ref() == Some(expected),
        };
        if !holds {
            return Err(RemoteError::Conflict { object: object() });
        }
        remove_leftovers(folder);
        let written = etag(Digest::of(body));
        if let Err(error) = atomic_file::write(&path, body) {
            return Err(match digest(&path) {
                Ok(found) if found == current => failed(object(), "writing", &path, &error),
                _ => unsettled(object(), &path, &error),
            });
        }
        drop(lock);
        // Another writer may have made one of these folders a moment ago and not have come to this yet.
        let mut above = folder.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root));
        above
            .try_for_each(|folder| File::open(folder)?.sync_all())
            .map_err(|error| unsettled(object(), &path, &error))?;
        Ok(Attempt::Done(written))
    }

    fn remove(&self, key: &str) -> Result<Attempt<()>, RemoteError> {
        let path = self.checked(key)?;
        let folder = path.parent().unwrap_or(&self.root);
        let _lock = match lock(folder) {
            Ok(Attempt::Done(lock)) => lock,
            Ok(Attempt::Again) => return Ok(Attempt::Again),
            Err(error) if is_absence(&error) => return Ok(Attempt::Done(())),
            Err(error) => return Err(failed(self.url(key), "locking the folder of", &path, &error)),
        };
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if is_absence(&error) || error.kind() == ErrorKind::IsADirectory => {
                return Ok(Attempt::Done(()));
            }
            Err(error) => return Err(failed(self.url(key), "removing", &path, &error)),
        }
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| unsettled(self.url(key), &path, &error))?;
        Ok(Attempt::Done(()))
    }

    fn walk(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        check_prefix(prefix).map_err(|why| RemoteError::BadKey { object: self.url(prefix), why })?;
        let mut listed = Vec::new();
        // The beginnings of keys, each a folder.
        let mut folders = vec![prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            let failed = |error| failed(self.url(&folder), "listing", &path, &error);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if is_absence(&error) => continue,
                Err(error) => return Err(failed(error)),
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let Some(key) = entry.file_name().to_str().map(|name| format!("{folder}{name}")) else { continue };
                if !key.starts_with(prefix) || check_key(&key).is_err() {
                    continue;
                }
                if entry.file_type().map_err(failed)?.is_dir() {
                    folders.push(key + "/");
                    continue;
                }
                match fs::metadata(entry.path()) {
                    Ok(found) if found.is_file() => listed.push(Listed { key, size_bytes: found.len() }),
                    Ok(_) => {}
                    Err(error) if is_absence(&error) => {}
                    Err(error) => return Err(failed(error)),
                }
                if listed.len() > self.limits.listed_objects {
                    let limit_objects = self.limits.listed_objects;
                    return Err(RemoteError::TooMany { prefix: self.url(prefix), limit_objects });
                }
            }
        }
        listed.sort_unstable();
        Ok(listed)
    }
}

#[async_trait]
impl Remote for LocalDir {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        let found = self.blocking(key, |this, key| this.read(key)).await?;
        Ok(match found {
            None => Got::Missing,
            Some(object) if Some(&object.etag) == unless => Got::Unchanged,
            Some(object) => Got::Object(object),
        })
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        let size_bytes = body.len() as u64;
        if size_bytes > self.limits.object_bytes {
            return Err(self.too_large(key, size_bytes));
        }
        self.locking(key, move |this, key| this.write(key, &body, &condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.blocking(prefix, |this, prefix| this.walk(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.locking(key, |this, key| this.remove(key)).await
    }

    fn url(&self, key: &str) -> String {
        file_url(&self.root.join(key)).to_string()
    }
}

/// What came of trying something that needs a lock.
enum Attempt<T> {
    Done(T),
    /// Another writer holds it, or the folder went away meanwhile.
    Again,
}

/// The lock lasts as long as the file is open.
fn lock(path: &Path) -> io::Result<Attempt<File>> {
    let folder = OpenOptions::new().read(true).custom_flags(OFlags::DIRECTORY.bits().cast_signed()).open(path)?;
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Attempt::Again),
        Err(error) => return Err(error.into()),
    }
    // Somebody may have removed the folder and made it anew: then others lock another one than this.
    let (locked, there) = (folder.metadata()?, fs::metadata(path)?);
    let same = (locked.dev(), locked.ino()) == (there.dev(), there.ino());
    Ok(if same { Attempt::Done(folder) } else { Attempt::Again })
}

/// A file that is an object.
struct Opened {
    content: File,
    size_bytes: u64,
}

/// Opens an object; none where nothing, or a folder, is there. A pipe or a device is refused, and never waited for.
fn open(path: &Path) -> io::Result<Option<Opened>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let content = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(content) => content,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = content.metadata()?;
    match found.file_type() {
        kind if kind.is_file() => Ok(Some(Opened { content, size_bytes: found.len() })),
        kind if kind.is_dir() => Ok(None),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "neither a file nor a folder")),
    }
}

/// The ETag of the object that is there.
fn digest(path: &Path) -> io::Result<Option<ETag>> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; DIGEST_BUFFER_BYTES];
    loop {
        match file.content.read(&mut buffer) {
            Ok(0) => return Ok(Some(etag(hasher.into()))),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn etag(digest: Digest) -> ETag {
    ETag(digest.to_string())
}

/// Whether it says that there is no such object: a component is not there, or is a file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Makes a folder and those above it, each on disk before the next.
fn make_folders(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_folder = fs::metadata(folder)?.is_dir();
            return if is_folder { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) };
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_folders(folder.parent().ok_or(error)?)?;
            return make_folders(folder);
        }
        Err(error) => return Err(error),
    }
    folder.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// Removes what writers of this folder left when they were killed. Who calls this holds the lock, so none of
/// them still writes. That this fails is no reason not to write.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_leftover) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file has a name that [`atomic_file`] gives: `.`, the writer's process id, `-`, a number, the suffix.
fn is_leftover(name: &str) -> bool {
    let writer = name.strip_suffix(TEMPORARY_SUFFIX).and_then(|name| name.rsplit_once('.')?.1.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    writer.is_some_and(|(process, count)| is_number(process) && is_number(count))
}

/// For an error before which nothing was written.
fn failed(object: String, doing: &str, path: &Path, error: &io::Error) -> RemoteError {
    let why = |hint: &str| format!("{doing} {}: {error}{hint}", path.display());
    match error.kind() {
        ErrorKind::StorageFull => RemoteError::Busy { object, why: why(": make room on the disk") },
        ErrorKind::QuotaExceeded => RemoteError::Busy { object, why: why(": make room, or raise the quota") },
        ErrorKind::ResourceBusy | ErrorKind::Interrupted | ErrorKind::OutOfMemory | ErrorKind::WouldBlock => {
            RemoteError::Busy { object, why: why("") }
        }
        _ if matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE)) => {
            RemoteError::Busy { object, why: why(": raise the limit on open files") }
        }
        ErrorKind::ReadOnlyFilesystem => {
            RemoteError::Refused { object, why: why(": the remote must be on a disk that can be written") }
        }
        ErrorKind::PermissionDenied => {
            RemoteError::Refused { object, why: why(": give this process's user access to the folder") }
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            RemoteError::Refused { object, why: why(": a file is where a folder must be") }
        }
        ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => {
            RemoteError::Refused { object, why: why(": a folder is where the object must be") }
        }
        _ => RemoteError::Refused { object, why: why("") },
    }
}

/// For an error after which the object may have been written, or not for good.
fn unsettled(object: String, path: &Path, error: &io::Error) -> RemoteError {
    RemoteError::Unknown { object, why: format!("{}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Errno::NOSPC, true, "make room on the disk")]
    #[case(Errno::DQUOT, true, "raise the quota")]
    #[case(Errno::MFILE, true, "raise the limit on open files")]
    #[case(Errno::NOMEM, true, "Cannot allocate memory")]
    #[case(Errno::ROFS, false, "must be on a disk that can be written")]
    #[case(Errno::ACCESS, false, "give this process's user access")]
    #[case(Errno::PERM, false, "give this process's user access")]
    #[case(Errno::NOTDIR, false, "a file is where a folder must be")]
    #[case(Errno::ISDIR, false, "a folder is where the object must be")]
    #[case(Errno::IO, false, "Input/output error")]
    fn an_error_of_the_file_system_names_the_file_and_what_to_do(
        #[case] errno: Errno,
        #[case] passes: bool,
        #[case] expected: &str,
    ) {
        let error = failed("file:///r/key".into(), "writing", Path::new("/r/key"), &errno.into());
        let (RemoteError::Busy { why, .. } | RemoteError::Refused { why, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(matches!(error, RemoteError::Busy { .. }), passes);
        assert!(why.starts_with("writing /r/key: ") && why.contains(expected), "{why}");
    }

    #[rstest]
    #[case::ours("heatmap-v1.json.4711-0.___temp", true)]
    #[case::ours_of_a_name_with_dots("a.b.1-22.___temp", true)]
    #[case::an_object("heatmap-v1.json", false)]
    #[case::somebody_elses("heatmap-v1.json.___temp", false)]
    #[case::no_number("a.1-.___temp", false)]
    #[case::no_name("___temp", false)]
    fn a_leftover_is_what_our_writers_leave(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_leftover(name), expected);
    }
}
