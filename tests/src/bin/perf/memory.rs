//! What a host remembers of tenants that do nothing.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use thermocline::clock::Clock;
use thermocline::compute::Compute;
use thermocline::random::Random;
use thermocline::{Host, State};
use thermocline_tests::doubles::SimClock;

use super::measure::{Amount, Measurement, Pair};
use super::node::{Node, Sink, judge};

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(IdleTenant { tenants: 100_000 })]
}

struct IdleTenant {
    tenants: u64,
}

const PERIOD: Duration = Duration::from_secs(60);

/// What a tenant may take.
const BYTES: f64 = 512.0;

impl Measurement for IdleTenant {
    fn name(&self) -> String {
        "idle-tenant-memory".into()
    }

    fn yardstick(&self) -> &'static str {
        "512 bytes, what a tenant that does nothing may cost: 51 MB for 100,000"
    }

    fn target(&self) -> f64 {
        1.0
    }

    fn unit(&self) -> &'static str {
        "bytes"
    }

    fn most_runs(&self) -> usize {
        1
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let tenants = self.tenants;
        let judge = judge()?;
        // Hosts of earlier runs stay: memory that one gave back would count as nothing for the next.
        let mut kept = Vec::new();
        let ours = move || {
            let node: Arc<Node> = Arc::new(Node::new(tenants, 1, PERIOD));
            let sink = Arc::new(Sink::default());
            let folder = tempfile::tempdir()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
            let clock = runtime.block_on(async { Arc::new(SimClock::new(1_700_000_000)) });
            let before = resident_bytes()?;
            let host = Host::builder(node, Arc::clone(&sink) as _, Arc::clone(&judge))
                .clock(Arc::clone(&clock) as _)
                .random(Random::seeded(1))
                .compute(Compute::Inline)
                .state(State::open(&folder.path().join("state"))?)
                .build();
            let host = runtime.block_on(async { host.spawn() });
            // Each has its heatmap, and a turn that found nothing to do.
            runtime.block_on(clock.sleep(3 * PERIOD));
            ensure!(sink.puts() as u64 == tenants, "{} of {tenants} have a heatmap", sink.puts());
            let bytes = resident_bytes()?.saturating_sub(before);
            kept.push((host, runtime, folder));
            #[allow(clippy::cast_precision_loss, reason = "bytes of memory")]
            Ok(Amount::of(bytes as f64 / tenants as f64))
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(|| Ok(Amount::of(BYTES))) })
    }
}

/// Memory of this process that is no file's.
fn resident_bytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    Ok(kib.context("/proc/self/status has no RssAnon")?.trim().parse::<u64>()? * 1024)
}
