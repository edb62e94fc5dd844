//! Commands for those who write policies, and the list of all commands on policies.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{OsStringValueParser, TypedValueParser};
use thermocline::layer::{MAX_ROWS, TenantShardId};
use thermocline::policy::{BadPin, PolicyFile};
use thermocline::remote::RemoteUrl;

use super::{
    ActivateArgs, InstallArgs, ListArgs, LogArgs, RemoveArgs, RollbackArgs, S3Args, ShadowArgs, ShowPolicyArgs,
};
use crate::policy::scaffold::CrateName;

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Make the crate of a policy that works: with tests, fixtures, and all that it needs
    New(NewArgs),
    /// Build the crate of a policy to a component
    Build(BuildArgs),
    /// Who a component says it is, and what it needs
    Inspect(InspectArgs),
    /// Run a component through the conformance tables; exit code 1 if it fails one
    Check(CheckArgs),
    /// Run a component over fixtures, and compare what comes out; exit code 1 if it differs
    Test(TestArgs),
    /// What a policy would list of real tenants, in which order, and why not the rest
    Run(RunArgs),
    /// How what two policies list of the same tenants differs
    Compare(CompareArgs),
    /// Time, fuel and memory over growing tables; exit code 1 if fuel or memory got worse
    Bench(BenchArgs),
    /// Check a component, and keep it in a running daemon; it decides nothing yet
    Install(InstallArgs),
    /// Which policies a running daemon has, and what each does
    List(ListArgs),
    /// One policy of a running daemon: what it says of itself, and how it compares where it is watched
    Show(ShowPolicyArgs),
    /// Watch a policy beside the one that decides; nothing of it is used
    Shadow(ShadowArgs),
    /// Let a policy decide from now on, for all tenants or for one
    Activate(ActivateArgs),
    /// Go back to the policy that decided before
    Rollback(RollbackArgs),
    /// Who changed which policy when, and what was refused
    Log(LogArgs),
    /// Drop a policy that is not in use from a running daemon
    Remove(RemoveArgs),
}

/// How help calls a component's file.
pub(super) const POLICY_FILE: &str = "FILE[@sha256:DIGEST]";

/// Reads the name of a component's file, which may be pinned.
pub(super) fn policy_file() -> impl TypedValueParser<Value = PolicyFile> {
    OsStringValueParser::new().try_map(PolicyFile::from_os)
}

/// The policy that ships with the host, where a component's file is asked for.
const BUILT_IN: &str = "built-in";

/// How help calls a policy that may be the built-in one.
const POLICY: &str = "FILE[@sha256:DIGEST]|built-in";

/// A policy to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The one that ships with the host.
    BuiltIn,
    /// A component's file.
    File(PolicyFile),
}

impl Named {
    fn from_os(text: OsString) -> Result<Self, BadPin> {
        if text == BUILT_IN { Ok(Named::BuiltIn) } else { PolicyFile::from_os(text).map(Named::File) }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::BuiltIn => f.write_str(BUILT_IN),
            Named::File(file) => file.fmt(f),
        }
    }
}

fn named() -> impl TypedValueParser<Value = Named> {
    OsStringValueParser::new().try_map(Named::from_os)
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct NewArgs {
    /// What the policy and its crate are called: a-z, 0-9 and -
    pub name: CrateName,
    /// The folder to make the crate's folder in [default: this one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct BuildArgs {
    /// The policy's crate: the folder with its Cargo.toml
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Where to write the component [default: DIR/NAME.wasm]
    #[arg(short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct InspectArgs {
    /// The component
    #[arg(value_name = POLICY_FILE, value_parser = policy_file())]
    pub file: PolicyFile,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct CheckArgs {
    /// The component
    #[arg(value_name = POLICY_FILE, value_parser = policy_file())]
    pub file: PolicyFile,
    /// The configuration to check it with
    #[arg(long, value_name = "JSON")]
    pub policy_config: Option<String>,
    /// Print JSON: an array with an object a check
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct TestArgs {
    /// The policy's crate, with fixtures in fixtures/; or a folder of fixtures
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The component to test [default: the crate is built]
    #[arg(long, value_name = POLICY_FILE, value_parser = policy_file())]
    pub component: Option<PolicyFile>,
    /// Write into the fixtures what the policy answers, where that is not what they expect
    #[arg(long)]
    pub update: bool,
    /// Print JSON: an array with an object a fixture
    #[arg(long)]
    pub json: bool,
}

/// Whose layers a policy is shown.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "layers", required = true, multiple = true, args = ["data_dir", "heatmap"])]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct TableArgs {
    /// The layers of a pageserver's data directory: the folder with `tenants/` in it
    #[arg(long, value_name = "DIR", conflicts_with = "heatmap")]
    pub data_dir: Option<PathBuf>,
    /// The layers that a heatmap lists, those that are hot as resident: a file, or the URL of an object
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<String>,
    /// Of the data directory, only this tenant shard [default: every attached one]
    #[arg(long, value_name = "SHARD", conflicts_with = "heatmap")]
    pub tenant: Option<TenantShardId>,
    /// Object storage of the pageserver, for what its indexes say of layers: file:///path or
    /// s3://bucket/prefix
    #[arg(long, value_name = "URL", conflicts_with = "heatmap")]
    pub remote: Option<RemoteUrl>,
    #[command(flatten)]
    pub s3: S3Args,
    /// The time that the policy is told, seconds since the Unix epoch [default: now]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub now: Option<i64>,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct RunArgs {
    /// The policy
    #[arg(value_name = POLICY, value_parser = named())]
    pub policy: Named,
    /// Its configuration
    #[arg(long, value_name = "JSON")]
    pub policy_config: Option<String>,
    #[command(flatten)]
    pub table: TableArgs,
    /// Layers to show of each tenant shard, of those that are listed and of those that are not
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Show all of them
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Print JSON: an array with an object a tenant shard
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct CompareArgs {
    /// A policy
    #[arg(value_name = POLICY, value_parser = named())]
    pub a: Named,
    /// The policy to compare with it
    #[arg(value_name = POLICY, value_parser = named())]
    pub b: Named,
    /// Configuration of the first
    #[arg(long, value_name = "JSON")]
    pub config_a: Option<String>,
    /// Configuration of the second
    #[arg(long, value_name = "JSON")]
    pub config_b: Option<String>,
    #[command(flatten)]
    pub table: TableArgs,
    /// Layers to name of each difference
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub limit: usize,
    /// Print JSON: an array with an object a tenant shard
    #[arg(long)]
    pub json: bool,
}

/// Rows of the largest table that is measured: as many as one tenant shard has in the measurements of the host.
const MAX_BENCH_ROWS: usize = 1_000_000;
const _: () = assert!(MAX_BENCH_ROWS <= MAX_ROWS);

/// A number of rows, with or without `_` between its digits.
fn bench_rows(text: &str) -> Result<NonZeroUsize, String> {
    let rows = text.replace('_', "").parse().ok().filter(|rows: &NonZeroUsize| rows.get() <= MAX_BENCH_ROWS);
    rows.ok_or_else(|| format!("expected numbers of rows from 1 to {MAX_BENCH_ROWS}, as in 10,1000"))
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct BenchArgs {
    /// The policy
    #[arg(value_name = POLICY, value_parser = named())]
    pub policy: Named,
    /// Its configuration
    #[arg(long, value_name = "JSON")]
    pub policy_config: Option<String>,
    /// Layers of the tables, made up like a pageserver's
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "10,1000,10000,100000", value_parser = bench_rows)]
    pub rows: Vec<NonZeroUsize>,
    /// An earlier run's results to compare with, as --out wrote them
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write the results here, as JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("1", Some(1))]
    #[case::grouped("100_000", Some(100_000))]
    #[case::limit_obeyed("1000000", Some(MAX_BENCH_ROWS))]
    #[case::limit_violated("1000001", None)]
    #[case::none("0", None)]
    #[case::no_number("1e3", None)]
    fn rows_of_a_bench(#[case] text: &str, #[case] rows: Option<usize>) {
        assert_eq!(bench_rows(text).ok().map(NonZeroUsize::get), rows);
    }

    #[test]
    fn a_file_may_be_called_as_the_built_in_policy_is() {
        assert_eq!(Named::from_os("built-in".into()), Ok(Named::BuiltIn));
        assert_eq!(Named::from_os("./built-in".into()), Ok(Named::File(PolicyFile::new("./built-in"))));
        assert!(Named::from_os("a.wasm@sha256:ab".into()).is_err());
    }
}
