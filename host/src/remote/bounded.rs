//! A remote whose calls end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{Either, select};

use super::{ETag, Got, Listed, PutIf, Remote, RemoteError};
use crate::Digest;
use crate::clock::Clock;

/// Until a call is given up. Stores that bound their answers themselves, as [`S3`](super::S3) does, never meet it.
pub const CALL_LIMIT: Duration = Duration::from_secs(150);

/// A remote whose calls end: one that hangs is dropped at [`CALL_LIMIT`], and nobody knows what came of it.
#[derive(Debug)]
pub(crate) struct Bounded {
    inner: Arc<dyn Remote>,
    clock: Arc<dyn Clock>,
}

impl Bounded {
    pub(crate) fn new(inner: Arc<dyn Remote>, clock: Arc<dyn Clock>) -> Self {
        Bounded { inner, clock }
    }

    async fn call<T>(&self, key: &str, call: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
        match select(std::pin::pin!(call), self.clock.sleep(CALL_LIMIT)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                Err(RemoteError::Unknown { object: self.url(key), why: format!("none within {CALL_LIMIT:?}") })
            }
        }
    }
}

#[async_trait]
impl Remote for Bounded {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.call(key, self.inner.get(key, unless)).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        self.call(key, self.inner.put(key, body, condition)).await
    }

    async fn put_digested(
        &self,
        key: &str,
        body: Bytes,
        digest: Digest,
        condition: PutIf,
    ) -> Result<ETag, RemoteError> {
        self.call(key, self.inner.put_digested(key, body, digest, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.call(prefix, self.inner.list(prefix)).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, RemoteError> {
        self.call(prefix, self.inner.folders(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.call(key, self.inner.delete(key)).await
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}
