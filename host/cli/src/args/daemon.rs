//! Commands that a running daemon carries out.

use std::path::{Path, PathBuf};

use thermocline::policies::{PolicyRef, Scope};
use thermocline::policy::PolicyFile;

use super::policy::{POLICY_FILE, policy_file};

/// Where a daemon is that nobody named: the address that the documentation uses.
pub const DEFAULT_URL: &str = "http://127.0.0.1:9899";

/// The variable of the environment that names the daemon.
const URL_VARIABLE: &str = "THERMOCLINE_URL";

/// The one that names the file with the token.
const TOKEN_FILE_VARIABLE: &str = "THERMOCLINE_TOKEN_FILE";

/// Variables that commands read which ask a daemon: they look like settings of the daemon, and are none.
pub(crate) const CLIENT_VARIABLES: [&str; 2] = [URL_VARIABLE, TOKEN_FILE_VARIABLE];

/// Entries of the log that are shown where it is not said.
const DEFAULT_ENTRIES: u64 = 20;

/// Which daemon, and how to get in.
#[derive(Clone, Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct DaemonArgs {
    /// Where `thermocline serve` listens
    #[arg(long, value_name = "URL", env = URL_VARIABLE, hide_env_values = true, default_value = DEFAULT_URL)]
    pub url: String,
    /// File with the token (JWT), where the daemon asks for one
    #[arg(long, value_name = "FILE", env = TOKEN_FILE_VARIABLE, hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// Print JSON: the daemon's answer
    #[arg(long)]
    pub json: bool,
}

/// A policy that is installed. Whoever names a file meant to install it.
fn installed(text: &str) -> Result<PolicyRef, String> {
    if text.contains('/') || text.ends_with(".wasm") {
        let kind = if Path::new(text).is_file() { "a file" } else { "the name of a file" };
        return Err(format!(
            "this is {kind}: `thermocline policy install {text}` brings it into the daemon, and then it goes by its \
             name or digest, as `thermocline policy list` shows them"
        ));
    }
    text.parse().map_err(|error: thermocline::policies::BadReference| error.to_string())
}

/// More than nothing, and at most all.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "expected a number above 0 and at most 1, as in 0.1 for a tenth".to_owned())
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct InstallArgs {
    /// The component; with @sha256:DIGEST behind it, only if it has that digest
    #[arg(value_name = POLICY_FILE, value_parser = policy_file())]
    pub file: PolicyFile,
    /// A configuration to try it with, for a policy that needs one
    #[arg(long, value_name = "JSON")]
    pub config: Option<String>,
    /// For the log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct ListArgs {
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct ShowPolicyArgs {
    /// The policy: built-in, NAME, NAME@VERSION or sha256:DIGEST
    #[arg(value_name = "POLICY", value_parser = installed)]
    pub policy: PolicyRef,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct RemoveArgs {
    /// The policy: NAME, NAME@VERSION or sha256:DIGEST
    #[arg(value_name = "POLICY", value_parser = installed)]
    pub policy: PolicyRef,
    /// For the log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct ActivateArgs {
    /// The policy: built-in, NAME, NAME@VERSION or sha256:DIGEST
    #[arg(value_name = "POLICY", value_parser = installed)]
    pub policy: PolicyRef,
    /// Its configuration [default: {}]
    #[arg(long, value_name = "JSON")]
    pub config: Option<String>,
    /// For this tenant, or one shard of it, only
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<Scope>,
    /// For the log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct ShadowArgs {
    /// The policy to watch: built-in, NAME, NAME@VERSION or sha256:DIGEST [default: say how the one compares that is
    /// watched]
    #[arg(value_name = "POLICY", value_parser = installed)]
    pub policy: Option<PolicyRef>,
    /// Watch none any more
    #[arg(long, conflicts_with = "policy")]
    pub end: bool,
    /// Its configuration [default: {}]
    #[arg(long, value_name = "JSON", requires = "policy")]
    pub config: Option<String>,
    /// Only on calls for this tenant, or one shard of it
    #[arg(long, value_name = "TENANT", requires = "policy")]
    pub tenant: Option<Scope>,
    /// Of the shards, how many: 0.1 is a tenth [default: 1]
    #[arg(long, value_name = "SHARE", requires = "policy", value_parser = share)]
    pub share: Option<f64>,
    /// For the log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct RollbackArgs {
    /// Only this tenant, or one shard of it: back to the policy that decides for all
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<Scope>,
    /// Every tenant that has a policy of its own: back to the policy that decides for all
    #[arg(long, conflicts_with = "tenant")]
    pub all_tenants: bool,
    /// For the log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct LogArgs {
    /// The entries after this number [default: the last ones]
    #[arg(long, value_name = "N")]
    pub after: Option<u64>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ENTRIES, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0.1", true)]
    #[case("1", true)]
    #[case("0", false)]
    #[case("-0.5", false)]
    #[case("1.01", false)]
    #[case("NaN", false)]
    #[case("10%", false)]
    fn shares(#[case] text: &str, #[case] good: bool) {
        assert_eq!(share(text).is_ok(), good);
    }

    #[rstest]
    #[case::path("./hot", "this is the name of a file: `thermocline policy install ./hot` brings it")]
    #[case::component("hot.wasm", "this is the name of a file")]
    fn a_file_is_no_policy_that_is_installed(#[case] text: &str, #[case] said: &str) {
        let error = installed(text).unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
}
