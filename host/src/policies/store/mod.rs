//! Components by their digest, and the log of what was done with them.
//!
//! A folder has
//!
//! - `log.jsonl`, the truth: an entry a line, each on disk before it holds. Once it has [`MAX_LOG_BYTES`], it is kept as
//!   `log.1.jsonl`, and another begins with what it added up to. A line that was not finished is cut off when the log is
//!   opened; a log with damaged lines is kept as `log.damaged-1.jsonl`, and the lines that are whole go on counting;
//! - `components/SHA256.wasm`: what was installed;
//! - `compiled/ENGINE/SHA256.cwasm`: what a compiler made of them, used again by the same compiler. May be deleted;
//! - `lock`, so that no two hosts have one folder.
//!
//! Everything in it is made for this user only. Compiled code is used only where nobody else can have written it.

mod compiled;
mod error;
mod line;
mod log;
mod log_file;
mod medium;

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub use self::error::StoreError;
use self::log::Log;
pub use self::log::{MAX_ENTRY_BYTES, MAX_LOG_BYTES};
use self::log_file::{InMemory, OnDisk};
use self::medium::{Medium, make_folder};
use super::entry::Entry;
use super::lock;
use super::standing::Standing;
use crate::Digest;
use crate::policy::{Engine, Policy};

/// Most components in a store.
pub const MAX_INSTALLED: usize = 64;

/// Most component files, also of those that nobody wrote down: a host may be killed, or its disk be full, between the
/// file and the entry.
const MAX_FILES: usize = 2 * MAX_INSTALLED;

const LOCK: &str = "lock";
const LOG: &str = "log.jsonl";
const COMPONENTS: &str = "components";
const COMPONENT_SUFFIX: &str = ".wasm";

/// Components by their digest, and the log of what was done with them. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct PolicyStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    medium: Medium,
    log: Mutex<Log>,
    /// What the log adds up to. Apart from it, so that nobody who reads this waits for the disk.
    standing: RwLock<Arc<Standing>>,
    /// Locked as long as it is open.
    _lock: Option<File>,
}

impl PolicyStore {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// If another host has it, or it cannot be read or written. Damage in the log is none: what is whole counts.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder).map_err(StoreError::io(folder))?;
        let lock = take(folder)?;
        let path = folder.join(LOG);
        let file = OnDisk::open(&path).map_err(StoreError::io(&path))?;
        let store = Self::over(Medium::Folder(folder.to_owned()), Log::open(Box::new(file))?, Some(lock));
        store.tidy();
        Ok(store)
    }

    /// Kept in memory only.
    pub fn in_memory() -> Self {
        Self::in_memory_with(Standing::default())
    }

    /// Kept in memory only, where this holds from the beginning.
    pub(super) fn in_memory_with(standing: Standing) -> Self {
        let log = Log::empty(Box::new(InMemory::default())).beginning_with(standing);
        Self::over(Medium::Memory(Mutex::default()), log, None)
    }

    fn over(medium: Medium, log: Log, lock: Option<File>) -> Self {
        let standing = RwLock::new(Arc::clone(log.standing()));
        PolicyStore(Arc::new(Inner { medium, log: Mutex::new(log), standing, _lock: lock }))
    }

    /// Removes what hosts that were killed have left. What stays only takes room.
    fn tidy(&self) {
        let medium = &self.0.medium;
        let mut folders = vec![String::new(), COMPONENTS.to_owned()];
        folders.extend(
            medium
                .names(compiled::FOLDER)
                .unwrap_or_default()
                .iter()
                .map(|engine| format!("{}/{engine}", compiled::FOLDER)),
        );
        for folder in folders {
            if let Err(error) = medium.remove_leftovers(&folder) {
                tracing::warn!("{}: unfinished files stay: {error}", medium.path(&folder).display());
            }
        }
        self.remove_unknown();
    }

    /// Removes components that the log does not speak of, unless it may have lost their entries.
    fn remove_unknown(&self) {
        let medium = &self.0.medium;
        let log = lock(&self.0.log);
        if log.is_damaged() || log.standing().seq == 0 {
            return;
        }
        for name in medium.names(COMPONENTS).unwrap_or_default() {
            let digest = name.strip_suffix(COMPONENT_SUFFIX).and_then(|digest| digest.parse().ok());
            let Some(unknown) = digest.filter(|digest| !log.standing().mentions(*digest)) else { continue };
            if let Err(error) = self.remove(unknown) {
                tracing::warn!("{error}; nobody needs this file");
            }
        }
    }

    /// What the log adds up to, as of the last change. Waits for nobody.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.0.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a component; on disk when this answers. One that is there already, and whole, is left alone.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let medium = &self.0.medium;
        let digest = Digest::of(bytes);
        let name = component(digest);
        if matches!(medium.read(&name), Ok(Some(found)) if found == bytes) {
            return Ok(digest);
        }
        if medium.names(COMPONENTS).map_or(0, |names| names.len()) >= MAX_FILES {
            self.remove_unknown();
        }
        medium.write(&name, bytes).map_err(StoreError::io(&medium.path(&name)))?;
        Ok(digest)
    }

    /// Drops a component, and what was compiled of it. That there is none is no error.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        let medium = &self.0.medium;
        compiled::remove(medium, digest).map_err(StoreError::io(&medium.path(compiled::FOLDER)))?;
        let name = component(digest);
        medium.remove(&name).map_err(StoreError::io(&medium.path(&name)))
    }

    /// A component, loaded (not configured). Its bytes are checked against the digest; what was compiled before is used
    /// again where it was compiled by this very engine, and only if nobody else can have written it.
    ///
    /// # Errors
    /// If it is not there, not what was put there, or does not load.
    pub fn load(&self, engine: &Engine, digest: Digest) -> Result<Policy, StoreError> {
        let medium = &self.0.medium;
        let name = component(digest);
        let path = medium.path(&name);
        let Some(bytes) = medium.read(&name).map_err(StoreError::io(&path))? else {
            return Err(StoreError::Missing { path, digest });
        };
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(StoreError::Damaged { path, expected: digest, found });
        }
        Ok(compiled::load(medium, engine, digest, &bytes)?)
    }

    /// Adds an entry; on disk when this answers. It gets the next number.
    ///
    /// # Errors
    /// If it cannot be written. The log is then as it was.
    pub fn append(&self, entry: Entry) -> Result<Entry, StoreError> {
        let mut log = lock(&self.0.log);
        let appended = log.append(entry);
        // Also where it failed: a log that was in doubt may have been read again.
        *self.0.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(log.standing());
        appended
    }

    /// At most `limit` entries after number `after`, in order; fewer where they are large, but none only if there are no
    /// more. Those of a log that was full are told by its file.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        lock(&self.0.log).entries(after, limit)
    }
}

#[cfg(test)]
impl PolicyStore {
    /// Kept in memory, but for the log: that is on a disk that a test may fill.
    pub(super) fn on_a_disk() -> (Self, log::tests::Faulty) {
        let disk = log::tests::Faulty::default();
        (Self::over(Medium::Memory(Mutex::default()), Log::empty(Box::new(disk.clone())), None), disk)
    }
}

fn component(digest: Digest) -> String {
    format!("{COMPONENTS}/{digest}{COMPONENT_SUFFIX}")
}

/// Takes the folder's lock, which ends with the process at the latest.
fn take(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let open = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = open.map_err(StoreError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::Io { path, source: error }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::PathBuf;
    use std::sync::LazyLock;

    use rstest::rstest;
    use serde_json::value::RawValue;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::policies::entry::Action;
    use crate::policies::which::Which;
    use crate::policy::{Limits, RESIDENT_SET};

    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

    /// The built-in policy under another name: another component.
    pub(in crate::policies) fn another() -> Vec<u8> {
        let (name, other) = (&b"resident-set"[..], b"another-name");
        let mut bytes = RESIDENT_SET.to_vec();
        let places: Vec<usize> =
            bytes.windows(name.len()).enumerate().filter(|(_, found)| *found == name).map(|(at, _)| at).collect();
        places.iter().for_each(|at| bytes[*at..*at + name.len()].copy_from_slice(other));
        bytes
    }

    fn name(policy: &Policy) -> &str {
        policy.identity().name().unwrap()
    }

    fn about(action: Action, digest: Digest) -> Entry {
        Entry { to: Some(Which::Component(digest)), ..Entry::plain(action) }
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Folder(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("policies")
        }

        fn open(&self) -> PolicyStore {
            PolicyStore::open(&self.path()).unwrap()
        }

        fn component(&self, digest: Digest) -> PathBuf {
            self.path().join(component(digest))
        }

        fn compiled(&self, digest: Digest) -> PathBuf {
            self.path().join("compiled").join(ENGINE.compiled_for()).join(format!("{digest}.cwasm"))
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[rstest]
    #[case::in_a_folder(true)]
    #[case::in_memory(false)]
    fn components_come_and_go(#[case] on_disk: bool) {
        let folder = Folder::new();
        let store = if on_disk { folder.open() } else { PolicyStore::in_memory() };
        let digest = store.put(RESIDENT_SET).unwrap();
        assert_eq!(digest, Digest::of(RESIDENT_SET));
        assert_eq!(store.put(RESIDENT_SET).unwrap(), digest, "once more changes nothing");
        let other = store.put(&another()).unwrap();
        // First compiled, then what was compiled.
        for _ in 0..2 {
            assert_eq!(name(&store.load(&ENGINE, digest).unwrap()), "resident-set");
            assert_eq!(name(&store.load(&ENGINE, other).unwrap()), "another-name");
        }
        store.remove(digest).unwrap();
        store.remove(digest).unwrap();
        let gone = store.load(&ENGINE, digest).unwrap_err().to_string();
        assert!(gone.contains(&format!("sha256:{digest} is installed: install it again")), "{gone}");
        assert_eq!(name(&store.load(&ENGINE, other).unwrap()), "another-name");
        assert!(!folder.compiled(digest).exists());
        assert_eq!(folder.compiled(other).exists(), on_disk);
    }

    #[rstest]
    #[case::in_a_folder(true)]
    #[case::in_memory(false)]
    fn the_log_adds_up(#[case] on_disk: bool) {
        let folder = Folder::new();
        let store = if on_disk { folder.open() } else { PolicyStore::in_memory() };
        assert_eq!(*store.standing(), Standing::default());
        let digest = Digest::of(b"a");
        store.append(about(Action::Install, digest)).unwrap();
        let config = Some(RawValue::from_string("{\"a\":\n1}".into()).unwrap());
        let appended = store.append(Entry { config, ..about(Action::Activate, digest) }).unwrap();
        assert_eq!(appended.seq, 2);
        let told = store.log(0, 9).unwrap();
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].json(), appended.json(), "what it answers is what it keeps");
        assert_eq!(store.log(1, 9).unwrap().len(), 1);
        let standing = store.standing();
        assert_eq!((standing.active.which, &*standing.active.config), (Which::Component(digest), "{\"a\": 1}"));
        if on_disk {
            drop(store);
            assert_eq!(folder.open().standing(), standing);
        }
    }

    #[test]
    fn what_the_log_adds_up_to_is_told_without_waiting_for_it_or_copying_it() {
        let store = PolicyStore::in_memory();
        let before = store.standing();
        store.append(about(Action::Install, Digest::of(b"a"))).unwrap();
        // As while an entry is on its way to the disk.
        let _appending = lock(&store.0.log);
        let (first, second) = (store.standing(), store.standing());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!((before.seq, first.seq), (0, 1), "who has taken it keeps it as it was");
    }

    #[test]
    fn a_folder_has_one_host() {
        let folder = Folder::new();
        let store = folder.open();
        let error = PolicyStore::open(&folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("{}: another host keeps its policies here", folder.path().display())),
            "{error}"
        );
        let clone = store.clone();
        drop(store);
        assert!(PolicyStore::open(&folder.path()).is_err(), "a clone has it, too");
        drop(clone);
        folder.open();
    }

    #[test]
    fn what_is_made_is_this_users() {
        let folder = Folder::new();
        let store = folder.open();
        let digest = store.put(RESIDENT_SET).unwrap();
        store.load(&ENGINE, digest).unwrap();
        store.append(about(Action::Install, digest)).unwrap();
        let files =
            [folder.component(digest), folder.compiled(digest), folder.path().join(LOG), folder.path().join(LOCK)];
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        let made = [folder.path(), folder.path().join(COMPONENTS), folder.path().join("compiled")];
        for made in made.iter().map(PathBuf::as_path).chain(folder.compiled(digest).parent()) {
            assert_eq!(mode(made), 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_damaged_component_is_noticed_and_put_again() {
        let (folder, digest) = (Folder::new(), Digest::of(RESIDENT_SET));
        let store = folder.open();
        store.put(RESIDENT_SET).unwrap();
        store.load(&ENGINE, digest).unwrap();
        let path = folder.component(digest);
        for damaged in [&RESIDENT_SET[..RESIDENT_SET.len() - 1], b"", &another()] {
            fs::write(&path, damaged).unwrap();
            let error = store.load(&ENGINE, digest).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
            assert!(error.contains("the file is damaged") && error.contains("again"), "{error}");
            store.put(RESIDENT_SET).unwrap();
            store.load(&ENGINE, digest).unwrap();
        }
    }

    #[test]
    fn what_is_no_policy_is_named() {
        let folder = Folder::new();
        let store = folder.open();
        let digest = store.put(b"\0asm").unwrap();
        assert!(matches!(store.load(&ENGINE, digest), Err(StoreError::Policy(_))));
        assert!(!folder.compiled(digest).exists());
    }

    /// Code of another component under a seal that fits: what somebody would plant who knows how seals are made. That it
    /// is used where nobody else can have put it shows that the tests below would notice.
    fn plant(folder: &Folder, store: &PolicyStore) -> (Digest, PathBuf) {
        let digest = store.put(RESIDENT_SET).unwrap();
        let other = store.put(&another()).unwrap();
        store.load(&ENGINE, other).unwrap();
        let code = fs::read(folder.compiled(other)).unwrap()[40..].to_vec();
        let magic = b"tlpolcy1";
        let sum = Sha256::new().chain_update(magic).chain_update(digest.as_bytes()).chain_update(ENGINE.compiled_for());
        let seal = sum.chain_update(&code).finalize();
        let path = folder.compiled(digest);
        fs::write(&path, [&magic[..], &seal[..], &code].concat()).unwrap();
        allow(&path, 0o600);
        assert_eq!(name(&store.load(&ENGINE, digest).unwrap()), "another-name");
        (digest, path)
    }

    #[rstest]
    #[case::the_group_may_write_it(|path: &Path| allow(path, 0o620))]
    #[case::all_may_write_it(|path: &Path| allow(path, 0o602))]
    #[case::all_may_write_its_folder(|path: &Path| allow(path.parent().unwrap(), 0o702))]
    #[case::all_may_write_the_folder_above(|path: &Path| allow(path.parent().unwrap().parent().unwrap(), 0o702))]
    #[case::all_may_write_the_store(|path: &Path| allow(path.ancestors().nth(3).unwrap(), 0o777))]
    #[case::it_is_a_link(|path: &Path| {
        let elsewhere = path.with_extension("elsewhere");
        fs::rename(path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(elsewhere, path).unwrap();
    })]
    #[case::its_folder_is_a_link(|path: &Path| {
        let elsewhere = path.ancestors().nth(3).unwrap().join("elsewhere");
        fs::rename(path.parent().unwrap(), &elsewhere).unwrap();
        std::os::unix::fs::symlink(elsewhere, path.parent().unwrap()).unwrap();
    })]
    fn compiled_code_that_others_can_write_is_not_used(#[case] open_up: fn(&Path)) {
        let folder = Folder::new();
        let store = folder.open();
        let (digest, path) = plant(&folder, &store);
        open_up(&path);
        for _ in 0..2 {
            assert_eq!(name(&store.load(&ENGINE, digest).unwrap()), "resident-set");
        }
    }

    #[test]
    fn compiled_code_of_another_user_is_not_used() {
        let folder = Folder::new();
        let store = folder.open();
        let (digest, path) = plant(&folder, &store);
        // Only root may give files away.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            assert_eq!(name(&store.load(&ENGINE, digest).unwrap()), "resident-set");
            assert_eq!(fs::metadata(&path).unwrap().uid(), rustix::process::geteuid().as_raw(), "it is made anew");
        }
    }

    #[rstest]
    #[case::cut_off(|code: &mut Vec<u8>, _: &[u8]| code.truncate(code.len() / 2))]
    #[case::empty(|code: &mut Vec<u8>, _: &[u8]| code.clear())]
    #[case::a_bit_of_it(|code: &mut Vec<u8>, _: &[u8]| *code.last_mut().unwrap() ^= 1)]
    #[case::its_seal(|code: &mut Vec<u8>, _: &[u8]| code[20] ^= 1)]
    #[case::its_version(|code: &mut Vec<u8>, _: &[u8]| code[7] ^= 1)]
    #[case::swapped(|code: &mut Vec<u8>, other: &[u8]| *code = other.to_vec())]
    fn damaged_compiled_code_is_made_anew(#[case] damage: fn(&mut Vec<u8>, &[u8])) {
        let folder = Folder::new();
        let store = folder.open();
        let [digest, other] = [RESIDENT_SET.to_vec(), another()].map(|bytes| store.put(&bytes).unwrap());
        for digest in [digest, other] {
            store.load(&ENGINE, digest).unwrap();
        }
        let (path, other) = (folder.compiled(digest), fs::read(folder.compiled(other)).unwrap());
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damage(&mut damaged, &other);
        fs::write(&path, &damaged).unwrap();
        assert_eq!(name(&store.load(&ENGINE, digest).unwrap()), "resident-set");
        let sealed = fs::read(&path).unwrap();
        assert_ne!(sealed, damaged);
        assert!(Policy::load_sealed(&ENGINE, RESIDENT_SET, &sealed).unwrap().is_some());
    }

    #[test]
    fn what_another_engine_compiled_is_not_used_and_goes() {
        let folder = Folder::new();
        let store = folder.open();
        let digest = store.put(RESIDENT_SET).unwrap();
        store.load(&ENGINE, digest).unwrap();
        let metered = Engine::metered(Limits::default()).unwrap();
        let sealed = fs::read(folder.compiled(digest)).unwrap();
        assert!(Policy::load_sealed(&metered, RESIDENT_SET, &sealed).unwrap().is_none());
        store.load(&metered, digest).unwrap();
        assert!(!folder.compiled(digest).exists());
        let engines = fs::read_dir(folder.path().join("compiled")).unwrap().count();
        assert_eq!(engines, 1);
    }

    #[test]
    fn what_killed_hosts_left_is_removed() {
        let folder = Folder::new();
        let store = folder.open();
        let [installed, unknown] = [RESIDENT_SET.to_vec(), another()].map(|bytes| store.put(&bytes).unwrap());
        store.append(about(Action::Install, installed)).unwrap();
        store.load(&ENGINE, installed).unwrap();
        drop(store);
        let leftover = |path: PathBuf| {
            let path = path.with_file_name("a.12-0.___temp");
            fs::write(&path, b"half").unwrap();
            path
        };
        let leftovers =
            [folder.component(installed), folder.compiled(installed), folder.path().join(LOG)].map(leftover);
        let store = folder.open();
        for leftover in leftovers {
            assert!(!leftover.exists(), "{}", leftover.display());
        }
        assert!(folder.component(installed).exists() && folder.compiled(installed).exists());
        assert!(!folder.component(unknown).exists());
        drop(store);

        // A log that may have lost entries condemns nothing.
        for log in [&b"damage\n"[..], b""] {
            fs::write(folder.path().join(LOG), log).unwrap();
            folder.open();
            assert!(folder.component(installed).exists());
        }
    }

    #[rstest]
    #[case::obeyed(MAX_FILES - 1, true)]
    #[case::violated(MAX_FILES, false)]
    fn files_that_nobody_wrote_down_do_not_pile_up(#[case] files: usize, #[case] stay: bool) {
        let folder = Folder::new();
        let store = folder.open();
        let installed = store.put(b"installed").unwrap();
        store.append(about(Action::Install, installed)).unwrap();
        let unknown: Vec<Digest> = (1..files).map(|number| store.put(number.to_string().as_bytes()).unwrap()).collect();
        store.put(b"one more").unwrap();
        assert!(folder.component(installed).exists());
        assert!(unknown.iter().all(|digest| folder.component(*digest).exists() == stay));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"").unwrap();
        let error = PolicyStore::open(&path.join("policies")).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
    }
}
