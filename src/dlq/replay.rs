//! `tidemark dlq replay`: letters of chosen reasons back into the topic that they came from.

use super::failure;
use crate::cli::LettersReplayed;
use crate::config::{ClusterFile, Flags, Settings};
use crate::connect;
use crate::dead_letters::{self, parse};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kafka::dead_letters::read_letters;
use crate::kafka::{KafkaConfig, KafkaError, Ledger, LetterReplay};
use crate::output;
use crate::progress::DrawnProgress;
use crate::signals::Stop;
use crate::text::count_text;
use std::io::IsTerminal as _;
use std::path::Path;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::verdict::Reason;

/// The most letters of a transaction.
const LETTERS_MAX: usize = 1_000;
/// The most bytes of their values; the last letter may exceed it.
const BYTES_MAX: usize = 4 << 20;

/// Replays what is asked for, and says what was done.
///
/// # Errors
/// Exit code 2 when a file or a setting is wrong; 1 when the brokers do not take the letters, there is
/// none of those asked for, or a signal comes before the last.
pub(super) fn run(args: &LettersReplayed) -> Result<Exit, Failure> {
    let mut settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    if let Some(brokers) = &args.bootstrap {
        let used = settings.kafka.use_brokers(brokers);
        used.map_err(|why| Failure::usage(format!("--bootstrap {why}")))?;
    }
    let kafka = connect::kafka(&settings.kafka);
    kafka.check().map_err(Failure::usage)?;
    let stop = Stop::on_signals()?;
    let mut replaying = Replaying {
        args,
        stop: &stop,
        to: Destination::open(&kafka, args)?,
        pending: Vec::new(),
        bytes: 0,
        counts: LetterCounts::default(),
        progress: DrawnProgress::of_records(None, std::io::stderr().is_terminal()),
    };
    match &args.file {
        Some(file) => replaying.file(file)?,
        None => {
            let from = settings.dead_letters.topic.replace("{topic}", &args.topic);
            replaying.topic(&kafka, &from)?;
        }
    }
    replaying.finish()
}

/// Where the letters go.
enum Destination {
    Topic(LetterReplay),
    /// Nowhere: it is only asked what would go.
    Nowhere(Ledger),
}

impl Destination {
    fn open(kafka: &KafkaConfig, args: &LettersReplayed) -> Result<Self, Failure> {
        match args.dry_run {
            true => Ledger::read(kafka, &args.topic).map(Destination::Nowhere),
            false => LetterReplay::begin(kafka, &args.topic).map(Destination::Topic),
        }
        .map_err(Failure::failed)
    }

    /// Takes note of a letter; returns whether it was not replayed before.
    fn claim(&mut self, letter: &DeadLetter) -> bool {
        match self {
            Destination::Topic(topic) => topic.claim(letter),
            Destination::Nowhere(ledger) => ledger.claim(letter),
        }
    }
}

/// What became of the letters.
#[derive(Default)]
struct LetterCounts {
    by_reason: [u64; Reason::ALL.len()],
    before: u64,
    passed_over: u64,
    not_letters: u64,
}

impl LetterCounts {
    fn replayed(&self) -> u64 {
        self.by_reason.iter().sum()
    }
}

/// Letters on their way back.
struct Replaying<'a> {
    args: &'a LettersReplayed,
    stop: &'a Stop,
    to: Destination,
    pending: Vec<DeadLetter>,
    bytes: usize,
    counts: LetterCounts,
    progress: DrawnProgress,
}

impl Replaying<'_> {
    fn file(&mut self, file: &Path) -> Result<(), Failure> {
        let mut outcome = Ok(());
        dead_letters::each(file, |line| {
            match parse(line) {
                Ok(letter) => outcome = self.take(letter),
                Err(_) => self.counts.not_letters += 1,
            }
            outcome.is_ok() && !self.stop.asked()
        })
        .map_err(failure)?;
        outcome.map_err(Failure::failed)
    }

    fn topic(&mut self, kafka: &KafkaConfig, from: &str) -> Result<(), Failure> {
        let stop = self.stop;
        let others = read_letters(kafka, from, &mut |letter| {
            self.take(letter)?;
            Ok(!stop.asked())
        });
        self.counts.not_letters = others.map_err(|error| match error {
            KafkaError::NoSuchTopic { .. } => Failure::failed(format!(
                "no dead letters to replay: there is no topic '{from}' on '{}'",
                kafka.bootstrap_servers
            ))
            .hint(
                "name the file of letters, or the topic by [dead_letters] in cluster.toml; no such \
                 topic also means that nothing was refused",
            ),
            error => Failure::failed(error),
        })?;
        Ok(())
    }

    /// Whether a letter is one of those asked for.
    fn is_asked_for(&self, letter: &DeadLetter) -> bool {
        let LettersReplayed { topic, reason, partition, offset, .. } = self.args;
        letter.topic.as_deref() == Some(topic)
            && reason.iter().any(|name| Reason::from(*name) == letter.reason)
            && partition.is_none_or(|partition| partition == letter.partition.partition)
            && offset.is_none_or(|offset| offset == letter.offset)
    }

    fn take(&mut self, letter: DeadLetter) -> Result<(), KafkaError> {
        if !self.is_asked_for(&letter) {
            self.counts.passed_over += 1;
        } else if !self.to.claim(&letter) {
            self.counts.before += 1;
        } else if !self.stop.asked() {
            self.bytes += letter.value.as_ref().map_or(0, Vec::len);
            self.pending.push(letter);
            if self.pending.len() >= LETTERS_MAX || self.bytes >= BYTES_MAX {
                self.send()?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), KafkaError> {
        if let Destination::Topic(topic) = &self.to
            && !self.pending.is_empty()
        {
            topic.send(&self.pending)?;
        }
        for letter in self.pending.drain(..) {
            let counts = Reason::ALL.iter().zip(&mut self.counts.by_reason);
            counts.filter(|(reason, _)| **reason == letter.reason).for_each(|(_, n)| *n += 1);
        }
        self.bytes = 0;
        self.progress.set_events(self.counts.replayed());
        Ok(())
    }

    /// Writes the last letters, and says what was done.
    fn finish(mut self) -> Result<Exit, Failure> {
        self.send().map_err(Failure::failed)?;
        self.progress.finish();
        let Replaying { args, stop, counts, .. } = self;
        let said = said(args, &counts);
        if stop.asked() {
            return Err(Failure::failed(format!("stopped by a signal: {said}"))
                .hint("run it again: what was replayed is passed over"));
        }
        if counts.replayed() + counts.before == 0 {
            return Err(Failure::failed(format!("no letter is one of those asked for: {said}"))
                .hint(
                    "`tidemark dlq ls FILE` shows what there is; a topic's letters name theirs",
                ));
        }
        output::print(&format!("{said}\n"))
    }
}

/// What was done, on one line.
fn said(args: &LettersReplayed, counts: &LetterCounts) -> String {
    let what = if args.dry_run { "to be replayed" } else { "replayed" };
    let plural = if counts.replayed() == 1 { "" } else { "s" };
    let reasons: Vec<String> = Reason::ALL
        .iter()
        .zip(counts.by_reason)
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{} {reason}", count_text(count)))
        .collect();
    let reasons = match reasons.as_slice() {
        [] => String::new(),
        reasons => format!(" ({})", reasons.join(", ")),
    };
    let mut text = format!(
        "{} letter{plural}{reasons} {what} into topic {}; {} replayed before, {} passed over",
        count_text(counts.replayed()),
        args.topic,
        count_text(counts.before),
        count_text(counts.passed_over)
    );
    if counts.not_letters > 0 {
        text.push_str(&format!(", {} not dead letters", count_text(counts.not_letters)));
    }
    text
}
