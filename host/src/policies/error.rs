//! Why a change of policies was refused.

use super::reference::BadReference;
use super::source::SourceError;
use super::store::StoreError;
use crate::Digest;
use crate::policy::PolicyError;

/// Why the policies of a host cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoliciesError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The built-in policy cannot be compiled on this machine.
    #[error(transparent)]
    BuiltIn(#[from] PolicyError),
}

/// Why a change was refused. Nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The component could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not the one that was meant.
    #[error("{what} has sha256 {found}, and sha256 {pinned} is what was asked for: nothing changed")]
    Pin {
        /// What was fetched.
        what: String,
        /// What it is.
        found: Digest,
        /// What it should be.
        pinned: Digest,
    },
    /// The component failed a check.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// It does not do what policies must.
    #[error(
        "it fails {failed} of the conformance tables, the first is `{first}`: {why}; `thermocline policy check` shows all"
    )]
    Conformance {
        /// How many.
        failed: usize,
        /// The first one's name.
        first: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Nobody knows what is meant.
    #[error(transparent)]
    Reference(#[from] BadReference),
    /// It is not installed.
    #[error("there is no policy {0} here: install it, or see `thermocline policy list`")]
    Unknown(String),
    /// Several are meant.
    #[error("{reference} may be {}: name one of them", .candidates.join(" or "))]
    Ambiguous {
        /// As it was named.
        reference: String,
        /// What it may be.
        candidates: Vec<String>,
    },
    /// It decides, or is watched.
    #[error("{0} is in use: activate another policy, or end its shadow, before it is removed")]
    InUse(String),
    /// It is part of the host.
    #[error("the built-in policy is part of the host, and stays: only what was installed is removed")]
    BuiltIn,
    /// There is nothing to go back to.
    #[error("{0}")]
    Nothing(String),
    /// The store is full.
    #[error("{installed} policies are installed, at most {limit}: remove one (`thermocline policy remove`)")]
    Full {
        /// How many are.
        installed: usize,
        /// How many may be.
        limit: usize,
    },
    /// Too many have a policy of their own.
    #[error(
        "{limit} tenants have a policy of their own, and more may not: roll back one (`thermocline policy rollback \
         --tenant`) or all (`--all-tenants`)"
    )]
    TooManyOverrides {
        /// How many may be.
        limit: usize,
    },
    /// Those that have one have configurations that are too large.
    #[error(
        "the configurations of single tenants' policies would take {bytes} bytes together, at most {limit}: give the \
         policy a smaller one, or roll back tenants, one (`thermocline policy rollback --tenant`) or all (`--all-tenants`)"
    )]
    OverridesTooLarge {
        /// How many they would take.
        bytes: usize,
        /// How many they may take.
        limit: usize,
    },
    /// The share makes no sense.
    #[error("a share is more than 0 and at most 1, and {0} is not")]
    BadShare(f64),
    /// The store could not be read, or the change not written down, so that it does not hold.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error(transparent)]
    CutOff(#[from] crate::compute::CutOff),
}
