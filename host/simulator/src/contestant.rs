//! Whose heatmaps a standby follows.

use std::fmt::Debug;
use std::sync::Arc;

use thermocline::heatmap::{Header, PolicyIdentity, encode};
use thermocline::layer::LayerTable;
use thermocline::policy::{Judge, Layers, Selection, Tenant};
use thermocline_policy::Policy;

use crate::attached::GENERATION;

/// Who decides what a heatmap lists.
pub trait Decider: Debug {
    /// Which layers of `table` a standby should hold. `memory` is what it last handed back.
    ///
    /// # Errors
    /// If there is no answer at all, with the reason.
    fn decide(&self, tenant: &Tenant, table: &Arc<LayerTable>, memory: &[u8]) -> Result<Decision, String>;

    /// Who that is, as heatmaps name it.
    fn identity(&self) -> PolicyIdentity;
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The checked answer.
    pub selection: Selection,
    /// Why another answered for the policy. `None`: nobody did.
    pub failure: Option<String>,
}

/// The policy as a host runs it: in its sandbox, with the built-in one behind it.
impl Decider for Judge {
    fn decide(&self, tenant: &Tenant, table: &Arc<LayerTable>, memory: &[u8]) -> Result<Decision, String> {
        let verdict = self.select(tenant, table, memory).map_err(|error| error.to_string())?;
        Ok(Decision { selection: verdict.answer, failure: verdict.failure.map(|failure| failure.to_string()) })
    }

    fn identity(&self) -> PolicyIdentity {
        self.policy().identity().into()
    }
}

/// A policy as native code: for those who tune one, and need no sandbox while they do.
#[derive(Clone, Debug)]
pub struct Native<P>(pub P);

impl<P: Policy + Debug> Decider for Native<P> {
    fn decide(&self, tenant: &Tenant, table: &Arc<LayerTable>, memory: &[u8]) -> Result<Decision, String> {
        let answer = self.0.select(tenant, &**table, memory)?;
        let selection = Selection::check(answer, Layers::rows(&**table)).map_err(|bad| bad.to_string())?;
        Ok(Decision { selection, failure: None })
    }

    fn identity(&self) -> PolicyIdentity {
        let description = P::describe();
        PolicyIdentity { name: description.name, version: description.version, digest: String::new() }
    }
}

/// A policy that takes part.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// What rows call it.
    pub name: String,
    /// For each budget of the settings, who decides: the same one, or one that was told of the budget.
    pub deciders: Vec<Arc<dyn Decider>>,
}

/// Makes heatmaps, one after another, as a host does.
#[derive(Debug)]
pub(crate) struct Writer {
    decider: Arc<dyn Decider>,
    memory: Vec<u8>,
    /// Why the policy failed, at each time that another answered for it.
    failures: Vec<String>,
}

impl Writer {
    pub(crate) const fn new(decider: Arc<dyn Decider>) -> Self {
        Writer { decider, memory: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn heatmap(
        &mut self,
        tenant: &Tenant,
        period_ms: u32,
        table: &Arc<LayerTable>,
    ) -> Result<Vec<u8>, String> {
        let Decision { selection, failure } = self.decider.decide(tenant, table, &self.memory)?;
        match failure {
            // What the policy handed back before is still its memory.
            Some(failure) => self.failures.push(failure),
            None => self.memory = selection.memory().to_vec(),
        }
        let header = Header {
            generation: GENERATION,
            upload_period_ms: Some(period_ms.into()),
            policy: self.decider.identity(),
        };
        Ok(encode(&header, table, &selection).bytes.to_vec())
    }

    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }
}
