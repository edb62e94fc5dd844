//! Files that are whole whatever happens to their writer.

use std::fs::{self, File};
use std::io::{self, Write};
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
    let name = path.file_name().ok_or_else(|| io::Error::other(format!("{} names no file", path.display())))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary_name = name.to_owned();
    temporary_name.push(format!(".{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    temporary_name.push(TEMPORARY_SUFFIX);

    let temporary = Temporary(folder.join(temporary_name));
    let mut file = File::create(&temporary.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary.0, path)?;
    std::mem::forget(temporary);
    File::open(folder)?.sync_all()
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
}
