//! What is counted and measured, at the moment when it is asked for.

use std::cmp::Reverse;
use std::time::Duration;

use super::handle::HostHandle;
use crate::layer::TenantShardId;
use crate::metrics::{Family, Histogram, Kind, Sample, Value, duration_label};
use crate::upload::period;

/// Upper bounds for ages of heatmaps, seconds: from less than the shortest period to a day.
const AGE_SECONDS: &[f64] = &[30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0];

/// What a scheduled shard's heatmap is like.
struct Scheduled {
    shard: TenantShardId,
    age: Option<Duration>,
    hot_bytes: u64,
}

impl HostHandle {
    /// Everything that is counted. `series` bounds the metrics that have a series for each shard: the stalest are shown,
    /// those without a heatmap first.
    pub fn metrics(&self, series: usize) -> Vec<Family> {
        let host = &*self.0;
        let (now, now_unix_s) = (host.clock().elapsed(), host.clock().unix_s());
        let shards = host.uploads.registry.map(|tracked| {
            (!period(&tracked.shard).is_zero()).then(|| Scheduled {
                shard: tracked.shard.id,
                age: tracked.age(now, now_unix_s),
                hot_bytes: tracked.heatmap().map_or(0, |known| known.hot_bytes),
            })
        });
        let attached = shards.len();
        let mut scheduled: Vec<_> = shards.into_iter().flatten().collect();
        let without_heatmap = scheduled.iter().filter(|shard| shard.age.is_none()).count();
        let ages = Histogram::new(AGE_SECONDS);
        scheduled.iter().filter_map(|shard| shard.age).for_each(|age| ages.observe(age.as_secs_f64()));

        let jobs = host.jobs.stats();
        let mut families = host.uploads.counters.families();
        families.extend(self.policies().families());
        families.extend([
            Family {
                name: "pageserver_background_loop_period_overrun_count",
                help: "Jobs that took longer than their period.",
                kind: Kind::Untyped,
                samples: jobs.overruns.iter().map(|(period, count)| overruns(*period, *count)).collect(),
            },
            Family {
                name: "thermocline_shards",
                help: "Tenant shards: attached here; of them, uploaded by schedule; of them, without a heatmap of this \
                       location in the bucket.",
                kind: Kind::Gauge,
                samples: vec![
                    state("attached", attached),
                    state("scheduled", scheduled.len()),
                    state("without_heatmap", without_heatmap),
                ],
            },
            Family {
                name: "thermocline_heatmap_age_distribution_seconds",
                help: "How long ago the heatmaps of all scheduled shards were last known to be right, at this moment.",
                kind: Kind::Histogram,
                samples: vec![Sample { labels: Vec::new(), value: Value::Histogram(ages.buckets()) }],
            },
            Family::one(
                "thermocline_policy_memories_dropped_total",
                "What policies wanted remembered and was not, because too much waited to be written.",
                Kind::Counter,
                host.uploads.state.dropped_memories(),
            ),
            Family::one("thermocline_jobs_due", "Uploads that are due and wait.", Kind::Gauge, jobs.due as u64),
            Family::one("thermocline_jobs_running", "Uploads that run.", Kind::Gauge, jobs.running as u64),
            Family::one(
                "thermocline_start_time_seconds",
                "When the host was started, seconds since the Unix epoch.",
                Kind::Gauge,
                u64::try_from(host.started_unix_s).unwrap_or_default(),
            ),
        ]);

        // The stalest first, by id where they are equal, so that a scrape after another shows the same ones.
        let stalest = |shard: &Scheduled| (shard.age.is_some(), Reverse(shard.age), shard.shard);
        if scheduled.len() > series {
            scheduled.select_nth_unstable_by_key(series, stalest);
            scheduled.truncate(series);
        }
        scheduled.sort_unstable_by_key(|shard| shard.shard);
        let uploaded = || scheduled.iter().filter_map(|shard| Some((shard, shard.age?)));
        families.extend([
            Family {
                name: "thermocline_heatmap_age_seconds",
                help: "How long ago a shard's heatmap in the bucket was last known to be right: written, or found to need \
                       no change. The stalest shards only.",
                kind: Kind::Gauge,
                samples: uploaded().map(|(shard, age)| of_shard(shard.shard, age.as_secs_f64())).collect(),
            },
            Family {
                name: "pageserver_secondary_heatmap_total_size",
                help: "Bytes of the layers that a shard's heatmap lists for download. The stalest shards only.",
                kind: Kind::Gauge,
                samples: uploaded().map(|(shard, _)| of_shard(shard.shard, shard.hot_bytes as f64)).collect(),
            },
        ]);
        families
    }
}

fn overruns(period: Duration, count: u64) -> Sample {
    let labels = vec![("task", "heatmap_upload".to_owned()), ("period", duration_label(period))];
    Sample { labels, value: Value::Number(count as f64) }
}

fn state(state: &str, shards: usize) -> Sample {
    Sample { labels: vec![("state", state.to_owned())], value: Value::Number(shards as f64) }
}

fn of_shard(shard: TenantShardId, value: f64) -> Sample {
    let labels = vec![("tenant_id", shard.tenant.to_string()), ("shard_id", shard.shard.to_string())];
    Sample { labels, value: Value::Number(value) }
}
