//! What is on disk, and whether anything touched it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// All that a write would change of a file or folder: inode, size, and when it was last written and changed.
pub(crate) type Trace = (u64, u64, (i64, i64), (i64, i64));

/// Every file and folder below `root`, itself included; a root that is not there has none.
pub(crate) fn traces(root: &Path) -> BTreeMap<PathBuf, Trace> {
    let mut traces = BTreeMap::new();
    for_each(root, &mut |path, file| {
        let written = (file.mtime(), file.mtime_nsec());
        traces.insert(path.to_owned(), (file.ino(), file.size(), written, (file.ctime(), file.ctime_nsec())));
    });
    traces
}

/// Bytes that a folder takes on its disk.
pub(crate) fn disk_bytes(root: &Path) -> u64 {
    const BLOCK_BYTES: u64 = 512;
    let mut blocks = 0;
    for_each(root, &mut |_, file| blocks += file.blocks());
    blocks * BLOCK_BYTES
}

/// The paths below `root` of its files of this name, sorted.
pub(crate) fn find(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for_each(root, &mut |path, file| {
        if file.is_file() && path.file_name().is_some_and(|file| file == name) {
            found.push(path.to_owned());
        }
    });
    found.sort();
    found
}

fn for_each(path: &Path, each: &mut impl FnMut(&Path, &fs::Metadata)) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    each(path, &metadata);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            for_each(&entry.unwrap().path(), each);
        }
    }
}
