//! How operators name a policy that is installed.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// Names an installed policy: `built-in`, `NAME`, `NAME@VERSION`, `sha256:DIGEST`, or one of them with `@sha256:DIGEST`
/// behind it, which pins it. A digest may be cut off after at least [`PolicyRef::MIN_DIGITS`] digits, but for a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRef {
    text: String,
}

/// A text that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no policy: expected `built-in`, NAME, NAME@VERSION, sha256:DIGEST, or NAME@sha256:DIGEST")]
pub struct BadReference(pub String);

impl PolicyRef {
    /// Fewest hex digits that stand for a digest.
    pub const MIN_DIGITS: usize = 8;

    /// The built-in policy.
    pub fn built_in() -> Self {
        PolicyRef { text: super::Which::BuiltIn.to_string() }
    }

    /// Exactly this component.
    pub fn of(digest: Digest) -> Self {
        PolicyRef { text: format!("sha256:{digest}") }
    }

    /// The policy that is meant, of those that are installed.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant.
    pub fn resolve(&self, standing: &super::Standing) -> Result<super::Which, super::ChangeError> {
        let _ = standing;
        todo!()
    }
}

impl FromStr for PolicyRef {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        Ok(PolicyRef { text: text.into() })
    }
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
