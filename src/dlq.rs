//! `tidemark dlq`: a look into a file of dead letters, and the way back into their topic.

mod replay;

use crate::cli::{DlqArgs, DlqCommand, LetterFilter, OutputFormat};
use crate::dead_letters::{self, DeadLetterError};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Lists, shows or replays letters.
///
/// # Errors
/// When the file cannot be opened (exit code 2) or read, holds no dead letter, or none of those
/// asked for is there to show.
pub fn run(args: &DlqArgs) -> Result<Exit, Failure> {
    match &args.command {
        DlqCommand::Ls(asked) if asked.format == OutputFormat::Json => {
            let filter = &asked.filter;
            let listed = dead_letters::list(&filter.file, &filter.selection()).map_err(failure)?;
            output::print_json(&listed)
        }
        DlqCommand::Ls(asked) => {
            let filter = &asked.filter;
            let listed = dead_letters::ls(&filter.file, &filter.selection()).map_err(failure)?;
            output::print(&listed)
        }
        DlqCommand::Show(filter) => {
            let shown = dead_letters::show(&filter.file, &filter.selection()).map_err(failure)?;
            if shown.is_empty() {
                return Err(nothing(filter));
            }
            output::print(&shown)
        }
        DlqCommand::Replay(asked) => replay::run(asked),
    }
}

fn failure(error: DeadLetterError) -> Failure {
    match error {
        DeadLetterError::Open { .. } => Failure::usage(error),
        DeadLetterError::None { .. } => Failure::failed(error).hint(
            "name a file that `tidemark replay --dlq` or [dead_letters] of cluster.toml wrote; an empty \
             one means that nothing was refused",
        ),
        _ => Failure::failed(error),
    }
}

fn nothing(filter: &LetterFilter) -> Failure {
    let file = filter.file.display();
    Failure::failed(format!("no dead letter in {file} is one of those asked for"))
        .hint(format!("`tidemark dlq ls {file}` shows what there is"))
}
