//! Uploads a host gets done, against a bare loop of puts.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use thermocline::remote::S3;
use thermocline::upload::{DEFAULT_CONCURRENCY, MIN_UPLOAD_PERIOD};
use thermocline::{Host, keys};
use thermocline_tests::servers::{BUCKET, WEED_VARIABLE, Weed};

use super::measure::{Measurement, Pair};
use super::node::{Counting, Node, judge};
use super::tick::tenant;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Uploads { tenants: 3000, layers: 100, uploads: 1000, concurrency: DEFAULT_CONCURRENCY })]
}

struct Uploads {
    tenants: u64,
    layers: usize,
    /// Of a run.
    uploads: usize,
    concurrency: NonZeroUsize,
}

/// With so many tenants, somebody always waits.
const PERIOD: Duration = MIN_UPLOAD_PERIOD;

impl Measurement for Uploads {
    fn name(&self) -> String {
        "uploads-s3".into()
    }

    fn yardstick(&self) -> &'static str {
        "bare loops of the SDK's put_object, with the same bytes, conditions, checksums and keys, and as many at once, to the same server (SeaweedFS)"
    }

    /// Nine tenths of the bare loops' rate.
    fn target(&self) -> f64 {
        1.111
    }

    fn lacks(&self) -> Option<String> {
        let named = std::env::var_os(WEED_VARIABLE).is_some_and(|binary| !binary.is_empty());
        (!named).then(|| format!("{WEED_VARIABLE} does not name a weed binary"))
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let &Uploads { tenants, layers, uploads, concurrency } = self;
        let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
        let weed = runtime.block_on(Weed::start())?.with_context(|| format!("{WEED_VARIABLE} is not set"))?;
        let remote = runtime.block_on(weed.access.remote("host"))?;
        let counting = Arc::new(Counting::new(remote));
        let judge = judge()?;

        let (its_runtime, bucket) = (Arc::clone(&runtime), Arc::clone(&counting));
        let ours = move || {
            its_runtime.block_on(async {
                let node = Arc::new(Node::new(tenants, layers, PERIOD).restless());
                let host = Host::builder(node, Arc::clone(&bucket) as _, Arc::clone(&judge)).concurrency(concurrency);
                let host = host.build().spawn();
                // The first turn of each reads the bucket.
                until(&bucket, bucket.puts() + usize::try_from(tenants)?).await;
                let from = bucket.puts();
                let began = Instant::now();
                until(&bucket, from + uploads).await;
                let elapsed = began.elapsed();
                let failed = host.shards().iter().filter(|shard| shard.failures > 0).count();
                host.shutdown().await;
                ensure!(failed == 0, "{failed} tenants' uploads failed");
                Ok(elapsed.into())
            })
        };

        let bare = runtime.block_on(S3::new(BUCKET, "bare", &weed.access.options()))?;
        let yardstick = move || {
            // Ends with the last run.
            let _kept = &weed;
            let body = counting.last();
            // Every other heatmap is short of one layer.
            let listed = std::str::from_utf8(&body)?.matches(r#""name":"#).count();
            ensure!(listed + 1 >= layers, "{listed} of {layers} layers are listed");
            let (share, sdk) = (uploads / concurrency.get(), bare.sdk().clone());
            runtime.block_on(async {
                let put = move |key: &str| {
                    sdk.put_object()
                        .bucket(BUCKET)
                        .key(key)
                        .checksum_algorithm("SHA256".into())
                        .content_type("application/json")
                        .body(body.clone().into())
                };
                // Of each loop its own tenants, as often as there is a turn for one. They are the same in each run, as
                // the host's are: a store is busy for a while with what was replaced.
                let mut loops = Vec::new();
                for number in 0..concurrency.get() as u64 {
                    let mut objects = Vec::new();
                    for number in (number..tenants).step_by(concurrency.get()) {
                        let key = format!("bare/{}", keys::heatmap(tenant(number)));
                        let etag = put(&key).send().await?.e_tag;
                        objects.push((key, etag));
                    }
                    loops.push(objects);
                }
                let began = Instant::now();
                let loops = loops.into_iter().map(|mut objects| {
                    let put = put.clone();
                    tokio::spawn(async move {
                        for turn in 0..share {
                            let among = objects.len();
                            let (key, etag) = objects.get_mut(turn % among).context("a loop has no tenant")?;
                            *etag = put(key).set_if_match(etag.take()).send().await?.e_tag;
                        }
                        anyhow::Ok(())
                    })
                });
                for ended in try_join_all(loops).await? {
                    ended?;
                }
                Ok(began.elapsed().into())
            })
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}

async fn until(bucket: &Counting, puts: usize) {
    while bucket.puts() < puts {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
