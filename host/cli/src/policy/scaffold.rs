//! The crate of a new policy: one that works, to be changed from there.
//!
//! Nobody has published the SDK, so the crate brings its own: what it needs is part of this program, and builds wherever
//! the crate lies.

mod crate_name;
mod vendored;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

pub use self::crate_name::{BadCrateName, CrateName};
pub use self::vendored::VENDORED;

/// What stands for the crate's name in its files.
const NAME: &str = "POLICY-NAME";

/// Where the crate keeps what is not its own.
const VENDOR: &str = "vendor";

/// The manifest of the SDK, which here takes part of it from the workspace.
const SDK_MANIFEST: (&str, &str) = ("plugins/sdk/Cargo.toml", include_str!("../../policy-template/sdk.toml"));

/// The files of a crate.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../policy-template/manifest.toml")),
    // The versions that this program was tested with.
    ("Cargo.lock", include_str!("../../policy-template/lock.toml")),
    (".gitignore", include_str!("../../policy-template/gitignore")),
    ("README.md", include_str!("../../policy-template/README.md")),
    ("src/lib.rs", include_str!("../../policy-template/lib.rs")),
    ("fixtures/recent-reads.json", include_str!("../../policy-template/fixtures/recent-reads.json")),
    ("fixtures/settings.json", include_str!("../../policy-template/fixtures/settings.json")),
    ("fixtures/taken-over.json", include_str!("../../policy-template/fixtures/taken-over.json")),
];

/// Makes the crate `name` in a folder of its own below `parent`, and answers where it is. It is there whole, or not at
/// all.
///
/// # Errors
/// If there is something of that name, no such parent, or it may not be written to.
pub fn scaffold(name: &CrateName, parent: &Path) -> anyhow::Result<PathBuf> {
    if !parent.is_dir() {
        bail!("there is no folder {}: make it, or name another with --dir", parent.display());
    }
    let folder = parent.join(name.as_str());
    if folder.symlink_metadata().is_ok() {
        bail!("{} exists, and nothing in it was touched: give another name, or another folder", folder.display());
    }
    let cannot_make = || format!("cannot make {}", folder.display());
    let unfinished = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        // As `mkdir` would: what the user's mask leaves of it.
        .permissions(fs::Permissions::from_mode(0o777))
        .tempdir_in(parent)
        .with_context(cannot_make)?;
    write_files(name, unfinished.path()).with_context(cannot_make)?;
    fs::rename(unfinished.path(), &folder).with_context(cannot_make)?;
    // Its name is another by now.
    let _ = unfinished.keep();
    Ok(folder)
}

fn write_files(name: &CrateName, folder: &Path) -> io::Result<()> {
    for (path, text) in FILES {
        write(&folder.join(path), &text.replace(NAME, name.as_str()))?;
    }
    let vendor = folder.join(VENDOR);
    for (path, text) in VENDORED {
        write(&vendor.join(path), text)?;
    }
    let (path, text) = SDK_MANIFEST;
    write(&vendor.join(path), &text.replace("VERSION", env!("CARGO_PKG_VERSION")))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).create(folder)?;
    }
    fs::write(file, text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn name() -> CrateName {
        "hot-window".parse().unwrap()
    }

    fn entries(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn all_that_the_sdk_is_made_of_is_carried() {
        let paths = |folder: &str, ending: &str| {
            let files = entries(&root().join(folder)).into_iter().filter(|file| file.ends_with(ending));
            files.map(|file| format!("{folder}/{file}")).collect::<Vec<_>>()
        };
        let sources = paths("plugins/sdk/src", "")
            .into_iter()
            .flat_map(|path| if root().join(&path).is_dir() { paths(&path, ".rs") } else { vec![path] });
        assert!(entries(&root().join("plugins/sdk")).iter().all(|entry| ["Cargo.toml", "src"].contains(&&**entry)));
        // Released contracts are those of other components.
        let there: BTreeSet<_> =
            ["LICENSE".to_owned()].into_iter().chain(sources).chain(paths("wit", ".wit")).collect();
        let carried: BTreeSet<_> = VENDORED.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, there, "host/cli/src/policy/scaffold/vendored.rs names them");
    }

    fn toml(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn the_sdk_asks_for_the_dependencies_that_it_has_here() {
        let (here, workspace, carried) = (
            toml(&fs::read_to_string(root().join("plugins/sdk/Cargo.toml")).unwrap()),
            toml(&fs::read_to_string(root().join("Cargo.toml")).unwrap()),
            toml(SDK_MANIFEST.1),
        );
        let wasm = r#"cfg(target_arch = "wasm32")"#;
        let of = |manifest: &toml::Table| manifest["target"][wasm]["dependencies"].as_table().unwrap().clone();
        assert_eq!(of(&here).keys().collect::<Vec<_>>(), of(&carried).keys().collect::<Vec<_>>());
        assert!(!here.contains_key("dependencies") && !carried.contains_key("dependencies"));
        assert_eq!(of(&carried)["wit-bindgen"], workspace["workspace"]["dependencies"]["wit-bindgen"]);
        assert_eq!(carried["package"]["edition"], workspace["workspace"]["package"]["edition"]);
    }

    /// What the lock file of a new crate names is on the machine of whoever built this program, and was reviewed.
    #[test]
    fn the_versions_of_a_new_crate_are_those_of_the_workspace() {
        let packages = |text: &str| {
            let lock = toml(text);
            let packages = lock["package"].as_array().unwrap().iter().filter(|package| package.get("source").is_some());
            let identity =
                |package: &toml::Value| ["name", "version", "checksum"].map(|field| package[field].to_string());
            packages.map(identity).collect::<BTreeSet<_>>()
        };
        let workspace = packages(&fs::read_to_string(root().join("Cargo.lock")).unwrap());
        let carried = packages(FILES.iter().find(|(path, _)| *path == "Cargo.lock").unwrap().1);
        let other: Vec<_> = carried.difference(&workspace).collect();
        assert!(
            other.is_empty() && !carried.is_empty(),
            "host/cli/policy-template/lock.toml is older than Cargo.lock: put that into a crate that `thermocline policy \
             new POLICY-NAME` made, run `cargo metadata --offline` there, and copy back what is left of it: {other:?}"
        );
    }

    #[test]
    fn a_crate_is_there_whole_and_bears_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let made = scaffold(&name(), folder.path()).unwrap();
        assert_eq!(made, folder.path().join("hot-window"));
        assert_eq!(entries(folder.path()), BTreeSet::from(["hot-window".to_owned()]));
        for (path, _) in FILES {
            let text = fs::read_to_string(made.join(path)).unwrap();
            assert!(!text.contains(NAME), "{path}");
        }
        let manifest = toml(&fs::read_to_string(made.join("Cargo.toml")).unwrap());
        assert_eq!(manifest["package"]["name"].as_str(), Some("hot-window"));
        let sdk = toml(&fs::read_to_string(made.join("vendor/plugins/sdk/Cargo.toml")).unwrap());
        assert_eq!(sdk["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        for (path, text) in VENDORED {
            assert_eq!(fs::read_to_string(made.join("vendor").join(path)).unwrap(), *text, "{path}");
        }
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o700, 0o700);
    }

    #[rstest]
    #[case::a_folder(|path: &Path| fs::create_dir(path).unwrap())]
    #[case::a_file(|path: &Path| fs::write(path, "mine").unwrap())]
    #[case::a_link_to_nothing(|path: &Path| std::os::unix::fs::symlink("nowhere", path).unwrap())]
    fn what_is_there_stays(#[case] make: fn(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("hot-window");
        make(&there);
        let error = scaffold(&name(), folder.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{} exists, and nothing in it was touched: give another name, or another folder", there.display())
        );
        assert_eq!(entries(folder.path()), BTreeSet::from(["hot-window".to_owned()]));
        assert!(!there.join("Cargo.toml").exists());
    }

    /// Not even root makes folders there.
    #[test]
    fn a_folder_that_cannot_be_written_to_is_told() {
        let error = scaffold(&name(), Path::new("/proc")).unwrap_err();
        assert_eq!(error.to_string(), "cannot make /proc/hot-window");
        assert!(error.chain().count() > 1, "with the system's word for it");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = scaffold(&name(), Path::new("/nowhere")).unwrap_err().to_string();
        assert_eq!(error, "there is no folder /nowhere: make it, or name another with --dir");
    }
}
