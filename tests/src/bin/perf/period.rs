//! A period of a whole host in which little has changed, against making every heatmap anew.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use thermocline::Host;
use thermocline::clock::Clock;
use thermocline::compute::Compute;
use thermocline::random::Random;
use thermocline::upload::DEFAULT_CONCURRENCY;
use thermocline_tests::doubles::SimClock;

use super::heatmap::{LayerMap, today};
use super::measure::{Measurement, Pair, timed};
use super::node::{Node, Sink, judge};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Period { tenants: 10_000, layers: 1000, changed: 100 })]
}

struct Period {
    tenants: u64,
    layers: usize,
    /// In each period.
    changed: u64,
}

const PERIOD: Duration = Duration::from_secs(60);

impl Measurement for Period {
    fn name(&self) -> String {
        format!("period-{}x{}", self.tenants, self.layers)
    }

    fn yardstick(&self) -> &'static str {
        "native, for every tenant: collect, sort, serde_json twice, MD5 of both; nothing is compared or sent"
    }

    fn target(&self) -> f64 {
        0.02
    }

    fn most_runs(&self) -> usize {
        3
    }

    /// The host computes on the one thread that the yardstick has, too. Its time is wound from timer to timer.
    fn prepare(&self) -> anyhow::Result<Pair> {
        let &Period { tenants, layers, changed } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let (node, sink) = (Arc::new(Node::new(tenants, layers, PERIOD)), Arc::new(Sink::default()));
        let clock = runtime.block_on(async { Arc::new(SimClock::new(1_700_000_000)) });
        let host = Host::builder(Arc::clone(&node) as _, Arc::clone(&sink) as _, judge()?)
            .clock(Arc::clone(&clock) as _)
            .random(Random::seeded(1))
            .compute(Compute::Inline)
            .concurrency(NonZeroUsize::new(100).unwrap_or(DEFAULT_CONCURRENCY))
            .build();
        let _guard = runtime.enter();
        let host = host.spawn();
        runtime.block_on(clock.sleep(2 * PERIOD));
        ensure!(sink.puts() as u64 == tenants, "{} of {tenants} have a heatmap", sink.puts());

        let mut next = 0;
        let ours = move || {
            (0..changed).for_each(|number| node.change((next + number) % tenants));
            next += changed;
            let before = sink.puts();
            let (elapsed, ()) = timed(|| {
                runtime.block_on(clock.sleep(PERIOD));
                Ok(())
            })?;
            // Some come just after its end, and others of the last one just after that one's.
            let put = (sink.puts() - before) as u64;
            ensure!((changed / 2..=changed * 2).contains(&put), "{put} of {changed} were uploaded");
            let failed = host.shards().iter().filter(|shard| shard.failures > 0).count();
            ensure!(failed == 0, "{failed} failed");
            Ok(elapsed.into())
        };
        let map = LayerMap::new(&sample::resident_layers(layers));
        let yardstick = move || {
            let (elapsed, ()) = timed(|| {
                for _ in 0..tenants {
                    std::hint::black_box(today(std::hint::black_box(&map))?);
                }
                Ok(())
            })?;
            Ok(elapsed.into())
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}
