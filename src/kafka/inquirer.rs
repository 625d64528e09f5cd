//! Asking the brokers which partitions there are, and where in them to start.

use crate::kafka::context::LastError;
use crate::kafka::error::KafkaError;
use crate::kafka::lane::Opened;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::source::SourceTopic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Start;

/// How long one question to the brokers may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the brokers gave no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// They may later.
    Passing(String),
    /// The topic is not there. Brokers that have just started may say so of any topic.
    NoSuchTopic(String),
    /// They never will.
    Lasting(KafkaError),
}

/// A client that asks about topics.
pub(super) struct Inquirer {
    client: BaseConsumer<LastError>,
    brokers: String,
}

impl Inquirer {
    pub(super) fn new(config: &KafkaConfig) -> Result<Inquirer, KafkaError> {
        let client = config
            .inquirer()?
            .create_with_context(LastError::default())
            .map_err(|error| config.client_error(&error))?;
        Ok(Inquirer { client, brokers: config.bootstrap_servers.clone() })
    }

    /// Serves librdkafka's log lines and errors.
    pub(super) fn serve(&self) {
        for _ in 0..64 {
            let _ = self.client.poll(Duration::ZERO);
        }
    }

    /// How many partitions a topic has.
    pub(super) fn partitions(&self, topic: &str) -> Result<u32, Trouble> {
        let answer = self.client.fetch_metadata(Some(topic), ASK_TIMEOUT);
        let metadata = answer.map_err(|error| self.passing("the brokers do not answer", &error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Err(Trouble::NoSuchTopic(topic.to_owned()));
        };
        match found.error().map(Code::from) {
            None => {}
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                return Err(Trouble::NoSuchTopic(topic.to_owned()));
            }
            Some(Code::TopicAuthorizationFailed) => {
                let (topic, brokers) = (topic.to_owned(), self.brokers.clone());
                return Err(Trouble::Lasting(KafkaError::NotAllowed { topic, brokers }));
            }
            Some(code) => return Err(Trouble::Passing(format!("topic '{topic}': {code}"))),
        }
        match u32::try_from(found.partitions().len()) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(Trouble::NoSuchTopic(topic.to_owned())),
        }
    }

    /// All partitions of a topic, and where each starts.
    pub(super) fn open(&self, wanted: &SourceTopic) -> Result<Vec<Opened>, Trouble> {
        let count = self.partitions(&wanted.topic)?;
        let times = self.offsets_at(wanted, count)?;
        (0..count)
            .map(|partition| {
                let number = native(partition)?;
                let (low, high) = self.watermarks(&wanted.topic, number)?;
                let explicit = wanted.offsets.get(&partition).copied();
                let (from, position) = match (explicit, wanted.start) {
                    (Some(offset), _) => (Offset::Offset(signed(offset)), offset),
                    // Not the number: retention may remove that record before it is read.
                    (None, Start::Earliest) => (Offset::Beginning, low),
                    (None, Start::Latest) => (Offset::Offset(signed(high)), high),
                    (None, Start::At(_) | Start::Ago(_)) => {
                        let found = times.get(&partition).copied().flatten().unwrap_or(high);
                        (Offset::Offset(signed(found)), found)
                    }
                };
                Ok(self.opened(wanted, partition, number, from, (position, high), false))
            })
            .collect()
    }

    /// The partitions from `known` on, found while the job runs: from their beginning.
    pub(super) fn grown(&self, wanted: &SourceTopic, known: u32) -> Result<Vec<Opened>, Trouble> {
        let count = self.partitions(&wanted.topic)?;
        if count < known {
            let topic = &wanted.topic;
            return Err(Trouble::Passing(format!(
                "topic '{topic}' has {count} partitions and had {known}: it was made anew; \
                 restart the job"
            )));
        }
        (known..count)
            .map(|partition| {
                let number = native(partition)?;
                let (low, high) = self.watermarks(&wanted.topic, number)?;
                let from = Offset::Beginning;
                Ok(self.opened(wanted, partition, number, from, (low, high), true))
            })
            .collect()
    }

    fn opened(
        &self,
        wanted: &SourceTopic,
        partition: u32,
        number: i32,
        from: Offset,
        (position, end): (u64, u64),
        found_later: bool,
    ) -> Opened {
        Opened {
            id: PartitionId { source: wanted.source, partition },
            topic: wanted.topic.clone(),
            partition: number,
            from,
            position,
            end,
            found_later,
        }
    }

    fn watermarks(&self, topic: &str, partition: i32) -> Result<(u64, u64), Trouble> {
        let answer = self.client.fetch_watermarks(topic, partition, ASK_TIMEOUT);
        let (low, high) = answer.map_err(|error| {
            self.passing(&format!("could not ask for the end of {topic}[{partition}]"), &error)
        })?;
        Ok((u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0)))
    }

    /// For a start at a time, the offset of the first record at or after it by partition; `None`
    /// when there is none. Empty for other starts.
    fn offsets_at(
        &self,
        wanted: &SourceTopic,
        count: u32,
    ) -> Result<BTreeMap<u32, Option<u64>>, Trouble> {
        let time = match wanted.start {
            Start::Earliest | Start::Latest => return Ok(BTreeMap::new()),
            Start::At(time) => time,
            Start::Ago(length) => now_ms().saturating_sub(length),
        };
        let what = format!("could not ask for the offsets of '{}' at {time} ms", wanted.topic);
        let mut asked = TopicPartitionList::new();
        for partition in 0..count {
            let at = Offset::Offset(signed(time));
            asked
                .add_partition_offset(&wanted.topic, native(partition)?, at)
                .map_err(|error| self.passing(&what, &error))?;
        }
        let answer = self.client.offsets_for_times(asked, ASK_TIMEOUT);
        let answer = answer.map_err(|error| self.passing(&what, &error))?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element.error().map_err(|error| self.passing(&what, &error))?;
            let offset = match element.offset() {
                Offset::Offset(offset) => u64::try_from(offset).ok(),
                _ => None,
            };
            if let Ok(partition) = u32::try_from(element.partition()) {
                found.insert(partition, offset);
            }
        }
        Ok(found)
    }

    /// An error with the reason that librdkafka gave before it, when it gave one.
    fn passing(&self, what: &str, error: &ClientError) -> Trouble {
        self.serve();
        let reason = self.client.context().take().unwrap_or_else(|| error.to_string());
        Trouble::Passing(format!("{what}: {reason}"))
    }
}

/// A partition's number as librdkafka has it.
fn native(partition: u32) -> Result<i32, Trouble> {
    i32::try_from(partition).map_err(|_| Trouble::Passing(format!("partition {partition}?")))
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
