//! From a parsed command line to what carries it out.

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use std::process::ExitCode;

/// Carries out a command.
///
/// # Errors
/// When the command fails; the failure knows its exit code (1 failed, 2 wrong usage or settings).
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Demo(args) => crate::demo::run(&args),
        Command::Run(args) => crate::run::run(&args),
        Command::Replay(args) => crate::replay::run(&args),
        Command::Get(args) => crate::get::run(&args),
        Command::Check(args) => crate::check::run(&args),
        Command::Test(args) => crate::cases::run(&args),
        Command::Docs(args) => crate::docs::run(&args),
        Command::Generate(args) => crate::generate::run(&args),
        Command::Dlq(args) => crate::dlq::run(&args),
        Command::Completions(args) => crate::completions::run(&args),
    }
}
