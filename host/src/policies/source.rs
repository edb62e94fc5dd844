//! Where components come from.

use async_trait::async_trait;
use bytes::Bytes;

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
    #[error("{name}: {why}")]
    Unreadable {
        /// Of the source.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// A file.
#[derive(Clone, Debug)]
pub struct FileSource(std::path::PathBuf);

impl FileSource {
    /// The file at `path`.
    pub fn new(path: impl Into<std::path::PathBuf>) -> Self {
        FileSource(path.into())
    }
}

#[async_trait]
impl Source for FileSource {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    async fn fetch(&self, _: usize) -> Result<Bytes, SourceError> {
        todo!()
    }
}
