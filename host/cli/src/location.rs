//! From what users name to what the host works with: remotes, policies, documents.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use thermocline::clock::{Clock, SystemClock};
use thermocline::datadir::{DataDir, DataDirOptions, Location, Skip};
use thermocline::layer::TenantShardId;
use thermocline::pageserver::Shard;
use thermocline::policy::{DueUpload, Engine, Judge, Limits, NO_CONFIG, Policy, PolicyFile, RESIDENT_SET};
use thermocline::remote::{self, Got, ObjectUrl, Remote, RemoteUrl, S3Options};

use crate::args::{DataDirArgs, Named, PolicyArgs, S3Args};

/// The bytes of a file, or of the object that a URL names.
pub(crate) async fn read(file: &str, options: &S3Options) -> anyhow::Result<Vec<u8>> {
    if !file.contains("://") {
        return std::fs::read(file).context("cannot be read");
    }
    let ObjectUrl { remote, key } = file.parse()?;
    let remote = remote::open(&remote, options).await?;
    match remote.get(&key, None).await? {
        Got::Object(object) => Ok(object.body.into()),
        Got::Missing | Got::Unchanged => bail!("there is no such object"),
    }
}

pub(crate) async fn open_remote(url: &RemoteUrl, s3: &S3Args) -> anyhow::Result<Arc<dyn Remote>> {
    remote::open(url, &s3.options()).await.with_context(|| format!("cannot open the remote {url}"))
}

/// The policy that a user named, ready to judge; the built-in one where none was named.
pub(crate) fn judge(args: &PolicyArgs) -> anyhow::Result<Judge> {
    let engine = Engine::new(Limits::default())?;
    let config = args.policy_config.as_deref().unwrap_or(NO_CONFIG);
    Ok(match &args.policy {
        Some(file) => Judge::new(Arc::new(load_policy(&engine, file, config)?)),
        None => Judge::built_in(&engine, config)?,
    })
}

pub(crate) fn load_policy(engine: &Engine, file: &PolicyFile, config: &str) -> anyhow::Result<Policy> {
    let component = read_component(engine.limits().component_bytes, file)?;
    Policy::load(engine, &component, config).with_context(|| file.path().display().to_string())
}

/// A policy as it is, whatever configuration it may need.
pub(crate) fn load_unconfigured(engine: &Engine, file: &PolicyFile) -> anyhow::Result<Policy> {
    let component = read_component(engine.limits().component_bytes, file)?;
    Policy::load_unconfigured(engine, &component).with_context(|| file.path().display().to_string())
}

/// A policy that may be the built-in one.
pub(crate) fn load_named(engine: &Engine, policy: &Named, config: Option<&str>) -> anyhow::Result<Policy> {
    let config = config.unwrap_or(NO_CONFIG);
    match policy {
        Named::BuiltIn => Ok(Policy::load(engine, RESIDENT_SET, config)?),
        Named::File(file) => load_policy(engine, file, config),
    }
}

/// A component's bytes, which are those that the file is pinned to. What is larger than one may be is not read at all.
pub(crate) fn read_component(limit: usize, file: &PolicyFile) -> anyhow::Result<Vec<u8>> {
    let path = file.path();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > limit as u64 {
        bail!("{}: {size} bytes are more than a policy may have: at most {limit}", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.check(&bytes)?;
    Ok(bytes)
}

/// Opens the data directory that a user named. `note_sightings` is off where no trace may be left.
pub(crate) fn data_dir(
    args: &DataDirArgs,
    remote: Option<Arc<dyn Remote>>,
    note_sightings: bool,
) -> anyhow::Result<DataDir> {
    let state_dir = args.state_dir.clone();
    let options = DataDirOptions { remote, state_dir, note_sightings, ..DataDirOptions::default() };
    Ok(DataDir::open(&args.data_dir, options)?)
}

/// A shard that is attached here, or why it has no heatmap.
pub(crate) async fn attached_shard(data_dir: &DataDir, args: &DataDirArgs, id: TenantShardId) -> anyhow::Result<Shard> {
    match data_dir.tenant(id).await?.location {
        Location::Attached(shard) => Ok(shard),
        Location::Skipped(Skip::Detached) if !tenant_folder(&args.data_dir, id).exists() => {
            bail!("there is no such tenant in {}", args.data_dir.display())
        }
        Location::Skipped(skip) => bail!("{skip}"),
    }
}

fn tenant_folder(data_dir: &Path, id: TenantShardId) -> PathBuf {
    data_dir.join("tenants").join(id.to_string())
}

/// Attached shards with what a policy ranks them by, and the folders that are none with the reason.
pub(crate) type Due = (Vec<(Shard, DueUpload)>, Vec<(TenantShardId, String)>);

/// Every tenant of a data directory.
pub(crate) async fn due_shards(data_dir: &DataDir, path: &Path) -> anyhow::Result<Due> {
    let now_s = SystemClock::default().unix_s();
    let (mut due, mut skipped) = (Vec::new(), Vec::new());
    for tenant in data_dir.tenants().await? {
        match tenant.location {
            Location::Attached(shard) => {
                let age_ms = written_s(path, shard.id).map(|s| u64::try_from(now_s - s).unwrap_or_default() * 1000);
                let period_ms = u64::try_from(shard.upload_period.as_millis()).unwrap_or(u64::MAX);
                due.push((shard, DueUpload { age_ms, period_ms, ..DueUpload::default() }));
            }
            Location::Skipped(skip) => skipped.push((tenant.id, skip.to_string())),
        }
    }
    Ok((due, skipped))
}

/// When a shard's heatmap was last uploaded or taken over, seconds since the Unix epoch: its local copy was
/// written then.
fn written_s(data_dir: &Path, shard: TenantShardId) -> Option<i64> {
    use std::os::unix::fs::MetadataExt;
    let file = tenant_folder(data_dir, shard).join("heatmap-v1.json");
    std::fs::metadata(file).ok().map(|metadata| metadata.mtime())
}
