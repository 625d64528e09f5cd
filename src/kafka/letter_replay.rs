//! Dead letters back into the topic that they came from, each at most once.
//!
//! ```text
//!  letters ──→ one transaction ──→ the topic             key, value, time and partition as they were
//!                              └─→ the ledger of it      a record a letter: "partition/offset"
//! ```
//!
//! # Why this way
//!
//! A copy and its record in the ledger are committed together, so that a command that was killed, or
//! given the same letters twice, finds what is done already. The transactional id is a function of the
//! topic: whoever begins later ends what an earlier one left open, and keeps it from going on.

use crate::kafka::create_topic;
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::{Inquirer, Trouble};
use crate::kafka::read_topic::read_topic;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::transactions::Transactions;
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use std::collections::HashSet;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// The header of a copy that says where the letter's record was: `topic/partition/offset`.
pub const REPLAYED_FROM: &str = "replayed_from";
/// The header of a copy that says why its record had been refused.
pub const REPLAYED_REASON: &str = "replayed_reason";
/// What is behind a topic's name in the name of its ledger.
const LEDGER: &str = ".replayed";
/// The most letters that a ledger may tell of, 16 bytes each while it is read.
const LEDGER_MAX: usize = 8_000_000;

/// The letters of a topic that were replayed.
pub(crate) struct Ledger {
    topic: String,
    replayed: HashSet<(u32, u64)>,
}

impl Ledger {
    /// What is known of `topic`. Blocks.
    ///
    /// # Errors
    /// The brokers do not answer, or the ledger holds what is not one.
    pub(crate) fn read(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        let ledger = format!("{topic}{LEDGER}");
        let failed = |why: String| KafkaError::LetterReplay {
            topic: topic.to_owned(),
            brokers: config.bootstrap_servers.clone(),
            why,
        };
        let mut replayed = HashSet::new();
        read_topic(config, &ledger, &mut |message| {
            let (key, offset) = (message.key().unwrap_or_default(), message.offset());
            let place = parse(key).ok_or_else(|| {
                let key = key.escape_ascii();
                failed(format!(
                    "'{ledger}' tells which letters were replayed, and its record {offset} has the \
                     key \"{key}\" where \"partition/offset\" was due: remove what else writes to it"
                ))
            })?;
            replayed.insert(place);
            if replayed.len() > LEDGER_MAX {
                return Err(failed(format!(
                    "'{ledger}' tells of more than {LEDGER_MAX} letters: delete that topic once none \
                     of them is to be replayed again"
                )));
            }
            Ok(true)
        })?;
        Ok(Ledger { topic: ledger, replayed })
    }

    /// Takes note of a letter; returns whether it was not replayed before.
    pub(crate) fn claim(&mut self, letter: &DeadLetter) -> bool {
        self.replayed.insert((letter.partition.partition, letter.offset))
    }
}

fn parse(key: &[u8]) -> Option<(u32, u64)> {
    let (partition, offset) = std::str::from_utf8(key).ok()?.split_once('/')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

/// Writes letters back to their topic. At most one of a topic goes on.
pub(crate) struct LetterReplay {
    writer: Transactions,
    topic: String,
    partitions: u32,
    brokers: String,
    ledger: Ledger,
}

impl LetterReplay {
    /// Ends what an earlier one of this topic left open, and reads what it had done. Blocks.
    ///
    /// # Errors
    /// The topic is not there; the brokers do not answer, or do not let these credentials write in
    /// transactions.
    pub(crate) fn begin(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        let brokers = config.bootstrap_servers.clone();
        let failed = |why: String| KafkaError::LetterReplay {
            topic: topic.to_owned(),
            brokers: brokers.clone(),
            why,
        };
        let partitions = match Inquirer::new(config)?.partitions(topic) {
            Ok(count) => count,
            Err(Trouble::Passing(why)) => return Err(failed(why)),
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::NoSuchTopic(_)) => {
                return Err(KafkaError::NoSuchTopic { topic: topic.to_owned(), brokers });
            }
        };
        let writer = Transactions::new(config, &format!("tidemark-dlq-replay-{topic}"))?;
        create_topic(config, &format!("{topic}{LEDGER}"), 1, &[("cleanup.policy", "compact")])?;
        writer.begin(&|| true).map_err(failed)?;
        // Only now: what an earlier one committed just before is in it.
        let ledger = Ledger::read(config, topic)?;
        Ok(LetterReplay { writer, topic: topic.to_owned(), partitions, brokers, ledger })
    }

    /// Takes note of a letter; returns whether it is to be replayed, as it was not before.
    pub(crate) fn claim(&mut self, letter: &DeadLetter) -> bool {
        self.ledger.claim(letter)
    }

    /// Writes letters, all or none. Blocks until the brokers have them.
    ///
    /// # Errors
    /// None was written, or it is not known whether all were: in either case the next one to begin
    /// finds out, and nothing is written twice.
    pub(crate) fn send(&self, letters: &[DeadLetter]) -> Result<(), KafkaError> {
        let copy = || letters.iter().try_for_each(|letter| self.copy(letter));
        self.writer.all_or_nothing(&|| true, copy).map_err(|why| {
            let (topic, brokers) = (self.topic.clone(), self.brokers.clone());
            KafkaError::LetterReplay { topic, brokers, why }
        })
    }

    fn copy(&self, letter: &DeadLetter) -> Result<(), String> {
        let partition = letter.partition.partition;
        if partition >= self.partitions {
            let has = self.partitions;
            return Err(format!(
                "a letter is of partition {partition}, and the topic has {has}: it is another topic \
                 by now"
            ));
        }
        let place = format!("{partition}/{}", letter.offset);
        let from = format!("{}/{place}", self.topic);
        let headers = [(REPLAYED_FROM, from.as_str()), (REPLAYED_REASON, letter.reason.name())];
        let headers = headers.into_iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let native = i32::try_from(partition).map_err(|error| error.to_string())?;
        let mut copy = BaseRecord::<[u8], [u8]>::to(&self.topic).partition(native).headers(headers);
        (copy.key, copy.payload) = (letter.key.as_deref(), letter.value.as_deref());
        // When it was written first is what its event time is held against.
        copy.timestamp = letter.arrival.and_then(|at| i64::try_from(at).ok());
        self.writer.write(copy)?;
        let entry = BaseRecord::to(&self.ledger.topic).partition(0).key(place.as_bytes());
        self.writer.write(entry.payload(letter.reason.name().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_place_in_the_ledger_is_a_partition_and_an_offset_and_nothing_else() {
        assert_eq!(parse(b"3/41"), Some((3, 41)));
        assert_eq!(parse(b"4294967295/18446744073709551615"), Some((u32::MAX, u64::MAX)));
        for other in [&b""[..], b"3", b"3/", b"/41", b"-1/41", b"3/41/5", b"\xff/1"] {
            assert_eq!(parse(other), None, "{}", other.escape_ascii());
        }
    }
}
