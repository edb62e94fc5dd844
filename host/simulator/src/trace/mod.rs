//! Page accesses over time: what a compute asks of its pageserver.

mod capture;
mod csv;
mod generate;
mod packed;
mod page;

use std::collections::HashMap;
use std::path::PathBuf;

pub use capture::{Captured, LeftOut, MAX_LINE_BYTES, convert};
pub use generate::Kind;
pub(crate) use page::next_key;
pub use page::{Fork, PAGE_BYTES, Page};

use crate::dense::{Dense, Id, id};

/// Most accesses that a trace holds: beyond, memory runs out before patience does.
pub const MAX_ACCESSES: usize = 200_000_000;

/// Blocks of a relation in one file of Postgres, and so the most that a row stands for.
const SEGMENT_BLOCKS: u32 = 131_072;

/// The last block that a row may begin with.
const MAX_FIRST_BLOCK: u32 = u32::MAX - SEGMENT_BLOCKS;

/// The columns of a trace in a file, in the order in which they are written. When read, they may stand in any order, and
/// others beside them.
const COLUMNS: [&str; 7] = ["t_ms", "op", "db", "rel", "fork", "block", "nblocks"];

id! {
    /// A page of a trace. Numbers keep the order of keys.
    pub PageId
}

/// What is done to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The compute asks for the page.
    Read,
    /// The compute changes the page.
    Write,
}

/// One page, read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Milliseconds since the trace began.
    pub at_ms: u32,
    /// What is done.
    pub op: Op,
    /// To which page.
    pub page: PageId,
}

/// Page accesses in the order of time.
#[derive(Clone, Debug)]
pub struct Trace {
    name: String,
    accesses: Vec<Access>,
    pages: Dense<PageId, Page>,
}

/// A trace that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file does not open, or breaks off.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line that is not an access.
    #[error("{}, line {line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counts from 1.
        line: u64,
        /// What is wrong with it, and what it should be.
        why: String,
    },
    /// Nothing to simulate.
    #[error("{}: there is no page read in it, and a policy is judged by the reads it serves", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A trace that is to be written, and is not.
    #[error("cannot write the trace: {source}")]
    Write {
        /// What the system says.
        source: std::io::Error,
    },
    /// A log that a trace is to be made of, with nothing to put into it.
    #[error(
        "{}: in {lines} lines no page of a relation is read: strace has to follow every process (-f) of a Postgres of \
         version 12 or later, and show at least pread64, pwrite64, preadv and pwritev",
        path.display()
    )]
    NothingCaptured {
        /// The log.
        path: PathBuf,
        /// How many it has.
        lines: u64,
    },
    /// Over [`MAX_ACCESSES`].
    #[error("{}: a trace of more than {MAX_ACCESSES} pages read or written; give a part of it", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

impl Trace {
    /// Of accesses in any order of time: those of one millisecond stay in theirs.
    pub(crate) fn new(name: String, accesses: Vec<(u32, Op, Page)>) -> Self {
        let mut numbers: HashMap<Page, u32> = HashMap::new();
        for (_, _, page) in &accesses {
            numbers.entry(*page).or_default();
        }
        let mut pages: Vec<Page> = numbers.keys().copied().collect();
        pages.sort_unstable();
        for (page, number) in pages.iter().zip(0..) {
            numbers.insert(*page, number);
        }
        let number = |page| PageId::new(numbers.get(&page).map_or(usize::MAX, |&number| number as usize));
        let mut accesses: Vec<Access> =
            accesses.into_iter().map(|(at_ms, op, page)| Access { at_ms, op, page: number(page) }).collect();
        accesses.sort_by_key(|access| access.at_ms);
        Trace { name, accesses, pages: pages.into_iter().collect() }
    }

    /// What to call it: its file's name, or what generated it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All accesses, in the order of time.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// How many different pages there are.
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// How many of the accesses are reads.
    pub fn read_count(&self) -> usize {
        self.accesses.iter().filter(|access| access.op == Op::Read).count()
    }

    /// From the beginning to the last access, milliseconds.
    pub fn duration_ms(&self) -> u32 {
        self.accesses.last().map_or(0, |access| access.at_ms)
    }

    /// How many blocks the database has at the end: of each fork of a relation, all up to the last that is touched.
    pub fn database_blocks(&self) -> u64 {
        let pages = self.pages.as_slice();
        let ends = pages.chunk_by(|a, b| a.fork == b.fork).filter_map(<[Page]>::last);
        ends.map(|page| u64::from(page.block) + 1).sum()
    }

    pub(crate) fn pages(&self) -> &Dense<PageId, Page> {
        &self.pages
    }
}
