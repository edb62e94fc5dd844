//! A remote on which another writer is a moment faster.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};

use super::lock;

/// A remote on which another writer puts objects of its own right before puts come to their turn, so that their
/// conditions do not hold any more.
#[derive(Debug)]
pub struct Rival {
    inner: Arc<dyn Remote>,
    planned: Mutex<VecDeque<Bytes>>,
}

impl Rival {
    /// Around another remote. Before each of the next puts, the next of `bodies` is put under the same key.
    pub fn new(inner: Arc<dyn Remote>, bodies: impl IntoIterator<Item = Bytes>) -> Self {
        Rival { inner, planned: Mutex::new(bodies.into_iter().collect()) }
    }

    async fn put_first(&self, key: &str) -> Result<(), RemoteError> {
        let Some(body) = lock(&self.planned).pop_front() else { return Ok(()) };
        let condition = match self.inner.get(key, None).await? {
            Got::Object(object) => PutIf::Matches(object.etag),
            Got::Missing | Got::Unchanged => PutIf::Absent,
        };
        self.inner.put(key, body, condition).await.map(drop)
    }
}

#[async_trait]
impl Remote for Rival {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.inner.get(key, unless).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        self.put_first(key).await?;
        self.inner.put(key, body, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.inner.delete(key).await
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}
