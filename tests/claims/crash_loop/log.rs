//! What comes into the topic while the job is killed.

use crate::memory::Record;
use crate::run::generated;
use crate::servers::Server;
use rand::Rng;
use rand::rngs::SmallRng;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;
use tidemark::generator::Options;
use tidemark::kafka::{KafkaConfig, create_topic, produce};

pub const PARTITIONS: u32 = 4;
/// One of so many records has a clock that is two minutes fast.
const FAST_CLOCK: u32 = 2_000;
/// A time that no clock will show while this is of use: 2100-01-01.
const FUTURE_MS: u64 = 4_102_444_800_000;
const WITHIN: Duration = Duration::from_secs(20);
/// A transaction that a killed process left open hides what is behind it until the broker ends it.
const OPEN_WITHIN: Duration = Duration::from_secs(90);

/// Where the topic is.
pub enum Broker {
    /// On one that may be restarted.
    Own(Server),
    /// On one that others use too.
    Shared(&'static Server),
}

impl Broker {
    pub fn server(&self) -> &Server {
        match self {
            Broker::Own(server) => server,
            Broker::Shared(server) => server,
        }
    }
}

/// Traffic, and how much of it is in the topic.
pub struct Traffic {
    pub kafka: Broker,
    pub topic: String,
    records: Vec<Vec<(Record, Record)>>,
    written: [usize; PARTITIONS as usize],
    open: Option<BaseProducer>,
}

/// What a consumer of its own finds in the topic.
pub struct Read {
    /// By partition: offset and value of each record, but for those from the future.
    pub events: Vec<Vec<(u64, Record)>>,
    /// Partition and offset of those from the future.
    pub future: Vec<(u32, u64)>,
}

impl Traffic {
    pub fn new(kafka: Broker, topic: &str, events: u64, seed: u64) -> Traffic {
        let options = Options {
            events,
            seed,
            partitions: PARTITIONS,
            cards: 300,
            hours: 6,
            late: 0.02,
            malformed: 0.02,
            ..Options::default()
        };
        let records = generated(options);
        let (topic, written) = (topic.to_owned(), [0; PARTITIONS as usize]);
        let traffic = Traffic { kafka, topic, records, written, open: None };
        assert!(create_topic(&traffic.kafka(), &traffic.topic, PARTITIONS, &[]).unwrap());
        traffic
    }

    pub fn kafka(&self) -> KafkaConfig {
        let bootstrap_servers = self.kafka.server().value("BOOTSTRAP").to_owned();
        KafkaConfig { bootstrap_servers, ..KafkaConfig::default() }
    }

    /// Writes one of the `left` portions that are left, or all that is; now and then in a transaction
    /// that stays open until the next one, or is given up.
    pub fn write(&mut self, left: usize, rng: &mut SmallRng) {
        if let Some(open) = self.open.take() {
            open.commit_transaction(WITHIN).unwrap();
        }
        let mut portion = Vec::new();
        for (partition, records) in (0_u32..).zip(&self.records) {
            // Now and then one is idle.
            if left > 0 && rng.random_bool(0.1) {
                continue;
            }
            let from = self.written[partition as usize];
            let to = from + (records.len() - from).div_ceil(left.max(1));
            for (key, value) in &records[from..to] {
                let mut value = value.clone();
                if rng.random_ratio(1, FAST_CLOCK) {
                    value = later(&value, |ms| ms + 120_000);
                }
                portion.push((partition, key.clone(), value));
            }
            if rng.random_bool(0.1)
                && let Some((key, value)) = records.get(from)
            {
                let future = later(value, |_| FUTURE_MS);
                if future != *value {
                    portion.push((partition, key.clone(), future));
                }
            }
            self.written[partition as usize] = to;
        }
        let kind = if left > 0 { rng.random_range(0..12) } else { 11 };
        if kind == 1 {
            // Never to be seen.
            let given_up = self.transaction(rng, &portion);
            given_up.abort_transaction(WITHIN).unwrap();
        }
        if kind == 0 {
            self.open = Some(self.transaction(rng, &portion));
        } else {
            let records = portion.iter().map(|(partition, key, value)| {
                (*partition, Some(key.as_slice()), Some(value.as_slice()))
            });
            produce(&self.kafka(), &self.topic, records).unwrap();
        }
    }

    fn transaction(&self, rng: &mut SmallRng, records: &[(u32, Record, Record)]) -> BaseProducer {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.server().value("BOOTSTRAP"))
            .set("transactional.id", format!("{}-{}", self.topic, rng.random::<u64>()))
            .create()
            .unwrap();
        producer.init_transactions(WITHIN).unwrap();
        producer.begin_transaction().unwrap();
        for (partition, key, value) in records {
            let record =
                BaseRecord::to(&self.topic).partition(*partition as i32).key(key).payload(value);
            producer.send(record).map_err(|error| error.0).unwrap();
        }
        producer.flush(WITHIN).unwrap();
        producer
    }

    /// All that is in the topic.
    ///
    /// # Errors
    /// The broker says something else.
    pub fn read(&self) -> Result<Read, String> {
        let mut read = Read { events: vec![Vec::new(); PARTITIONS as usize], future: Vec::new() };
        self.committed(&self.topic, |message| {
            let (partition, offset) = (message.partition() as u32, message.offset() as u64);
            let value = message.payload().unwrap_or_default().to_vec();
            if String::from_utf8_lossy(&value).contains(&FUTURE_MS.to_string()) {
                read.future.push((partition, offset));
            } else {
                read.events[partition as usize].push((offset, value));
            }
        })?;
        Ok(read)
    }

    /// Partition and offset of the record of each dead letter that is committed, in order.
    ///
    /// # Errors
    /// The broker says something else: that there is no such topic, where none was ever written.
    pub fn letters(&self) -> Result<Vec<(u32, u64)>, String> {
        let mut letters = Vec::new();
        self.committed(&format!("{}.dlq", self.topic), |message| {
            let headers = message.headers().unwrap();
            let number = |name: &str| -> u64 {
                let header = headers.iter().find(|header| header.key == name).unwrap();
                std::str::from_utf8(header.value.unwrap()).unwrap().parse().unwrap()
            };
            letters.push((number("partition") as u32, number("offset")));
        })?;
        letters.sort_unstable();
        Ok(letters)
    }

    fn committed(
        &self,
        topic: &str,
        mut take: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.server().value("BOOTSTRAP"))
            .set("group.id", "crash-loop")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS as i32 {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let mut ended = 0;
        while ended < PARTITIONS {
            match consumer.poll(OPEN_WITHIN) {
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Ok(message)) => take(&message),
                Some(Err(error)) => {
                    let found = consumer.fetch_metadata(Some(topic), WITHIN);
                    let partitions = found
                        .map(|found| found.topics().iter().map(|t| t.partitions().len()).sum());
                    let partitions: usize =
                        partitions.map_err(|e| format!("{topic}: {error}; {e}"))?;
                    return Err(format!("{topic}, which has {partitions} partitions: {error}"));
                }
                None => {
                    return Err(format!("{topic}: the broker says nothing for {OPEN_WITHIN:?}"));
                }
            }
        }
        Ok(())
    }
}

/// A record with another time, where it has one.
fn later(value: &[u8], time: impl Fn(u64) -> u64) -> Record {
    const FIELD: &str = "\"timestamp\":";
    let Ok(text) = std::str::from_utf8(value) else { return value.to_vec() };
    let Some((before, rest)) = text.split_once(FIELD) else { return value.to_vec() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (ms, after) = rest.split_at(digits);
    match ms.parse() {
        Ok(ms) => format!("{before}{FIELD}{}{after}", time(ms)).into_bytes(),
        Err(_) => value.to_vec(),
    }
}
