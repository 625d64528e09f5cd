//! Generated records in a topic: all at once, as a file would hold them, or at a rate, each with an
//! event time of when it is written.
//!
//! # Why this way
//!
//! The partition of a record is the generator's and not the client's choice: with as many partitions a
//! topic holds what the files hold, so that `run` and `replay` can be compared. The record's own time is
//! when it was written, which is never before its event time: ahead of it, it would be judged to be of
//! the future, and far behind it, brokers would remove it as too old to be kept.

use super::{failure, options, said};
use crate::cli::{GenerateArgs, RATE_DEFAULT, RATE_MAX};
use crate::config::Settings;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::generator::{Generator, Options, Profile, RecordTally};
use crate::kafka::{KafkaConfig, KafkaError, TopicWriter, WritableTopic, find_or_create_topic};
use crate::output;
use crate::progress::DrawnProgress;
use crate::signals::Stop;
use crate::text::count_text;
use crate::wall_clock::wall_ms;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// The longest wait for a record to be due: a signal is noticed so soon.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// Records between two looks at the clock and for signals.
const LOOK_EVERY: u64 = 256;

/// Fills `topic`.
///
/// # Errors
/// Exit code 2 for wrong options and settings; 1 when the brokers do not take the records, or a signal
/// comes before as many are written as were asked for.
pub(super) fn fill(args: &GenerateArgs, topic: &str, settings: &Settings) -> Result<Exit, Failure> {
    let pace = RecordRate::of(args)?;
    let asked =
        |partitions| options(args, profile(topic), partitions, args.events.unwrap_or(u64::MAX));
    // Before anything is created.
    let wanted = asked(args.partitions.unwrap_or(1));
    wanted.check().map_err(failure)?;
    if pace.is_none() {
        past(&wanted)?;
    }
    let kafka = connect::kafka(&settings.kafka);
    kafka.check().map_err(Failure::usage)?;
    let stop = Stop::on_signals()?;
    let found = find_or_create_topic(&kafka, topic, args.partitions)
        .map_err(|error| refused(error, topic))?;
    eprint!("{}", announced(topic, &kafka, found, args.events, pace));
    let mut filling = TopicFill {
        writer: TopicWriter::new(&kafka, topic).map_err(|error| refused(error, topic))?,
        tally: RecordTally::default(),
        progress: DrawnProgress::of_records(args.events, std::io::stderr().is_terminal()),
    };
    let outcome = match pace {
        Some(pace) => filling.paced(asked(found.partitions), pace, &stop),
        None => filling.at_once(asked(found.partitions), &stop),
    };
    let TopicFill { writer, tally, progress } = filling;
    let outcome = outcome.and_then(|()| {
        let within = if stop.asked() { settings.limits.shutdown } else { Duration::MAX };
        writer.finish(within).map_err(|error| refused(error, topic))
    });
    progress.finish();
    outcome?;
    let place = format!("topic {topic} on {}", kafka.bootstrap_servers);
    let printed = output::print(&said(&tally, &place))?;
    match args.events.filter(|events| tally.events < *events) {
        Some(events) => Err(Failure::failed(format!(
            "stopped by a signal after {} of {} records",
            count_text(tally.events),
            count_text(events)
        ))
        .hint("those that were written stay in the topic")),
        None => Ok(printed),
    }
}

/// What the shipped job that reads a topic of that name expects in it.
fn profile(topic: &str) -> Profile {
    let shipped = [Profile::Fraud, Profile::Personalization, Profile::Behavior];
    shipped.into_iter().find(|profile| profile.source() == topic).unwrap_or(Profile::Fraud)
}

/// Records at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecordRate {
    /// Records a second.
    rate: u64,
    /// Nanoseconds between two of them.
    every_ns: u64,
}

impl RecordRate {
    /// What is asked for; `None`: all at once.
    fn of(args: &GenerateArgs) -> Result<Option<RecordRate>, Failure> {
        let Some(rate) = args.rate.or(args.events.is_none().then_some(RATE_DEFAULT)) else {
            return Ok(None);
        };
        if rate > RATE_MAX {
            let message = format!("cannot write {} records a second", count_text(rate));
            let most = count_text(RATE_MAX);
            return Err(Failure::usage(message).hint(format!("--rate may be up to {most}")));
        }
        Ok(Some(RecordRate { rate, every_ns: 1_000_000_000 / rate.max(1) }))
    }
}

/// Refuses records of the future, which a job would not accept from a topic.
fn past(options: &Options) -> Result<(), Failure> {
    match options.end() <= wall_ms().unwrap_or(0) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "cannot write {} hours of records to a topic: they reach beyond now",
            count_text(u64::from(options.hours))
        ))
        .hint(
            "ask for fewer by --hours, set the machine's clock right, or write to a file by --out",
        )),
    }
}

/// What is going to be done.
fn announced(
    topic: &str,
    kafka: &KafkaConfig,
    found: WritableTopic,
    events: Option<u64>,
    pace: Option<RecordRate>,
) -> String {
    let plural = if found.partitions == 1 { "" } else { "s" };
    let created = if found.created { ", created now" } else { "" };
    let number = events.map_or_else(String::new, |events| format!("{} ", count_text(events)));
    let rate = pace.map_or_else(
        || ", all at once".to_owned(),
        |pace| format!(", {} a second", count_text(pace.rate)),
    );
    let end = if events.is_none() { ", until Ctrl-C" } else { "" };
    let brokers = &kafka.bootstrap_servers;
    let mut text = format!(
        "writing {number}records{rate}{end}: topic {topic} ({} partition{plural}{created}) on \
         {brokers}\n",
        found.partitions
    );
    if found.records > 0 && pace.is_none() {
        text.push_str(&format!(
            "note: the topic holds {} records already; those that happened before what a job has \
             read are late to it, so take another topic for a run of its own\n",
            count_text(found.records)
        ));
    }
    text
}

/// A topic being filled.
struct TopicFill {
    writer: TopicWriter,
    tally: RecordTally,
    progress: DrawnProgress,
}

impl TopicFill {
    /// Writes all records as fast as the brokers take them, until a signal comes.
    fn at_once(&mut self, options: Options, stop: &Stop) -> Result<(), Failure> {
        let mut generator = Generator::new(options).map_err(failure)?;
        while !stop.asked() && self.next(&mut generator, stop)? {}
        Ok(())
    }

    /// Writes each record when it is due, until a signal comes or there is no further one. What is
    /// held up is written as soon as that is possible: the schedule does not wait.
    fn paced(&mut self, options: Options, pace: RecordRate, stop: &Stop) -> Result<(), Failure> {
        let present = wall_ms().unwrap_or(0);
        let mut generator = Generator::paced(options, present, pace.every_ns).map_err(failure)?;
        let start = Instant::now();
        let mut written = 0;
        while !stop.asked() {
            let elapsed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let due = elapsed / pace.every_ns + 1;
            for _ in 0..due.saturating_sub(written).min(LOOK_EVERY) {
                if !self.next(&mut generator, stop)? {
                    return Ok(());
                }
                written += 1;
            }
            self.progress.set_events(written);
            let next = Duration::from_nanos(written.saturating_mul(pace.every_ns));
            let wait = next.saturating_sub(start.elapsed()).min(WAIT_MAX);
            self.writer.serve(Duration::ZERO).map_err(|error| refused(error, ""))?;
            std::thread::sleep(wait);
        }
        Ok(())
    }

    /// Writes one record; whether there was one and it was taken.
    fn next(&mut self, generator: &mut Generator, stop: &Stop) -> Result<bool, Failure> {
        let Some(record) = generator.next() else { return Ok(false) };
        let (key, value) = (Some(record.key), Some(record.line));
        let taken = self.writer.write(record.partition, key, value, &|| !stop.asked());
        if !taken.map_err(|error| refused(error, ""))? {
            return Ok(false);
        }
        self.tally.count(&record);
        if self.tally.events.is_multiple_of(LOOK_EVERY) {
            self.progress.set_events(self.tally.events);
        }
        Ok(true)
    }
}

fn refused(error: KafkaError, topic: &str) -> Failure {
    match error {
        KafkaError::Reserved { .. }
        | KafkaError::Setting { .. }
        | KafkaError::OtherPartitions { .. } => Failure::usage(error),
        KafkaError::NoAnswer { .. } => Failure::failed(error).hint(
            "start the brokers, or name others by --bootstrap, KAFKA_BOOTSTRAP_SERVERS, or \
             bootstrap_servers in [kafka] of cluster.toml",
        ),
        KafkaError::NotAllowed { brokers, .. } => Failure::failed(format!(
            "topic '{topic}' on '{brokers}' may not be described by these credentials"
        ))
        .hint("grant DESCRIBE and WRITE on it, and CREATE where it is to be created"),
        KafkaError::Produce { .. } => Failure::failed(error).hint(
            "those that were written stay in the topic; see that the brokers run, and that these \
             credentials may WRITE to it",
        ),
        error => Failure::failed(error),
    }
}
