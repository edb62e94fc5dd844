//! Who answers: the policy that the operator chose, or the built-in one where that fails.

use std::sync::Arc;

use thermocline_policy::{Policy as NativePolicy, Tenant};
use thermocline_resident_set::ResidentSet;

use super::builtin::RESIDENT_SET;
use super::component::{Called, NO_CONFIG, Policy};
use super::engine::Engine;
use super::error::PolicyError;
use super::queue::{Ranking, UploadQueue};
use super::report::Report;
use super::selection::Selection;
use crate::layer::LayerTable;

/// Gives an answer whatever the operator's policy does: where that fails, the built-in `resident-set`
/// answers for the call, compiled into the host and bound by no limit that a policy could hit.
#[derive(Clone, Debug)]
pub struct Judge {
    policy: Arc<Policy>,
}

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Verdict<T> {
    /// The checked answer.
    pub answer: T,
    /// Why the operator's policy did not give it. `None`: it did.
    pub failure: Option<PolicyError>,
    /// What the call of the operator's policy used up and logged, also where it failed.
    pub report: Report,
}

impl<T> Verdict<T> {
    /// Whether the built-in policy answered instead of the operator's.
    pub const fn is_fallback(&self) -> bool {
        self.failure.is_some()
    }
}

impl Verdict<Selection> {
    /// What to hand the operator's policy at the tenant's next call. `None` where it did not answer:
    /// what it handed back before is still its memory.
    pub fn memory(&self) -> Option<&[u8]> {
        if self.is_fallback() { None } else { Some(self.answer.memory()) }
    }
}

/// The built-in policy failed as well, which is a fault of the host: there is no answer, and nothing
/// may be published.
#[derive(Debug, thiserror::Error)]
#[error("the built-in policy failed: {why}; it answered for a policy that failed before: {failure}")]
pub struct JudgeError {
    /// What the built-in policy did.
    pub why: String,
    /// Why it was asked.
    pub failure: PolicyError,
}

impl Judge {
    /// Asks `policy` first.
    pub const fn new(policy: Arc<Policy>) -> Self {
        Judge { policy }
    }

    /// Asks the [built-in policy](RESIDENT_SET) first, run as a component like any other. It refuses every
    /// `config` but one without settings, such as [`NO_CONFIG`].
    ///
    /// # Errors
    /// If it refuses `config`, or cannot be compiled on this machine.
    pub fn built_in(engine: &Engine, config: &str) -> Result<Self, PolicyError> {
        Ok(Judge::new(Arc::new(Policy::load(engine, RESIDENT_SET, config)?)))
    }

    /// The operator's policy.
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Which layers of `table` a standby should hold. `memory` is what this policy last handed back for the
    /// tenant, see [`Verdict::memory`].
    ///
    /// # Errors
    /// Only if the built-in policy fails too.
    pub fn select(
        &self,
        tenant: &Tenant,
        table: &Arc<LayerTable>,
        memory: &[u8],
    ) -> Result<Verdict<Selection>, JudgeError> {
        decide(self.policy.select(tenant, table, memory), Some(&tenant.shard), || {
            let answer = ResidentSet::configure(NO_CONFIG)?.select(tenant, &**table, &[])?;
            Selection::check(answer, thermocline_policy::Layers::rows(&**table)).map_err(|bad| bad.to_string())
        })
    }

    /// The order in which due uploads run. `now` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// Only if the built-in policy fails too.
    pub fn rank_uploads(&self, now: i64, queue: &Arc<UploadQueue>) -> Result<Verdict<Ranking>, JudgeError> {
        decide(self.policy.rank_uploads(now, queue), None, || {
            let answer = ResidentSet::configure(NO_CONFIG)?.rank_uploads(now, &**queue)?;
            Ranking::check(answer, queue).map_err(|bad| bad.to_string())
        })
    }
}

fn decide<T>(
    called: Result<Called<T>, PolicyError>,
    shard: Option<&str>,
    built_in: impl FnOnce() -> Result<T, String>,
) -> Result<Verdict<T>, JudgeError> {
    let failure = match called {
        Ok(Called { answer, report }) => return Ok(Verdict { answer, failure: None, report }),
        Err(failure) => failure,
    };
    tracing::warn!(
        policy = failure.identity().name(),
        version = failure.identity().version(),
        digest = %failure.identity().digest(),
        shard,
        "{failure}; the built-in policy answers instead"
    );
    match built_in() {
        Ok(answer) => Ok(Verdict { answer, report: failure.report().clone(), failure: Some(failure) }),
        Err(why) => Err(JudgeError { why, failure }),
    }
}
