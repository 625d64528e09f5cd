//! Writing records to a topic, for the generator, benches and tests.

use crate::kafka::context;
use crate::kafka::error::KafkaError;
use crate::kafka::lock;
use crate::kafka::settings::KafkaConfig;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a record may stay undelivered before writing fails.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for room in the producer's queue, or for deliveries, at a time.
const POLL: Duration = Duration::from_millis(10);
/// Records between two looks at what was delivered.
const LOOK_EVERY: u64 = 1_000;

/// What came of the records.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    delivered: AtomicU64,
    pub(super) failed: Mutex<Option<String>>,
    /// What was last wrong between us and the brokers: why a record that timed out did.
    pub(super) trouble: Mutex<Option<String>>,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::log(level, facility, line);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::debug!(%error, "kafka: {reason}");
        // "All brokers are down" follows the error that says why.
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            *lock(&self.trouble) = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                let timed_out = error.rdkafka_error_code() == Some(Code::MessageTimedOut);
                let trouble = lock(&self.trouble).take().filter(|_| timed_out);
                let why = || trouble.map_or(error.to_string(), |why| format!("{error}: {why}"));
                lock(&self.failed).get_or_insert_with(why);
            }
        }
    }
}

/// Writes records to a topic, in order within a partition, as fast as the brokers take them. The time
/// of a record (`CreateTime`) is when it was written.
pub struct TopicWriter {
    producer: BaseProducer<Acknowledgements>,
    topic: String,
    brokers: String,
    sent: u64,
}

impl TopicWriter {
    /// A writer to `topic`, which must be there unless the brokers make topics by themselves. Reaches
    /// for no broker yet.
    ///
    /// # Errors
    /// A setting that is refused.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<TopicWriter, KafkaError> {
        let defaults =
            [("linger.ms", "20"), ("batch.size", "1000000"), ("enable.idempotence", "true")];
        let producer = config
            .producer(Some(DELIVERY_TIMEOUT), &defaults)?
            .create_with_context(Acknowledgements::default())
            .map_err(|error| config.client_error(&error))?;
        let brokers = config.bootstrap_servers.clone();
        Ok(TopicWriter { producer, topic: topic.to_owned(), brokers, sent: 0 })
    }

    /// Writes a record. While the queue of the client is full it waits, as long as `keep_trying` says;
    /// returns whether the record is in the queue.
    ///
    /// # Errors
    /// This record was refused, or one before could not be delivered within 60 s.
    pub fn write(
        &mut self,
        partition: u32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<bool, KafkaError> {
        let partition = i32::try_from(partition)
            .map_err(|_| self.failed(format!("there is no partition {partition}")))?;
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic).partition(partition);
        (record.key, record.payload) = (key, value);
        while let Err((error, back)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(self.failed(error.to_string()));
            }
            self.serve(POLL)?;
            if !keep_trying() {
                return Ok(false);
            }
            record = back;
        }
        self.sent += 1;
        if self.sent.is_multiple_of(LOOK_EVERY) {
            self.serve(Duration::ZERO)?;
        }
        Ok(true)
    }

    /// Takes note of what was delivered; waits for something to be, for at most `wait`.
    ///
    /// # Errors
    /// A record could not be delivered.
    pub fn serve(&self, wait: Duration) -> Result<(), KafkaError> {
        self.producer.poll(wait);
        let failed = lock(&self.producer.context().failed).take();
        failed.map_or(Ok(()), |why| Err(self.failed(why)))
    }

    /// How many records the brokers have.
    pub fn delivered(&self) -> u64 {
        self.producer.context().delivered.load(Ordering::Relaxed)
    }

    /// Waits until the brokers have all records, `within` so long; returns how many there were.
    ///
    /// # Errors
    /// A record could not be delivered, or not in time.
    pub fn finish(self, within: Duration) -> Result<u64, KafkaError> {
        let start = Instant::now();
        while self.producer.in_flight_count() > 0 {
            // Returns at once when all is delivered; a timeout only means another round.
            let _ = self.producer.flush(POLL * 10);
            self.serve(Duration::ZERO)?;
            if start.elapsed() >= within && self.producer.in_flight_count() > 0 {
                let left = self.sent.saturating_sub(self.delivered());
                let trouble = lock(&self.producer.context().trouble).take();
                let trouble = trouble.map_or_else(String::new, |why| format!(": {why}"));
                return Err(self.failed(format!("{left} records got no answer{trouble}")));
            }
        }
        self.serve(Duration::ZERO)?;
        Ok(self.sent)
    }

    fn failed(&self, why: String) -> KafkaError {
        KafkaError::Produce {
            topic: self.topic.clone(),
            brokers: self.brokers.clone(),
            delivered: self.delivered(),
            why,
        }
    }
}

/// Writes `(partition, key, value)` records to `topic`, in order within a partition, and waits
/// until the brokers have them. Returns how many there were. Blocks; the records are pulled as
/// fast as the brokers take them.
///
/// # Errors
/// A setting that is refused, or the first record that could not be delivered within 60 s.
pub fn produce<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    config: &KafkaConfig,
    topic: &str,
    records: impl IntoIterator<Item = (u32, Option<K>, Option<V>)>,
) -> Result<u64, KafkaError> {
    let mut writer = TopicWriter::new(config, topic)?;
    for (partition, key, value) in records {
        let (key, value) = (key.as_ref().map(AsRef::as_ref), value.as_ref().map(AsRef::as_ref));
        writer.write(partition, key, value, &|| true)?;
    }
    writer.finish(Duration::MAX)
}
