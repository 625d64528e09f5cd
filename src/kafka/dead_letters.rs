//! Dead letters into a Kafka topic: key and value untouched, everything else in headers.
//!
//! ```text
//!  workers                                   one thread
//! ┌────────────────┐ push ┌────────┐ take ┌───────────┐   ┌────────────┐
//! │ ..LetterSink   │ ───→ │ outbox │ ───→ │ publisher │ → │ <topic>.dlq│
//! └────────────────┘      └────────┘ ←─── └───────────┘   └────────────┘
//!     has_room? (bounded)        acknowledged | failed: again, for ever
//! ```
//!
//! A letter leaves the outbox when the brokers have acknowledged it. While they do not, the outbox
//! fills up, `has_room` says no, and the sources are not read: nothing is dropped. Where there are
//! checkpoints, letters wait for theirs, and are there once: see [`CommittedLetters`].

mod committed;
mod headers;
mod publisher;
mod topics;

use crate::kafka::error::KafkaError;
use crate::kafka::read_topic;
use crate::kafka::settings::KafkaConfig;
use crate::outbox::{DeadLetterStatus, Outbox};
use crate::source::Waker;
pub use committed::{CommittedLetters, CommittedTo};
use publisher::Publisher;
use rdkafka::Message as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};

/// Where dead letters go, and how many may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// The topic; `{topic}` stands for the record's own (for sources without one: the source's
    /// name). Default `{topic}.dlq`.
    pub topic: String,
    /// Letters that are not acknowledged yet, from which on there is no room; default 10,000.
    pub letters_max: usize,
    /// Their bytes, from which on there is no room; default 64 MiB.
    pub bytes_max: usize,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        DeadLetterSettings {
            topic: "{topic}.dlq".to_owned(),
            letters_max: 10_000,
            bytes_max: 64 << 20,
        }
    }
}

/// Gives the letters that a topic of them holds now to `take`, until that returns false, and counts the
/// records that are none. Blocks.
///
/// # Errors
/// There is no such topic; the brokers do not answer; or what `take` fails with.
pub(crate) fn read_letters(
    config: &KafkaConfig,
    topic: &str,
    take: &mut dyn FnMut(DeadLetter) -> Result<bool, KafkaError>,
) -> Result<u64, KafkaError> {
    let mut others = 0;
    let is_there = read_topic(config, topic, &mut |record| match headers::letter(record) {
        Ok(letter) => take(letter),
        Err(why) => {
            let (partition, offset) = (record.partition(), record.offset());
            tracing::debug!(topic, partition, offset, "kafka: not a dead letter: {why}");
            others += 1;
            Ok(true)
        }
    })?;
    match is_there {
        true => Ok(others),
        false => Err(KafkaError::NoSuchTopic {
            topic: topic.to_owned(),
            brokers: config.bootstrap_servers.clone(),
        }),
    }
}

impl DeadLetterSettings {
    /// The topic of a letter.
    fn topic_of(&self, letter: &DeadLetter) -> String {
        self.topic.replace("{topic}", letter.topic.as_deref().unwrap_or(&letter.source))
    }
}

/// The writer of dead letters; all workers share one. Dropping it without
/// [`KafkaDeadLetters::finish`] abandons what is not delivered, and says so in the log.
pub struct KafkaDeadLetters {
    outbox: Arc<Outbox>,
    brokers: String,
    thread: JoinHandle<()>,
}

/// A worker's end of the writer.
#[derive(Clone)]
pub struct KafkaDeadLetterSink {
    outbox: Arc<Outbox>,
}

impl KafkaDeadLetters {
    /// Starts the writer. It does not wait for the brokers; a topic that does not exist is made
    /// with the first letter for it, with as many partitions as the source's.
    ///
    /// # Errors
    /// A setting that is refused, or no thread.
    pub fn open(
        config: &KafkaConfig,
        settings: DeadLetterSettings,
    ) -> Result<KafkaDeadLetters, KafkaError> {
        let outbox = Arc::new(Outbox::new(settings.letters_max, settings.bytes_max));
        let publisher = Publisher::new(config.clone(), &settings, Arc::clone(&outbox))?;
        let name = "kafka-dead-letters";
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || publisher.run()).map_err(|error| KafkaError::Thread {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        Ok(KafkaDeadLetters { outbox, brokers: config.bootstrap_servers.clone(), thread })
    }

    /// A worker's sink. `waker` is called when there is room again after there was none.
    pub fn sink(&self, waker: Waker) -> KafkaDeadLetterSink {
        self.outbox.add_waker(waker);
        KafkaDeadLetterSink { outbox: Arc::clone(&self.outbox) }
    }

    /// How the letters fare.
    pub fn status(&self) -> DeadLetterStatus {
        self.outbox.status()
    }

    /// As [`KafkaDeadLetters::status`], to be kept and called from anywhere.
    pub fn watch(&self) -> impl Fn() -> DeadLetterStatus + Send + Sync + use<> {
        let outbox = Arc::clone(&self.outbox);
        move || outbox.status()
    }

    /// Waits until the brokers have all letters, at most `deadline`. Returns how many were
    /// delivered since the start.
    ///
    /// # Errors
    /// Letters that were not delivered in time: how many, and the last error.
    pub fn finish(self, deadline: Duration) -> Result<u64, KafkaError> {
        let until = Instant::now() + deadline;
        let left = self.outbox.close(deadline);
        let status = self.outbox.status();
        // The connections too should be gone before the process exits.
        while left == 0 && !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if left > 0 {
            return Err(KafkaError::Undelivered {
                count: left,
                brokers: self.brokers.clone(),
                deadline,
                last: status.error.unwrap_or_else(|| "no answer yet".to_owned()),
            });
        }
        Ok(status.delivered)
    }
}

impl Drop for KafkaDeadLetters {
    fn drop(&mut self) {
        let left = self.outbox.close(Duration::ZERO);
        if left > 0 {
            tracing::error!(count = left, "kafka: dead letters were abandoned undelivered");
        }
        self.outbox.abandon();
    }
}

impl DeadLetterSink for KafkaDeadLetterSink {
    fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    fn push(&mut self, letter: DeadLetter) {
        self.outbox.push(letter);
    }
}
