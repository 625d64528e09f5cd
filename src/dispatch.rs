//! From a parsed command line to what carries it out.

use crate::cli::{Cli, Command, DlqCommand, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, panics};

/// Carries out a command.
///
/// # Errors
/// When the command fails; the failure knows its [`Exit`].
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    if !matches!(cli.command, Command::Demo(_)) {
        // The live screen of the demo gives the terminal back first.
        panics::end_the_process();
    }
    match cli.command {
        Command::Demo(args) => crate::demo::run(&args),
        Command::Run(args) => crate::run::run(&args),
        Command::Backfill(args) => crate::run::backfill::run(&args),
        Command::Up(args) => crate::up::run(&args),
        Command::Serve(args) => crate::serve::run(&args),
        Command::Feast(args) => crate::feast::run(&args),
        Command::Health(args) => crate::health::run(&args),
        Command::Validate(args) => in_format(args.format, crate::validate::run(&args)),
        Command::ValidatePit(args) => in_format(args.log.format, crate::validate_pit::run(&args)),
        Command::Replay(args) => crate::replay::run(&args),
        Command::Historical(args) => crate::historical::run(&args),
        Command::Explain(args) => in_format(args.log.format, crate::explain::run(&args)),
        Command::Top(args) => crate::top::run(&args),
        Command::Get(args) => in_format(args.format, crate::get::run(&args)),
        Command::Check(args) => in_format(args.format, crate::check::run(&args)),
        Command::Test(args) => in_format(args.format, crate::cases::run(&args)),
        Command::Docs(args) => crate::docs::run(&args),
        Command::Generate(args) => crate::generate::run(&args),
        Command::Init(args) => crate::init::run(&args),
        Command::Dlq(args) => {
            let format = match &args.command {
                DlqCommand::Ls(listed) => listed.format,
                DlqCommand::Show(_) | DlqCommand::Replay(_) => OutputFormat::Text,
            };
            in_format(format, crate::dlq::run(&args))
        }
        Command::Offline(args) => crate::offline_init::run(&args),
        Command::Checkpoint(args) => in_format(args.command.format(), crate::inspect::run(&args)),
        Command::Forget(args) => in_format(args.format, crate::forget::run(&args)),
        Command::Completions(args) => crate::completions::run(&args),
    }
}

/// What a command ends with, in the format that was asked for: with JSON a failure is a document on
/// standard output too.
fn in_format(format: OutputFormat, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
    match (format, ended) {
        (OutputFormat::Json, Err(failure)) => {
            output::print(&format!("{}\n", failure.json()))?;
            Ok(failure.exit())
        }
        (_, ended) => ended,
    }
}
