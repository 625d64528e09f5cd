//! `tidemark generate`: records in files.

use crate::cli::{self, GenerateArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::generator::{
    GenerateError, Options, Profile, WrittenFiles, partition_path, write_files,
};
use crate::named_file::{is_standard, is_standard_output};
use crate::progress::DrawnProgress;
use crate::text::count_text;
use crate::{output, whole_file};
use std::io::IsTerminal;
use tidemark_operators::time::EventTime;

/// Writes the files and says what is in them.
///
/// # Errors
/// When an option is out of its bounds, or partitions would be written into one another (exit code
/// 2), or a file cannot be written.
pub fn run(args: &GenerateArgs) -> Result<Exit, Failure> {
    roles(args)?;
    whole_file::end_on_signals()?;
    let progress = DrawnProgress::of_events(args.events, std::io::stderr().is_terminal());
    let written = write_files(&options(args), &args.out, &mut |events| progress.set_events(events));
    progress.finish();
    let said = said(&written.map_err(failure)?);
    if is_standard_output(&args.out) {
        output::note(said.trim_end());
        return Ok(Exit::Done);
    }
    output::print(&said)
}

/// Every partition has a file of its own.
fn roles(args: &GenerateArgs) -> Result<(), Failure> {
    let out = &args.out;
    let plain = !is_standard(out) && std::fs::metadata(out).map_or(true, |at| at.is_file());
    if args.partitions > 1 && !plain {
        let (partitions, out) = (args.partitions, out.display());
        return Err(Failure::usage(format!("{partitions} partitions cannot be written to {out}"))
            .hint("name a file by --out: each partition gets its number in the name"));
    }
    let mut roles = FileRoles::default();
    for partition in 0..args.partitions {
        let path = partition_path(out, partition, args.partitions);
        roles.writes(format!("partition {partition}"), path);
    }
    roles.check()
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
