//! The way from one host to the bucket: a [`Remote`] on which requests are slow, get lost, arrive late, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::clock::Clock;
use thermocline::layer::TenantShardId;
use thermocline::remote::{ETag, Got, Listed, PutIf, Remote, RemoteError};
use tokio::sync::oneshot;

use super::bucket::{SimBucket, url};
use super::event::{End, Event, HostId};
use super::life::Life;
use super::watch::Watch;
use super::weather::{Fate, How, Weather};
use crate::doubles::{Call, SimClock};

/// The way from one host to the bucket.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) host: HostId,
    pub(super) life: Life,
    pub(super) clock: Arc<SimClock>,
    pub(super) watch: Watch,
    pub(super) weather: Arc<Weather>,
    pub(super) bucket: Arc<SimBucket>,
    /// Numbers the requests of all hosts.
    pub(super) requests: Arc<AtomicU64>,
}

/// A request that its client waits for; says so when it does no more.
struct Waiting<'a> {
    link: &'a Link,
    request: u64,
    call: Call,
    shard: TenantShardId,
    ended: bool,
}

impl Waiting<'_> {
    fn end(&mut self, end: End) {
        let Waiting { link, request, call, shard, .. } = *self;
        self.ended = true;
        if !link.life.is_over() {
            link.watch.see(&Event::Ended { host: link.host, request, call, shard, end });
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Dropped);
        }
    }
}

impl Link {
    async fn call<T: Send + 'static>(
        &self,
        call: Call,
        key: &str,
        carry_out: impl FnOnce(&SimBucket, u64, TenantShardId) -> Result<(T, Option<u64>), RemoteError> + Send + 'static,
    ) -> Result<T, RemoteError> {
        self.life.lives(std::future::ready(())).await;
        let object = url(key);
        let Some(shard) = shard_of(key) else {
            let why = "the host has no business with other objects than heatmaps".into();
            return Err(RemoteError::Refused { object, why });
        };
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.watch.see(&Event::Sent { host: self.host, request, call, shard });
        let mut waiting = Waiting { link: self, request, call, shard, ended: false };
        let fate = self.weather.fate(self.clock.elapsed(), self.host, call, shard);

        let (answer, answered) = oneshot::channel();
        let (bucket, clock, life, error) = (self.bucket.clone(), self.clock.clone(), self.life.clone(), object.clone());
        tokio::spawn(async move {
            clock.sleep(fate.there).await;
            let nobody_waits = answer.is_closed() || life.is_over();
            if fate.how == How::LostRequest || nobody_waits && !fate.outlives {
                clock.sleep(fate.back).await;
                let _ = answer.send(Err(unknown(error, fate)));
                return;
            }
            let outcome = match fate.how {
                How::Busy => Err(RemoteError::Busy { object: error, why: "slow down".into() }),
                How::Conflict => Err(RemoteError::Conflict { object: error }),
                How::LostAnswer => {
                    let _nobody_hears = carry_out(&bucket, request, shard);
                    Err(unknown(error, fate))
                }
                How::Well | How::LostRequest => carry_out(&bucket, request, shard),
            };
            clock.sleep(fate.back).await;
            let _ = answer.send(outcome);
        });

        let given_up = async {
            match fate.patience {
                Some(patience) => self.clock.sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        let outcome = self.life.lives(async {
            tokio::select! {
                biased;
                outcome = answered => outcome.unwrap_or_else(|_| Err(unknown(object.clone(), fate))),
                () = given_up => Err(unknown(object.clone(), fate)),
            }
        });
        let outcome = outcome.await;
        waiting.end(match &outcome {
            Ok((_, number)) => End::Well(*number),
            Err(RemoteError::Conflict { .. }) => End::Conflict,
            Err(RemoteError::Busy { .. }) => End::Busy,
            Err(RemoteError::Unknown { .. }) => End::Unknown,
            Err(_) => End::Refused,
        });
        outcome.map(|(answer, _)| answer)
    }
}

fn unknown(object: String, fate: Fate) -> RemoteError {
    RemoteError::Unknown { object, why: format!("{:?}", fate.how) }
}

fn shard_of(key: &str) -> Option<TenantShardId> {
    key.strip_prefix("tenants/")?.strip_suffix("/heatmap-v1.json")?.parse().ok()
}

#[async_trait]
impl Remote for Link {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        let unless = unless.cloned();
        self.call(Call::Get, key, move |bucket, _, shard| Ok(bucket.get(shard, unless.as_ref()))).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        let host = self.host;
        let put = move |bucket: &SimBucket, request, shard| {
            let (etag, number) = bucket.put((host, request), shard, &body, &condition)?;
            Ok((etag, Some(number)))
        };
        self.call(Call::Put, key, put).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        Err(RemoteError::Refused { object: url(prefix), why: "hosts have no need to list heatmaps".into() })
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        let host = self.host;
        let delete = move |bucket: &SimBucket, request, shard| {
            bucket.delete((host, request), shard);
            Ok(((), None))
        };
        self.call(Call::Delete, key, delete).await
    }

    fn url(&self, key: &str) -> String {
        url(key)
    }
}
