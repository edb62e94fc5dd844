//! Why the state cannot be read or kept.

use std::io;
use std::path::PathBuf;

/// Why the state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process has it open.
    #[error(
        "{}: another host runs on this state file: end it, or give this one a state folder of its own",
        .path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("{}: {source}: see that the disk has space and that the folder may be written to", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The file is damaged, and so was the one that was made in its place.
    #[error("{}: the state file is damaged ({why}), and so is a new one: see whether the disk is", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}
