//! From a shard to its heatmap: layers, policy, encoding.

use std::sync::Arc;
use std::time::Duration;

use thermocline_policy::Tenant;

use super::outcome::{GenerateError, Generated};
use crate::clock::Clock;
use crate::compute::Compute;
use crate::heatmap::{Header, PolicyIdentity, encode};
use crate::layer::LayerTable;
use crate::pageserver::{Pageserver, Shard};
use crate::policy::{Judge, Ranking, UploadQueue, Verdict};
use crate::state::State;

/// Makes heatmaps.
#[derive(Clone, Debug)]
pub struct Generator {
    pageserver: Arc<dyn Pageserver>,
    judge: Arc<Judge>,
    clock: Arc<dyn Clock>,
    compute: Compute,
    state: Option<State>,
}

impl Generator {
    /// Heatmaps of a pageserver's shards, as a policy decides them. What the policy wants remembered is not.
    pub fn new(pageserver: Arc<dyn Pageserver>, judge: Arc<Judge>, clock: Arc<dyn Clock>) -> Self {
        Generator { pageserver, judge, clock, compute: Compute::default(), state: None }
    }

    /// The same, but what the policy wants remembered is kept in `state`, and it computes as `compute` says.
    pub(crate) fn remembering(self, state: State, compute: Compute) -> Self {
        Generator { compute, state: Some(state), ..self }
    }

    pub(crate) fn pageserver(&self) -> &dyn Pageserver {
        self.pageserver.as_ref()
    }

    pub(crate) const fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub(crate) const fn compute(&self) -> Compute {
        self.compute
    }

    /// The order in which due uploads run, as of now, and who was asked for it. `None` where nobody answered, which no
    /// policy can bring about: any order is better than no uploads then.
    pub(crate) async fn rank(&self, queue: UploadQueue) -> Option<Ranked> {
        let (judge, queue, now_s) = (Arc::clone(&self.judge), Arc::new(queue), self.clock.unix_s());
        let policy = PolicyIdentity::from(judge.policy().identity());
        let bug = match self.compute.run(move || judge.rank_uploads(now_s, &queue)).await {
            Ok(Ok(verdict)) => return Some(Ranked { policy, verdict }),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!("due uploads are not ranked: {bug}");
        None
    }

    /// The heatmap of one shard, as of now. `generation` is the shard's: a heatmap cannot do without.
    ///
    /// # Errors
    /// If the pageserver cannot hand over the layers. A failing policy is no error: the built-in one answers,
    /// and [`Generated::policy_error`] says why.
    pub async fn generate(&self, shard: &Shard, generation: u32) -> Result<Generated, GenerateError> {
        let table = Arc::new(self.pageserver.layers(shard.id).await?);
        let asked = Asked {
            shard: shard.clone(),
            tenant: Tenant {
                shard: shard.id.to_string(),
                generation,
                now: self.clock.unix_s(),
                checkpoint_distance: shard.checkpoint_distance_bytes,
            },
            table,
        };
        let (judge, state, decided) = (Arc::clone(&self.judge), self.state.clone(), self.clock.elapsed());
        self.compute.run(move || asked.decide_and_encode(&judge, state.as_ref(), decided)).await?
    }
}

/// A ranking of due uploads.
#[derive(Debug)]
pub(crate) struct Ranked {
    /// The policy that was asked.
    pub(crate) policy: PolicyIdentity,
    pub(crate) verdict: Verdict<Ranking>,
}

/// What a policy is asked.
struct Asked {
    shard: Shard,
    tenant: Tenant,
    table: Arc<LayerTable>,
}

impl Asked {
    fn decide_and_encode(
        self,
        judge: &Judge,
        state: Option<&State>,
        decided: Duration,
    ) -> Result<Generated, GenerateError> {
        let id = self.shard.id;
        let policy_key = judge.policy().key();
        let memory = state.map(|state| state.memory(id, policy_key)).transpose().unwrap_or_else(|error| {
            tracing::warn!("what the policy remembers cannot be read, and counts as nothing: {error}");
            None
        });
        let memory = memory.unwrap_or_default();
        let verdict = judge.select(&self.tenant, &self.table, &memory).map_err(Box::new)?;
        if let (Some(state), Some(after)) = (state, verdict.memory())
            && after != memory
        {
            state.keep_memory(id, policy_key, after.to_vec());
        }

        // A period of zero would tell standbys to look all the time; none tells them to choose.
        let period = self.shard.upload_period;
        let header = Header {
            generation: self.tenant.generation,
            upload_period_ms: (!period.is_zero()).then_some(period.as_millis()),
            policy: PolicyIdentity::from(judge.policy().identity()),
        };
        Ok(Generated {
            heatmap: encode(&header, &self.table, &verdict.answer),
            decided,
            scored: verdict.answer.heats().is_some(),
            valid_for_s: verdict.answer.valid_for_s(),
            policy: header.policy,
            policy_key,
            policy_error: verdict.failure,
            report: verdict.report,
        })
    }
}
