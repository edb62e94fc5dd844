//! What lies in a tenant's folder. One pass; per layer file one system call and no allocation.

use std::ffi::{CStr, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, openat, statat};
use rustix::io::Errno;

use crate::atomic_file::TEMPORARY_SUFFIX;
use crate::layer::{Generation, LayerName, TimelineId};

/// The folder of a tenant's timelines, in its own.
pub(super) const TIMELINES: &str = "timelines";

/// Directory entries are read in blocks of this many bytes: some 200 layers at a time.
const BLOCK_BYTES: usize = 32 << 10;

/// What lies in a tenant's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// In no order.
    pub(super) timelines: Vec<TimelineFiles>,
    pub(super) unknown: Unknown,
}

/// One timeline's layer files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimelineFiles {
    pub(super) timeline: TimelineId,
    /// In no order. Of one layer there may be files of several generations.
    pub(super) files: Vec<LayerFile>,
}

/// One layer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LayerFile {
    pub(super) name: LayerName,
    pub(super) generation: Generation,
    pub(super) size_bytes: u64,
    /// The later of last read and last written, seconds since the Unix epoch: file systems note reads
    /// rarely or never, and a layer was in use when it was written.
    pub(super) access_time: i64,
    /// Last written, seconds since the Unix epoch: a layer is written once, when it is downloaded or made, and renaming
    /// leaves the time alone. `None` where the file system has no such time.
    pub(super) written: Option<NonZeroU32>,
}

/// Names that mean nothing to us: how many, and the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) count: usize,
    pub(super) first: Option<String>,
}

impl Unknown {
    fn add(&mut self, name: &CStr) {
        self.count += 1;
        self.first.get_or_insert_with(|| OsStr::from_bytes(name.to_bytes()).to_string_lossy().into_owned());
    }
}

/// Walks the folder of a tenant shard. What vanishes meanwhile was not there: a pageserver changes the folder
/// while it is read.
///
/// # Errors
/// As the file system gives them, with the path.
pub(super) fn scan(tenant: &Path) -> io::Result<Scan> {
    let named = |path: &Path, errno: Errno| {
        let error = io::Error::from(errno);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let mut scan = Scan::default();
    let Some(tenant_folder) = open(CWD, tenant).map_err(|errno| named(tenant, errno))? else { return Ok(scan) };
    let path = tenant.join(TIMELINES);
    let Some(folder) = open(tenant_folder.as_fd(), TIMELINES).map_err(|errno| named(&path, errno))? else {
        return Ok(scan);
    };

    let mut block = vec![MaybeUninit::uninit(); BLOCK_BYTES];
    let mut timelines = Vec::new();
    entries(&folder, &mut block, |name, kind| {
        if kind == FileType::Directory && !is_temporary(name) {
            match name.to_str().ok().and_then(|name| name.parse::<TimelineId>().ok()) {
                Some(timeline) => timelines.push((timeline, name.to_owned())),
                None => scan.unknown.add(name),
            }
        }
        Ok(())
    })
    .map_err(|errno| named(&path, errno))?;

    for (timeline, name) in timelines {
        let path = path.join(OsStr::from_bytes(name.to_bytes()));
        if let Some(folder) = open(folder.as_fd(), &name).map_err(|errno| named(&path, errno))? {
            let files = layer_files(&folder, &mut block, &mut scan.unknown).map_err(|errno| named(&path, errno))?;
            scan.timelines.push(TimelineFiles { timeline, files });
        }
    }
    Ok(scan)
}

/// Opens a folder; `None` if there is none.
fn open(parent: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<Option<OwnedFd>, Errno> {
    match openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn layer_files(
    folder: &OwnedFd,
    block: &mut [MaybeUninit<u8>],
    unknown: &mut Unknown,
) -> Result<Vec<LayerFile>, Errno> {
    let mut files = Vec::new();
    entries(folder, block, |name, kind| {
        let parsed = name.to_str().ok().and_then(|text| LayerName::parse_with_generation(text).ok());
        let Some((layer, generation)) = parsed.filter(|_| kind == FileType::RegularFile) else {
            if !is_temporary(name) {
                unknown.add(name);
            }
            return Ok(());
        };
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => files.push(LayerFile {
                name: layer,
                generation,
                size_bytes: u64::try_from(stat.st_size).unwrap_or_default(),
                access_time: stat.st_atime.max(stat.st_mtime),
                written: u32::try_from(stat.st_mtime).ok().and_then(NonZeroU32::new),
            }),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    })?;
    Ok(files)
}

/// Unfinished files, and those of layers that are still in memory.
fn is_temporary(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.ends_with(TEMPORARY_SUFFIX.as_bytes()) || name.ends_with(b".temp_download") || name.starts_with(b"ephemeral-")
}

fn entries(
    folder: &OwnedFd,
    block: &mut [MaybeUninit<u8>],
    mut each: impl FnMut(&CStr, FileType) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut entries = RawDir::new(folder, block);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            // The folder was removed while it was read.
            Err(Errno::NOENT) => break,
            Err(errno) => return Err(errno),
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        // Some file systems do not say in the listing what an entry is.
        let kind = match entry.file_type() {
            FileType::Unknown => match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            },
            kind => kind,
        };
        each(name, kind)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::{Duration, SystemTime};

    use super::*;

    const TIMELINE: &str = "11111111111111111111111111111111";
    const DELTA: &str =
        "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__000000000189FB49-00000000018DD281";

    fn tenant(files: &[&str]) -> tempfile::TempDir {
        let tenant = tempfile::tempdir().unwrap();
        fs::create_dir_all(tenant.path().join("timelines").join(TIMELINE)).unwrap();
        for name in files {
            File::create(tenant.path().join("timelines").join(TIMELINE).join(name)).unwrap().set_len(8192).unwrap();
        }
        tenant
    }

    #[test]
    fn layer_files_are_found_with_generation_size_and_time() {
        let tenant = tenant(&[&format!("{DELTA}-v1-0000002a"), DELTA]);
        let path = tenant.path().join("timelines").join(TIMELINE).join(DELTA);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let set = |read, written| {
            let times = FileTimes::new().set_accessed(at(read)).set_modified(at(written));
            File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        };
        for (read, written) in [(1_715_107_956, 1_715_000_000), (1_715_000_000, 1_715_107_956)] {
            set(read, written);
            let mut scan = scan(tenant.path()).unwrap();
            let [timeline] = &mut scan.timelines[..] else { panic!("one timeline") };
            timeline.files.sort();
            let [legacy, named] = timeline.files[..] else { panic!("two files") };
            assert_eq!(named.generation, Generation::new(42));
            assert_eq!(
                legacy,
                LayerFile {
                    name: DELTA.parse().unwrap(),
                    generation: Generation::NONE,
                    size_bytes: 8192,
                    access_time: 1_715_107_956,
                    written: NonZeroU32::new(u32::try_from(written).unwrap()),
                }
            );
            assert_eq!(scan.unknown, Unknown::default());
        }
    }

    #[test]
    fn what_is_no_layer_is_passed_over_and_what_is_unknown_counted() {
        let temporary = [
            format!("{DELTA}-v1-00000001.___temp"),
            format!("{DELTA}-v1-00000001.temp_download"),
            "ephemeral-12".to_owned(),
        ];
        let temporary: Vec<_> = temporary.iter().map(String::as_str).collect();
        let tenant = tenant(&temporary);
        assert_eq!(scan(tenant.path()).unwrap().unknown, Unknown::default());

        let timelines = tenant.path().join("timelines");
        fs::write(timelines.join(TIMELINE).join("README"), "?").unwrap();
        fs::create_dir(timelines.join(TIMELINE).join(format!("{DELTA}-v1-00000001"))).unwrap();
        fs::create_dir(timelines.join("no-timeline")).unwrap();
        fs::create_dir(timelines.join(format!("{TIMELINE}.___temp"))).unwrap();
        fs::write(timelines.join("a file beside the timelines"), "").unwrap();
        let scan = scan(tenant.path()).unwrap();
        assert_eq!(scan.unknown.count, 3);
        assert_eq!(scan.unknown.first.as_deref(), Some("no-timeline"));
        assert_eq!(scan.timelines, [TimelineFiles { timeline: TIMELINE.parse().unwrap(), files: vec![] }]);
    }

    #[test]
    fn what_is_not_there_has_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(scan(folder.path()).unwrap(), Scan::default());
        assert_eq!(scan(&folder.path().join("gone")).unwrap(), Scan::default());
    }

    #[test]
    fn a_folder_that_changes_meanwhile_is_no_error() {
        let tenant = tenant(&[]);
        let folder = tenant.path().join("timelines").join(TIMELINE);
        std::thread::scope(|scope| {
            let changes = scope.spawn(|| {
                for round in 0..200u32 {
                    let _ = fs::create_dir_all(&folder);
                    (0..20).for_each(|n| drop(File::create(folder.join(format!("{DELTA}-v1-{n:08x}")))));
                    if round % 2 == 0 {
                        let _ = fs::remove_dir_all(&folder);
                    }
                }
            });
            while !changes.is_finished() {
                scan(tenant.path()).unwrap();
            }
        });
    }

    #[test]
    fn more_entries_than_a_block_holds_are_all_found() {
        let names: Vec<_> = (0..1000).map(|n| format!("{DELTA}-v1-{n:08x}")).collect();
        let tenant = tenant(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let scan = scan(tenant.path()).unwrap();
        let mut generations: Vec<_> = scan.timelines[0].files.iter().map(|file| file.generation).collect();
        generations.sort();
        assert!(generations.into_iter().eq((0..1000).map(Generation::new)));
    }
}
