//! How operators name a policy that is installed.

use std::fmt;
use std::str::FromStr;

use super::error::ChangeError;
use super::standing::Standing;
use super::which::Which;
use crate::Digest;
use crate::policy::{RESIDENT_SET, is_policy_name};

const BUILT_IN: &str = "built-in";
const SHA256: &str = "sha256:";
const PIN: &str = "@sha256:";

/// Hex digits of a whole digest.
const DIGEST_DIGITS: usize = 64;

/// Hex digits of a digest that tell candidates apart for a reader.
const SHOWN_DIGITS: usize = 12;

/// What the built-in policy calls itself.
const BUILT_IN_NAME: &str = "resident-set";

/// Names an installed policy: `built-in`, `NAME`, `NAME@VERSION`, `sha256:DIGEST`, or one of them with `@sha256:DIGEST`
/// behind it, which pins it. A digest may be cut off after at least [`PolicyRef::MIN_DIGITS`] digits, but for a pin.
///
/// `NAME` alone stands for the only version that is installed. Where there are several, it stands for none: what decides
/// must not depend on what else was installed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRef {
    meant: Meant,
    pin: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    BuiltIn,
    Name(String),
    Version(String, String),
    /// The first digits of a digest, in lower case.
    Digest(String),
}

/// A text that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no policy: expected `built-in`, NAME, NAME@VERSION, sha256:DIGEST (at least {min} digits), or one of them \
     with @sha256: and all 64 digits behind it",
    min = PolicyRef::MIN_DIGITS
)]
pub struct BadReference(pub String);

impl PolicyRef {
    /// Fewest hex digits that stand for a digest.
    pub const MIN_DIGITS: usize = 8;

    /// The built-in policy.
    pub const fn built_in() -> Self {
        PolicyRef { meant: Meant::BuiltIn, pin: None }
    }

    /// Exactly this component.
    pub fn of(digest: Digest) -> Self {
        PolicyRef { meant: Meant::Digest(digest.to_string()), pin: None }
    }

    /// The policy that is meant, of those that are installed.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant, or it is not the one that is pinned.
    pub fn resolve(&self, standing: &Standing) -> Result<Which, ChangeError> {
        let candidates = self.candidates(standing);
        let digest = |which: &Which| match which {
            Which::BuiltIn => Digest::of(RESIDENT_SET),
            Which::Component(digest) => *digest,
        };
        let pinned = |which: &Which| self.pin.is_none_or(|pin| digest(which) == pin);
        let fitting: Vec<Which> = candidates.iter().copied().filter(pinned).collect();
        match (fitting.as_slice(), candidates.as_slice()) {
            ([which], _) => Ok(*which),
            ([], [other]) => {
                let (found, pinned) = (digest(other), self.pin.unwrap_or_else(|| digest(other)));
                Err(ChangeError::Pin { what: self.meant.to_string(), found, pinned })
            }
            ([], _) => Err(ChangeError::Unknown(self.to_string())),
            (several, _) => {
                let mut candidates: Vec<String> = several.iter().map(|which| told(which, standing)).collect();
                candidates.sort();
                Err(ChangeError::Ambiguous { reference: self.to_string(), candidates })
            }
        }
    }

    fn candidates(&self, standing: &Standing) -> Vec<Which> {
        let installed = standing.installed.iter();
        let mut found: Vec<Which> = match &self.meant {
            Meant::BuiltIn => Vec::new(),
            Meant::Name(name) => {
                installed.filter(|(_, it)| it.name == *name).map(|(digest, _)| Which::Component(*digest)).collect()
            }
            Meant::Version(name, version) => installed
                .filter(|(_, it)| it.name == *name && it.version == *version)
                .map(|(digest, _)| Which::Component(*digest))
                .collect(),
            Meant::Digest(digits) => installed
                .filter(|(digest, _)| digest.to_string().starts_with(digits))
                .map(|(digest, _)| Which::Component(*digest))
                .collect(),
        };
        let built_in = match &self.meant {
            Meant::BuiltIn => true,
            Meant::Name(name) => name == BUILT_IN_NAME,
            Meant::Version(..) => false,
            Meant::Digest(digits) => Digest::of(RESIDENT_SET).to_string().starts_with(digits),
        };
        // One that somebody installed goes before the built-in one of the same name.
        if found.is_empty() && built_in {
            found.push(Which::BuiltIn);
        }
        found
    }
}

/// A candidate, in words that name it.
fn told(which: &Which, standing: &Standing) -> String {
    let Which::Component(digest) = which else { return which.to_string() };
    let mut digits = digest.to_string();
    digits.truncate(SHOWN_DIGITS);
    match standing.installed.get(digest) {
        Some(installed) => format!("{SHA256}{digits} ({} {})", installed.name, installed.version),
        None => format!("{SHA256}{digits}"),
    }
}

impl FromStr for PolicyRef {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let bad = || BadReference(crate::policy::quoted(text, 2 * DIGEST_DIGITS + PIN.len()));
        let (meant, pin) = match text.rsplit_once(PIN) {
            Some((meant, pin)) => (meant, Some(pin.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let meant = Meant::read(meant).ok_or_else(bad)?;
        Ok(PolicyRef { meant, pin })
    }
}

impl Meant {
    fn read(text: &str) -> Option<Self> {
        if text == BUILT_IN {
            return Some(Meant::BuiltIn);
        }
        let digits = text.strip_prefix(SHA256);
        // No policy gets to call itself like another one's digest.
        if let Some(digits) = digits.or(Some(text).filter(|text| text.len() == DIGEST_DIGITS && is_hex(text))) {
            let fits = (PolicyRef::MIN_DIGITS..=DIGEST_DIGITS).contains(&digits.len()) && is_hex(digits);
            return fits.then(|| Meant::Digest(digits.to_ascii_lowercase()));
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if !is_policy_name(name) {
            return None;
        }
        match version {
            None => Some(Meant::Name(name.into())),
            Some(version) => semver::Version::parse(version).ok().map(|_| Meant::Version(name.into(), version.into())),
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meant::BuiltIn => f.write_str(BUILT_IN),
            Meant::Name(name) => f.write_str(name),
            Meant::Version(name, version) => write!(f, "{name}@{version}"),
            Meant::Digest(digits) => write!(f, "{SHA256}{digits}"),
        }
    }
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meant.fmt(f)?;
        match self.pin {
            Some(pin) => write!(f, "{PIN}{pin}"),
            None => Ok(()),
        }
    }
}
