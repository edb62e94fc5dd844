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
use crate::policies::{Decided, Policies, Watching};
use crate::policy::{JudgeError, Ranking, UploadQueue, Verdict};
use crate::state::{Remembered, State};

/// Makes heatmaps.
#[derive(Clone, Debug)]
pub struct Generator {
    pageserver: Arc<dyn Pageserver>,
    policies: Policies,
    clock: Arc<dyn Clock>,
    compute: Compute,
    state: Option<State>,
}

impl Generator {
    /// Heatmaps of a pageserver's shards, as policies decide them. What a policy wants remembered is not.
    pub fn new(pageserver: Arc<dyn Pageserver>, policies: impl Into<Policies>, clock: Arc<dyn Clock>) -> Self {
        Generator { pageserver, policies: policies.into(), clock, compute: Compute::default(), state: None }
    }

    /// The same, but what the policy wants remembered is kept in `state`, and it computes as `compute` says.
    pub(crate) fn remembering(self, state: State, compute: Compute) -> Self {
        Generator { compute, state: Some(state), ..self }
    }

    pub(crate) fn pageserver(&self) -> &dyn Pageserver {
        self.pageserver.as_ref()
    }

    pub(crate) const fn policies(&self) -> &Policies {
        &self.policies
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
        let (seat, queue, now_s) = (self.policies.ranking_seat(), Arc::new(queue), self.clock.unix_s());
        let policy = PolicyIdentity::from(seat.judge().policy().identity());
        let policies = self.policies.clone();
        let ranked = self.compute.run(move || {
            let verdict = seat.judge().rank_uploads(now_s, &queue)?;
            if let Some(failure) = &verdict.failure {
                policies.failed(&seat, failure);
            }
            Ok::<_, JudgeError>(verdict)
        });
        let bug = match ranked.await {
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
        let (policies, state, decided) = (self.policies.clone(), self.state.clone(), self.clock.elapsed());
        let made = self.compute.run(move || asked.decide_and_encode(&policies, state.as_ref(), decided)).await?;
        let (generated, watching) = made?;
        if let Some(watching) = watching {
            let policies = self.policies.clone();
            self.compute.start(move || policies.run_watched(watching));
        }
        Ok(generated)
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
    /// One policy decides, and is named in the heatmap: which one is settled here, whatever changes meanwhile.
    fn decide_and_encode(
        self,
        policies: &Policies,
        state: Option<&State>,
        decided: Duration,
    ) -> Result<(Generated, Option<Watching>), GenerateError> {
        let id = self.shard.id;
        let seat = policies.seat(id);
        let (judge, tenure) = (seat.judge(), seat.tenure());
        let kept = state.map_or_else(Remembered::default, |state| {
            state.memory(id, tenure).unwrap_or_else(|error| {
                tracing::warn!("what the policy remembers cannot be read, and counts as nothing: {error}");
                Remembered { bytes: Vec::new(), outdated: true }
            })
        });
        let learned = seat.learned(id);
        let memory = learned.as_ref().unwrap_or(&kept.bytes);
        let verdict = judge.select(&self.tenant, &self.table, memory).map_err(Box::new)?;
        let after = verdict.memory();
        if let Some(state) = state
            // Also where it did not answer: whoever has been asked, the one of before has not.
            && let Some(to_keep) = after.or(kept.outdated.then_some(&[]))
            && (kept.outdated || to_keep != kept.bytes)
        {
            state.keep_memory(id, tenure, to_keep.to_vec());
        }
        if after.is_some() {
            seat.drop_learned(id);
        }
        if let Some(failure) = &verdict.failure {
            policies.failed(&seat, failure);
        }

        // A period of zero would tell standbys to look all the time; none tells them to choose.
        let period = self.shard.upload_period;
        let header = Header {
            generation: self.tenant.generation,
            upload_period_ms: (!period.is_zero()).then_some(period.as_millis()),
            policy: PolicyIdentity::from(judge.policy().identity()),
        };
        let generated = Generated {
            heatmap: encode(&header, &self.table, &verdict.answer),
            decided,
            scored: verdict.answer.heats().is_some(),
            valid_for_s: verdict.answer.valid_for_s(),
            policy: header.policy,
            tenure,
            policy_error: verdict.failure,
            report: verdict.report,
        };
        let elapsed = generated.report.elapsed;
        // Nothing is learned from a comparison with what answered in place of a policy that failed.
        let decided_itself = generated.policy_error.is_none();
        let decided = || Decided { shard: id, tenant: self.tenant, table: self.table, answer: verdict.answer, elapsed };
        let watching = if decided_itself { policies.watch(id, decided) } else { None };
        Ok((generated, watching))
    }
}
