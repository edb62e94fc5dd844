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
