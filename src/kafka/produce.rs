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
use std::time::Duration;

/// How long a record may stay undelivered before writing fails.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for room in the producer's queue, or for deliveries, at a time.
const POLL: Duration = Duration::from_millis(10);
/// Records between two looks at what was delivered.
const LOOK_EVERY: u64 = 1_000;

/// What came of the records.
#[derive(Debug, Default)]
struct Acknowledgements {
    delivered: AtomicU64,
    failed: Mutex<Option<String>>,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::log(level, facility, line);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::debug!(%error, "kafka: {reason}");
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
                lock(&self.failed).get_or_insert(error.to_string());
            }
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
    let defaults = [("linger.ms", "20"), ("batch.size", "1000000"), ("enable.idempotence", "true")];
    let producer: BaseProducer<Acknowledgements> = config
        .producer(Some(DELIVERY_TIMEOUT), &defaults)?
        .create_with_context(Acknowledgements::default())
        .map_err(|error| config.client_error(&error))?;
    let failed = |why: String| KafkaError::Produce {
        topic: topic.to_owned(),
        brokers: config.bootstrap_servers.clone(),
        delivered: producer.context().delivered.load(Ordering::Relaxed),
        why,
    };
    let check = || lock(&producer.context().failed).take().map_or(Ok(()), |why| Err(failed(why)));
    let mut sent = 0_u64;
    for (partition, key, value) in records {
        let partition = i32::try_from(partition)
            .map_err(|_| failed(format!("there is no partition {partition}")))?;
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
        record.key = key.as_ref().map(AsRef::as_ref);
        record.payload = value.as_ref().map(AsRef::as_ref);
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(failed(error.to_string()));
            }
            producer.poll(POLL);
            check()?;
            record = back;
        }
        sent += 1;
        if sent.is_multiple_of(LOOK_EVERY) {
            producer.poll(Duration::ZERO);
            check()?;
        }
    }
    while producer.in_flight_count() > 0 {
        // Returns at once when all is delivered; a timeout only means another round.
        let _ = producer.flush(POLL * 10);
        check()?;
    }
    check()?;
    Ok(sent)
}
