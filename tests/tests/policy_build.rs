//! Crates become components: the same bytes wherever they are, and a word of advice where it fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rstest::rstest;
use tempfile::TempDir;
use thermocline::layer::LayerTable;
use thermocline::policy::{Engine, Level, Limits, NO_CONFIG, Policy};
use thermocline_cli::policy::build::{Built, build, build_in};
use thermocline_policy::Tenant;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds an author's crate. Their crates share a name and, so that the tools compile once, a target
/// folder: one at a time.
fn build_author(crate_dir: &Path) -> anyhow::Result<Built> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    build_in(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors"), crate_dir, None)
}

/// A crate of an author, outside of this workspace, with this in its `lib.rs`.
fn author(source: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sdk = root().join("plugins/sdk").canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"author\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n\
         [dependencies]\nthermocline-policy = {{ path = {sdk:?} }}\n\n[workspace]\n"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    // The versions of this workspace, which are on this machine already.
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), source).unwrap();
    folder
}

/// A policy that answers `select` with this expression, in a crate that forbids what it can.
fn policy(select: &str) -> String {
    format!(
        r#"#![forbid(unsafe_code)]
        #![deny(warnings)]
        use thermocline_policy::*;
        struct Author;
        impl Policy for Author {{
            fn describe() -> Description {{
                Description {{
                    name: "author".into(),
                    version: "0.1.0".into(),
                    summary: "For a test.".into(),
                    config_schema: NO_SETTINGS.into(),
                }}
            }}
            fn configure(config: &str) -> Result<Self, String> {{
                no_settings(config).map(|()| Author)
            }}
            fn select(&self, tenant: &Tenant, layers: &dyn Layers, _: &[u8]) -> Result<Selection, String> {{
                let _ = (tenant, layers);
                {select}
            }}
        }}
        export!(Author);
        "#
    )
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

fn tenant() -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc".into(), generation: 1, now: 0, checkpoint_distance: 1 << 28 }
}

fn built(crate_dir: &Path) -> Vec<u8> {
    let built = build_author(crate_dir).unwrap();
    assert_eq!(built.file, crate_dir.canonicalize().unwrap().join("author.wasm"));
    let bytes = fs::read(&built.file).unwrap();
    assert_eq!((built.size_bytes, built.digest), (bytes.len(), thermocline::Digest::of(&bytes)));
    bytes
}

#[test]
fn a_panic_in_a_policy_says_why() {
    let author = author(&policy("panic!(\"no layers for {}\", tenant.shard)"));
    let policy = Policy::load(&ENGINE, &built(author.path()), NO_CONFIG).unwrap();
    let table = Arc::new(LayerTable::builder().build().unwrap());
    let error = policy.select(&tenant(), &table, &[]).unwrap_err();
    let [line] = &*error.report().log else { panic!("{error}") };
    assert_eq!(line.level, Level::Warn);
    let message = &line.message;
    assert!(
        message.starts_with("panicked at src/lib.rs:")
            && message.ends_with("no layers for 1f359dd625e519a1a4e8d7509690f6fc"),
        "{message}"
    );
}

#[test]
fn a_policy_speaks_to_the_log() {
    let author = author(&policy("log(Level::Info, &format!(\"{} rows\", layers.rows())); Ok(Selection::default())"));
    let policy = Policy::load(&ENGINE, &built(author.path()), NO_CONFIG).unwrap();
    let table = Arc::new(LayerTable::builder().build().unwrap());
    let called = policy.select(&tenant(), &table, &[]).unwrap();
    let [line] = &*called.report.log else { panic!("{:?}", called.report) };
    assert_eq!((line.level, &*line.message), (Level::Info, "0 rows"));
}

#[rstest]
#[case::no_export(
    "pub fn nothing() {}",
    "hand the type that implements `thermocline_policy::Policy` to `thermocline_policy::export!(...)`"
)]
#[case::the_sdk_but_no_export(
    "pub fn describe() -> thermocline_policy::Selection { thermocline_policy::log(thermocline_policy::Level::Info, \"\"); thermocline_policy::Selection::default() }",
    "crate author does not export `describe`"
)]
#[case::no_rust(
    "pub fn nothing() {",
    "crate author does not compile for wasm32-unknown-unknown: cargo says why, above"
)]
#[case::no_policy("thermocline_policy::export!(String);", "crate author does not compile")]
fn what_is_no_policy_is_refused(#[case] source: &str, #[case] why: &str) {
    let author = author(source);
    let refused = build_author(author.path()).unwrap_err().to_string();
    assert!(refused.contains(why), "{refused}");
    assert!(!author.path().join("author.wasm").exists());
}

#[test]
fn what_was_there_stays_where_a_build_fails() {
    let author = author("not Rust");
    let file = author.path().join("author.wasm");
    fs::write(&file, "the old one").unwrap();
    build_author(author.path()).unwrap_err();
    assert_eq!(fs::read_to_string(&file).unwrap(), "the old one");
}

/// Copies what git would keep.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let skipped = ["target", ".git", "corpus", "data"].iter().any(|name| entry.file_name() == *name);
        if skipped {
            continue;
        } else if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn two_checkouts_make_the_same_bytes() {
    let elsewhere = tempfile::tempdir().unwrap();
    let checkout = elsewhere.path().join("a longer path, with spaces");
    copy(&root(), &checkout);
    let (here, there) = (elsewhere.path().join("here.wasm"), elsewhere.path().join("there.wasm"));
    let here = build(&root().join("plugins/resident-set"), Some(&here)).unwrap();
    let there =
        build_in(&elsewhere.path().join("target"), &checkout.join("plugins/resident-set"), Some(&there)).unwrap();
    assert_eq!(here.digest, there.digest);
}
