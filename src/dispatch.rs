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
        // JOIN: crate::demo::run(&args)
        Command::Demo(_) => not_joined("demo"),
        Command::Run(args) => crate::run::run(&args),
        Command::Replay(args) => crate::replay::run(&args),
        Command::Get(args) => crate::get::run(&args),
        // JOIN: crate::check::run(&args)
        Command::Check(_) => not_joined("check"),
        // JOIN: crate::generate::run(&args)
        Command::Generate(_) => not_joined("generate"),
        // JOIN: crate::dlq::run(&args)
        Command::Dlq(_) => not_joined("dlq"),
        Command::Demo(args) => crate::demo::run(&args),
        // JOIN: crate::run::run(&args)
        Command::Run(_) => not_joined("run"),
        // JOIN: crate::replay::run(&args)
        Command::Replay(_) => not_joined("replay"),
        // JOIN: crate::get::run(&args)
        Command::Get(_) => not_joined("get"),
        Command::Check(args) => crate::check::run(&args),
        Command::Generate(args) => crate::generate::run(&args),
        Command::Dlq(args) => crate::dlq::run(&args),
    }
}

fn not_joined(command: &str) -> Result<ExitCode, Failure> {
    Err(Failure::failed(format!("`tidemark {command}` is not built in yet")))
}
