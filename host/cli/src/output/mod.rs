//! What users see.

mod failure;
mod quantity;
mod shell;
mod table;

pub(crate) use failure::told;
pub(crate) use quantity::{bytes, count, heat, micros, millis, percent_of, time};
pub(crate) use shell::quoted;
pub(crate) use table::Table;

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Writes `bytes` to stdout. That whoever reads it has seen enough and closed the pipe is no error: what is to be
/// done is done all the same, and the exit code tells how it went.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

/// Writes `text` and a line's end to stdout.
pub(crate) fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    raw(format!("{}\n", text.as_ref()).as_bytes())
}

/// Writes pretty JSON and a line's end to stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}
