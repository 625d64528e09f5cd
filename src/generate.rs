//! `tidemark generate`: records in files.

use crate::cli::{self, GenerateArgs};
use crate::failure::Failure;
use crate::generator::{GenerateError, Options, Profile, WrittenFiles, write_files};
use crate::output;
use crate::progress::DrawnProgress;
use crate::text::count_text;
use std::io::IsTerminal;
use std::process::ExitCode;
use tidemark_operators::time::EventTime;

/// Writes the files and says what is in them.
///
/// # Errors
/// When an option is out of its bounds (exit code 2), or a file cannot be written.
pub fn run(args: &GenerateArgs) -> Result<ExitCode, Failure> {
    let progress = DrawnProgress::of_events(args.events, std::io::stderr().is_terminal());
    let written = write_files(&options(args), &args.out, &mut |events| progress.set_events(events));
    progress.finish();
    output::print(&said(&written.map_err(failure)?))
}

fn options(args: &GenerateArgs) -> Options {
    let profile = match args.profile {
        cli::ProfileArg::Fraud => Profile::Fraud,
        cli::ProfileArg::W1 => Profile::W1,
        cli::ProfileArg::Personalization => Profile::Personalization,
        cli::ProfileArg::Behavior => Profile::Behavior,
    };
    let default = Options::of(profile);
    // What is too large is refused with the bounds by whoever generates.
    let number = |n: Option<u64>, or: u32| n.map_or(or, |n| u32::try_from(n).unwrap_or(u32::MAX));
    Options {
        profile,
        events: args.events,
        seed: args.seed,
        partitions: args.partitions,
        cards: number(args.cards, default.cards),
        hours: number(args.hours, default.hours),
        late: args.late,
        malformed: args.malformed,
    }
}

fn failure(error: GenerateError) -> Failure {
    match error {
        GenerateError::Option { .. } => Failure::usage(error),
        _ => Failure::failed(error).hint("choose another place by --out, or make room there"),
    }
}

/// One line about what was written.
fn said(summary: &WrittenFiles) -> String {
    let files = match summary.files.as_slice() {
        [first, .., last] => format!("{} to {}", first.display(), last.display()),
        [only] => only.display().to_string(),
        [] => String::new(),
    };
    let (mb, tenth) = (summary.bytes / 1_000_000, summary.bytes / 100_000 % 10);
    let (late, malformed) = (count_text(summary.late), count_text(summary.malformed));
    let times = summary.times.map_or_else(String::new, |(oldest, newest)| {
        format!(", event times {} to {}", shown(oldest), shown(newest))
    });
    let (events, mb) = (count_text(summary.events), count_text(mb));
    format!(
        "{events} records ({late} late, {malformed} malformed), {mb}.{tenth} MB{times}: {files}\n"
    )
}

fn shown(time: EventTime) -> String {
    let stamp = i64::try_from(time).ok().and_then(|t| jiff::Timestamp::from_millisecond(t).ok());
    stamp.map_or_else(|| format!("{time} ms"), |stamp| format!("{stamp:.0}"))
}
