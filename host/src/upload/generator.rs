//! From a shard to its heatmap: layers, policy, encoding.

use std::sync::Arc;

use thermocline_policy::Tenant;

use super::outcome::{GenerateError, Generated};
use crate::clock::Clock;
use crate::heatmap::{Header, PolicyIdentity, encode};
use crate::layer::LayerTable;
use crate::pageserver::{Pageserver, Shard};
use crate::policy::Judge;

/// Makes heatmaps.
#[derive(Clone, Debug)]
pub struct Generator {
    pageserver: Arc<dyn Pageserver>,
    judge: Arc<Judge>,
    clock: Arc<dyn Clock>,
}

impl Generator {
    /// Heatmaps of a pageserver's shards, as a policy decides them.
    pub fn new(pageserver: Arc<dyn Pageserver>, judge: Arc<Judge>, clock: Arc<dyn Clock>) -> Self {
        Generator { pageserver, judge, clock }
    }

    pub(super) fn pageserver(&self) -> &dyn Pageserver {
        self.pageserver.as_ref()
    }

    pub(super) const fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The heatmap of one shard, as of now. `generation` is the shard's: a heatmap cannot do without.
    ///
    /// # Errors
    /// If the pageserver cannot hand over the layers. A failing policy is no error: the built-in one answers,
    /// and [`Generated::policy_error`] says why.
    pub async fn generate(&self, shard: &Shard, generation: u32) -> Result<Generated, GenerateError> {
        let table = Arc::new(self.pageserver.layers(shard.id).await?);
        let tenant = Tenant {
            shard: shard.id.to_string(),
            generation,
            now: self.clock.unix_s(),
            checkpoint_distance: shard.checkpoint_distance_bytes,
        };
        // A period of zero would tell standbys to look all the time; none tells them to choose.
        let upload_period_ms = (!shard.upload_period.is_zero()).then(|| shard.upload_period.as_millis());
        let judge = Arc::clone(&self.judge);
        // Policies and encoding compute; the reactor's threads are for waiting.
        let made = tokio::task::spawn_blocking(move || decide_and_encode(&judge, &tenant, upload_period_ms, &table));
        made.await.map_err(|error| GenerateError::CutOff(error.to_string()))?
    }
}

fn decide_and_encode(
    judge: &Judge,
    tenant: &Tenant,
    upload_period_ms: Option<u128>,
    table: &Arc<LayerTable>,
) -> Result<Generated, GenerateError> {
    let verdict = judge.select(tenant, table, &[]).map_err(Box::new)?;
    let policy = PolicyIdentity::from(judge.policy().identity());
    let header = Header { generation: tenant.generation, upload_period_ms, policy };
    let heatmap = encode(&header, table, &verdict.answer);
    Ok(Generated { heatmap, policy: header.policy, policy_error: verdict.failure })
}
