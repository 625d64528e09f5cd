//! How far something is written into topics, told in the same transactions.
//!
//! ```text
//!  what is    ──→ one transaction ──→ its topics
//!  written                        └─→ the progress topic   key: the newest value tells how far
//! ```
//!
//! The transactional id is a function of what is written: whoever takes it over ends what the one before
//! had left open, keeps it from going on, and only then reads how far that one had come. So what a crash
//! leaves, or an answer that never came, is there once: for who reads only what is committed.

use crate::checkpoint::Leading;
use crate::fault;
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::Inquirer;
use crate::kafka::read_topic::read_topic;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::topics::find_or_make;
use crate::kafka::transactions::Transactions;
use crate::publishing::Unpublished;
use crate::text::printable;
use rdkafka::message::Message as _;
use rdkafka::producer::BaseRecord;
use std::time::{Duration, Instant};

/// Settings of a progress topic: of each key the newest record is enough.
const SETTINGS: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.ms", "3600000")];

/// How long transactions of others may be open: longer than the brokers leave one to its writer.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(90);
/// How often to look for them.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct ProgressTopic<'a> {
    /// How to reach the brokers.
    pub kafka: &'a KafkaConfig,
    /// The topic.
    pub topic: &'a str,
    /// Whose progress it is.
    pub key: String,
    /// The transactional id of who writes.
    pub id: String,
}

/// A writer, and how far that is which it and those before it have written.
pub(super) struct WrittenProgress {
    /// Who asks the brokers for topics.
    pub inquirer: Inquirer,
    topic: String,
    key: String,
    writer: Transactions,
    /// A number that grows with what is written: of its last record, or of the last byte.
    pub written: u64,
}

impl ProgressTopic<'_> {
    /// A writer, once what the process before had left open is ended; how far that one had come is told.
    /// Makes the topic if need be. Waits for the brokers while `go_on` says so, for 30 s at most, and for
    /// transactions of others that are open, for 90 s.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions; or what is told is
    /// no number.
    pub(super) fn begin(self, go_on: &dyn Fn() -> bool) -> Result<WrittenProgress, String> {
        let text = |error: KafkaError| error.to_string();
        let ProgressTopic { kafka, topic, key, id } = self;
        let inquirer = Inquirer::new(kafka).map_err(text)?;
        find_or_make(&inquirer, topic, &SETTINGS, &[])?;
        let writer = Transactions::new(kafka, &id).map_err(text)?;
        writer.begin(go_on)?;
        settled(&inquirer, topic, go_on)?;
        let mut told = None;
        // Only now: what an earlier one committed just before is in it. The last one counts.
        read_topic(kafka, topic, &mut |record| {
            if record.key() == Some(key.as_bytes()) {
                let value = record.payload().unwrap_or_default();
                told = Some(String::from_utf8_lossy(value).into_owned());
            }
            Ok(true)
        })
        .map_err(text)?;
        let written =
            told.map_or(Ok(0), |told| told.parse().map_err(|_| not_ours(topic, &key, &told)))?;
        Ok(WrittenProgress { inquirer, topic: topic.to_owned(), key, writer, written })
    }
}

impl WrittenProgress {
    /// Writes what `write` writes, and that it is as far as `written` then, or nothing of both. Waits for
    /// the brokers while `go_on` says so, for about a minute at most. `point` is told when all is written
    /// and nothing committed.
    ///
    /// # Errors
    /// Nothing was written, or it is not known whether all was: who begins again finds out.
    pub(super) fn write(
        &mut self,
        written: u64,
        point: &str,
        go_on: &dyn Fn() -> bool,
        write: impl FnOnce(&Transactions, &Inquirer) -> Result<(), String>,
    ) -> Result<(), String> {
        let WrittenProgress { inquirer, topic, key, writer, .. } = self;
        writer.all_or_nothing(go_on, || {
            write(writer, inquirer)?;
            let number = written.to_string();
            let record = BaseRecord::to(topic).partition(0).key(key.as_bytes());
            writer.write(record.payload(number.as_bytes()))?;
            writer.flush(go_on);
            fault::point(point);
            Ok(())
        })?;
        self.written = written;
        Ok(())
    }

    /// Sets it back to `begun`, where a process begins whose state is an older one that was put back; says
    /// whether that was so. `leads` fails in a process that another one has taken over from: it may come
    /// here late, and what is written then is not its to judge.
    ///
    /// # Errors
    /// As [`WrittenProgress::write`], or it does not lead.
    pub(super) fn set_back(
        &mut self,
        begun: u64,
        leads: &Leading,
        go_on: &dyn Fn() -> bool,
    ) -> Result<bool, Unpublished> {
        if self.written <= begun {
            return Ok(false);
        }
        // Who takes over behind this has this writer fenced before it writes.
        leads()?;
        self.write(begun, "progress.set_back", go_on, |_, _| Ok(()))?;
        Ok(true)
    }
}

/// Waits for the transactions of others that write to the topic: one that is open hides what was
/// committed behind it, also of another key.
fn settled(inquirer: &Inquirer, topic: &str, go_on: &dyn Fn() -> bool) -> Result<(), String> {
    let began = Instant::now();
    while !inquirer.is_settled(topic).map_err(|trouble| trouble.to_string())? {
        if !go_on() || began.elapsed() > OTHERS_TIMEOUT {
            return Err(format!(
                "a transaction of another writer is open in '{topic}', and hides how far is published: end \
                 that writer, or wait until the brokers end its transaction"
            ));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Why what is told cannot be understood, and what to do.
fn not_ours(topic: &str, key: &str, told: &str) -> String {
    format!(
        "'{topic}' tells how far is published, and its newest record with the key {key} is \"{}\": remove \
         what else writes to it",
        printable(told)
    )
}
