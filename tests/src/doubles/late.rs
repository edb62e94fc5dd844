//! A remote on which puts arrive after their writer has stopped waiting for them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};

use super::lock;

/// A remote on which the next put can be made to be late: it is answered with [`RemoteError::Unknown`], as one
/// that timed out is, and carried out when the test says so.
#[derive(Debug)]
pub struct Late {
    inner: Arc<dyn Remote>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    delay_next: bool,
    under_way: Vec<(String, Bytes, PutIf)>,
}

impl Late {
    /// Around another remote.
    pub fn new(inner: Arc<dyn Remote>) -> Self {
        Late { inner, state: Mutex::default() }
    }

    /// The next put is late.
    pub fn delay_next(&self) {
        lock(&self.state).delay_next = true;
    }

    /// Carries out all puts that are under way, in their order. Nobody is told what came of them.
    pub async fn deliver(&self) {
        let under_way = std::mem::take(&mut lock(&self.state).under_way);
        for (key, body, condition) in under_way {
            let _nobody_waits = self.inner.put(&key, body, condition).await;
        }
    }

    /// Whether this put is late.
    fn delays(&self, key: &str, body: &Bytes, condition: &PutIf) -> bool {
        let state = &mut *lock(&self.state);
        let delays = std::mem::take(&mut state.delay_next);
        if delays {
            state.under_way.push((key.to_owned(), body.clone(), condition.clone()));
        }
        delays
    }
}

#[async_trait]
impl Remote for Late {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.inner.get(key, unless).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        if self.delays(key, &body, &condition) {
            return Err(RemoteError::Unknown { object: self.url(key), why: "planned by a test: late".into() });
        }
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
