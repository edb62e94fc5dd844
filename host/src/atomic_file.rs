//! Files that are whole whatever happens to their writer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of unfinished files end. A pageserver ignores such files, and removes them when it starts.
pub(crate) const TEMPORARY_SUFFIX: &str = ".___temp";

/// Two writers of one file in this process must not share a temporary file.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Puts `bytes` at `path`, whose folder exists. A reader, and whoever looks after a crash, finds what was there
/// before or all of `bytes`; once this answers, they are on disk.
///
/// # Errors
/// As the file system gives them. What was at `path` is then untouched, unless only the last step failed, the
/// folder's fsync: then `bytes` are there, but may be gone after a power cut.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_if(path, bytes, || Ok(true))
}

/// The same, for nobody but this user to read or write.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, PRIVATE, || Ok(true))
}

/// What files may be to whom, before the process's mask takes its part away.
const SHARED: u32 = 0o666;
const PRIVATE: u32 = 0o600;

/// The same, if that is still wanted when all that is left to do is the rename: to get bytes onto a disk can take a
/// while.
///
/// # Errors
/// As [`write`], and as `still_wanted` gives them.
pub(crate) fn write_if(path: &Path, bytes: &[u8], still_wanted: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
    replace(path, bytes, SHARED, still_wanted)
}

fn replace(path: &Path, bytes: &[u8], mode: u32, still_wanted: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other(format!("{} names no file", path.display())))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary_name = name.to_owned();
    temporary_name.push(format!(".{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    temporary_name.push(TEMPORARY_SUFFIX);

    let temporary = Temporary(folder.join(temporary_name));
    let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(&temporary.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if !still_wanted()? {
        return Ok(());
    }
    fs::rename(&temporary.0, path)?;
    std::mem::forget(temporary);
    File::open(folder)?.sync_all()
}

/// How old an unfinished file is that nobody finishes any more: writing one takes seconds at most. Whether its process
/// lives would tell less: process ids come again, and a folder may be shared between containers.
const LEFTOVER_AGE_S: i64 = 60 * 60;

/// Removes the unfinished files that writers left in `folder` when they were killed, and answers how many there were.
/// What another process may still be writing is left alone, and so is every name that is none of [`write`]'s.
///
/// # Errors
/// As the file system gives them. That there is no folder is none.
pub(crate) fn remove_leftovers(folder: &Path, now_unix_s: i64) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_temporary) {
            continue;
        }
        // Who finished it meanwhile has renamed it.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && metadata.mtime() <= now_unix_s.saturating_sub(LEFTOVER_AGE_S) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether [`write`] may have given this name: `<file>.<process>-<number>.___temp`.
fn is_temporary(name: &str) -> bool {
    let numbers = name.strip_suffix(TEMPORARY_SUFFIX).and_then(|name| name.rsplit_once('.')?.1.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Removes what an error left behind.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_else_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heatmap-v1.json");
        for bytes in [&b"longer than what follows"[..], b"new", b""] {
            write(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(names(folder.path()), ["heatmap-v1.json"]);
    }

    #[test]
    fn a_private_file_is_private_also_where_another_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        write(&path, b"anybody's").unwrap();
        write_private(&path, b"mine").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_error_leaves_neither_a_temporary_file_nor_a_change() {
        let folder = tempfile::tempdir().unwrap();
        // A rename onto a folder that is not empty fails, after everything else went well.
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        assert!(write(&path, b"new").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        assert!(path.join("inside").is_dir());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("gone").join("file"), b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn writers_at_the_same_time_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for byte in 0..8u8 {
                let path = &path;
                scope.spawn(move || (0..8).for_each(|_| write(path, &[byte; 4096]).unwrap()));
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert!(bytes.iter().all(|byte| Some(byte) == bytes.first()));
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        write_if(&path, b"new", || Ok(false)).unwrap();
        assert!(write_if(&path, b"new", || Err(io::Error::other("it cannot be told"))).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn leftovers_of_writers_that_were_killed_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let written = 1_700_000_000;
        let mtime = std::time::UNIX_EPOCH + std::time::Duration::from_secs(written);
        for name in
            ["a.seen.12-0.___temp", "b.seen.1-77.___temp", "a.seen", "a.seen.___temp", "x.12.___temp", "x.1-y.___temp"]
        {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(mtime).unwrap();
        }
        fs::create_dir(folder.path().join("c.3-4.___temp")).unwrap();
        let age = |age: i64| remove_leftovers(folder.path(), i64::try_from(written).unwrap() + age).unwrap();
        assert_eq!(age(LEFTOVER_AGE_S - 1), 0, "it may be being written");
        assert_eq!(age(-LEFTOVER_AGE_S), 0, "nor is one of the future a leftover");
        assert_eq!(age(LEFTOVER_AGE_S), 2);
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["a.seen", "a.seen.___temp", "c.3-4.___temp", "x.1-y.___temp", "x.12.___temp"]);
        assert_eq!(remove_leftovers(&folder.path().join("gone"), 0).unwrap(), 0);
    }

    #[test]
    fn what_is_written_is_told_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut during = Vec::new();
        write_if(&folder.path().join("file"), b"new", || {
            during = names(folder.path());
            Ok(true)
        })
        .unwrap();
        assert!(during.len() == 1 && is_temporary(&during[0]), "{during:?}");
    }
}
