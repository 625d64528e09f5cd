//! `tidemark generate`: records in files, or in a topic.

mod topic;

use crate::cli::{self, GenerateArgs};
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::generator::{
    GenerateError, Options, Profile, RecordTally, WrittenFiles, partition_path, write_files,
};
use crate::named_file::{is_standard, is_standard_output};
use crate::progress::DrawnProgress;
use crate::text::count_text;
use crate::{output, whole_file};
use std::io::IsTerminal;
use std::path::Path;
use tidemark_operators::time::EventTime;

/// Writes the records and says what they are.
///
/// # Errors
/// When an option or a setting is wrong, or partitions would be written into one another (exit code
/// 2), or they cannot be written.
pub fn run(args: &GenerateArgs) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        return files(args, out);
    }
    let mut settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    if let Some(brokers) = &args.bootstrap {
        let used = settings.kafka.use_brokers(brokers);
        used.map_err(|why| Failure::usage(format!("--bootstrap {why}")))?;
    }
    // KAFKA_TOPIC is what jobs read: where it is set, made-up records are wanted least.
    match &args.topic {
        Some(topic) => topic::fill(args, topic, &settings),
        None => Err(Failure::usage("cannot generate records: it is not said where to").hint(
            "add --out FILE, or --topic NAME for Kafka; `tidemark generate --help` has examples",
        )),
    }
}

/// Every partition has a file of its own.
fn roles(out: &Path, partitions: u32) -> Result<(), Failure> {
    let plain = !is_standard(out) && std::fs::metadata(out).map_or(true, |at| at.is_file());
    if partitions > 1 && !plain {
        let out = out.display();
        return Err(Failure::usage(format!("{partitions} partitions cannot be written to {out}"))
            .hint("name a file by --out: each partition gets its number in the name"));
    }
    let mut roles = FileRoles::default();
    for partition in 0..partitions {
        let path = partition_path(out, partition, partitions);
        roles.writes(format!("partition {partition}"), path);
    }
    roles.check()
}

fn files(args: &GenerateArgs, out: &Path) -> Result<Exit, Failure> {
    let Some(events) = args.events else {
        let message = format!("cannot generate records to {}: a file has an end", out.display());
        return Err(Failure::usage(message).hint("say how many, such as --events 100_000"));
    };
    let partitions = args.partitions.unwrap_or(1);
    roles(out, partitions)?;
    whole_file::end_on_signals()?;
    let options = options(args, Profile::Fraud, partitions, events);
    let progress = DrawnProgress::of_events(events, std::io::stderr().is_terminal());
    let written = write_files(&options, out, &mut |events| progress.set_events(events));
    progress.finish();
    let written = written.map_err(failure)?;
    let said = said(&written.tally, &place(&written));
    if is_standard_output(out) {
        output::note(said.trim_end());
        return Ok(Exit::Done);
    }
    output::print(&said)
}

/// What is asked for; `profile` unless another one is named.
fn options(args: &GenerateArgs, profile: Profile, partitions: u32, events: u64) -> Options {
    let profile = args.profile.map_or(profile, |profile| match profile {
        cli::ProfileArg::Fraud => Profile::Fraud,
        cli::ProfileArg::W1 => Profile::W1,
        cli::ProfileArg::Personalization => Profile::Personalization,
        cli::ProfileArg::Behavior => Profile::Behavior,
    });
    let default = Options::of(profile);
    // What is too large is refused with the bounds by whoever generates.
    let number = |n: Option<u64>, or: u32| n.map_or(or, |n| u32::try_from(n).unwrap_or(u32::MAX));
    Options {
        profile,
        events,
        seed: args.seed,
        partitions,
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

/// The files, the first and the last of several.
fn place(written: &WrittenFiles) -> String {
    match written.files.as_slice() {
        [first, .., last] => format!("{} to {}", first.display(), last.display()),
        [only] => only.display().to_string(),
        [] => String::new(),
    }
}

/// One line about what was written, and where.
fn said(tally: &RecordTally, place: &str) -> String {
    let (mb, tenth) = (tally.bytes / 1_000_000, tally.bytes / 100_000 % 10);
    let (late, malformed) = (count_text(tally.late), count_text(tally.malformed));
    let times = tally.times.map_or_else(String::new, |(oldest, newest)| {
        format!(", event times {} to {}", shown(oldest), shown(newest))
    });
    let (events, mb) = (count_text(tally.events), count_text(mb));
    format!(
        "{events} records ({late} late, {malformed} malformed), {mb}.{tenth} MB{times}: {place}\n"
    )
}

fn shown(time: EventTime) -> String {
    let stamp = i64::try_from(time).ok().and_then(|t| jiff::Timestamp::from_millisecond(t).ok());
    stamp.map_or_else(|| format!("{time} ms"), |stamp| format!("{stamp:.0}"))
}
