//! The `thermocline` command, as users run it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary, which cargo puts beside the folder of the tests' own.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("thermocline");
    assert!(binary.exists(), "there is no {}: run the tests with `cargo test --workspace`", binary.display());
    binary
}

/// The command, which neither reads input nor the environment's settings.
pub(crate) fn thermocline<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null()).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Runs the command to its end.
pub(crate) fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    Run::of(&mut thermocline(args))
}

/// What a command that has ended left behind.
#[derive(Debug)]
pub(crate) struct Run {
    /// None where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs a command to its end. It never panics.
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let run = Run { code: status.code(), stdout, stderr: String::from_utf8(stderr).unwrap() };
        assert!(!run.stderr.contains("panicked"), "{command:?}: {}", run.stderr);
        run
    }

    /// The same, once it is clear how it ended.
    #[track_caller]
    pub(crate) fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.text(), self.stderr);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// What `--json` printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Of what an upload printed with `--json`, one shard's row.
    #[track_caller]
    pub(crate) fn row(&self, shard: &str) -> Value {
        let rows = self.json();
        let row = rows.as_array().unwrap().iter().find(|row| row["shard"] == shard);
        row.unwrap_or_else(|| panic!("no row of {shard}: {rows}")).clone()
    }
}
