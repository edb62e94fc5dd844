//! What a look at a tenant had to assume or pass over.

use std::fmt;
use std::path::PathBuf;

use crate::layer::TimelineId;

/// Something that whoever uses the answer should know. None of it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// There is no remote to read indexes from.
    NoRemote,
    /// Timelines that the remote has no index of: they were made just now, or it is not the remote that the
    /// tenant is stored in.
    NoIndex {
        /// How many.
        count: usize,
        /// The first.
        first: TimelineId,
    },
    /// Files and folders that mean nothing to us.
    Unknown {
        /// How many.
        count: usize,
        /// The name of the first.
        first: String,
    },
    /// Layer files that are no part of any timeline: left behind by deletions.
    Leftovers {
        /// How many.
        count: usize,
    },
    /// Layer files of another generation or size than the layer of their name.
    OtherIncarnations {
        /// How many.
        count: usize,
    },
    /// A newer object cannot be read, so that an older one was.
    OlderObject {
        /// The URL of the damaged one.
        damaged: String,
        /// What is wrong with it.
        why: String,
    },
    /// The local heatmap cannot be read: nothing counts as inherited.
    DamagedHeatmap {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What was noted of layers seen here cannot be read: all counts as not seen.
    DamagedState {
        /// What is wrong, with the file.
        why: String,
    },
    /// What was seen cannot be noted: a layer that is evicted will count as inherited.
    StateNotKept {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::NoIndex { count, first } => write!(
                f,
                "the remote has no index of {count} timelines, the first is {first}: assumed that each of their \
                 layers belongs to this very shard and is read at the timeline's tip only; is it the remote that \
                 the tenant is stored in?"
            ),
            Note::NoRemote => f.write_str(
                "no remote is given: assumed that the layers are those on disk and in the local heatmap, that this \
                 shard wrote them unless that heatmap says otherwise, and that only the tip of each timeline is read",
            ),
            Note::Unknown { count: 1, first } => write!(f, "passed over {first:?}, which is no layer"),
            Note::Unknown { count, first } => {
                write!(f, "passed over {first:?} and {} more, which are no layers", count - 1)
            }
            Note::Leftovers { count } => write!(f, "passed over {count} layer files that no index knows"),
            Note::OtherIncarnations { count } => {
                write!(f, "passed over {count} layer files of another generation or size than the index lists")
            }
            Note::OlderObject { damaged, why } => write!(f, "{damaged} cannot be read, took an older one: {why}"),
            Note::DamagedHeatmap { file, why } => {
                write!(f, "{}: nothing counts as inherited: {why}", file.display())
            }
            Note::DamagedState { why } => write!(f, "layers that were evicted may count as inherited: {why}"),
            Note::StateNotKept { folder, why } => write!(
                f,
                "{}: cannot note which layers are on disk, so that those that are evicted will count as inherited; \
                 choose another state folder: {why}",
                folder.display()
            ),
        }
    }
}
