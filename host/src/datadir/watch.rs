//! Watches a data directory, so that a shard that did not change need not be looked at.
//!
//! Folders are watched one by one and not as a tree: `notify` watches a tree by walking it, and neither says what of it
//! it could not watch, nor sees what came into a new folder before that was watched. Here a shard keeps its revision
//! only from the moment on at which every folder of its is watched.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use notify::{ErrorKind, RecursiveMode, Watcher};
use rustix::io::Errno;

use super::changes::classify;
use super::revisions::{Orders, Revisions};
use super::scan::TIMELINES;
use super::tenant;
use crate::layer::{TenantShardId, TimelineId};

/// Why a data directory is not watched. It is read all the same, only more often than it need be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The system watches no more folders.
    #[error(
        "{}: the system's limit of watched folders is reached; shards that cannot be watched are looked at every time. \
         Raise fs.inotify.max_user_watches with sysctl, to more than 3 for each tenant shard and 1 for each timeline",
        .path.display()
    )]
    Limit {
        /// The folder that is one too many.
        path: PathBuf,
    },
    /// The system lets nobody watch any more.
    #[error(
        "{}: the system's limit of watchers is reached; every shard is looked at every time. Raise \
         fs.inotify.max_user_instances with sysctl, or the process's limit of open files",
        .path.display()
    )]
    Instances {
        /// The data directory's folder of tenants.
        path: PathBuf,
    },
    /// A [`Watch`] of this data directory lives already.
    #[error("{}: it is being watched already", .path.display())]
    Twice {
        /// The data directory's folder of tenants.
        path: PathBuf,
    },
    /// A folder cannot be watched.
    #[error("{}: it cannot be watched, and is looked at every time: {why}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl WatchError {
    fn of(path: &Path, error: &notify::Error) -> Self {
        let path = path.to_owned();
        match &error.kind {
            ErrorKind::MaxFilesWatch => WatchError::Limit { path },
            ErrorKind::Io(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
                WatchError::Instances { path }
            }
            _ => WatchError::Folder { path, why: error.to_string() },
        }
    }
}

/// A data directory is watched while this lives. Dropping it waits for a call of its callback to end, so that it MUST
/// NOT be dropped in there.
pub struct Watch {
    revisions: Arc<Revisions>,
    worker: Option<JoinHandle<()>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.revisions.stop();
        if let Some(worker) = self.worker.take() {
            // What was dropped where it must not be stays stopped rather than wait for itself.
            if worker.thread().id() == thread::current().id() {
                return;
            }
            let _ = worker.join();
        }
        self.revisions.end();
    }
}

/// Watches `tenants` for as long as the answer lives.
pub(super) fn watch(
    tenants: &Path,
    revisions: &Arc<Revisions>,
    on_change: impl Fn(Option<TenantShardId>) + Send + 'static,
) -> Result<Watch, WatchError> {
    let failed = |error: io::Error| WatchError::Folder { path: tenants.to_owned(), why: error.to_string() };
    // Events come with paths as they were given: one that is not absolute would mean something else after a `chdir`.
    let path = std::path::absolute(tenants).map_err(failed)?;
    if !revisions.begin() {
        return Err(WatchError::Twice { path });
    }
    // From here on, whichever way it ends, it is taken back.
    let mut watch = Watch { revisions: Arc::clone(revisions), worker: None };

    let (below, noted) = (path.clone(), Arc::clone(revisions));
    let note = move |event: notify::Result<notify::Event>| {
        if let Some(change) = classify(&below, &event) {
            noted.note(change);
        }
    };
    let mut watcher = notify::recommended_watcher(note).map_err(|error| WatchError::of(&path, &error))?;
    watcher.watch(&path, RecursiveMode::NonRecursive).map_err(|error| WatchError::of(&path, &error))?;

    let mut worker = Worker {
        tenants: path,
        revisions: Arc::clone(revisions),
        watch: Box::new(move |folder| watcher.watch(folder, RecursiveMode::NonRecursive)),
        on_change: Box::new(on_change),
        warned: false,
    };
    let spawned = thread::Builder::new().name("thermocline-watch".into()).spawn(move || worker.run());
    watch.worker = Some(spawned.map_err(failed)?);
    Ok(watch)
}

/// Begins to watch one folder.
type WatchFolder = dyn FnMut(&Path) -> notify::Result<()> + Send;

/// Carries out orders: sets watches, settles shards, and tells.
struct Worker {
    tenants: PathBuf,
    revisions: Arc<Revisions>,
    watch: Box<WatchFolder>,
    on_change: Box<dyn Fn(Option<TenantShardId>) + Send>,
    warned: bool,
}

impl Worker {
    fn run(&mut self) {
        // A callback that panics ends this thread. Nothing may count as settled when nobody sees to it.
        struct Unsettle(Arc<Revisions>);
        impl Drop for Unsettle {
            fn drop(&mut self) {
                self.0.stop();
            }
        }
        let _unsettle = Unsettle(Arc::clone(&self.revisions));
        while let Some(orders) = self.revisions.orders() {
            self.carry_out(orders);
        }
    }

    /// Tells only when the folders are watched: what changes after that is an event of its own.
    fn carry_out(&mut self, orders: Orders) {
        let Orders { all, mut cover, mut tell } = orders;
        if all {
            match self.cover_tenants() {
                Ok(shards) => cover.extend(shards),
                Err(error) => {
                    self.warn(&error);
                    self.revisions.all_unwatched();
                }
            }
        }
        let mut limit_reached = false;
        for shard in &cover {
            if self.revisions.is_stopping() {
                return;
            }
            // Each further one would be refused, too.
            let covered = if limit_reached { None } else { Some(self.cover(*shard)) };
            match covered {
                Some(Ok(true)) => self.revisions.settle(*shard),
                Some(Ok(false)) => {}
                Some(Err(error)) => {
                    limit_reached = matches!(error, WatchError::Limit { .. });
                    self.warn(&error);
                    self.revisions.unwatched(*shard);
                }
                None => self.revisions.unwatched(*shard),
            }
        }
        if all {
            (self.on_change)(None);
        } else {
            // Also those that only have other folders now: how they are located may have changed before they were
            // watched.
            tell.append(&mut cover);
            tell.into_iter().for_each(|shard| (self.on_change)(Some(shard)));
        }
    }

    /// Watches the folder of tenants, and then lists them.
    fn cover_tenants(&mut self) -> Result<BTreeSet<TenantShardId>, WatchError> {
        let path = self.tenants.clone();
        if !self.set(&path)? {
            return Err(WatchError::Folder { path, why: "there is none".to_owned() });
        }
        let folders = tenant::folders(&path).map_err(|error| WatchError::Folder { path, why: error.to_string() })?;
        Ok(folders.0.into_iter().collect())
    }

    /// Watches a shard's folders, each before it is listed: what comes later is an event. Answers whether it has any.
    fn cover(&mut self, shard: TenantShardId) -> Result<bool, WatchError> {
        let folder = self.tenants.join(shard.to_string());
        let timelines = folder.join(TIMELINES);
        if !self.set(&folder)? {
            return Ok(false);
        }
        if !self.set(&timelines)? {
            return Ok(true);
        }
        let failed = |error: io::Error| WatchError::Folder { path: timelines.clone(), why: error.to_string() };
        let entries = match fs::read_dir(&timelines) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(true),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // As scans do, which follow no links either.
            let is_timeline = entry.file_name().to_str().is_some_and(|name| name.parse::<TimelineId>().is_ok());
            if is_timeline && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.set(&entry.path())?;
            }
        }
        Ok(true)
    }

    /// Watches one folder; answers whether there is one.
    fn set(&mut self, folder: &Path) -> Result<bool, WatchError> {
        match (self.watch)(folder) {
            Ok(()) => Ok(true),
            Err(error) => match &error.kind {
                ErrorKind::PathNotFound => Ok(false),
                ErrorKind::Io(error) if is_gone(error) => Ok(false),
                _ => Err(WatchError::of(folder, &error)),
            },
        }
    }

    /// Once: what it says holds until somebody acts on it.
    fn warn(&mut self, error: &WatchError) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!("{error}");
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    use super::*;
    use crate::datadir::changes::Change;
    use crate::datadir::{DataDir, DataDirOptions};
    use crate::pageserver::Revision;

    const ONE: &str = "0a110000000000000000000000000001";
    const TWO: &str = "0a330000000000000000000000000003-0102";
    const TIMELINE: &str = "11111111111111111111111111111111";
    const IMAGE: &str =
        "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__000000000189FB49-v1-0000002a";
    const CONFIG: &str = "[mode.Attached]\ngeneration = 2\nattach_mode = 'Single'\n";

    /// Only a bound: nothing waits for it to pass but a test that fails.
    const LIMIT: Duration = Duration::from_secs(60);

    /// A data directory with two shards, watched.
    struct Watched {
        folder: tempfile::TempDir,
        datadir: DataDir,
        told: Receiver<Option<TenantShardId>>,
        watch: Option<Watch>,
    }

    fn id(text: &str) -> TenantShardId {
        text.parse().unwrap()
    }

    fn make_shard(tenants: &Path, shard: &str) {
        fs::create_dir_all(tenants.join(shard).join(TIMELINES).join(TIMELINE)).unwrap();
        let index = id(shard).shard;
        let config = format!("{CONFIG}[shard]\nnumber = {}\ncount = {}\n", index.number, index.count);
        fs::write(tenants.join(shard).join("config-v1"), config).unwrap();
    }

    impl Watched {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            make_shard(&folder.path().join("tenants"), ONE);
            make_shard(&folder.path().join("tenants"), TWO);
            let datadir = DataDir::open(folder.path(), DataDirOptions::default()).unwrap();
            let (tell, told) = mpsc::channel();
            let watch = datadir
                .watch(move |shard| {
                    let _ = tell.send(shard);
                })
                .unwrap();
            let watched = Watched { folder, datadir, told, watch: Some(watch) };
            assert_eq!(watched.told.recv_timeout(LIMIT).unwrap(), None, "everything, once");
            watched
        }

        fn tenants(&self) -> PathBuf {
            self.folder.path().join("tenants")
        }

        fn layer(&self, shard: &str) -> PathBuf {
            self.tenants().join(shard).join(TIMELINES).join(TIMELINE).join(IMAGE)
        }

        fn of(&self, shard: &str) -> Revision {
            self.datadir.inner.revisions.of(id(shard))
        }

        fn is_settled(&self, shard: &str) -> bool {
            self.of(shard) == self.of(shard)
        }

        /// Waits until all events so far have been noted and acted on: those of this one come after them.
        fn flush(&self) {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            loop {
                let marker = format!("0e{:030x}", NEXT.fetch_add(1, Ordering::Relaxed));
                fs::create_dir(self.tenants().join(&marker)).unwrap();
                let marker = id(&marker);
                // That everything is to be looked at may have stood for the marker, too.
                match std::iter::from_fn(|| self.told.recv_timeout(LIMIT).ok())
                    .find(|told| told.is_none_or(|it| it == marker))
                {
                    Some(Some(_)) => return,
                    Some(None) => {}
                    None => panic!("nothing is told any more"),
                }
            }
        }

        /// Waits until a shard is told.
        fn is_told(&self, shard: &str) {
            while self.told.recv_timeout(LIMIT).unwrap() != Some(id(shard)) {}
        }

        /// Waits until all are.
        fn all_are_told(&self) {
            while self.told.recv_timeout(LIMIT).unwrap().is_some() {}
        }

        /// Whether each of the two shards keeps its revision through this.
        fn stays(&self, change: impl FnOnce()) -> [bool; 2] {
            self.flush();
            let before = [self.of(ONE), self.of(TWO)];
            change();
            self.flush();
            [before[0] == self.of(ONE), before[1] == self.of(TWO)]
        }
    }

    #[test]
    fn a_shard_moves_when_its_layers_do_and_no_other() {
        let watched = Watched::new();
        let layer = watched.layer(ONE);
        assert_eq!(watched.stays(|| {}), [true, true]);
        assert_eq!(watched.stays(|| fs::write(&layer, "layer").unwrap()), [false, true], "flushed");
        assert_eq!(watched.stays(|| drop(fs::read(&layer).unwrap())), [true, true], "read");
        assert_eq!(watched.stays(|| fs::remove_file(&layer).unwrap()), [false, true], "evicted");
        let temporary = layer.with_extension("temp_download");
        assert_eq!(watched.stays(|| fs::write(&temporary, "layer").unwrap()), [true, true], "being downloaded");
        assert_eq!(watched.stays(|| fs::rename(&temporary, &layer).unwrap()), [false, true], "downloaded");
        let heatmap = watched.tenants().join(ONE).join("heatmap-v1.json");
        assert_eq!(watched.stays(|| crate::atomic_file::write(&heatmap, b"{}").unwrap()), [true, true], "uploaded");
        assert_eq!(watched.stays(|| watched.datadir.forget_revisions()), [false, false]);
        assert_eq!(watched.stays(|| {}), [true, true]);
    }

    #[test]
    fn a_changed_configuration_is_told_and_moves_its_shard() {
        let watched = Watched::new();
        let before = [watched.of(ONE), watched.of(TWO)];
        crate::atomic_file::write(&watched.tenants().join(ONE).join("config-v1"), CONFIG.as_bytes()).unwrap();
        watched.is_told(ONE);
        assert_ne!(watched.of(ONE), before[0]);
        assert_eq!(watched.of(TWO), before[1]);
    }

    #[test]
    fn timelines_that_come_and_go_are_watched_with_what_is_in_them() {
        let watched = Watched::new();
        let timelines = watched.tenants().join(ONE).join(TIMELINES);
        let new = timelines.join("22222222222222222222222222222222");
        // Made elsewhere and moved here, so that what is in it comes without an event of its own.
        let elsewhere = watched.folder.path().join("new");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join(IMAGE), "layer").unwrap();
        assert_eq!(watched.stays(|| fs::rename(&elsewhere, &new).unwrap()), [false, true]);
        assert!(watched.is_settled(ONE));
        assert_eq!(watched.stays(|| fs::remove_file(new.join(IMAGE)).unwrap()), [false, true]);
        assert_eq!(watched.stays(|| fs::remove_dir(&new).unwrap()), [false, true]);
        assert_eq!(watched.stays(|| fs::create_dir(&new).unwrap()), [false, true]);
        assert_eq!(watched.stays(|| fs::write(new.join(IMAGE), "again").unwrap()), [false, true]);
        assert_eq!(watched.stays(|| fs::remove_dir_all(&timelines).unwrap()), [false, true]);
        assert_eq!(watched.stays(|| fs::create_dir_all(&new).unwrap()), [false, true]);
        assert_eq!(watched.stays(|| fs::write(new.join(IMAGE), "again").unwrap()), [false, true]);
    }

    #[test]
    fn shards_that_come_and_go_are_told() {
        let watched = Watched::new();
        let (away, home) = (watched.folder.path().join("away"), watched.tenants().join(TWO));
        fs::rename(&home, &away).unwrap();
        watched.is_told(TWO);
        assert!(!watched.is_settled(TWO));
        fs::write(away.join(TIMELINES).join(TIMELINE).join(IMAGE), "while it was away").unwrap();
        fs::rename(&away, &home).unwrap();
        watched.is_told(TWO);
        watched.flush();
        assert!(watched.is_settled(TWO));
        assert_eq!(watched.stays(|| fs::remove_file(watched.layer(TWO)).unwrap()), [true, false]);
        fs::remove_dir_all(&home).unwrap();
        watched.is_told(TWO);
        make_shard(&watched.tenants(), TWO);
        watched.is_told(TWO);
        assert_eq!(watched.stays(|| fs::write(watched.layer(TWO), "layer").unwrap()), [true, false]);
    }

    #[test]
    fn folders_that_come_and_go_all_the_time_end_up_watched() {
        let watched = Watched::new();
        for round in 0..50 {
            let timeline = watched.tenants().join(ONE).join(TIMELINES).join(format!("{:032x}", round % 3));
            fs::create_dir_all(&timeline).unwrap();
            fs::write(timeline.join(IMAGE), "layer").unwrap();
            if round % 2 == 0 {
                fs::remove_dir_all(&timeline).unwrap();
            }
            if round % 10 == 9 {
                fs::remove_dir_all(watched.tenants().join(ONE)).unwrap();
                make_shard(&watched.tenants(), ONE);
            }
        }
        assert_eq!(watched.stays(|| {}), [true, true]);
        assert_eq!(watched.stays(|| fs::write(watched.layer(ONE), "layer").unwrap()), [false, true]);
    }

    #[test]
    fn tenants_that_are_removed_and_made_again_are_watched_from_the_next_rescan_on() {
        let watched = Watched::new();
        fs::rename(watched.tenants(), watched.folder.path().join("away")).unwrap();
        watched.all_are_told();
        assert!(!watched.is_settled(ONE));
        make_shard(&watched.tenants(), ONE);
        watched.datadir.forget_revisions();
        watched.all_are_told();
        watched.flush();
        assert!(watched.is_settled(ONE));
        let before = watched.of(ONE);
        fs::write(watched.layer(ONE), "layer").unwrap();
        watched.flush();
        assert_ne!(watched.of(ONE), before);
    }

    #[test]
    fn lost_events_are_told_and_what_came_meanwhile_is_watched() {
        let watched = Watched::new();
        let before = watched.of(ONE);
        watched.datadir.inner.revisions.note(Change::Lost);
        watched.all_are_told();
        watched.flush();
        assert_ne!(watched.of(ONE), before);
        assert!(watched.is_settled(ONE) && watched.is_settled(TWO));
        assert_eq!(watched.stays(|| fs::write(watched.layer(ONE), "layer").unwrap()), [false, true]);
    }

    #[test]
    fn without_a_watch_revisions_always_move() {
        let mut watched = Watched::new();
        let error = watched.datadir.watch(|_| {}).unwrap_err();
        assert!(matches!(error, WatchError::Twice { .. }), "{error}");
        assert!(watched.is_settled(ONE));
        watched.watch = None;
        assert!(!watched.is_settled(ONE));
        assert!(watched.told.recv_timeout(LIMIT).is_err(), "nobody is left to tell");
        let (tell, told) = mpsc::channel();
        let _again = watched
            .datadir
            .watch(move |shard| {
                let _ = tell.send(shard);
            })
            .unwrap();
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), None);
        assert!(watched.is_settled(ONE));
    }

    #[test]
    fn a_callback_that_panics_leaves_nothing_settled() {
        let watched = Watched::new();
        drop(watched.watch);
        let (began, told) = mpsc::channel();
        let watch = watched.datadir.watch(move |_| {
            began.send(()).unwrap();
            panic!("a bug of the embedder's")
        });
        told.recv_timeout(LIMIT).unwrap();
        // The sender goes with the thread.
        assert!(told.recv_timeout(LIMIT).is_err());
        let revisions = &watched.datadir.inner.revisions;
        assert_ne!(revisions.of(id(ONE)), revisions.of(id(ONE)));
        drop(watch);
        assert!(watched.datadir.watch(|_| {}).is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_revision_is_of_before_the_shard_was_read() {
        let watched = Watched::new();
        // Reading waits here, after the revision is taken and outside of what is watched.
        let settings = watched.folder.path().join("pageserver.toml");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &settings,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let datadir = watched.datadir.clone();
        let told = tokio::spawn(async move { crate::Pageserver::shard(&datadir, id(ONE)).await });
        let writer = tokio::task::spawn_blocking(move || fs::File::options().write(true).open(settings)).await;
        // Whoever opens it for writing has waited for the one who reads.
        fs::write(watched.layer(ONE), "meanwhile").unwrap();
        watched.flush();
        drop(writer);
        assert_ne!(told.await.unwrap().unwrap().revision, watched.of(ONE));
        assert!(watched.is_settled(ONE));
    }

    /// A worker for a system that watches so many folders.
    fn limited(folders: usize) -> (tempfile::TempDir, Arc<Mutex<usize>>, Worker) {
        let folder = tempfile::tempdir().unwrap();
        let tenants = folder.path().join("tenants");
        make_shard(&tenants, ONE);
        make_shard(&tenants, TWO);
        let limit = Arc::new(Mutex::new(folders));
        let (left, mut set) = (Arc::clone(&limit), BTreeSet::new());
        let watch = move |path: &Path| {
            if !path.exists() {
                return Err(notify::Error::path_not_found());
            }
            set.insert(path.to_owned());
            if set.len() > *left.lock().unwrap() {
                set.remove(path);
                return Err(notify::Error::new(ErrorKind::MaxFilesWatch));
            }
            Ok(())
        };
        let revisions = Arc::new(Revisions::default());
        assert!(revisions.begin());
        let worker = Worker { tenants, revisions, watch: Box::new(watch), on_change: Box::new(|_| {}), warned: false };
        (folder, limit, worker)
    }

    #[test]
    fn the_systems_limit_is_obeyed_and_violated() {
        for (limit, expected) in [(7, [true, true]), (6, [true, false]), (4, [true, false]), (3, [false, false])] {
            let (_folder, raised, mut worker) = limited(limit);
            worker.carry_out(worker.revisions.orders().unwrap());
            let revisions = Arc::clone(&worker.revisions);
            let settled = || [ONE, TWO].map(|shard| revisions.of(id(shard)) == revisions.of(id(shard)));
            assert_eq!(settled(), expected, "of 7 folders {limit} can be watched");
            assert_eq!(worker.warned, limit < 7);
            if limit < 7 {
                *raised.lock().unwrap() = 7;
                revisions.move_all();
                worker.carry_out(revisions.orders().unwrap());
                assert_eq!(settled(), [true, true], "raised from {limit}");
            }
        }
    }

    #[test]
    fn errors_say_what_to_raise() {
        let path = Path::new("/data/tenants");
        let of = |error: notify::Error| WatchError::of(path, &error).to_string();
        let limit = of(notify::Error::new(ErrorKind::MaxFilesWatch));
        assert!(limit.starts_with("/data/tenants: ") && limit.contains("fs.inotify.max_user_watches"), "{limit}");
        let instances = of(notify::Error::io(io::Error::from_raw_os_error(24)));
        assert!(instances.contains("fs.inotify.max_user_instances"), "{instances}");
        let other = of(notify::Error::io(io::Error::from_raw_os_error(13)));
        assert!(other.contains("Permission denied"), "{other}");
    }

    #[test]
    fn a_folder_that_cannot_be_watched_is_an_error_and_may_be_tried_again() {
        let watched = Watched::new();
        drop(watched.watch);
        fs::rename(watched.folder.path().join("tenants"), watched.folder.path().join("away")).unwrap();
        for _ in 0..2 {
            let error = watched.datadir.watch(|_| {}).unwrap_err();
            assert!(matches!(error, WatchError::Folder { .. }), "{error}");
        }
    }
}
