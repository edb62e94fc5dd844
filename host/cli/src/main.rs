//! The `thermocline` command.

use std::process::ExitCode;

use clap::Parser;
use thermocline_cli::args::Args;

fn main() -> ExitCode {
    thermocline_cli::run(Args::parse())
}
