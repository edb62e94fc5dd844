//! What uploads remember over a restart: one redb file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable};

use super::error::StateError;
use super::file::{self, Fault, KNOWN, MEMORY, StateFile};
use super::known::Known;
use super::pending::{Changes, Memory, Pending};
use super::record::{self, Kind, Reader};
use crate::Digest;
use crate::layer::TenantShardId;

/// What uploads remember. Clones are of the same one. A host gathers changes, and writes them once a second, so that
/// uploads do not each wait for the disk: what is lost with a crash costs uploads, never correctness.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    file: StateFile,
    /// Never held while the file is worked on.
    pending: Mutex<Pending>,
    /// Held for a commit, so that there is one at a time.
    committing: Mutex<()>,
    warned_of_records: AtomicBool,
    warned_of_dropped: AtomicBool,
}

/// What a policy is handed that it handed back before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) bytes: Vec<u8>,
    /// Another policy's is kept, or what is kept could not be read. It has to go once this one was asked: else it would
    /// be handed out again when the other one decides again, which is not where that left off.
    pub(crate) outdated: bool,
}

impl Remembered {
    fn of(policy: Digest, kept_for: Digest, bytes: &[u8]) -> Self {
        let outdated = kept_for != policy;
        Remembered { bytes: if outdated { Vec::new() } else { bytes.to_vec() }, outdated }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("path", &self.inner.file.path()).finish_non_exhaustive()
    }
}

impl State {
    /// Opens or makes the file. One that is damaged is put aside, with a warning, and a new one is made.
    ///
    /// # Errors
    /// If another process has it open, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        Ok(Self::over(StateFile::open(path)?))
    }

    /// Whether [`open`](Self::open) would do, without a trace: nothing is made, mended or put aside.
    ///
    /// # Errors
    /// If another process has it open, or the file system refuses.
    pub fn check(path: &Path) -> Result<(), StateError> {
        file::check(path)
    }

    /// Kept in memory only.
    pub fn in_memory() -> Self {
        Self::over(StateFile::in_memory())
    }

    fn over(file: StateFile) -> Self {
        let inner = Inner {
            file,
            pending: Mutex::default(),
            committing: Mutex::default(),
            warned_of_records: AtomicBool::default(),
            warned_of_dropped: AtomicBool::default(),
        };
        State { inner: Arc::new(inner) }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.inner.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is known, at the start.
    pub(crate) fn load(&self) -> Result<BTreeMap<TenantShardId, Known>, StateError> {
        // A commit that ends in between would be seen in neither.
        let _no_commit = self.inner.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, unreadable) = self.inner.file.run(read_known)?;
        if unreadable > 0 {
            self.warn_of_records(unreadable);
        }
        for (shard, known) in self.pending().known() {
            match known {
                Some(known) => all.insert(shard, known.clone()),
                None => all.remove(&shard),
            };
        }
        Ok(all)
    }

    /// Shards of which a policy wanted something remembered, at the start.
    pub(crate) fn remembered(&self) -> Result<BTreeSet<TenantShardId>, StateError> {
        let _no_commit = self.inner.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.inner.file.run(|database| {
            let table = database.begin_read()?.open_table(MEMORY)?;
            table.iter()?.map(|entry| Ok(record::shard(&entry?.0.value()))).collect()
        })?;
        self.pending().memories(&mut all);
        Ok(all)
    }

    /// What a policy handed back at the shard's last call, if it was this policy (`policy` stands for component,
    /// configuration, and since when they decide); else nothing.
    pub(crate) fn memory(&self, shard: TenantShardId, policy: Digest) -> Result<Remembered, StateError> {
        let pending = |pending: &Pending| match pending.memory(shard)? {
            Some(memory) => Some(Remembered::of(policy, memory.policy, &memory.bytes)),
            None => Some(Remembered::default()),
        };
        if let Some(memory) = pending(&self.pending()) {
            return Ok(memory);
        }
        // What a commit wrote since is in the file.
        let key = record::key(shard);
        let record = self.inner.file.run(|database| {
            let table = database.begin_read()?.open_table(MEMORY)?;
            Ok(table.get(key)?.map(|record| record.value().to_vec()))
        })?;
        let Some(record) = record else { return Ok(Remembered::default()) };
        let memory = record::open(Kind::Memory, &key, &record).and_then(|body| {
            let mut reader = Reader(body);
            let kept_for = Digest::from_bytes(reader.take()?);
            Some(Remembered::of(policy, kept_for, reader.0))
        });
        if memory.is_none() {
            self.warn_of_records(1);
        }
        Ok(memory.unwrap_or_default())
    }

    pub(crate) fn keep(&self, shard: TenantShardId, known: &Known) {
        self.pending().keep(shard, known.clone());
    }

    pub(crate) fn keep_memory(&self, shard: TenantShardId, policy: Digest, memory: Vec<u8>) {
        let memory = (!memory.is_empty()).then_some(Memory { policy, bytes: memory });
        let kept = self.pending().keep_memory(shard, memory);
        if !kept && !self.inner.warned_of_dropped.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{}: what policies want remembered is too much to wait for being written; that of tenant {shard} and \
                 perhaps others is forgotten, and their policy starts anew",
                self.inner.file.path().display()
            );
        }
    }

    pub(crate) fn forget(&self, shard: TenantShardId) {
        self.pending().forget(shard);
    }

    /// Bytes that wait for a commit, or for the end of one.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending().bytes()
    }

    /// Memories of policies that were forgotten, because too much waited for a commit.
    pub(crate) fn dropped_memories(&self) -> u64 {
        self.pending().dropped
    }

    /// Writes all that was gathered, in one transaction. Blocks. After an error all still waits.
    pub(crate) fn commit(&self) -> Result<(), StateError> {
        let _one_at_a_time = self.inner.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.pending().begin();
        let written = if changes.is_empty() { Ok(()) } else { self.inner.file.run(|file| write(file, &changes)) };
        // Else what is there could not be moved back, and would be cloned.
        drop(changes);
        self.pending().end(written.is_ok());
        written
    }

    fn warn_of_records(&self, count: usize) {
        if !self.inner.warned_of_records.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{}: {count} records are damaged or of another version, and count as none: what they were about is \
                 looked at in the bucket once more",
                self.inner.file.path().display()
            );
        }
    }
}

/// All that is known, and how many records cannot be read.
fn read_known(database: &Database) -> Result<(BTreeMap<TenantShardId, Known>, usize), Fault> {
    let table = database.begin_read()?.open_table(KNOWN)?;
    let (mut all, mut unreadable) = (BTreeMap::new(), 0);
    for entry in table.iter()? {
        let (key, record) = entry?;
        let key = key.value();
        match record::open(Kind::Known, &key, record.value()).and_then(Known::decode) {
            Some(known) => _ = all.insert(record::shard(&key), known),
            None => unreadable += 1,
        }
    }
    Ok((all, unreadable))
}

fn write(database: &Database, changes: &Changes) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    {
        let mut heatmaps = transaction.open_table(KNOWN)?;
        let mut memories = transaction.open_table(MEMORY)?;
        for (shard, change) in changes {
            let key = record::key(*shard);
            match change.known.as_ref().map(|known| known.as_ref().and_then(Known::encode)) {
                Some(Some(body)) => _ = heatmaps.insert(key, &record::seal(Kind::Known, &key, &body)[..])?,
                Some(None) => _ = heatmaps.remove(key)?,
                None => {}
            }
            match &change.memory {
                Some(Some(Memory { policy, bytes })) => {
                    let body = [policy.as_bytes(), &bytes[..]].concat();
                    memories.insert(key, &record::seal(Kind::Memory, &key, &body)[..])?;
                }
                Some(None) => _ = memories.remove(key)?,
                None => {}
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicUsize;

    use redb::backends::FileBackend;
    use redb::{StorageBackend, TableDefinition};
    use rstest::rstest;

    use super::super::known::tests::known;
    use super::super::pending::MAX_MEMORY_BYTES;
    use super::*;

    const ONE: &str = "0a110000000000000000000000000001";
    const TWO: &str = "0a330000000000000000000000000003-0102";

    fn id(text: &str) -> TenantShardId {
        text.parse().unwrap()
    }

    fn policy(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Folder(tempfile::tempdir().unwrap())
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("state").join("uploads.redb")
        }

        fn open(&self) -> State {
            State::open(&self.file()).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path().join("state")).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        /// A file with two shards in it, and its bytes.
        fn with_two() -> (Self, Vec<u8>) {
            let folder = Folder::new();
            let state = folder.open();
            fill(&state);
            state.commit().unwrap();
            drop(state);
            let bytes = fs::read(folder.file()).unwrap();
            (folder, bytes)
        }
    }

    fn fill(state: &State) {
        state.keep(id(ONE), &known(1, "one"));
        state.keep(id(TWO), &known(2, "two"));
        state.keep_memory(id(ONE), policy("p"), b"seen".to_vec());
    }

    fn both() -> BTreeMap<TenantShardId, Known> {
        BTreeMap::from([(id(ONE), known(1, "one")), (id(TWO), known(2, "two"))])
    }

    fn memory(state: &State, shard: &str, name: &str) -> Vec<u8> {
        state.memory(id(shard), policy(name)).unwrap().bytes
    }

    #[rstest]
    #[case::waiting(false)]
    #[case::written(true)]
    fn what_is_kept_is_told_whether_written_or_not(#[case] written: bool) {
        let state = State::in_memory();
        assert_eq!(state.load().unwrap(), BTreeMap::new());
        assert_eq!(memory(&state, ONE, "p"), b"");
        fill(&state);
        assert!(state.pending_bytes() > 0);
        if written {
            state.commit().unwrap();
            assert_eq!(state.pending_bytes(), 0);
        }
        assert_eq!(state.clone().load().unwrap(), both());
        assert_eq!(memory(&state, ONE, "p"), b"seen");
        assert_eq!(memory(&state, ONE, "another"), b"", "of another policy");
        assert_eq!(memory(&state, TWO, "p"), b"", "of another shard");

        state.keep(id(TWO), &known(3, "again"));
        state.keep_memory(id(ONE), policy("another"), b"else".to_vec());
        state.forget(id(ONE));
        state.keep_memory(id(TWO), policy("another"), b"else".to_vec());
        if written {
            state.commit().unwrap();
        }
        assert_eq!(state.load().unwrap(), BTreeMap::from([(id(TWO), known(3, "again"))]));
        assert_eq!(memory(&state, ONE, "p"), b"");
        assert_eq!(memory(&state, ONE, "another"), b"");
        assert_eq!(memory(&state, TWO, "another"), b"else");
    }

    #[rstest]
    #[case::waiting(false)]
    #[case::written(true)]
    fn shards_of_which_a_policy_remembers_something_are_told(#[case] written: bool) {
        let state = State::in_memory();
        assert_eq!(state.remembered().unwrap(), BTreeSet::new());
        fill(&state);
        state.keep_memory(id(TWO), policy("p"), b"else".to_vec());
        if written {
            state.commit().unwrap();
        }
        assert_eq!(state.remembered().unwrap(), BTreeSet::from([id(ONE), id(TWO)]));
        state.forget(id(ONE));
        if written {
            state.commit().unwrap();
        }
        assert_eq!(state.remembered().unwrap(), BTreeSet::from([id(TWO)]));
    }

    #[test]
    fn a_policy_that_replaced_another_starts_anew_and_the_other_too_when_it_is_back() {
        let state = State::in_memory();
        fill(&state);
        state.commit().unwrap();
        state.keep_memory(id(ONE), policy("another"), Vec::new());
        state.commit().unwrap();
        assert_eq!(memory(&state, ONE, "another"), b"");
        assert_eq!(memory(&state, ONE, "p"), b"", "what it knew is of before the other one's turn");
    }

    #[test]
    fn what_was_committed_survives_and_what_was_not_does_not() {
        let folder = Folder::new();
        let state = folder.open();
        fill(&state);
        state.commit().unwrap();
        state.forget(id(ONE));
        state.keep(id(TWO), &known(9, "not committed"));
        // As a kill leaves it: nothing is closed.
        let killed = Folder::new();
        fs::create_dir(killed.0.path().join("state")).unwrap();
        fs::copy(folder.file(), killed.file()).unwrap();
        let after = killed.open();
        assert_eq!(after.load().unwrap(), both());
        assert_eq!(memory(&after, ONE, "p"), b"seen");
        drop(after);
        assert_eq!(killed.names(), ["uploads.redb"]);

        state.commit().unwrap();
        drop(state);
        assert_eq!(folder.open().load().unwrap(), BTreeMap::from([(id(TWO), known(9, "not committed"))]));
    }

    #[test]
    fn a_file_in_use_is_an_error_that_says_so_and_is_left_alone() {
        let folder = Folder::new();
        let state = folder.open();
        fill(&state);
        let error = State::open(&folder.file()).unwrap_err();
        assert!(matches!(error, StateError::Locked { .. }));
        let text = error.to_string();
        assert!(text.contains("uploads.redb: another host runs on this state file"), "{text}");
        state.commit().unwrap();
        drop(state);
        assert_eq!(folder.open().load().unwrap(), both());
        assert_eq!(folder.names(), ["uploads.redb"]);
    }

    #[test]
    fn a_check_says_what_opening_would_and_leaves_no_trace() {
        let folder = Folder::new();
        State::check(&folder.file()).unwrap();
        assert!(!folder.0.path().join("state").exists(), "nothing is made");
        let state = folder.open();
        assert!(matches!(State::check(&folder.file()), Err(StateError::Locked { .. })));
        fill(&state);
        state.commit().unwrap();
        drop(state);
        State::check(&folder.file()).unwrap();
        assert_eq!(folder.open().load().unwrap(), both());
        fs::write(folder.file(), "damaged").unwrap();
        State::check(&folder.file()).unwrap();
        assert_eq!(folder.names(), ["uploads.redb"], "nothing is put aside");
        let error = State::check(&folder.file().join("below.redb")).unwrap_err();
        assert!(matches!(error, StateError::Io { .. }) && error.to_string().contains("below.redb"), "{error}");
    }

    /// It can be opened and worked with, and nothing that it tells is wrong.
    fn opens_well(folder: &Folder, what: &str) -> bool {
        let state = folder.open();
        let told = state.load().unwrap();
        for (shard, known) in &told {
            assert_eq!(both().get(shard), Some(known), "{what}");
        }
        let whole = told == both();
        assert!([&b"seen"[..], b""].contains(&&memory(&state, ONE, "p")[..]), "{what}");
        state.keep(id(ONE), &known(5, "after"));
        state.commit().unwrap();
        drop(state);
        assert_eq!(folder.open().load().unwrap()[&id(ONE)], known(5, "after"), "{what}");
        whole
    }

    #[test]
    fn a_truncated_file_is_put_aside() {
        let (folder, whole) = Folder::with_two();
        let ends = (1..64).step_by(9).chain((64..whole.len()).step_by(whole.len() / 20)).chain([whole.len() - 1]);
        for end in ends {
            fs::write(folder.file(), &whole[..end]).unwrap();
            let _ = fs::remove_file(folder.file().with_extension("redb.damaged"));
            opens_well(&folder, &format!("cut off at {end}"));
            assert_eq!(folder.names(), ["uploads.redb", "uploads.redb.damaged"], "cut off at {end}");
            assert_eq!(fs::read(folder.file().with_extension("redb.damaged")).unwrap().len(), end);
        }
    }

    #[rstest]
    #[case::text(b"not a database".to_vec())]
    #[case::zeros(vec![0; 10_000])]
    #[case::another_magic(Folder::with_two().1.iter().map(|byte| byte ^ 0x55).collect())]
    fn another_file_is_put_aside_in_the_place_of_an_earlier_one(#[case] bytes: Vec<u8>) {
        let (folder, _) = Folder::with_two();
        for _ in 0..2 {
            fs::write(folder.file(), &bytes).unwrap();
            assert!(!opens_well(&folder, "another file"));
            assert_eq!(folder.names(), ["uploads.redb", "uploads.redb.damaged"]);
        }
        assert!(fs::read(folder.file().with_extension("redb.damaged")).unwrap() == bytes);
    }

    #[test]
    fn an_empty_file_is_a_new_one() {
        let (folder, _) = Folder::with_two();
        fs::write(folder.file(), "").unwrap();
        assert!(!opens_well(&folder, "empty"));
        assert_eq!(folder.names(), ["uploads.redb"]);
    }

    #[test]
    fn flipped_bytes_are_noticed_or_do_not_matter() {
        let (folder, whole) = Folder::with_two();
        // Of the header and of the pages, bytes with something in them.
        let used = |range: std::ops::Range<usize>| range.filter(|&at| whole[at] != 0).collect::<Vec<_>>();
        let (header, pages) = (used(0..512), used(512..whole.len()));
        let some = header.iter().step_by(1 + header.len() / 30).chain(pages.iter().step_by(1 + pages.len() / 30));
        for (&at, change) in some.zip([0x01, 0xff, 0x80].into_iter().cycle()) {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            fs::write(folder.file(), &bytes).unwrap();
            opens_well(&folder, &format!("byte {at} ^ {change:#x}"));
        }
    }

    #[test]
    fn damage_while_it_is_open_is_healed_too() {
        let (folder, whole) = Folder::with_two();
        let state = folder.open();
        let mut bytes = vec![0xab; whole.len()];
        bytes[..64].copy_from_slice(&whole[..64]);
        fs::write(folder.file(), bytes).unwrap();
        let told = state.load().unwrap();
        assert!(told.is_empty() || told == both(), "{told:?}");
        state.keep(id(ONE), &known(5, "after"));
        state.commit().unwrap();
        assert_eq!(state.load().unwrap()[&id(ONE)], known(5, "after"));
        drop(state);
        let _ = folder.open().load().unwrap();
    }

    #[test]
    fn a_record_that_cannot_be_read_counts_as_none() {
        let (folder, _) = Folder::with_two();
        let database = Database::create(folder.file()).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let (one, two) = (record::key(id(ONE)), record::key(id(TWO)));
            let mut heatmaps = transaction.open_table(KNOWN).unwrap();
            // Whole, and another shard's.
            let record = heatmaps.get(one).unwrap().unwrap().value().to_vec();
            heatmaps.insert(two, &record[..]).unwrap();
            let mut memories = transaction.open_table(MEMORY).unwrap();
            let mut record = memories.get(one).unwrap().unwrap().value().to_vec();
            *record.last_mut().unwrap() ^= 1;
            memories.insert(one, &record[..]).unwrap();
        }
        transaction.commit().unwrap();
        drop(database);
        let state = folder.open();
        assert_eq!(state.load().unwrap(), BTreeMap::from([(id(ONE), known(1, "one"))]));
        assert_eq!(memory(&state, ONE, "p"), b"");
        assert_eq!(folder.names(), ["uploads.redb"]);
    }

    #[rstest]
    #[case::of_a_later_version("meta", 2, "uploads.redb.version-2")]
    #[case::of_no_version("meta", 0, "uploads.redb")]
    #[case::somebody_elses("other", 1, "uploads.redb.damaged")]
    fn a_file_of_another_version_is_put_aside(#[case] table: &str, #[case] version: u64, #[case] aside: &str) {
        let folder = Folder::new();
        fs::create_dir(folder.0.path().join("state")).unwrap();
        let database = Database::create(folder.file()).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TableDefinition::<&str, u64>::new(table)).unwrap().insert("schema", version).unwrap();
        transaction.commit().unwrap();
        drop(database);
        assert!(!opens_well(&folder, aside));
        assert!(folder.names().contains(&aside.to_owned()), "{:?}", folder.names());
        if aside != "uploads.redb" {
            let database = Database::open(folder.file().with_file_name(aside)).unwrap();
            let table = database.begin_read().unwrap().open_table(TableDefinition::<&str, u64>::new(table)).unwrap();
            assert_eq!(table.get("schema").unwrap().unwrap().value(), version, "what was in it still is");
        }
    }

    #[test]
    fn what_the_file_system_refuses_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in the way"), "").unwrap();
        let error = State::open(&folder.path().join("in the way").join("uploads.redb")).unwrap_err().to_string();
        assert!(error.contains("in the way/uploads.redb: "), "{error}");
        let error = State::open(folder.path()).unwrap_err();
        assert!(matches!(error, StateError::Io { .. }), "{error}");
        assert!(folder.path().is_dir());
    }

    /// A disk that takes so many more writes, and then is full.
    #[derive(Debug)]
    struct Disk {
        file: FileBackend,
        writes_left: Arc<AtomicUsize>,
    }

    impl Disk {
        fn take(&self) -> io::Result<()> {
            let left = self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            left.map(|_| ()).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.take()?;
            self.file.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.file.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.take()?;
            self.file.write(offset, data)
        }
    }

    #[test]
    fn what_a_full_disk_refuses_waits_for_the_next_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uploads.redb");
        let writes_left = Arc::new(AtomicUsize::new(usize::MAX));
        let (name, left) = (path.clone(), Arc::clone(&writes_left));
        let connect = move |builder: &redb::Builder| {
            let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(&name)?;
            builder.create_with_backend(Disk { file: FileBackend::new(file)?, writes_left: Arc::clone(&left) })
        };
        let state = State::over(StateFile::with(&path, Box::new(connect)));
        state.keep_memory(id(ONE), policy("p"), b"old".to_vec());
        state.commit().unwrap();
        fill(&state);
        // A growing file, so that some commit fails whatever redb writes first.
        for writes in 0..12 {
            writes_left.store(writes, Ordering::Relaxed);
            state.keep_memory(id(TWO), policy("p"), vec![7; 100_000 * (writes + 1)]);
            if let Err(error) = state.commit() {
                assert!(matches!(error, StateError::Io { .. }), "{error}");
                assert!(error.to_string().contains("uploads.redb: "), "{error}");
                assert!(state.pending_bytes() > 100_000);
                assert_eq!(memory(&state, ONE, "p"), b"seen", "what waits is told");
            } else {
                assert!(writes > 0);
            }
            assert_eq!(memory(&state, TWO, "p").len(), 100_000 * (writes + 1));
        }
        writes_left.store(usize::MAX, Ordering::Relaxed);
        state.commit().unwrap();
        assert_eq!(state.pending_bytes(), 0);
        drop(state);
        let state = State::open(&path).unwrap();
        assert_eq!(state.load().unwrap(), both());
        assert_eq!(memory(&state, ONE, "p"), b"seen");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is taken for damaged");
    }

    #[test]
    fn memories_past_the_limit_are_forgotten_and_counted() {
        let state = State::in_memory();
        state.keep_memory(id(ONE), policy("p"), vec![1; MAX_MEMORY_BYTES]);
        assert_eq!(state.dropped_memories(), 0);
        state.keep_memory(id(TWO), policy("p"), vec![1]);
        assert_eq!(state.dropped_memories(), 1);
        assert_eq!(memory(&state, TWO, "p"), b"");
        assert_eq!(memory(&state, ONE, "p").len(), MAX_MEMORY_BYTES);
    }
}
