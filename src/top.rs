//! `tidemark top`: what running processes of a job are doing, for a terminal: what their pages show, from
//! their `/overview`.
//!
//! - `ask`: the processes, those that one of them names included;
//! - `lines`: an overview as lines;
//! - `table`: columns;
//! - `live`: the lines in a terminal, again and again.

mod ask;
mod lines;
mod live;
mod table;
#[cfg(test)]
mod tests;

use crate::cli::TopArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use ask::ProcessAsked;
use std::io::IsTerminal;

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the settings are wrong; 1 when a process does not answer and it is shown once, or the
/// terminal cannot be drawn on.
pub fn run(args: &TopArgs) -> Result<Exit, Failure> {
    let mut urls = args.urls.clone();
    if urls.is_empty() {
        urls.push(crate::ask::here(args.cluster.as_ref())?);
    }
    if !args.once && std::io::stdout().is_terminal() {
        let shown = live::show(&urls, args.every);
        return shown
            .map(|()| Exit::Done)
            .map_err(|error| Failure::failed(format!("cannot draw on the terminal: {error}")));
    }
    let asked = ask::all(&urls);
    let text: String = lines::of_all(&asked).into_iter().map(|line| line.text + "\n").collect();
    output::print(&text)?;
    match asked.iter().find_map(ProcessAsked::failure) {
        None => Ok(Exit::Done),
        Some(failure) => Err(failure),
    }
}
