//! Uploads a host gets done while it watches a policy, against those that it gets done without.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use thermocline::policies::{Note, Policies, PolicyRef, Share};
use thermocline::policy::{Engine, Limits};
use thermocline::upload::MIN_UPLOAD_PERIOD;
use thermocline::{Host, Pageserver};

use super::measure::{Amount, Measurement, Pair};
use super::node::{Node, Sink};

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Shadow { tenants: 20_000, layers: 1000, uploads: 10_000 })]
}

struct Shadow {
    /// So many that more are due than can be served.
    tenants: u64,
    layers: usize,
    /// Of a run.
    uploads: usize,
}

/// How often the number of uploads is looked at.
const POLL: Duration = Duration::from_millis(1);

impl Measurement for Shadow {
    fn name(&self) -> String {
        "uploads-shadow".into()
    }

    fn yardstick(&self) -> &'static str {
        "the same host, which watches no policy; the bucket takes everything at once"
    }

    /// Half of the throughput.
    fn target(&self) -> f64 {
        2.0
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let run = |watches| {
            let &Shadow { tenants, layers, uploads } = self;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let engine = Engine::new(Limits::default())?;
            let node: Arc<dyn Pageserver> = Arc::new(Node::new(tenants, layers, MIN_UPLOAD_PERIOD).restless());
            anyhow::Ok(Box::new(move || runtime.block_on(measured(&engine, &node, watches, tenants, uploads))))
        };
        Ok(Pair { ours: run(true)?, yardstick: run(false)? })
    }
}

async fn measured(
    engine: &Engine,
    node: &Arc<dyn Pageserver>,
    watches: bool,
    tenants: u64,
    uploads: usize,
) -> anyhow::Result<Amount> {
    let policies = Policies::built_in(engine)?;
    if watches {
        policies.shadow(&PolicyRef::built_in(), None, Share::default(), &Note::default())?;
    }
    let sink = Arc::new(Sink::default());
    let host = Host::builder(Arc::clone(node), Arc::clone(&sink) as _, policies.clone()).build().spawn();
    let until = async |puts| {
        while sink.puts() < puts {
            tokio::time::sleep(POLL).await;
        }
    };
    until(usize::try_from(tenants)?).await;
    let compared = || policies.shadow_status().map_or(0, |status| status.agreement.compared);
    let (from, compared_before, began) = (sink.puts(), compared(), Instant::now());
    until(from + uploads).await;
    let elapsed = began.elapsed();
    let share = (compared() - compared_before) as f64 / uploads as f64;
    let failed = host.shards().iter().filter(|shard| shard.failures > 0).count();
    host.shutdown().await;
    ensure!(failed == 0, "{failed} tenants' uploads failed");
    ensure!(!watches || share > 0.05, "the watched policy was asked in {:.0} % of the uploads", 100.0 * share);
    Ok(elapsed.into())
}
