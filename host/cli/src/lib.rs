//! What the `thermocline` command does, apart from reading its arguments: so that tests can do it too.

pub mod args;
mod atomic;
mod client;
mod commands;
mod draw;
mod location;
mod output;
pub mod policy;
mod policy_answers;
mod row;
pub mod serve;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use args::{Args, Command, HeatmapCommand, PolicyCommand};
use tracing_subscriber::EnvFilter;

/// What a command that ran to its end found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing failed.
    Good,
    /// Something did, and was reported with the results.
    Bad,
}

impl Verdict {
    const fn good_if(good: bool) -> Self {
        if good { Verdict::Good } else { Verdict::Bad }
    }
}

/// Runs one command: results on stdout, errors and the log on stderr. The exit code is 0 when nothing
/// failed, and 1 when something did; wrong usage (2) never comes this far.
pub fn run(args: Args) -> ExitCode {
    // The daemon's log is one of its settings.
    let is_daemon = matches!(args.command, Command::Serve(_));
    if !is_daemon {
        start_log();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("no threads to run on")),
    };
    let code = match runtime.block_on(dispatch(args.command)) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    };
    if is_daemon {
        // It has waited for what it is to wait for; a file system that hangs is not among it.
        runtime.shutdown_background();
    }
    code
}

async fn dispatch(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Generate(args) => commands::generate::run(args).await,
        Command::Upload(args) => commands::upload::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Trace(args) => commands::trace::run(&args),
        Command::Heatmap { command } => match command {
            HeatmapCommand::Show(args) => commands::heatmap::show(args).await,
            HeatmapCommand::Verify(args) => commands::heatmap::verify(args).await,
            HeatmapCommand::Diff(args) => commands::heatmap::diff(args).await,
            HeatmapCommand::Draw(args) => commands::heatmap::draw(args).await,
        },
        Command::Policy { command } => match command {
            PolicyCommand::New(args) => commands::policy::new(&args),
            PolicyCommand::Build(args) => commands::policy::build(&args),
            PolicyCommand::Inspect(args) => commands::policy::inspect(&args),
            PolicyCommand::Check(args) => commands::policy::check(&args),
            PolicyCommand::Test(args) => commands::policy::test(&args),
            PolicyCommand::Run(args) => commands::policy::run(args).await,
            PolicyCommand::Compare(args) => commands::policy::compare(args).await,
            PolicyCommand::Bench(args) => commands::policy::bench(&args),
            PolicyCommand::Install(args) => commands::policy::install(&args),
            PolicyCommand::List(args) => commands::policy::list(&args),
            PolicyCommand::Show(args) => commands::policy::show(&args),
            PolicyCommand::Shadow(args) => commands::policy::shadow(&args),
            PolicyCommand::Activate(args) => commands::policy::activate(&args),
            PolicyCommand::Rollback(args) => commands::policy::rollback(&args),
            PolicyCommand::Log(args) => commands::policy::log(&args),
            PolicyCommand::Remove(args) => commands::policy::remove(&args),
        },
    }
}

#[allow(clippy::print_stderr, reason = "the one place that reports why a command ended")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", output::told(error));
    ExitCode::FAILURE
}

/// Warnings go to stderr; `RUST_LOG` shows more.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // Only a second call of `run` in one process finds a log already there.
    let _ = log.with_ansi(io::stderr().is_terminal()).without_time().try_init();
}
