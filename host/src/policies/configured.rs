//! The policy that a configuration names.

use super::entry::{CONFIGURATION, Entry};
use super::error::ChangeError;
use super::live::{Note, Policies};
use super::reference::PolicyRef;
use super::source::Source;
use super::standing::Chosen;
use super::which::Which;
use crate::Digest;

impl Policies {
    /// Installs and activates the policy that a configuration names, if that is news: if the configuration named another
    /// one when it was last asked. What operators activated since then stays, and so does what was taken back because it
    /// failed: a restart is no reason to try it again. `source` absent: the built-in policy.
    ///
    /// # Errors
    /// If the component is refused, or refuses its settings. Whoever decided still does.
    pub async fn follow_configuration(
        &self,
        source: Option<&dyn Source>,
        pin: Option<Digest>,
        config: &str,
    ) -> Result<Option<Entry>, ChangeError> {
        let news =
            |chosen: &Chosen| self.0.store.standing().configured.as_ref().unwrap_or(&Chosen::default()) != chosen;
        let note = Note { by: CONFIGURATION.into(), why: None };
        let named = match source {
            None => PolicyRef::built_in(),
            Some(source) => {
                let bytes = source.fetch(self.0.engine.limits().component_bytes).await?;
                let digest = Digest::of(&bytes);
                if pin.is_none_or(|pinned| pinned == digest) && !news(&Chosen::new(Which::Component(digest), config)) {
                    return Ok(None);
                }
                self.install(source, pin.or(Some(digest)), Some(config), &note).await?;
                PolicyRef::of(digest)
            }
        };
        if source.is_none() && !news(&Chosen::new(Which::BuiltIn, config)) {
            return Ok(None);
        }
        let (policies, config) = (self.clone(), config.to_owned());
        let compute = crate::compute::Compute::Threads;
        compute.run(move || policies.activate(&named, Some(&config), None, &note)).await?.map(Some)
    }
}
