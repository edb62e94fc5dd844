//! The bucket that all hosts share. It always works: what goes wrong goes wrong on the way, see [`super::link`].

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use thermocline::heatmap::Heatmap;
use thermocline::keys;
use thermocline::layer::TenantShardId;
use thermocline::remote::{ETag, Got, Object, PutIf, RemoteError};

use super::event::{Event, HostId, Written};
use super::picture::Picture;
use super::tenant::is_of;
use super::watch::Watch;
use crate::doubles::lock;

/// The bucket.
#[derive(Debug)]
pub(super) struct SimBucket {
    watch: Watch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<TenantShardId, (u64, Bytes)>,
    writes: u64,
}

fn etag(number: u64) -> ETag {
    ETag(format!("\"{number}\""))
}

impl SimBucket {
    pub(super) fn new(watch: Watch) -> Self {
        SimBucket { watch, state: Mutex::default() }
    }

    /// What is there, and which write it is.
    pub(super) fn get(&self, shard: TenantShardId, unless: Option<&ETag>) -> (Got, Option<u64>) {
        match lock(&self.state).objects.get(&shard) {
            None => (Got::Missing, None),
            Some((number, _)) if Some(&etag(*number)) == unless => (Got::Unchanged, Some(*number)),
            Some((number, body)) => (Got::Object(Object { body: body.clone(), etag: etag(*number) }), Some(*number)),
        }
    }

    /// Which version is there.
    pub(super) fn version(&self, shard: TenantShardId) -> PutIf {
        match lock(&self.state).objects.get(&shard) {
            Some((number, _)) => PutIf::Matches(etag(*number)),
            None => PutIf::Absent,
        }
    }

    /// Writes, if the condition holds.
    pub(super) fn put(
        &self,
        (host, request): (HostId, u64),
        shard: TenantShardId,
        body: &Bytes,
        condition: &PutIf,
    ) -> Result<(ETag, u64), RemoteError> {
        if self.version(shard) != *condition {
            return Err(RemoteError::Conflict { object: url(&keys::heatmap(shard)) });
        }
        let number = {
            let state = &mut *lock(&self.state);
            state.writes += 1;
            state.objects.insert(shard, (state.writes, body.clone()));
            state.writes
        };
        self.watch.see(&Event::Wrote { host, request, shard, written: read(shard, number, body) });
        Ok((etag(number), number))
    }

    /// Removes what is there.
    pub(super) fn delete(&self, (host, request): (HostId, u64), shard: TenantShardId) {
        if lock(&self.state).objects.remove(&shard).is_some() {
            self.watch.see(&Event::Removed { host, request, shard });
        }
    }
}

/// The URL of an object.
pub(super) fn url(key: &str) -> String {
    format!("sim:{key}")
}

/// Reads a heatmap as a standby of this tenant would.
fn read(shard: TenantShardId, number: u64, body: &[u8]) -> Result<Written, String> {
    let heatmap = Heatmap::decode(body).map_err(|error| error.to_string())?;
    let complaints = heatmap.verify();
    if complaints.errors > 0 {
        return Err(format!("{:?}", complaints.complaints));
    }
    if let Some(foreign) = heatmap.timelines.iter().find(|timeline| !is_of(timeline.timeline_id, shard.tenant)) {
        return Err(format!("timeline {} is another tenant's", foreign.timeline_id));
    }
    let (generation, period_ms) = (heatmap.generation, heatmap.upload_period_ms);
    Ok(Written { number, generation, period_ms, picture: Picture::of(&heatmap.timelines) })
}
