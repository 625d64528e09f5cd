//! From a parsed command line to what carries it out.

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::panics;

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
        Command::Replay(args) => crate::replay::run(&args),
        Command::Get(args) => crate::get::run(&args),
        Command::Check(args) => crate::check::run(&args),
        Command::Test(args) => crate::cases::run(&args),
        Command::Docs(args) => crate::docs::run(&args),
        Command::Generate(args) => crate::generate::run(&args),
        Command::Dlq(args) => crate::dlq::run(&args),
    }
}
