//! Apache Kafka: topics as sources, and a topic for dead letters.
//!
//! ```text
//!  librdkafka          one thread a worker            worker
//! ┌────────────┐ poll ┌─────────────────┐  Feed   ┌─────────────┐
//! │ a queue per│ ───→ │ consumer:       │ ──────→ │ KafkaReader │  one per partition
//! │ partition  │      │ batches, errors │ bounded └─────────────┘
//! └────────────┘      └─────────────────┘ ── Waker ──→
//!        ↑ partitions           │ positions, lag, health
//! ┌────────────┐                ↓
//! │ discovery  │          KafkaStatus  → /ready, /health, metrics
//! └────────────┘
//! ```
//!
//! - [`settings`]: brokers, group, any librdkafka setting; secrets stay out of every text;
//! - [`error`]: what can go wrong, and the next step;
//! - [`source`]: opening the topics, and what a worker gets of them;
//! - [`status`]: positions, lag and the brokers' health, for the HTTP side;
//! - [`dead_letters`]: records that did not become events, into `<topic>.dlq`;
//! - [`produce`](mod@produce): writing records, for the generator, benches and tests;
//! - `sealed_topics`: sealed rows, into a topic for each view, each once;
//! - `transactions`: writing all of something, or nothing;
//! - `progress_topic`: how far that is, told in the same transactions;
//! - `letter_replay`: dead letters back into their topic, each at most once;
//! - `read_topic`: what a topic holds now, once;
//! - `held_topics`: where partitions begin and end, and their first records;
//! - `known_log`: whether a topic is still the one that a checkpoint has read;
//! - [`topics`]: making a topic, or finding it.
//!
//! # Why this way
//!
//! Partitions are assigned by hand: which worker reads what has to be a function of the partition
//! list alone, so that a restart finds the same. Each partition has a queue of its own inside
//! librdkafka, and a partition that is not wanted just now is not polled: `pause` would throw away
//! what has been fetched and fetch it again, and in one shared queue the end of a partition is
//! reported without its topic. Messages are polled one by one: 1.7 to 2.2 M messages of 280 B per
//! CPU second on 2 cores, librdkafka's own threads included. Its batch call, at 2.1 M without
//! taking the messages apart, would need `unsafe` and gain little.

mod consumer;
mod context;
pub mod dead_letters;
mod discovery;
pub mod error;
mod feed;
mod health;
mod held_topics;
mod inquirer;
mod known_log;
mod lane;
mod letter_replay;
pub mod produce;
mod progress_topic;
mod read_topic;
mod sealed_topics;
pub mod settings;
pub mod source;
pub mod status;
mod topic_id;
pub mod topics;
mod transactions;

pub use crate::outbox::DeadLetterStatus;
pub use dead_letters::{
    CommittedLetters, CommittedTo, DeadLetterSettings, KafkaDeadLetterSink, KafkaDeadLetters,
};
pub(crate) use discovery::AWAITED;
pub use error::KafkaError;
pub use held_topics::{HeldPartition, HeldTopic, held_topics};
pub use known_log::{FoundTopics, KnownPartition, KnownTopic};
pub(crate) use letter_replay::{Ledger, LetterReplay};
pub use letter_replay::{REPLAYED_FROM, REPLAYED_REASON};
pub use produce::{DELIVERY_TIMEOUT, TopicWriter, produce};
pub(crate) use read_topic::read_topic;
pub use sealed_topics::{PublishedRows, SealedTopicSettings, SealedTopics};
pub use settings::{KafkaConfig, KafkaLimits};
pub use source::{KafkaPartitions, KafkaSource, SourceTopic};
pub use status::{KafkaStatus, PartitionStatus};
pub use topics::{WritableTopic, create_topic, find_or_create_topic, topic_size};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also when another thread panicked while it held the lock: what we keep under locks is
/// consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
