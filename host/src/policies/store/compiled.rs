//! Compiled code, kept so that a restart need not compile again.

use super::medium::{MAX_FILE_BYTES, Medium};
use crate::Digest;
use crate::policy::{Engine, Policy, PolicyError};

/// Where it is, in one folder for each engine.
pub(super) const FOLDER: &str = "compiled";

fn folder(engine: &Engine) -> String {
    format!("{FOLDER}/{}", engine.compiled_for())
}

fn file(digest: Digest) -> String {
    format!("{digest}.cwasm")
}

/// Loads a component whose digest this is: with what was compiled before, if nobody else can have written that; and else
/// compiled again. That it cannot be kept only costs time.
pub(super) fn load(medium: &Medium, engine: &Engine, digest: Digest, bytes: &[u8]) -> Result<Policy, PolicyError> {
    let name = format!("{}/{}", folder(engine), file(digest));
    let path = medium.path(&name).display().to_string();
    match medium.read_own(&name) {
        Ok(None) => {}
        Ok(Some(sealed)) => match Policy::load_sealed(engine, bytes, &sealed)? {
            Some(policy) => return Ok(policy),
            None => tracing::warn!("{path}: this is not what was compiled; the policy is compiled again"),
        },
        Err(error) => tracing::warn!("{path}: compiled code is not used: {error}; the policy is compiled again"),
    }
    let policy = Policy::load_unconfigured(engine, bytes)?;
    let Some(sealed) = policy.seal().filter(|sealed| sealed.len() as u64 <= MAX_FILE_BYTES) else { return Ok(policy) };
    if let Err(error) = medium.write_own(&name, &sealed).and_then(|()| remove_others(medium, engine)) {
        tracing::warn!("{path}: what was compiled is not kept, each start compiles again: {error}");
    }
    Ok(policy)
}

/// Drops what other engines compiled: before an upgrade, mostly.
fn remove_others(medium: &Medium, engine: &Engine) -> std::io::Result<()> {
    let own = engine.compiled_for();
    let mut others = medium.names(FOLDER)?.into_iter().filter(|name| *name != own);
    others.try_for_each(|name| medium.remove_folder(&format!("{FOLDER}/{name}")))
}

/// Drops what was compiled of a component.
pub(super) fn remove(medium: &Medium, digest: Digest) -> std::io::Result<()> {
    let mut engines = medium.names(FOLDER)?.into_iter();
    engines.try_for_each(|engine| medium.remove(&format!("{FOLDER}/{engine}/{}", file(digest))))
}
