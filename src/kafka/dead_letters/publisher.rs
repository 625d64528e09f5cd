//! The thread that writes the letters.

use crate::kafka::context;
use crate::kafka::dead_letters::topics::LetterTopics;
use crate::kafka::dead_letters::{DeadLetterSettings, headers};
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::Inquirer;
use crate::kafka::lock;
use crate::kafka::settings::KafkaConfig;
use crate::outbox::Outbox;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// How long the thread sleeps when there is nothing to do.
const IDLE: Duration = Duration::from_millis(100);
/// How long it waits for deliveries at a time.
const POLL: Duration = Duration::from_millis(5);
/// Waits after a failure: doubled from the first up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What librdkafka tells about letters it was given.
struct Deliveries {
    outbox: Arc<Outbox>,
    /// Letters to be sent again.
    failed: Mutex<VecDeque<Arc<DeadLetter>>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::log(level, facility, line);
    }

    fn error(&self, error: ClientError, reason: &str) {
        // Also when nothing is on its way: the next letter that gets through withdraws it.
        if self.outbox.status().outstanding > 0 {
            self.outbox.failed(format!("{error}: {reason}"), 0);
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<DeadLetter>;

    fn delivery(&self, result: &DeliveryResult<'_>, letter: Arc<DeadLetter>) {
        match result {
            Ok(_) => self.outbox.delivered(&letter),
            Err((error, _)) => {
                let bytes = letter.value.as_ref().map_or(0, Vec::len);
                self.outbox.failed(format!("a letter of {bytes} bytes was refused: {error}"), 1);
                lock(&self.failed).push_back(letter);
            }
        }
    }
}

/// See the module.
pub(super) struct Publisher {
    config: KafkaConfig,
    outbox: Arc<Outbox>,
    producer: BaseProducer<Deliveries>,
    topics: LetterTopics,
    inquirer: Inquirer,
}

impl Publisher {
    pub(super) fn new(
        config: KafkaConfig,
        settings: &DeadLetterSettings,
        outbox: Arc<Outbox>,
    ) -> Result<Publisher, KafkaError> {
        let producer = producer(&config, &outbox)?;
        let (topics, inquirer) = (LetterTopics::new(settings), Inquirer::new(&config)?);
        Ok(Publisher { config, outbox, producer, topics, inquirer })
    }

    pub(super) fn run(mut self) {
        let mut wait = RETRY.0;
        let mut not_before = Instant::now();
        let mut seen = self.outbox.status();
        while !self.outbox.is_finished() {
            if Instant::now() >= not_before {
                let in_flight = self.producer.in_flight_count() > 0;
                let letters = self.outbox.take(if in_flight { Duration::ZERO } else { IDLE });
                self.send(letters);
            } else if self.producer.in_flight_count() == 0 {
                std::thread::sleep(POLL);
            }
            self.serve();
            let status = self.outbox.status();
            if status.delivered > seen.delivered {
                wait = RETRY.0;
            }
            if status.failures > seen.failures {
                let error = status.error.clone().unwrap_or_default();
                tracing::warn!(%error, "kafka: dead letters are tried again in {wait:?}");
                not_before = Instant::now() + wait;
                wait = (wait * 2).min(RETRY.1);
                self.renew();
            }
            seen = status;
        }
    }

    /// Takes in what librdkafka has to tell.
    fn serve(&self) {
        let in_flight = self.producer.in_flight_count() > 0;
        self.producer.poll(if in_flight { POLL } else { Duration::ZERO });
        self.inquirer.serve();
        let again = std::mem::take(&mut *lock(&self.producer.context().failed));
        if !again.is_empty() {
            self.outbox.put_back(again);
        }
    }

    /// Gives the letters to the producer, in order; what it does not take now goes back.
    fn send(&mut self, mut letters: VecDeque<Arc<DeadLetter>>) {
        while let Some(letter) = letters.front() {
            let topic = self.topics.topic(letter);
            let partition = match self.topics.partition(&self.inquirer, &topic, letter) {
                Ok(partition) => partition,
                Err(error) => {
                    self.outbox.failed(error, 1);
                    break;
                }
            };
            let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&topic, letter.clone())
                .partition(partition)
                .headers(headers::of(letter));
            record.key = letter.key.as_deref();
            record.payload = letter.value.as_deref();
            if let Err((error, _)) = self.producer.send(record) {
                match error.rdkafka_error_code() {
                    // Room comes with the deliveries.
                    Some(Code::QueueFull) => {}
                    _ => {
                        self.topics.forget(&topic);
                        let error = format!("could not write to topic '{topic}': {error}");
                        self.outbox.failed(error, 1);
                    }
                }
                break;
            }
            letters.pop_front();
        }
        if !letters.is_empty() {
            self.outbox.put_back(letters);
        }
    }

    /// After an error that ended the producer for good, another takes its place; what the old one
    /// still held comes back as failed.
    fn renew(&mut self) {
        if self.producer.client().fatal_error().is_none() {
            return;
        }
        match producer(&self.config, &self.outbox) {
            Ok(fresh) => {
                let old = std::mem::replace(&mut self.producer, fresh);
                let context = Arc::clone(old.context());
                // Dropping it gives up what it holds, which its context is told.
                drop(old);
                let left = std::mem::take(&mut *lock(&context.failed));
                self.outbox.put_back(left);
            }
            Err(error) => self.outbox.failed(error.to_string(), 0),
        }
    }
}

fn producer(
    config: &KafkaConfig,
    outbox: &Arc<Outbox>,
) -> Result<BaseProducer<Deliveries>, KafkaError> {
    let defaults = [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("linger.ms", "5"),
        // The brokers decide what is too large; ours would be a second limit to raise.
        ("message.max.bytes", "1000000000"),
    ];
    let deliveries = Deliveries { outbox: Arc::clone(outbox), failed: Mutex::default() };
    config
        .producer(None, &defaults)?
        .create_with_context(deliveries)
        .map_err(|error| config.client_error(&error))
}
