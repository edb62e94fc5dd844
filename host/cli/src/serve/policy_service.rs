//! What the HTTP API asks of the host's policies: so that it can be tested without them.

use std::fmt::Debug;

use async_trait::async_trait;
use thermocline::Digest;
use thermocline::compute::Compute;
use thermocline::policies::source::Upload;
use thermocline::policies::{ChangeError, Entry, Note, Policies, PolicyRef, PolicySummary, Scope, ShadowStatus, Share};

/// The policies of a running host. See [`Policies`] for what each does.
#[async_trait]
pub(crate) trait PolicyService: Debug + Send + Sync + 'static {
    /// Bytes of the largest component that is taken.
    fn component_bytes(&self) -> usize;
    async fn install(
        &self,
        component: Upload,
        pin: Option<Digest>,
        config: Option<String>,
        note: Note,
    ) -> Result<PolicySummary, ChangeError>;
    async fn remove(&self, policy: PolicyRef, note: Note) -> Result<Entry, ChangeError>;
    async fn activate(
        &self,
        policy: PolicyRef,
        config: Option<String>,
        tenant: Option<Scope>,
        note: Note,
    ) -> Result<Entry, ChangeError>;
    async fn shadow(
        &self,
        policy: PolicyRef,
        config: Option<String>,
        share: Share,
        note: Note,
    ) -> Result<Entry, ChangeError>;
    async fn end_shadow(&self, note: Note) -> Result<Entry, ChangeError>;
    async fn rollback(&self, tenant: Option<Scope>, note: Note) -> Result<Entry, ChangeError>;
    async fn end_overrides(&self, note: Note) -> Result<Entry, ChangeError>;
    fn list(&self) -> Vec<PolicySummary>;
    async fn show(&self, policy: PolicyRef) -> Result<Shown, ChangeError>;
    fn shadow_status(&self) -> Option<ShadowStatus>;
    async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, ChangeError>;
}

/// A policy, with what it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) policy: PolicySummary,
    pub(crate) summary: String,
    pub(crate) config_schema: String,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

#[async_trait]
impl PolicyService for Policies {
    fn component_bytes(&self) -> usize {
        self.engine().limits().component_bytes
    }

    async fn install(
        &self,
        component: Upload,
        pin: Option<Digest>,
        config: Option<String>,
        note: Note,
    ) -> Result<PolicySummary, ChangeError> {
        Policies::install(self, &component, pin, config.as_deref(), &note).await
    }

    async fn remove(&self, policy: PolicyRef, note: Note) -> Result<Entry, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::remove(&policies, &policy, &note)).await?
    }

    async fn activate(
        &self,
        policy: PolicyRef,
        config: Option<String>,
        tenant: Option<Scope>,
        note: Note,
    ) -> Result<Entry, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::activate(&policies, &policy, config.as_deref(), tenant, &note)).await?
    }

    async fn shadow(
        &self,
        policy: PolicyRef,
        config: Option<String>,
        share: Share,
        note: Note,
    ) -> Result<Entry, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::shadow(&policies, &policy, config.as_deref(), share, &note)).await?
    }

    async fn end_shadow(&self, note: Note) -> Result<Entry, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::end_shadow(&policies, &note)).await?
    }

    async fn rollback(&self, tenant: Option<Scope>, note: Note) -> Result<Entry, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::rollback(&policies, tenant, &note)).await?
    }

    async fn end_overrides(&self, note: Note) -> Result<Entry, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::end_overrides(&policies, &note)).await?
    }

    fn list(&self) -> Vec<PolicySummary> {
        Policies::list(self)
    }

    async fn show(&self, policy: PolicyRef) -> Result<Shown, ChangeError> {
        let policies = self.clone();
        let (summary, policy) = Compute::Threads.run(move || Policies::show(&policies, &policy)).await??;
        let (description, shape) = (policy.description(), policy.shape());
        Ok(Shown {
            policy: summary,
            summary: description.summary.clone(),
            config_schema: description.config_schema.clone(),
            imports: shape.imports.clone(),
            exports: shape.exports.clone(),
        })
    }

    fn shadow_status(&self) -> Option<ShadowStatus> {
        Policies::shadow_status(self)
    }

    async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, ChangeError> {
        let policies = self.clone();
        Compute::Threads.run(move || Policies::log(&policies, after, limit)).await?
    }
}
