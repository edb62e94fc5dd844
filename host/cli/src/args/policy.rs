//! Commands for those who write policies, and the list of all commands on policies.

use std::path::PathBuf;

use clap::Subcommand;

use super::{ActivateArgs, InstallArgs, ListArgs, LogArgs, RemoveArgs, RollbackArgs, ShadowArgs, ShowPolicyArgs};

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Build the crate of a policy to a component
    Build(BuildArgs),
    /// Who a component says it is, and what it needs
    Inspect(InspectArgs),
    /// Run a component through the conformance tables; exit code 1 if it fails one
    Check(CheckArgs),
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
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct CheckArgs {
    /// The component
    pub file: PathBuf,
    /// The configuration to check it with
    #[arg(long, value_name = "JSON")]
    pub policy_config: Option<String>,
    /// Print JSON: an array with an object a check
    #[arg(long)]
    pub json: bool,
}
