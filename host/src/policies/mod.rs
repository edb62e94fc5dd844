//! The policies of a running host: which are installed, which one decides, which one is watched, and who changed what.
//!
//! A policy is *installed* once it has passed every check; may be watched as a *shadow*, beside the one that decides;
//! and becomes *active* for all tenants, or for some. One that fails too often is *rolled back* by itself. Every change
//! is an [`Entry`] of an append-only log, which is also the truth that a restart begins with: [`Standing`] is what its
//! entries add up to.

mod change;
mod configured;
mod entry;
mod error;
mod failing;
mod failures;
mod lineup;
mod live;
mod metrics;
mod reference;
mod scope;
mod shadow;
pub mod source;
mod standing;
mod status;
pub mod store;
mod which;

pub use change::{MAX_OVERRIDES, MAX_OVERRIDES_CONFIG_BYTES};
pub use entry::{Action, CONFIGURATION, Entry, HOST, Outcome};
pub use error::{ChangeError, PoliciesError};
pub use failures::RollbackRule;
pub use live::{Note, Policies, Share};
pub use reference::{BadReference, PolicyRef};
pub use scope::Scope;
pub use source::Source;
pub use standing::{Chosen, Installed, Shadowed, Standing};
pub use status::{Agreement, PolicyRole, PolicySummary, ShadowStatus};
pub use store::{MAX_INSTALLED, PolicyStore};
pub use which::Which;

pub(crate) use shadow::{Decided, Watching};

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
