//! What can go wrong with Kafka, and the next step.

use crate::kafka::topic_id::TopicId;
use crate::publishing::Unpublished;
use std::time::Duration;

/// An error of the Kafka side. No variant ever holds the value of a setting.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A librdkafka setting that the engine decides itself.
    #[error("kafka setting '{key}' is decided by the engine: remove it{instead}")]
    Reserved {
        /// The setting.
        key: String,
        /// Where to say it instead, when there is such a place.
        instead: &'static str,
    },
    /// A librdkafka setting that librdkafka refused.
    #[error("kafka setting '{key}' was refused: {why}; see librdkafka's CONFIGURATION.md")]
    Setting {
        /// The setting.
        key: String,
        /// Why.
        why: String,
    },
    /// No client could be made.
    #[error("could not make a kafka client for brokers '{brokers}': {why}")]
    Client {
        /// The bootstrap servers.
        brokers: String,
        /// Why.
        why: String,
    },
    /// A topic that does not exist.
    #[error(
        "topic '{topic}' does not exist on '{brokers}': create it (for example \
         `kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}`), or correct \
         `topic` in the job"
    )]
    NoSuchTopic {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
    },
    /// A topic that may not be read or described.
    #[error(
        "topic '{topic}' on '{brokers}' may not be read by these credentials: grant READ and \
         DESCRIBE on it"
    )]
    NotAllowed {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
    },
    /// Brokers that could not be asked.
    #[error("could not ask the brokers '{brokers}': {why}")]
    NoAnswer {
        /// The bootstrap servers.
        brokers: String,
        /// Why.
        why: String,
    },
    /// A topic that is there, but not as it is wanted.
    #[error(
        "topic '{topic}' on '{brokers}' has {partitions} partitions, and {wanted} are asked for: \
         leave the number out, or name another topic"
    )]
    OtherPartitions {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
        /// How many it has.
        partitions: u32,
        /// How many are asked for.
        wanted: u32,
    },
    /// A topic that was deleted and made anew while it was read.
    #[error(
        "topic '{topic}' was deleted and made anew while the job read it: {sign}. Its offsets begin \
         again, so reading on would skip or repeat records, and what was computed is of a topic that \
         is gone: start the job again, it then reads the new topic from where `start` in the job \
         says"
    )]
    MadeAnew {
        /// The topic.
        topic: String,
        /// How that is known.
        sign: String,
    },
    /// A partition that is not as a checkpoint knows it.
    #[error(
        "the {what} \"{of}\" cannot go on from the checkpoint in {topic}[{partition}]: {sign}{}. \
         Bring the topic back, or begin with no state (another \"url\" in [state] of cluster.toml), or \
         run with `--accept-changed-topic {of}`: a log that is another one is then read from \
         where `start` in the job says, where what is older than the checkpoint is late, one with a \
         gap from behind it, and values lack what is gone",
        and_others(*others)
    )]
    ChangedSinceCheckpoint {
        /// What reads it: a source, or a reference table.
        what: &'static str,
        /// The name of that.
        of: String,
        /// The topic.
        topic: String,
        /// The first partition that is not.
        partition: u32,
        /// How that is known, with the offsets of both.
        sign: String,
        /// How many others are not.
        others: usize,
    },
    /// Two sources that read one topic.
    #[error("topic '{topic}' is read by two sources: read it by one, and filter with `where`")]
    TwoSources {
        /// The topic.
        topic: String,
    },
    /// A thread could not be started.
    #[error("could not start the thread '{name}': {why}; raise the limit on threads")]
    Thread {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// Given up while waiting for the brokers.
    #[error("stopped while waiting for the brokers '{brokers}'; the last error was: {last}")]
    Stopped {
        /// The bootstrap servers.
        brokers: String,
        /// What the last attempt gave.
        last: String,
    },
    /// A topic could not be made.
    #[error(
        "could not create topic '{topic}' on '{brokers}': {why}; create it by hand, or grant \
         CREATE"
    )]
    Create {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
        /// Why.
        why: String,
    },
    /// Records could not be written.
    #[error("could not write to topic '{topic}' on '{brokers}': {why} ({delivered} were written)")]
    Produce {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
        /// How many records were written before.
        delivered: u64,
        /// Why.
        why: String,
    },
    /// Dead letters of a checkpoint that could not be published.
    #[error("could not publish dead letters in a transaction on '{brokers}': {why}")]
    Letters {
        /// The bootstrap servers.
        brokers: String,
        /// Why.
        why: String,
    },
    /// Sealed rows that could not be published.
    #[error("could not publish sealed rows in a transaction on '{brokers}': {why}")]
    SealedRows {
        /// The bootstrap servers.
        brokers: String,
        /// Why.
        why: String,
    },
    /// Dead letters that could not be written back to their topic.
    #[error(
        "could not replay dead letters into topic '{topic}' on '{brokers}': {why}; run it again: \
         what was replayed is passed over"
    )]
    LetterReplay {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
        /// Why.
        why: String,
    },
    /// Dead letters that could not be written before the deadline.
    #[error(
        "{count} dead letters could not be written to '{brokers}' within {deadline:?}: {last}; \
         they are not in the topic: replay the sources from the last known good offsets"
    )]
    Undelivered {
        /// How many.
        count: usize,
        /// The bootstrap servers.
        brokers: String,
        /// How long was waited.
        deadline: Duration,
        /// The last error.
        last: String,
    },
}

fn and_others(others: usize) -> String {
    match others {
        0 => String::new(),
        others => format!(" (and {others} more partitions have changed)"),
    }
}

impl KafkaError {
    /// A topic whose id has changed.
    pub(super) fn made_anew(topic: &str, was: TopicId, is: TopicId) -> KafkaError {
        KafkaError::MadeAnew {
            topic: topic.to_owned(),
            sign: format!("its id was {was} and is {is}"),
        }
    }
}

impl From<KafkaError> for Unpublished {
    fn from(why: KafkaError) -> Self {
        Unpublished::Failed(why.to_string())
    }
}
