//! Where components come from.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::OFlags;

use crate::compute::Compute;

/// Where a component comes from: a file, an upload, later a registry.
#[async_trait]
pub trait Source: std::fmt::Debug + Send + Sync {
    /// What it is called, for errors and the log.
    fn name(&self) -> String;

    /// The component's bytes. What has more than `limit_bytes` is refused before it is read.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    async fn fetch(&self, limit_bytes: usize) -> Result<Bytes, SourceError>;
}

/// A component could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It has too many bytes.
    #[error("{name}: {bytes} bytes are more than a policy may have: at most {limit}")]
    TooLarge {
        /// Of the source.
        name: String,
        /// How many it has, as far as is known.
        bytes: u64,
        /// How many it may have.
        limit: usize,
    },
    /// It cannot be read.
    #[error("cannot read {name}: {why}")]
    Unreadable {
        /// Of the source.
        name: String,
        /// What is wrong.
        why: String,
    },
}

fn too_large(name: String, bytes: u64, limit: usize) -> SourceError {
    SourceError::TooLarge { name, bytes, limit }
}

/// A file on the host's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource {
    path: PathBuf,
}

impl FileSource {
    /// This file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileSource { path: path.into() }
    }
}

#[async_trait]
impl Source for FileSource {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn fetch(&self, limit_bytes: usize) -> Result<Bytes, SourceError> {
        let (path, name) = (self.path.clone(), self.name());
        let read = Compute::Threads.run(move || read(&path, limit_bytes)).await;
        read.unwrap_or_else(|error| Err(SourceError::Unreadable { name, why: error.to_string() }))
    }
}

fn read(path: &Path, limit_bytes: usize) -> Result<Bytes, SourceError> {
    let name = path.display().to_string();
    let unreadable = |why: String| SourceError::Unreadable { name: name.clone(), why };
    let failed = |error: std::io::Error| unreadable(error.to_string());
    // Without waiting: a pipe has nobody at its other end, maybe for ever.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(unreadable("this is no file: give a component file".into()));
    }
    if metadata.len() > limit_bytes as u64 {
        return Err(too_large(name, metadata.len(), limit_bytes));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take((limit_bytes as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit_bytes {
        return Err(too_large(name, bytes.len() as u64, limit_bytes));
    }
    Ok(bytes.into())
}

/// What somebody sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// The component.
    pub bytes: Bytes,
    /// What the sender calls it.
    pub name: String,
}

/// Without its bytes.
impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("bytes", &self.bytes.len()).field("name", &self.name).finish()
    }
}

#[async_trait]
impl Source for Upload {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn fetch(&self, limit_bytes: usize) -> Result<Bytes, SourceError> {
        if self.bytes.len() > limit_bytes {
            return Err(too_large(self.name(), self.bytes.len() as u64, limit_bytes));
        }
        Ok(self.bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LIMIT: usize = 1000;

    fn file(folder: &Path, bytes: usize) -> FileSource {
        let path = folder.join("policy.wasm");
        std::fs::write(&path, vec![7; bytes]).unwrap();
        FileSource::new(path)
    }

    #[rstest]
    #[case::nothing(0, true)]
    #[case::limit_obeyed(LIMIT, true)]
    #[case::limit_violated(LIMIT + 1, false)]
    #[tokio::test]
    async fn what_is_too_large_is_refused(#[case] bytes: usize, #[case] fits: bool) {
        let folder = tempfile::tempdir().unwrap();
        let upload = Upload { bytes: vec![7; bytes].into(), name: "policy.wasm, uploaded".into() };
        let sources: [Box<dyn Source>; 2] = [Box::new(file(folder.path(), bytes)), Box::new(upload)];
        for source in sources {
            match source.fetch(LIMIT).await {
                Ok(fetched) => assert!(fits && fetched == vec![7; bytes], "{source:?}"),
                Err(error) => {
                    assert!(!fits, "{error}");
                    let expected =
                        format!("{}: 1001 bytes are more than a policy may have: at most 1000", source.name());
                    assert_eq!(error.to_string(), expected);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_huge_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(folder.path(), 0);
        File::options().write(true).open(&source.path).unwrap().set_len(1 << 40).unwrap();
        let error = source.fetch(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("1099511627776 bytes are more"), "{error}");
    }

    #[rstest]
    #[case::nothing("gone.wasm", "No such file")]
    #[case::a_folder("folder", "this is no file: give a component file")]
    #[case::a_pipe_that_nobody_writes("pipe", "this is no file")]
    #[case::a_device_without_end("/dev/zero", "this is no file")]
    #[tokio::test]
    async fn what_is_no_file_is_refused_and_hangs_nobody(#[case] name: &str, #[case] why: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let source = FileSource::new(folder.path().join(name));
        let error = source.fetch(LIMIT).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read {}: ", source.name())) && error.contains(why), "{error}");
    }

    #[test]
    fn an_upload_prints_without_its_bytes() {
        let upload = Upload { bytes: vec![7; 9].into(), name: "hot".into() };
        assert_eq!(format!("{upload:?}"), r#"Upload { bytes: 9, name: "hot" }"#);
    }
}
