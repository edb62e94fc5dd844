//! What a host says of itself.

use super::handle::HostHandle;
use super::inner::{Inner, lock};
use super::status::{HeatmapStatus, HostStatus, LastJob, PolicyStatus, ShardStatus};
use crate::layer::TenantShardId;
use crate::state::Known;
use crate::upload::{Tracked, period};

impl HostHandle {
    /// The host as a whole.
    pub fn status(&self) -> HostStatus {
        let host = &*self.0;
        let (now, now_unix_s) = (host.clock().elapsed(), host.clock().unix_s());
        let shards = host.uploads.registry.map(|tracked| {
            let scheduled = !period(&tracked.shard).is_zero();
            (scheduled, tracked.age(now, now_unix_s))
        });
        let scheduled = || shards.iter().filter(|(scheduled, _)| *scheduled);
        let policies = self.policies();
        let jobs = host.jobs.stats();
        HostStatus {
            uptime: now.saturating_sub(host.started),
            policy: PolicyStatus::of(&policies.active()),
            overrides: policies.overrides().iter().map(|(scope, own)| (*scope, PolicyStatus::of(own))).collect(),
            shadow: policies.shadow_status(),
            shards: shards.len(),
            scheduled: scheduled().count(),
            due: jobs.due,
            running: jobs.running,
            concurrency: jobs.concurrency,
            stalest: scheduled().filter_map(|(_, age)| *age).max(),
            without_heatmap: scheduled().filter(|(_, age)| age.is_none()).count(),
            shutting_down: host.uploads.stopping.is_cancelled(),
            pageserver_error: lock(&host.pageserver_error).clone(),
        }
    }

    /// One shard; `None` where it is not attached here.
    pub fn shard(&self, shard: TenantShardId) -> Option<ShardStatus> {
        self.0.uploads.registry.with(shard, |tracked| self.0.report(tracked))
    }

    /// Every shard, in the order of their ids.
    pub fn shards(&self) -> Vec<ShardStatus> {
        self.0.uploads.registry.map(|tracked| self.0.report(tracked))
    }
}

impl Inner {
    fn report(&self, tracked: &Tracked) -> ShardStatus {
        let shard = &tracked.shard;
        let times = self.jobs.times(shard.id).unwrap_or_default();
        let age = tracked.age(self.clock().elapsed(), self.clock().unix_s());
        let confirmed_unix_s = age.map(|age| self.clock().unix_s().saturating_sub_unsigned(age.as_secs()));
        ShardStatus {
            shard: shard.id,
            generation: shard.generation,
            attach_mode: shard.attach_mode,
            active: shard.active,
            upload_period: shard.upload_period,
            policy: PolicyStatus::of(&self.uploads.uploader.generator().policies().of(shard.id)),
            heatmap: tracked.heatmap().map(|known| heatmap(known, confirmed_unix_s.unwrap_or(known.written_unix_s))),
            last: tracked.last.as_deref().map(|last| LastJob {
                ended_unix_s: last.ended_unix_s,
                trigger: last.trigger,
                outcome: last.outcome,
                reason: last.reason.clone(),
                elapsed: last.elapsed,
                policy_error: last.policy_error.clone(),
            }),
            running: times.running,
            next_due: times.next_due,
            overdue: times.overdue,
            failures: tracked.failures,
        }
    }
}

const fn heatmap(known: &Known, confirmed_unix_s: i64) -> HeatmapStatus {
    HeatmapStatus {
        generation: known.generation,
        written_unix_s: known.written_unix_s,
        confirmed_unix_s,
        size_bytes: known.size_bytes,
        hot_layers: known.hot_layers,
        cold_layers: known.cold_layers,
        hot_bytes: known.hot_bytes,
        digest: known.digest,
    }
}
