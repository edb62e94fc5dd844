//! From what users name to what the host works with: remotes, policies, documents.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use thermocline::policy::{Decider, Engine, Limits, NO_CONFIG, Policy, RESIDENT_SET};
use thermocline::remote::{self, Got, ObjectUrl, Remote, RemoteUrl, S3Options};

use crate::args::{PolicyArgs, S3Args};

/// The bytes of a file, or of the object that a URL names.
pub(crate) async fn read(file: &str, options: &S3Options) -> anyhow::Result<Vec<u8>> {
    if !file.contains("://") {
        return std::fs::read(file).with_context(|| format!("cannot read {file}"));
    }
    let ObjectUrl { remote, key } = file.parse()?;
    let remote = remote::open(&remote, options).await?;
    match remote.get(&key, None).await? {
        Got::Object(object) => Ok(object.body.into()),
        Got::Missing | Got::Unchanged => bail!("{file}: there is no such object"),
    }
}

pub(crate) async fn open_remote(url: &RemoteUrl, s3: &S3Args) -> anyhow::Result<Arc<dyn Remote>> {
    remote::open(url, &s3.options()).await.with_context(|| format!("cannot open the remote {url}"))
}

/// The policy that a user named, ready to decide; the built-in one where none was named.
pub(crate) fn decider(args: &PolicyArgs) -> anyhow::Result<Decider> {
    let engine = Engine::new(Limits::default())?;
    let config = args.policy_config.as_deref().unwrap_or(NO_CONFIG);
    let policy = match &args.policy {
        Some(file) => load_policy(&engine, file, config)?,
        None => Policy::load(&engine, RESIDENT_SET, config)?,
    };
    Ok(Decider::new(Arc::new(policy)))
}

pub(crate) fn load_policy(engine: &Engine, file: &Path, config: &str) -> anyhow::Result<Policy> {
    let component = read_component(engine, file)?;
    Policy::load(engine, &component, config).with_context(|| file.display().to_string())
}

/// A component's bytes. What is larger than the engine takes is not read at all.
fn read_component(engine: &Engine, file: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    let limit = engine.limits().component_bytes;
    if size > limit as u64 {
        bail!("{}: {size} bytes are more than a policy may have: at most {limit}", file.display());
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
