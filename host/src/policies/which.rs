//! Which component: one of the store, or the one that is part of the host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::digest::ParseDigestError;
use crate::policy;

/// Which component. The built-in one has no digest here: a host of another version brings another, and what was decided
/// for the one holds for the other. Prints as `built-in`, or as `sha256:` and 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Which {
    /// `resident-set`, compiled into the host.
    BuiltIn,
    /// One that was installed.
    Component(Digest),
}

impl Which {
    /// SHA-256 of the component, be it the one that this host brings.
    pub fn digest(&self) -> Digest {
        match self {
            Which::BuiltIn => policy::BUILT_IN.digest(),
            Which::Component(digest) => *digest,
        }
    }
}

const BUILT_IN: &str = "built-in";
const SHA256: &str = "sha256:";

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::BuiltIn => f.write_str(BUILT_IN),
            Which::Component(digest) => write!(f, "{SHA256}{digest}"),
        }
    }
}

impl FromStr for Which {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        match text {
            BUILT_IN => Ok(Which::BuiltIn),
            text => text.strip_prefix(SHA256).unwrap_or(text).parse().map(Which::Component),
        }
    }
}

impl From<Which> for String {
    fn from(which: Which) -> Self {
        which.to_string()
    }
}

impl TryFrom<String> for Which {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, ParseDigestError> {
        text.parse()
    }
}
