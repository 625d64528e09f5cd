//! Asking the brokers which partitions there are, and where in them to start.

use crate::kafka::context::LastError;
use crate::kafka::error::KafkaError;
use crate::kafka::known_log::{LogChange, changes};
use crate::kafka::lane::Opened;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::source::SourceTopic;
use crate::kafka::topic_id::{TopicId, describe};
use crate::wall_clock::wall_ms;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;
use tidemark_jobs::document::nearest;
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

impl Display for Trouble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Passing(why) => f.write_str(why),
            Trouble::NoSuchTopic(topic) => write!(f, "topic '{topic}' does not exist"),
            Trouble::Lasting(error) => error.fmt(f),
        }
    }
}

/// A client that asks about topics. Open transactions count for the ends that it is told.
pub(super) struct Inquirer {
    config: KafkaConfig,
    client: BaseConsumer<LastError>,
    brokers: String,
}

impl Inquirer {
    pub(super) fn new(config: &KafkaConfig) -> Result<Inquirer, KafkaError> {
        let client = config
            .inquirer()?
            .set("isolation.level", "read_uncommitted")
            .create_with_context(LastError::default())
            .map_err(|error| config.client_error(&error))?;
        let brokers = config.bootstrap_servers.clone();
        Ok(Inquirer { config: config.clone(), client, brokers })
    }

    /// How it reaches the brokers.
    pub(super) fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// Serves librdkafka's log lines and errors.
    pub(super) fn serve(&self) {
        for _ in 0..64 {
            let _ = self.client.poll(Duration::ZERO);
        }
    }

    /// How many partitions a topic has, and its id.
    ///
    /// Its metadata is asked for first, although it says nothing new: while no broker is connected
    /// librdkafka sleeps over that question, and over one for a description its threads turn in a
    /// circle, at half of a core.
    fn described(&self, topic: &str) -> Result<(u32, Option<TopicId>), Trouble> {
        let reached = self.client.fetch_metadata(Some(topic), ASK_TIMEOUT);
        reached.map_err(|why| self.passing("the brokers do not answer", &why))?;
        let answer = describe(self.client.client(), topic, ASK_TIMEOUT);
        let found = answer.map_err(|why| self.passing("the brokers do not answer", &why))?;
        match found.partitions {
            Ok(count) if count > 0 => Ok((count, found.id)),
            Ok(_) | Err(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                Err(Trouble::NoSuchTopic(topic.to_owned()))
            }
            Err(Code::TopicAuthorizationFailed) => {
                let (topic, brokers) = (topic.to_owned(), self.brokers.clone());
                Err(Trouble::Lasting(KafkaError::NotAllowed { topic, brokers }))
            }
            Err(code) => Err(Trouble::Passing(format!("topic '{topic}': {code}"))),
        }
    }

    /// The topic whose name is nearest to this one, of those that these credentials see.
    pub(super) fn nearest(&self, topic: &str) -> Option<String> {
        let all = self.client.fetch_metadata(None, ASK_TIMEOUT).ok()?;
        let names = all.topics().iter().map(|of| of.name()).filter(|name| !name.starts_with("__"));
        nearest(topic, names).map(str::to_owned)
    }

    /// How many partitions a topic has.
    pub(super) fn partitions(&self, topic: &str) -> Result<u32, Trouble> {
        self.described(topic).map(|(count, _)| count)
    }

    /// How many records a topic holds, or held before it was compacted.
    pub(super) fn records(&self, topic: &str, partitions: u32) -> Result<u64, Trouble> {
        let held = |partition| {
            let (low, high) = self.watermarks(topic, native(partition)?)?;
            Ok(high.saturating_sub(low))
        };
        (0..partitions).map(held).sum()
    }

    /// All partitions of a topic, and where each starts.
    pub(super) fn open(&self, wanted: &SourceTopic) -> Result<Vec<Opened>, Trouble> {
        let (count, topic_id) = self.described(&wanted.topic)?;
        let times = self.offsets_at(wanted, count)?;
        let stable = self.stable_ends(wanted, count)?;
        let held = (0..count).map(|partition| self.watermarks(&wanted.topic, native(partition)?));
        let held = held.collect::<Result<Vec<_>, Trouble>>()?;
        let changes = changes(&self.config, &wanted.topic, &wanted.known, topic_id, &held)?;
        (0..count)
            .zip(held)
            .map(|(partition, (low, high))| {
                let number = native(partition)?;
                let change = changes.get(&partition).copied();
                let explicit = match change {
                    Some(LogChange::Another) => None,
                    Some(LogChange::Lost(begins)) => Some(begins),
                    None => wanted.begins_at(partition, low),
                };
                let (from, position) = match (explicit, wanted.start) {
                    (Some(offset), _) => (Offset::Offset(signed(offset)), offset),
                    // Not the number: retention may remove that record before it is read.
                    (None, Start::Earliest) => (Offset::Beginning, low),
                    (None, Start::Latest) => {
                        let end = stable.get(&partition).copied().unwrap_or(high);
                        (Offset::Offset(signed(end)), end)
                    }
                    (None, Start::At(_) | Start::Ago(_)) => {
                        let found = times.get(&partition).copied().flatten().unwrap_or(high);
                        (Offset::Offset(signed(found)), found)
                    }
                };
                Ok(Opened {
                    id: PartitionId { source: wanted.source, partition },
                    topic: wanted.topic.clone(),
                    topic_id,
                    partition: number,
                    from,
                    position,
                    low,
                    end: high,
                    found_later: false,
                    change,
                    headers: wanted.headers.as_slice().into(),
                })
            })
            .collect()
    }

    /// The partitions from `known` on, found while the job runs: from their beginning. And the id
    /// of the topic, which was `known_id` before.
    ///
    /// # Errors
    /// [`KafkaError::MadeAnew`] when it is another topic by now; else why the brokers did not say.
    pub(super) fn grown(
        &self,
        wanted: &SourceTopic,
        known: u32,
        known_id: Option<TopicId>,
    ) -> Result<(Vec<Opened>, Option<TopicId>), Trouble> {
        let (count, topic_id) = self.described(&wanted.topic)?;
        let made_anew = match known_id.zip(topic_id).filter(|(was, is)| was != is) {
            Some((was, is)) => Some(KafkaError::made_anew(&wanted.topic, was, is)),
            None if count < known => Some(KafkaError::MadeAnew {
                topic: wanted.topic.clone(),
                sign: format!("it had {known} partitions and has {count}"),
            }),
            None => None,
        };
        if let Some(made_anew) = made_anew {
            return Err(Trouble::Lasting(made_anew));
        }
        let found = (known..count).map(|partition| {
            let number = native(partition)?;
            let (low, high) = self.watermarks(&wanted.topic, number)?;
            Ok(Opened {
                id: PartitionId { source: wanted.source, partition },
                topic: wanted.topic.clone(),
                topic_id,
                partition: number,
                from: Offset::Beginning,
                position: low,
                low,
                end: high,
                found_later: true,
                change: None,
                headers: wanted.headers.as_slice().into(),
            })
        });
        Ok((found.collect::<Result<_, Trouble>>()?, topic_id))
    }

    /// For a start at the end, the last stable offset by partition: a transaction that is open now
    /// commits after the start, and its records are among those that come from now on. Empty for
    /// other starts.
    fn stable_ends(&self, wanted: &SourceTopic, count: u32) -> Result<BTreeMap<u32, u64>, Trouble> {
        if wanted.start != Start::Latest {
            return Ok(BTreeMap::new());
        }
        self.stable(&wanted.topic, count)
    }

    fn stable(&self, topic: &str, count: u32) -> Result<BTreeMap<u32, u64>, Trouble> {
        let client = self.config.inquirer().map_err(Trouble::Lasting)?;
        let client: BaseConsumer<LastError> = client
            .create_with_context(LastError::default())
            .map_err(|error| Trouble::Lasting(self.config.client_error(&error)))?;
        let ask = |partition| {
            let number = native(partition)?;
            let answer = client.fetch_watermarks(topic, number, ASK_TIMEOUT);
            let (_, end) = answer.map_err(|error| {
                let what = format!("could not ask for the end of {topic}[{partition}]");
                self.passing(&what, &error)
            })?;
            Ok((partition, u64::try_from(end).unwrap_or(0)))
        };
        (0..count).map(ask).collect()
    }

    /// Whether everything that is in the first partition of a topic now can be read by who reads what is
    /// committed: no transaction that is open hides what was committed behind it.
    pub(super) fn is_settled(&self, topic: &str) -> Result<bool, Trouble> {
        let (_, end) = self.watermarks(topic, 0)?;
        Ok(self.stable(topic, 1)?.into_values().all(|stable| stable >= end))
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
            Start::Ago(length) => wall_ms().unwrap_or(0).saturating_sub(length),
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
    fn passing(&self, what: &str, error: &dyn Display) -> Trouble {
        self.serve();
        let reason = self.client.context().take().unwrap_or_else(|| error.to_string());
        Trouble::Passing(format!("{what}: {reason}"))
    }
}

/// A partition's number as librdkafka has it.
pub(super) fn native(partition: u32) -> Result<i32, Trouble> {
    i32::try_from(partition).map_err(|_| Trouble::Passing(format!("partition {partition}?")))
}

pub(super) fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
