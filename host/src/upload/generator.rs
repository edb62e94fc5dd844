//! From a shard to its heatmap: layers, policy, encoding.

use std::sync::Arc;

use thermocline_policy::Tenant;

use super::outcome::Generated;
use crate::clock::Clock;
use crate::heatmap::{Header, encode};
use crate::layer::LayerTable;
use crate::pageserver::{Pageserver, PageserverError, Shard};
use crate::policy::Decider;

/// Makes heatmaps.
#[derive(Clone, Debug)]
pub struct Generator {
    pageserver: Arc<dyn Pageserver>,
    decider: Arc<Decider>,
    clock: Arc<dyn Clock>,
}

impl Generator {
    /// Heatmaps of a pageserver's shards, as a policy decides them.
    pub fn new(pageserver: Arc<dyn Pageserver>, decider: Arc<Decider>, clock: Arc<dyn Clock>) -> Self {
        Generator { pageserver, decider, clock }
    }

    pub(super) fn pageserver(&self) -> &dyn Pageserver {
        self.pageserver.as_ref()
    }

    pub(super) fn decider(&self) -> &Arc<Decider> {
        &self.decider
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The heatmap of one shard, as of now. `generation` is the shard's: a heatmap cannot do without.
    ///
    /// # Errors
    /// If the pageserver cannot hand over the layers. A failing policy is no error: the built-in one answers,
    /// and [`Generated::policy_error`] says why.
    pub async fn generate(&self, shard: &Shard, generation: u32) -> Result<Generated, PageserverError> {
        let table = Arc::new(self.pageserver.layers(shard.id).await?);
        let tenant = Tenant {
            shard: shard.id.to_string(),
            generation,
            now: self.clock.unix_s(),
            checkpoint_distance: shard.checkpoint_distance_bytes,
        };
        let upload_period_ms = Some(shard.upload_period.as_millis());
        let decider = Arc::clone(&self.decider);
        // Policies and encoding compute; the reactor's threads are for waiting.
        let made = tokio::task::spawn_blocking(move || decide_and_encode(&decider, &tenant, upload_period_ms, &table));
        made.await.map_err(|error| PageserverError::Damaged { shard: shard.id, why: format!("its heatmap: {error}") })
    }
}

fn decide_and_encode(
    decider: &Decider,
    tenant: &Tenant,
    upload_period_ms: Option<u128>,
    table: &Arc<LayerTable>,
) -> Generated {
    let decided = decider.select(tenant, table, &[]);
    let policy = decided.by.document_identity();
    let header = Header { generation: tenant.generation, upload_period_ms, policy };
    let heatmap = encode(&header, table, &decided.answer);
    Generated { heatmap, policy: decided.by, policy_error: decided.error }
}
