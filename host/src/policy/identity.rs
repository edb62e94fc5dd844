//! Which policy it was: what every error, every log line and every scored heatmap says.

use std::fmt;
use std::sync::Arc;

use thermocline_policy::Description;

use super::schema::{BadSchema, ConfigSchema};
use crate::Digest;

/// Bytes of a policy's name.
pub const MAX_NAME_BYTES: usize = 64;
/// Bytes of a policy's version. Longer ones are build metadata gone wrong.
pub const MAX_VERSION_BYTES: usize = 64;
/// Bytes of a policy's summary.
pub const MAX_SUMMARY_BYTES: usize = 1 << 10;
/// Bytes of the schema of a policy's configuration.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// Which policy it is, as far as that is known: a component that fails to load may not have said its
/// name yet. Prints as `policy resident-set 1.0.0 (sha256:0123456789ab)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyIdentity {
    named: Option<(Arc<str>, Arc<str>)>,
    digest: Digest,
}

impl PolicyIdentity {
    pub(crate) const fn unnamed(digest: Digest) -> Self {
        PolicyIdentity { named: None, digest }
    }

    pub(super) fn named(digest: Digest, description: &Description) -> Self {
        let named = (Arc::from(description.name.as_str()), Arc::from(description.version.as_str()));
        PolicyIdentity { named: Some(named), digest }
    }

    /// What operators call it. `None` if it failed before it said so.
    pub fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|(name, _)| &**name)
    }

    /// Its semantic version. `None` if it failed before it said so.
    pub fn version(&self) -> Option<&str> {
        self.named.as_ref().map(|(_, version)| &**version)
    }

    /// SHA-256 of the component.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for PolicyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("policy ")?;
        if let Some((name, version)) = &self.named {
            write!(f, "{name} {version} ")?;
        }
        // Enough to find the file among those an operator has; the whole digest goes into the fields of a log.
        f.write_str("(sha256:")?;
        self.digest.as_bytes().iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why what a policy says of itself cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadDescription {
    /// Operators type names, and file names are made of them.
    #[error("its name must be 1 to {MAX_NAME_BYTES} characters of a-z, 0-9 and `-`, and is `{0}`")]
    Name(String),
    /// Not `1.2.3`.
    #[error("its version must be a semantic version such as `1.2.3`, and is `{version}`: {why}")]
    Version {
        /// As described.
        version: String,
        /// What is wrong with it.
        why: String,
    },
    /// Too long.
    #[error("its summary is {bytes} bytes long: at most {MAX_SUMMARY_BYTES}")]
    Summary {
        /// How long.
        bytes: usize,
    },
    /// Too long.
    #[error("its config-schema is {bytes} bytes long: at most {MAX_SCHEMA_BYTES}")]
    SchemaSize {
        /// How long.
        bytes: usize,
    },
    /// No schema, or one that could hurt.
    #[error("its config-schema {0}")]
    Schema(#[from] BadSchema),
}

/// Whether a policy may call itself so.
pub(crate) fn is_policy_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Checks what a policy says of itself, and answers what its configuration may be.
pub(super) fn check_description(description: &Description) -> Result<ConfigSchema, BadDescription> {
    use super::quote::quoted;

    let Description { name, version, summary, config_schema } = description;
    if !is_policy_name(name) {
        return Err(BadDescription::Name(quoted(name, MAX_NAME_BYTES)));
    }
    let bad_version = |why: String| Err(BadDescription::Version { version: quoted(version, MAX_VERSION_BYTES), why });
    if version.len() > MAX_VERSION_BYTES {
        return bad_version(format!("it is {} bytes long, at most {MAX_VERSION_BYTES}", version.len()));
    }
    if let Err(error) = semver::Version::parse(version) {
        return bad_version(error.to_string());
    }
    if summary.len() > MAX_SUMMARY_BYTES {
        return Err(BadDescription::Summary { bytes: summary.len() });
    }
    if config_schema.len() > MAX_SCHEMA_BYTES {
        return Err(BadDescription::SchemaSize { bytes: config_schema.len() });
    }
    Ok(ConfigSchema::parse(config_schema)?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn good() -> Description {
        Description {
            name: "a".repeat(MAX_NAME_BYTES),
            version: "1.2.3-rc.1+build".into(),
            summary: "s".repeat(MAX_SUMMARY_BYTES),
            config_schema: format!("{{{}}}", " ".repeat(MAX_SCHEMA_BYTES - 2)),
        }
    }

    #[test]
    fn a_description_at_every_limit_is_accepted() {
        assert_eq!(check_description(&good()).map(drop), Ok(()));
    }

    #[rstest]
    #[case::no_name(|it: &mut Description| it.name.clear(), "its name must be 1 to 64 characters of a-z, 0-9 and `-`, and is ``")]
    #[case::long_name(|it: &mut Description| it.name.push('a'), "its name must be 1 to 64")]
    #[case::odd_name(|it: &mut Description| it.name = "A\nb".into(), r"and is `A\nb`")]
    #[case::version(|it: &mut Description| it.version = "1.2".into(), "its version must be a semantic version such as `1.2.3`, and is `1.2`: unexpected end")]
    #[case::long_version(|it: &mut Description| it.version = format!("1.2.3-{}", "a".repeat(59)), "it is 65 bytes long, at most 64")]
    #[case::long_summary(|it: &mut Description| it.summary.push('s'), "its summary is 1025 bytes long: at most 1024")]
    #[case::long_schema(|it: &mut Description| it.config_schema.push(' '), "its config-schema is 65537 bytes long: at most 65536")]
    #[case::schema_no_json(|it: &mut Description| it.config_schema = "none".into(), "its config-schema must be a JSON object: expected ident")]
    #[case::schema_no_schema(|it: &mut Description| it.config_schema = r#"{"type": 3}"#.into(), "its config-schema is no JSON Schema: /type: 3")]
    #[case::schema_no_object(|it: &mut Description| it.config_schema = "[]".into(), "its config-schema must be a JSON object: invalid type: sequence")]
    fn a_bad_description_is_refused(#[case] spoil: fn(&mut Description), #[case] why: &str) {
        let mut description = good();
        spoil(&mut description);
        let error = check_description(&description).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn an_identity_says_what_it_knows() {
        let digest = Digest::of(b"component");
        let start = digest.to_string()[..12].to_owned();
        assert_eq!(PolicyIdentity::unnamed(digest).to_string(), format!("policy (sha256:{start})"));
        let description = Description { name: "hot".into(), version: "1.2.3".into(), ..good() };
        let named = PolicyIdentity::named(digest, &description);
        assert_eq!(named.to_string(), format!("policy hot 1.2.3 (sha256:{start})"));
    }
}
