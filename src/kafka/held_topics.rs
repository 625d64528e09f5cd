//! What topics hold now: where each partition begins and ends, and its first record.

use crate::kafka::discovery::{MissingTopic, open_patiently};
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::{Inquirer, Trouble};
use crate::kafka::known_log::first_records;
use crate::kafka::lane::{Opened, append};
use crate::kafka::settings::KafkaConfig;
use crate::kafka::source::SourceTopic;
use crate::kafka::status::KafkaStatus;
use tidemark_operators::ingest::reader::RawBatch;

/// What a topic holds.
#[derive(Debug)]
pub struct HeldTopic {
    /// The source that reads it: its place in the plan.
    pub source: u16,
    /// Its name.
    pub topic: String,
    /// Its id, where the brokers have ids.
    pub id: Option<String>,
    /// Its partitions, by number.
    pub partitions: Vec<HeldPartition>,
}

/// What a partition of it holds.
#[derive(Debug)]
pub struct HeldPartition {
    /// Its number.
    pub partition: u32,
    /// The offset of its first record; 0: nothing of it was ever removed.
    pub low: u64,
    /// The offset behind its last record, open transactions included.
    pub end: u64,
    /// Its first record that can be read, alone in a batch.
    pub first: Option<RawBatch>,
}

/// What `topics` hold now. Blocks until the brokers answer, for as long as `keep_trying` says so.
///
/// # Errors
/// A setting that is refused, a topic that does not exist or may not be read, or `keep_trying` saying no.
pub fn held_topics(
    config: &KafkaConfig,
    topics: &[SourceTopic],
    keep_trying: &dyn Fn() -> bool,
) -> Result<Vec<HeldTopic>, KafkaError> {
    config.check()?;
    let inquirer = Inquirer::new(config)?;
    let status = KafkaStatus::new();
    let opened =
        open_patiently(config, &inquirer, topics, (MissingTopic::Refused, &status), keep_trying)?;
    let held = topics.iter().map(|topic| {
        let of = opened.iter().filter(|opened| opened.id.source == topic.source);
        let filled = of.clone().filter(|opened| opened.low < opened.end);
        let filled: Vec<_> = filled.map(|opened| opened.id.partition).collect();
        let mut firsts = first_records(config, &topic.topic, &filled, |record| {
            let mut batch = RawBatch::default();
            append(&mut batch, record, 0, &topic.headers).map(|_| batch)
        })?;
        let partition = |opened: &Opened| HeldPartition {
            partition: opened.id.partition,
            low: opened.low,
            end: opened.end,
            first: firsts.remove(&opened.id.partition).flatten(),
        };
        let id = of.clone().find_map(|opened| opened.topic_id).map(|id| id.to_string());
        let partitions = of.map(partition).collect();
        Ok(HeldTopic { source: topic.source, topic: topic.topic.clone(), id, partitions })
    });
    held.collect::<Result<_, Trouble>>().map_err(|trouble| match trouble {
        Trouble::Lasting(error) => error,
        passing => KafkaError::NoAnswer {
            brokers: config.bootstrap_servers.clone(),
            why: passing.to_string(),
        },
    })
}
