//! The bytes of the log.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::medium::make_folder;
use crate::atomic_file;

/// The bytes of the log, wherever they are.
pub(super) trait LogFile: Debug + Send {
    /// Where it is, for errors.
    fn path(&self) -> &Path;

    /// How many bytes there are.
    fn len(&self) -> io::Result<u64>;

    /// So many bytes from `start` on.
    fn read_at(&self, start: u64, bytes: usize) -> io::Result<Vec<u8>>;

    /// Puts bytes at the end, which is at `end`. On disk when this answers; if it fails, some of them may be.
    fn append(&mut self, end: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts off what is behind `end`. On disk when this answers.
    fn cut(&mut self, end: u64) -> io::Result<()>;

    /// Puts `bytes` into the place of everything, which is kept under the name `aside`, beside. If it fails, either is
    /// there, and [`reopen`](Self::reopen) has to come before anything else.
    fn replace(&mut self, bytes: &[u8], aside: &str) -> io::Result<()>;

    /// Whether there is something of this name beside.
    fn is_taken(&self, aside: &str) -> bool;

    /// Takes what is there now.
    fn reopen(&mut self) -> io::Result<()>;
}

/// A file.
#[derive(Debug)]
pub(super) struct OnDisk {
    path: PathBuf,
    file: File,
}

impl OnDisk {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(OnDisk { path: path.to_owned(), file: open(path)? })
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // It may just have been made, or put there.
    File::open(folder)?.sync_all()?;
    Ok(file)
}

impl LogFile for OnDisk {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, start: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; bytes];
        self.file.read_exact_at(&mut read, start)?;
        Ok(read)
    }

    fn append(&mut self, end: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, end)?;
        self.file.sync_data()
    }

    fn cut(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.sync_all()
    }

    fn replace(&mut self, bytes: &[u8], aside: &str) -> io::Result<()> {
        let old = self.read_at(0, usize::try_from(self.len()?).map_err(io::Error::other)?)?;
        atomic_file::write_private(&self.folder().join(aside), &old)?;
        atomic_file::write_private(&self.path, bytes)?;
        self.reopen()
    }

    fn is_taken(&self, aside: &str) -> bool {
        // What cannot be looked at is not written over either.
        self.folder().join(aside).try_exists().unwrap_or(true)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        Ok(())
    }
}

/// Gone with the process, and with it what was put aside.
#[derive(Debug, Default)]
pub(super) struct InMemory(Vec<u8>);

impl LogFile for InMemory {
    fn path(&self) -> &Path {
        Path::new("the log of policies in memory")
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, start: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(start).map_err(io::Error::other)?;
        let read = self.0.get(start..).and_then(|rest| rest.get(..bytes));
        read.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn append(&mut self, _end: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn cut(&mut self, end: u64) -> io::Result<()> {
        self.0.truncate(usize::try_from(end).map_err(io::Error::other)?);
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8], _aside: &str) -> io::Result<()> {
        self.0 = bytes.to_vec();
        Ok(())
    }

    fn is_taken(&self, _aside: &str) -> bool {
        false
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}
