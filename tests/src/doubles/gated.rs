//! A remote whose calls wait until the test lets them go.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};
use tokio::sync::{Semaphore, watch};

use super::Call;

/// A remote whose calls of some kinds wait at a gate, before anything is done, until the test lets them go.
///
/// A call that is dropped while it waits was never made.
#[derive(Debug)]
pub struct Gated {
    inner: Arc<dyn Remote>,
    held: Vec<Call>,
    gate: Semaphore,
    waiting: watch::Sender<usize>,
}

impl Gated {
    /// Around another remote; calls of the kinds in `held` wait.
    pub fn new(inner: Arc<dyn Remote>, held: &[Call]) -> Self {
        Gated { inner, held: held.to_vec(), gate: Semaphore::new(0), waiting: watch::Sender::new(0) }
    }

    /// Answers once at least `calls` wait at the gate. Bound this by a timeout.
    pub async fn until_waiting(&self, calls: usize) {
        // The sender lives as long as this borrow, so this only ends with the condition.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= calls).await;
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Lets that many calls through: those that wait, first come first served, then those that come.
    pub fn release(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    /// Lets all calls through from now on.
    pub fn open(&self) {
        self.gate.close();
    }

    async fn pass(&self, call: Call) {
        if !self.held.contains(&call) {
            return;
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _left = Left(&self.waiting);
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
    }
}

/// Counts a call out, also one that is dropped.
struct Left<'a>(&'a watch::Sender<usize>);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[async_trait]
impl Remote for Gated {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.pass(Call::Get).await;
        self.inner.get(key, unless).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        self.pass(Call::Put).await;
        self.inner.put(key, body, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.pass(Call::List).await;
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.pass(Call::Delete).await;
        self.inner.delete(key).await
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}
