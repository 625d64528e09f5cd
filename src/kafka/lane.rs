//! One partition in the consumer thread: from librdkafka's queue into the feed.

use crate::kafka::context::WorkerContext;
use crate::kafka::error::KafkaError;
use crate::kafka::feed::Feed;
use crate::kafka::known_log::LogChange;
use crate::kafka::settings::KafkaLimits;
use crate::kafka::topic_id::{TopicId, describe};
use crate::wall_clock::wall_ms;
use rdkafka::Offset;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::ingest::reader::{RawBatch, RawHeader, RawRecord};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::EventTime;

/// How long to wait for a broker to say what has become of a partition, for an error text.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// A partition that a worker is to read, and from where.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) id: PartitionId,
    pub(super) topic: String,
    /// The topic's id, where the brokers have ids.
    pub(super) topic_id: Option<TopicId>,
    /// The partition's number as librdkafka has it.
    pub(super) partition: i32,
    /// Where reading starts, for librdkafka.
    pub(super) from: Offset,
    /// The offset that this means now.
    pub(super) position: u64,
    /// The first offset that the log has now.
    pub(super) low: u64,
    /// The end of the log now, open transactions included.
    pub(super) end: u64,
    pub(super) found_later: bool,
    /// How it has changed since a checkpoint, which was accepted.
    pub(super) change: Option<LogChange>,
    /// The headers that are wanted.
    pub(super) headers: Arc<[String]>,
}

/// One partition in the thread.
pub(super) struct Lane {
    queue: PartitionQueue<WorkerContext>,
    pub(super) feed: Arc<Feed>,
    topic_id: Option<TopicId>,
    /// The headers that are wanted.
    headers: Arc<[String]>,
    /// The least offset that may come next.
    next: u64,
    at_end: bool,
    failed: bool,
    /// The size of the last batch: what the next one allocates.
    size: usize,
}

/// What a partition's turn did.
pub(super) struct Drained {
    /// Something was taken from librdkafka.
    pub(super) moved: bool,
    /// The worker waits for it.
    pub(super) wake: bool,
}

impl Lane {
    /// The partition `opened`.
    pub(super) fn new(
        queue: PartitionQueue<WorkerContext>,
        feed: Arc<Feed>,
        opened: &Opened,
    ) -> Lane {
        let (topic_id, next) = (opened.topic_id, opened.position);
        let headers = Arc::clone(&opened.headers);
        Lane { queue, feed, topic_id, headers, next, at_end: false, failed: false, size: 0 }
    }

    pub(super) fn is_of(&self, message: &BorrowedMessage<'_>) -> bool {
        self.feed.partition == message.partition() && self.feed.topic() == message.topic()
    }

    /// Takes at most one batch from librdkafka's queue.
    pub(super) fn drain(
        &mut self,
        consumer: &BaseConsumer<WorkerContext>,
        limits: &KafkaLimits,
    ) -> Drained {
        let mut drained = Drained { moved: false, wake: false };
        if self.failed || self.feed.is_closed() || !self.feed.has_room() {
            return drained;
        }
        let mut batch = RawBatch::default();
        while batch.records.len() < limits.batch_records_max
            && batch.bytes.len() < limits.batch_bytes_max
        {
            let Some(polled) = self.queue.poll(Duration::ZERO) else { break };
            drained.moved = true;
            match polled {
                Ok(message) => {
                    if batch.records.is_empty() {
                        batch.read_at = wall_ms();
                        batch.bytes.reserve(self.size);
                    }
                    self.at_end = false;
                    match append(&mut batch, &message, self.next, &self.headers) {
                        Some(next) => self.next = next,
                        None => drained.wake |= self.fail_at(message.offset()),
                    }
                }
                Err(ClientError::PartitionEOF(_)) => self.at_end = true,
                Err(error) => drained.wake |= self.trouble(consumer, &error),
            }
            if self.failed {
                break;
            }
        }
        if drained.moved {
            self.size = batch.bytes.len();
            // A failure is behind the records; the feed shows it when they have been taken.
            drained.wake |= self.feed.push(batch, self.at_end && !self.failed);
        }
        drained
    }

    fn fail_at(&mut self, offset: i64) -> bool {
        self.failed = true;
        self.feed.fail(format!(
            "{} gave offset {offset} where {} or later was due; restart the job",
            name(&self.feed),
            self.next
        ))
    }

    /// An error in the partition's queue: either the brokers have trouble, and librdkafka goes on
    /// trying, or the log cannot be read on. What is not known to be the former is the latter:
    /// librdkafka skips what it cannot decode. Returns whether the worker waits for it.
    fn trouble(&mut self, consumer: &BaseConsumer<WorkerContext>, error: &ClientError) -> bool {
        let reason = consumer.context().reason();
        let name = name(&self.feed);
        let text = match error.rdkafka_error_code() {
            Some(
                Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::UnknownTopic
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::TopicAuthorizationFailed
                | Code::BrokerTransportFailure
                | Code::OperationTimedOut
                | Code::RequestTimedOut,
            ) => {
                consumer.context().health.failed(format!("{name}: {error}: {reason}"));
                // The end that was seen before says nothing about the log as it is now.
                self.at_end = false;
                return false;
            }
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.out_of_range(consumer),
            Some(Code::LogTruncation) => format!(
                "{name} was truncated on the broker below offset {}, which had been read: \
                 {reason}; what was read and is now gone cannot be taken back: start the job anew",
                self.next
            ),
            _ => format!("could not read {name} at offset {}: {error}: {reason}", self.next),
        };
        self.failed = true;
        self.feed.fail(text)
    }

    fn out_of_range(&self, consumer: &BaseConsumer<WorkerContext>) -> String {
        let (name, next, topic) = (name(&self.feed), self.next, self.feed.topic());
        let now = describe(consumer.client(), topic, ASK_TIMEOUT).ok().and_then(|found| found.id);
        if let Some((was, is)) = self.topic_id.zip(now).filter(|(was, is)| was != is) {
            return KafkaError::made_anew(topic, was, is).to_string();
        }
        let held = consumer.fetch_watermarks(topic, self.feed.partition, ASK_TIMEOUT);
        let held = match held {
            Ok((low, high)) => format!("it holds offsets {low} up to {high}"),
            Err(error) => format!("what it holds could not be asked: {error}"),
        };
        let anew = if now.is_some() { "" } else { ", or the topic was made anew" };
        format!(
            "could not read {name} at offset {next}: the broker no longer has it, {held}; \
             retention has removed the records before they were read{anew}. Start the job again: it \
             reads from where `start` in the job says (\"earliest\": all that the topic still \
             holds), without what is gone; raise the topic's retention"
        )
    }
}

pub(super) fn name(feed: &Feed) -> String {
    format!("{}[{}]", feed.topic(), feed.partition)
}

/// A message's timestamp, and whether it is the broker's.
pub(super) fn timestamp(message: &BorrowedMessage<'_>) -> (Option<EventTime>, bool) {
    match message.timestamp() {
        Timestamp::LogAppendTime(ms) => (EventTime::try_from(ms).ok(), true),
        Timestamp::CreateTime(ms) => (EventTime::try_from(ms).ok(), false),
        Timestamp::NotAvailable => (None, false),
    }
}

/// Adds a message to the batch; returns the offset after it, or `None`, adding nothing, when its
/// offset is below `next`.
pub(super) fn append(
    batch: &mut RawBatch,
    message: &BorrowedMessage<'_>,
    next: u64,
    headers: &[String],
) -> Option<u64> {
    let offset = u64::try_from(message.offset()).ok().filter(|offset| *offset >= next)?;
    let (timestamp, broker_time) = timestamp(message);
    let key = message.key().map(|key| batch.keep(key));
    let value = message.payload().map(|payload| batch.keep(payload));
    if !headers.is_empty() {
        append_headers(batch, message, offset, headers);
    }
    batch.records.push(RawRecord {
        offset,
        key,
        value,
        timestamp,
        broker_time,
        ..RawRecord::default()
    });
    offset.checked_add(1)
}

/// Adds those of a message's headers that are `wanted`: of each name the last.
fn append_headers(
    batch: &mut RawBatch,
    message: &BorrowedMessage<'_>,
    offset: u64,
    wanted: &[String],
) {
    let Some(headers) = message.headers() else { return };
    for (name, wanted) in wanted.iter().enumerate() {
        let mut newest = (0..headers.count()).rev().filter_map(|at| headers.try_get(at));
        let Some(header) = newest.find(|header| header.key == wanted) else { continue };
        let value = header.value.map(|value| batch.keep(value));
        batch.headers.push(RawHeader { offset, name, value });
    }
}
