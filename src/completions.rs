//! `tidemark completions`: a script by which a shell completes the commands and flags.

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use clap::CommandFactory as _;

/// Prints the script.
///
/// # Errors
/// When standard output fails.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidemark", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
