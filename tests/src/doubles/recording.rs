//! A remote that remembers what it was asked.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};

use super::{Call, lock};

/// One call, noted when it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was asked.
    pub call: Call,
    /// The key, or the prefix of a listing.
    pub key: String,
    /// The body and the condition of a put.
    pub put: Option<(Bytes, PutIf)>,
    /// The error as it reads, if there was one.
    pub outcome: Result<(), String>,
}

/// A remote that remembers what it was asked, and what came of it.
#[derive(Debug)]
pub struct Recording {
    inner: Arc<dyn Remote>,
    records: Mutex<Vec<Record>>,
}

impl Recording {
    /// Around another remote.
    pub fn new(inner: Arc<dyn Remote>) -> Self {
        Recording { inner, records: Mutex::default() }
    }

    /// All calls so far.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.records).clone()
    }

    /// All calls so far, which are then forgotten.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut lock(&self.records))
    }

    /// How many calls of a kind so far.
    pub fn count(&self, call: Call) -> usize {
        lock(&self.records).iter().filter(|record| record.call == call).count()
    }

    fn note<T>(&self, call: Call, key: &str, put: Option<(Bytes, PutIf)>, outcome: &Result<T, RemoteError>) {
        let outcome = outcome.as_ref().map(drop).map_err(ToString::to_string);
        lock(&self.records).push(Record { call, key: key.into(), put, outcome });
    }
}

#[async_trait]
impl Remote for Recording {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        let outcome = self.inner.get(key, unless).await;
        self.note(Call::Get, key, None, &outcome);
        outcome
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        let outcome = self.inner.put(key, body.clone(), condition.clone()).await;
        self.note(Call::Put, key, Some((body, condition)), &outcome);
        outcome
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        let outcome = self.inner.list(prefix).await;
        self.note(Call::List, prefix, None, &outcome);
        outcome
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        let outcome = self.inner.delete(key).await;
        self.note(Call::Delete, key, None, &outcome);
        outcome
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}
