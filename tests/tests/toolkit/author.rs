//! A crate that `policy new` made, and its component.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::command::{Run, run, thermocline};

/// A crate of an author, in a folder of its own.
pub(crate) struct Author {
    folder: TempDir,
}

/// Where all of these crates are built, so that what they depend on is compiled once.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolkit")
}

impl Author {
    pub(crate) fn new() -> Self {
        let author = Author { folder: tempfile::tempdir().unwrap() };
        run(["policy", "new", "hot-window", "--dir", author.folder.path().to_str().unwrap()]).exits_with(0);
        author
    }

    /// The crate's folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("hot-window")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// A command in the crate's folder.
    pub(crate) fn thermocline(&self, args: &[&str]) -> Run {
        Run::of(self.in_folder(&mut thermocline(args)))
    }

    pub(crate) fn in_folder<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.current_dir(self.dir()).env("CARGO_TARGET_DIR", target())
    }
}

/// The component of a crate as it was made, and the crate. Built once.
pub(crate) static MADE: LazyLock<Author> = LazyLock::new(|| {
    let author = Author::new();
    author.thermocline(&["policy", "build", "."]).exits_with(0);
    author
});

/// The component of [`MADE`].
pub(crate) fn component() -> String {
    MADE.file("hot-window.wasm").to_str().unwrap().to_owned()
}

/// The component that the host carries.
pub(crate) const BUILT_IN: &str = "built-in";
