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

use crate::kafka::create_topic;
use crate::kafka::inquirer::Inquirer;
use crate::kafka::read_topic::read_topic;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::transactions::Transactions;
use rdkafka::message::Message as _;
use rdkafka::producer::BaseRecord;
use std::time::{Duration, Instant};

/// Settings of a progress topic: of each key the newest record is enough.
const SETTINGS: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.ms", "3600000")];

/// How long transactions of others may be open: longer than the brokers leave one to its writer.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(90);
/// How often to look for them.
const LOOK: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct ProgressTopic {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// The topic.
    pub topic: String,
    /// Whose progress it is.
    pub key: String,
}

impl ProgressTopic {
    /// A writer with the transactional id `id`, once what the process before had left open is ended, and
    /// how far that one had come, as it told it. Makes the topic if need be. Waits for the brokers while
    /// `go_on` says so, for 30 s at most.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions.
    pub(super) fn begin(
        &self,
        id: &str,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(Transactions, Option<String>), String> {
        let text = |error: crate::kafka::KafkaError| error.to_string();
        let inquirer = Inquirer::new(&self.kafka).map_err(text)?;
        if inquirer.find(&self.topic)?.is_none()
            && create_topic(&self.kafka, &self.topic, 1, &SETTINGS).map_err(text)?
        {
            let topic = &self.topic;
            tracing::info!(topic, "kafka: made the topic that tells how far is published");
        }
        let writer = Transactions::new(&self.kafka, id).map_err(text)?;
        writer.begin(go_on)?;
        self.settled(&inquirer, go_on)?;
        let mut told = None;
        // Only now: what an earlier one committed just before is in it. The last one counts.
        read_topic(&self.kafka, &self.topic, &mut |record| {
            if record.key() == Some(self.key.as_bytes()) {
                let value = record.payload().unwrap_or_default();
                told = Some(String::from_utf8_lossy(value).into_owned());
            }
            Ok(true)
        })
        .map_err(text)?;
        Ok((writer, told))
    }

    /// Waits for the transactions of others that write to the topic: one that is open hides what was
    /// committed behind it, also of this key.
    fn settled(&self, inquirer: &Inquirer, go_on: &dyn Fn() -> bool) -> Result<(), String> {
        let began = Instant::now();
        while !inquirer.is_settled(&self.topic).map_err(|trouble| trouble.to_string())? {
            if !go_on() || began.elapsed() > OTHERS_TIMEOUT {
                return Err(format!(
                    "a transaction of another writer is open in '{}' for longer than {OTHERS_TIMEOUT:?}",
                    self.topic
                ));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Writes how far it is, as part of a transaction.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn tell(&self, writer: &Transactions, how_far: &str) -> Result<(), String> {
        let record = BaseRecord::to(&self.topic).partition(0).key(self.key.as_bytes());
        writer.write(record.payload(how_far.as_bytes()))
    }

    /// Why what is told cannot be understood, and what to do.
    pub(super) fn not_ours(&self, told: &str) -> String {
        format!(
            "'{}' tells how far is published, and its newest record with the key {} is \"{}\": remove \
             what else writes to it",
            self.topic,
            self.key,
            crate::text::printable(told)
        )
    }
}
