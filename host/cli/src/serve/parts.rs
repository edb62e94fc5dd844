//! From settings to what runs: everything that a setting names is opened here, and an error names the setting.

use std::sync::Arc;

use anyhow::Context;
use thermocline::clock::Clock;
use thermocline::datadir::{DEFAULT_UPLOAD_PERIOD, DataDir, DataDirOptions};
use thermocline::keys;
use thermocline::layer::{TenantId, TenantShardId};
use thermocline::policies::source::FileSource;
use thermocline::policies::{ChangeError, Policies, PolicyStore, Source};
use thermocline::policy::{Engine, Judge, Limits as EngineLimits, NO_CONFIG, PolicyFile};
use thermocline::remote::{self, Remote};

use super::auth::PublicKey;
use super::bounded_file;
use super::config::Config;
use super::http::Live;
use crate::args::PolicyArgs;
use crate::location;
use crate::output;

/// Everything that settings name.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) data_dir: DataDir,
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) live: Live,
}

/// In the state folder: components, what was compiled of them, and the log of who changed what.
const POLICIES_FOLDER: &str = "policies";

/// Largest file with a key that is read. One has about 110 bytes.
const MAX_KEY_FILE_BYTES: u64 = 64 << 10;

pub(crate) async fn open(config: &Config, note_sightings: bool) -> anyhow::Result<Parts> {
    let live = live(config)?;
    let remote = remote::open(&config.remote, &config.s3).await.context("remote_storage")?;
    let options = DataDirOptions {
        remote: Some(Arc::clone(&remote)),
        state_dir: Some(config.state_dir.clone()),
        default_upload_period: config.heatmap_period.unwrap_or(DEFAULT_UPLOAD_PERIOD),
        note_sightings,
    };
    let data_dir = DataDir::open(&config.data_dir, options).context("pageserver.data_dir")?;
    Ok(Parts { data_dir, remote, live })
}

/// The policy that the settings name, checked, and nothing of it kept.
pub(crate) fn policy(config: &Config) -> anyhow::Result<Judge> {
    let policy = PolicyArgs { policy: config.policy_file.clone(), policy_config: Some(config.policy_config.clone()) };
    location::judge(&policy).with_context(|| policy_settings(config))
}

/// The policies as they were when the daemon ended, and the one that the settings name where that is news.
pub(crate) async fn policies(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Policies> {
    let engine = Engine::new(EngineLimits::default())?;
    let store = PolicyStore::open(&config.state_dir.join(POLICIES_FOLDER)).context("state_dir")?;
    let policies = Policies::open(engine, store, clock)?;
    match follow(&policies, config).await {
        // What it named before still serves, and a restart is no reason to stop.
        Err(error) if policies.was_configured() => {
            tracing::error!("the policies of before decide: {}", output::told(&error));
            policies.set_rollback_rule(config.rollback);
        }
        followed => followed?,
    }
    Ok(policies)
}

/// Lets what the settings say of policies hold, where that is news.
pub(crate) async fn follow(policies: &Policies, config: &Config) -> anyhow::Result<()> {
    let file = config.policy_file.as_ref().map(|file| FileSource::new(file.path()));
    let pin = config.policy_file.as_ref().and_then(PolicyFile::pin);
    let source = file.as_ref().map(|file| file as &dyn Source);
    let followed = policies.follow_configuration(source, pin, &config.policy_config).await;
    let named = followed.map_err(|error| match (&error, &config.policy_file) {
        (ChangeError::Source(_), _) | (_, None) => anyhow::Error::new(error),
        (_, Some(file)) => anyhow::Error::new(error).context(file.path().display().to_string()),
    });
    named.with_context(|| policy_settings(config))?;
    policies.set_rollback_rule(config.rollback);
    Ok(())
}

/// The settings that a policy's error is about.
fn policy_settings(config: &Config) -> String {
    match config.policy_config.as_str() {
        NO_CONFIG => "policy".into(),
        config => format!("policy, with policy.config = {config}"),
    }
}

/// What can change while it serves.
pub(crate) fn live(config: &Config) -> anyhow::Result<Live> {
    let key = config.public_key_file.as_ref().map(|file| {
        Ok::<_, anyhow::Error>(PublicKey::from_pem(bounded_file::read(file, MAX_KEY_FILE_BYTES)?.as_bytes())?)
    });
    let shown = config.public_key_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    Ok(Live {
        key: key.transpose().with_context(|| format!("auth.public_key_file: {shown}"))?,
        tenant_series: config.tenant_series,
        request_timeout: config.request_timeout,
        max_body_bytes: config.max_body_bytes,
    })
}

/// Asks the remote for a heatmap that nobody has: whether it can be reached, and its credentials are taken.
pub(crate) async fn reach(remote: &dyn Remote) -> anyhow::Result<()> {
    let nobody = TenantShardId::unsharded(TenantId::from_bytes([0; 16]));
    remote.get(&keys::heatmap(nobody), None).await.map(drop).context("remote_storage")
}
