//! A remote that fails as stores do, by a seed or as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};

use super::lock;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The store says that it is busy. Nothing was done.
    Busy,
    /// The request never arrived, and nobody can tell. Nothing was done.
    LostRequest,
    /// All was done, and the answer was lost.
    LostAnswer,
    /// The store refuses. Nothing was done.
    Refused,
}

/// Of 1000 calls, how many fail in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// [`Fault::Busy`].
    pub busy: u16,
    /// [`Fault::LostRequest`].
    pub lost_request: u16,
    /// [`Fault::LostAnswer`].
    pub lost_answer: u16,
    /// [`Fault::Refused`].
    pub refused: u16,
}

/// A remote that fails as stores do. The same seed and the same calls in the same order fail in the same way.
#[derive(Debug)]
pub struct Flaky {
    inner: Arc<dyn Remote>,
    odds: Odds,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: u64,
    /// What comes before chance has its say.
    planned: VecDeque<Option<Fault>>,
    faults: Vec<Fault>,
}

impl Flaky {
    /// Around another remote, failing by chance.
    pub fn new(inner: Arc<dyn Remote>, odds: Odds, seed: u64) -> Self {
        Flaky { inner, odds, state: Mutex::new(State { random: seed, planned: VecDeque::new(), faults: Vec::new() }) }
    }

    /// Around another remote, failing only as told by [`Flaky::plan`].
    pub fn scripted(inner: Arc<dyn Remote>) -> Self {
        Flaky::new(inner, Odds::default(), 0)
    }

    /// What the next calls do, after those that were planned before; `None` is a call that goes well.
    pub fn plan(&self, calls: impl IntoIterator<Item = Option<Fault>>) {
        lock(&self.state).planned.extend(calls);
    }

    /// All faults so far.
    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.state).faults.clone()
    }

    fn next(&self) -> Option<Fault> {
        let state = &mut *lock(&self.state);
        let fault = state.planned.pop_front().unwrap_or_else(|| self.odds.draw(&mut state.random));
        state.faults.extend(fault);
        fault
    }

    async fn call<T>(&self, key: &str, work: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
        let Some(fault) = self.next() else { return work.await };
        let (object, why) = (self.url(key), format!("planned by a test: {fault:?}"));
        Err(match fault {
            Fault::Busy => RemoteError::Busy { object, why },
            Fault::Refused => RemoteError::Refused { object, why },
            Fault::LostRequest => RemoteError::Unknown { object, why },
            Fault::LostAnswer => {
                let _lost = work.await;
                RemoteError::Unknown { object, why }
            }
        })
    }
}

impl Odds {
    fn draw(&self, random: &mut u64) -> Option<Fault> {
        let mut left = (split_mix(random) % 1000) as u16;
        let faults = [
            (self.busy, Fault::Busy),
            (self.lost_request, Fault::LostRequest),
            (self.lost_answer, Fault::LostAnswer),
            (self.refused, Fault::Refused),
        ];
        for (odds, fault) in faults {
            match left.checked_sub(odds) {
                Some(rest) => left = rest,
                None => return Some(fault),
            }
        }
        None
    }
}

/// SplitMix64: as good as this needs it, and the same on every machine.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[async_trait]
impl Remote for Flaky {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.call(key, self.inner.get(key, unless)).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        self.call(key, self.inner.put(key, body, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.call(prefix, self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.call(key, self.inner.delete(key)).await
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}
