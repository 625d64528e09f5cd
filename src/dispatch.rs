//! From a parsed command line to what carries it out.

use crate::cli::{Cli, Command, DlqCommand, OutputFormat};
use crate::failure::Failure;
use crate::output;
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
        Command::Get(args) => in_format(args.format, crate::get::run(&args)),
        Command::Check(args) => in_format(args.format, crate::check::run(&args)),
        Command::Test(args) => in_format(args.format, crate::cases::run(&args)),
        Command::Docs(args) => crate::docs::run(&args),
        Command::Generate(args) => crate::generate::run(&args),
        Command::Dlq(args) => {
            let format = match &args.command {
                DlqCommand::Ls(listed) => listed.format,
                DlqCommand::Show(_) => OutputFormat::Text,
            };
            in_format(format, crate::dlq::run(&args))
        }
        Command::Completions(args) => crate::completions::run(&args),
    }
}

/// What a command ends with, in the format that was asked for: with JSON a failure is a document on
/// standard output too.
fn in_format(format: OutputFormat, ended: Result<ExitCode, Failure>) -> Result<ExitCode, Failure> {
    match (format, ended) {
        (OutputFormat::Json, Err(failure)) => {
            output::print(&format!("{}\n", failure.json()))?;
            Ok(failure.code())
        }
        (_, ended) => ended,
    }
}
