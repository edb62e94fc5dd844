//! The command line.

mod daemon;
mod policy;
mod simulate;
mod trace;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use thermocline::layer::{TenantShardId, TimelineId};
use thermocline::policy::PolicyFile;
use thermocline::remote::{RemoteUrl, S3Options};

pub(crate) use daemon::CLIENT_VARIABLES;
pub use daemon::{
    ActivateArgs, DEFAULT_URL, DaemonArgs, InstallArgs, ListArgs, LogArgs, RemoveArgs, RollbackArgs, ShadowArgs,
    ShowPolicyArgs,
};
pub use policy::{
    BenchArgs, BuildArgs, CheckArgs, CompareArgs, InspectArgs, Named, NewArgs, PolicyCommand, RunArgs, TableArgs,
    TestArgs,
};
use policy::{POLICY_FILE, policy_file};
pub use simulate::{Entrant, NamedConfig, SimulateArgs};
pub use trace::TraceArgs;

/// Tells a pageserver's warm standbys which layers to hold.
///
/// A heatmap per tenant shard, decided by a WebAssembly policy, in object storage. `thermocline demo` shows
/// it at work. Exit code: 0 when nothing failed, 1 when something did, 2 for wrong usage. RUST_LOG=debug
/// says more on stderr.
#[derive(Debug, Parser)]
#[command(name = "thermocline", version, max_term_width = 100)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "clap shows the docs of each command to users")]
pub enum Command {
    /// Lay out a data directory of several tenants, upload their heatmaps, and say where to look
    Demo(DemoArgs),
    /// Write the heatmap of one tenant shard to stdout; nothing is uploaded
    Generate(GenerateArgs),
    /// Upload the heatmap of every attached tenant shard
    Upload(UploadArgs),
    Serve(ServeArgs),
    /// Look into heatmaps
    Heatmap {
        #[command(subcommand)]
        command: HeatmapCommand,
    },
    /// Write, try and measure policies, and swap those of a running daemon
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    Simulate(SimulateArgs),
    Trace(TraceArgs),
}

/// What to do with heatmaps.
#[derive(Debug, Subcommand)]
pub enum HeatmapCommand {
    /// What it lists, and its first layers
    Show(ShowArgs),
    /// Say exactly what is wrong or doubtful; exit code 1 if anything is wrong
    Verify(VerifyArgs),
    /// What changed from one heatmap to another
    Diff(DiffArgs),
    /// Draw its layers: key range across, LSN up, colour by heat
    Draw(DrawArgs),
}

/// Where object storage is.
#[derive(Clone, Debug, Default, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct S3Args {
    /// Address of an S3 store other than AWS, as in http://127.0.0.1:8333 [or: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region of the bucket [or: AWS_REGION]
    #[arg(long)]
    pub region: Option<String>,
}

impl S3Args {
    /// The options with which to open a bucket.
    pub fn options(&self) -> S3Options {
        S3Options { endpoint: self.endpoint.clone(), region: self.region.clone(), ..S3Options::default() }
    }
}

/// Where the pageserver's data is.
#[derive(Clone, Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct DataDirArgs {
    /// The pageserver's data directory: the folder with `tenants/` in it
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where to remember which layers were seen on disk [default: thermocline/ in the data directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Which policy decides.
#[derive(Clone, Debug, Default, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct PolicyArgs {
    /// Component of the policy that decides [default: resident-set, built in]
    #[arg(long, value_name = POLICY_FILE, value_parser = policy_file())]
    pub policy: Option<PolicyFile>,
    /// Its configuration
    #[arg(long, value_name = "JSON")]
    pub policy_config: Option<String>,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct DemoArgs {
    /// Folder to make the demo in: new or empty [default: a temporary folder, named at the end]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct GenerateArgs {
    #[command(flatten)]
    pub data_dir: DataDirArgs,
    /// Object storage of the pageserver, for what its indexes say of layers: file:///path or
    /// s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    pub remote: Option<RemoteUrl>,
    #[command(flatten)]
    pub s3: S3Args,
    /// Tenant shard: 32 hex digits, and -NNCC where it is sharded
    #[arg(long, value_name = "SHARD")]
    pub tenant: TenantShardId,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The time that the policy is told, seconds since the Unix epoch [default: now]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub now: Option<i64>,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct UploadArgs {
    #[command(flatten)]
    pub data_dir: DataDirArgs,
    /// Object storage that the heatmaps go to: file:///path or s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    pub remote: RemoteUrl,
    #[command(flatten)]
    pub s3: S3Args,
    /// Only this tenant shard, also one that a sweep would skip as stale; may be repeated [default: every
    /// attached shard]
    #[arg(long, value_name = "SHARD")]
    pub tenant: Vec<TenantShardId>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Write nothing anywhere: say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Uploads that run at once
    #[arg(long, value_name = "N", default_value_t = thermocline::upload::DEFAULT_CONCURRENCY)]
    pub concurrency: NonZeroUsize,
    /// Print JSON: an array with an object a shard
    #[arg(long)]
    pub json: bool,
}

/// Keep the heatmap of every attached tenant shard fresh, until told to end
///
/// The smallest configuration:
///
///   listen = "127.0.0.1:9899"
///   pageserver.data_dir = "/data/pageserver"
///   remote_storage.local_path = "/data/remote"
///
/// `--check` prints every setting with its value. Each can be set by a variable of the
/// environment as well, which counts over the file: THERMOCLINE_LISTEN,
/// THERMOCLINE_REMOTE_STORAGE__LOCAL_PATH (two underscores after a table). Relative paths are
/// relative to the file's folder. Credentials of a bucket come from where AWS's tools take
/// them, as AWS_ACCESS_KEY_ID.
///
/// SIGHUP reads the settings anew; those that need a restart are named in the log. SIGTERM and
/// SIGINT end it once the uploads that run are done, at most shutdown_timeout; a second one
/// ends it at once.
///
/// Exit code: 0 when it ended as told, 1 when the configuration is wrong or it could not start,
/// 2 for wrong usage, 130 or 143 when a second SIGINT or SIGTERM ended it at once.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct ServeArgs {
    /// The settings, TOML
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Open what the settings name, say what would run, and end: 0 if it could, 1 if not. Neither listens nor writes
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct ShowArgs {
    /// Heatmaps: files, or URLs of objects (file:///path/heatmap-v1.json, s3://bucket/key)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Layers to show of each heatmap, the first to download first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    #[command(flatten)]
    pub s3: S3Args,
    /// Print JSON: an array with an object a heatmap
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct VerifyArgs {
    /// Heatmaps: files, or URLs of objects
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    #[command(flatten)]
    pub s3: S3Args,
    /// Print JSON: an array with an object a heatmap
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct DiffArgs {
    /// The heatmap before: a file, or the URL of an object
    #[arg(value_name = "FILE")]
    pub before: String,
    /// The heatmaps after it, each compared with the one before
    #[arg(required = true, value_name = "FILE")]
    pub after: Vec<String>,
    #[command(flatten)]
    pub s3: S3Args,
    /// Print JSON: an array with an object a comparison
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct DrawArgs {
    /// The heatmap: a file, or the URL of an object
    #[arg(value_name = "FILE")]
    pub file: String,
    /// The picture: NAME.svg, or NAME.html for a page that says what is under the pointer
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Draw this timeline alone
    #[arg(long, value_name = "ID")]
    pub timeline: Option<TimelineId>,
    #[command(flatten)]
    pub s3: S3Args,
}
