//! Where a job's dead letters go: a file, or a topic beside each source's.

use crate::config::{DeadLetterKind, Settings};
use crate::connect;
use crate::dead_letters::{DeadLetterFile, FileLimits};
use crate::failure::Failure;
use crate::kafka::{DeadLetterSettings, KafkaDeadLetters};
use crate::metrics::snapshot::LogSinkSnapshot;
use crate::recovery::{LettersTo, Recovery};
use crate::service::LogStatus;
use crate::source::Waker;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemark_operators::ingest::dead_letter::DeadLetterSink;

/// The name in metrics and health.
const NAME: &str = "dead_letters";

/// The open sink. Gone once it was finished.
pub(super) struct RunLetters {
    sink: Mutex<Option<LetterSink>>,
    path: Option<PathBuf>,
    /// For people.
    place: String,
}

enum LetterSink {
    /// Published with checkpoints, by who makes them.
    Checkpoints(Arc<Recovery>),
    File(DeadLetterFile),
    Kafka(KafkaDeadLetters),
}

/// Checks the settings without reaching for anything.
///
/// # Errors
/// When a setting of Kafka is wrong, and dead letters go there.
pub(super) fn check(settings: &Settings) -> Result<(), Failure> {
    if settings.dead_letters.kind == DeadLetterKind::Kafka {
        connect::kafka(&settings.kafka).check().map_err(Failure::usage)?;
    }
    Ok(())
}

/// Where letters are kept, for people.
pub(super) fn place(settings: &Settings) -> String {
    match settings.dead_letters.kind {
        DeadLetterKind::File => settings.dead_letters.path.clone(),
        DeadLetterKind::Kafka => format!("the topic {}", settings.dead_letters.topic),
    }
}

/// Where dead letters are published by checkpoints.
pub(super) fn published(settings: &Settings) -> LettersTo {
    match settings.dead_letters.kind {
        DeadLetterKind::File => LettersTo::File(PathBuf::from(&settings.dead_letters.path)),
        DeadLetterKind::Kafka => {
            LettersTo::Topic(connect::kafka(&settings.kafka), topics(settings))
        }
    }
}

/// The topics of letters.
fn topics(settings: &Settings) -> DeadLetterSettings {
    let limits = &settings.limits;
    DeadLetterSettings {
        topic: settings.dead_letters.topic.clone(),
        letters_max: limits.dead_letter_queue,
        bytes_max: usize::try_from(limits.dead_letter_queue_bytes).unwrap_or(usize::MAX),
    }
}

/// The writer of letters into a topic.
fn topic(settings: &Settings) -> Result<KafkaDeadLetters, Failure> {
    let writer = KafkaDeadLetters::open(&connect::kafka(&settings.kafka), topics(settings));
    writer.map_err(Failure::failed)
}

impl RunLetters {
    /// Opens the sink. A topic's brokers need not be there yet. Where there are checkpoints, letters are
    /// published with them.
    ///
    /// # Errors
    /// When the file cannot be opened, or a thread or client cannot be had.
    pub fn open(settings: &Settings, recovery: Option<&Arc<Recovery>>) -> Result<Self, Failure> {
        let (to, limits) = (&settings.dead_letters, &settings.limits);
        let sink = match (recovery, to.kind) {
            (Some(recovery), _) => LetterSink::Checkpoints(Arc::clone(recovery)),
            (None, DeadLetterKind::File) => {
                let limits = FileLimits {
                    letters_max: limits.dead_letter_queue as u64,
                    bytes_max: limits.dead_letter_queue_bytes,
                };
                let file = DeadLetterFile::open(Path::new(&to.path), limits);
                let hint = "choose \"path\" in [dead_letters] of cluster.toml";
                LetterSink::File(file.map_err(|error| Failure::failed(error).hint(hint))?)
            }
            (None, DeadLetterKind::Kafka) => LetterSink::Kafka(topic(settings)?),
        };
        let path = (to.kind == DeadLetterKind::File).then(|| PathBuf::from(&to.path));
        Ok(RunLetters { sink: Mutex::new(Some(sink)), path, place: place(settings) })
    }

    /// The file, when it is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Where they are kept, for people.
    pub fn place(&self) -> String {
        self.place.clone()
    }

    /// A worker's end. After [`RunLetters::finish`] there is none, and the sources stand still.
    pub fn sink(&self, waker: Waker) -> Box<dyn DeadLetterSink> {
        match &*self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(LetterSink::File(file)) => Box::new(file.sink()),
            Some(LetterSink::Kafka(writer)) => Box::new(writer.sink(waker)),
            // Theirs come with the worker's part in checkpoints.
            Some(LetterSink::Checkpoints(_)) | None => Box::new(Closed),
        }
    }

    /// How it fares; may be kept and asked after the end.
    pub fn status(&self) -> LogStatus {
        match &*self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(LetterSink::File(file)) => {
                let status = file.status();
                Box::new(move || {
                    let status = status();
                    LogSinkSnapshot {
                        name: NAME,
                        down: status.error,
                        written: status.written,
                        pending: status.waiting,
                        pending_bytes: None,
                        retries: status.failures,
                    }
                })
            }
            Some(LetterSink::Kafka(writer)) => {
                let status = writer.watch();
                Box::new(move || {
                    let status = status();
                    LogSinkSnapshot {
                        name: NAME,
                        down: status.error,
                        written: status.delivered,
                        pending: status.outstanding as u64,
                        pending_bytes: None,
                        retries: status.failures,
                    }
                })
            }
            Some(LetterSink::Checkpoints(recovery)) => Box::new(recovery.status()),
            None => Box::new(|| LogSinkSnapshot { name: NAME, ..LogSinkSnapshot::default() }),
        }
    }

    /// Waits until all letters are written, while that fails for `within`. All workers must be gone.
    ///
    /// # Errors
    /// When letters could not be written by then.
    pub fn finish(&self, within: Duration) -> Result<(), Failure> {
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sink {
            Some(LetterSink::File(file)) => file.finish(within).map(drop).map_err(Failure::failed),
            Some(LetterSink::Kafka(writer)) => {
                writer.finish(within).map(drop).map_err(Failure::failed)
            }
            Some(LetterSink::Checkpoints(recovery)) => {
                // Whoever else held it is gone.
                let left = Arc::into_inner(recovery).map_or(0, |recovery| recovery.finish(within));
                if left > 0 {
                    tracing::warn!(letters = left, "dead letters are left to the next start");
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

struct Closed;

impl DeadLetterSink for Closed {
    fn has_room(&self) -> bool {
        false
    }

    fn push(&mut self, letter: tidemark_operators::ingest::dead_letter::DeadLetter) {
        tracing::error!(offset = letter.offset, "a dead letter came after the end and is lost");
    }
}
