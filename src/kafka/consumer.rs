//! The thread that reads a worker's partitions.
//!
//! Round after round it takes what librdkafka holds for each partition, at most one batch of each,
//! and sleeps only when a whole round found nothing. So a batch is whatever came in during the
//! round before: small when little comes, full when much does, and nothing ever waits for more.

use crate::kafka::context::WorkerContext;
use crate::kafka::feed::{Feed, KafkaReader, Signal};
use crate::kafka::lock;
use crate::kafka::settings::KafkaLimits;
use crate::kafka::status::PartitionState;
use crate::source::Waker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemark_operators::ingest::reader::{PartitionId, RawBatch, RawRecord};
use tidemark_operators::time::EventTime;

/// How long the thread sleeps at most: librdkafka's own events (reports, errors) raise no signal.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// How many of librdkafka's own events are served a round.
const EVENTS_MAX: usize = 32;
/// How long to wait for a broker to say which offsets a partition has, for an error text.
const WATERMARKS_TIMEOUT: Duration = Duration::from_secs(5);

/// A partition that a worker is to read, and from where.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) id: PartitionId,
    pub(super) topic: String,
    /// The partition's number as librdkafka has it.
    pub(super) partition: i32,
    /// Where reading starts, for librdkafka.
    pub(super) from: Offset,
    /// The offset that this means now.
    pub(super) position: u64,
    /// The end of the log now.
    pub(super) end: u64,
    pub(super) found_later: bool,
}

/// What passes between discovery, a worker's thread and the worker.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Partitions to be read from now on.
    pub(super) inbox: Mutex<Vec<(Opened, Arc<PartitionState>)>>,
    /// Readers that the worker has not asked for yet.
    pub(super) ready: Mutex<Vec<KafkaReader>>,
    pub(super) signal: Arc<Signal>,
    stopped: AtomicBool,
}

impl Mailbox {
    /// Ends the worker's thread.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.signal.raise();
    }
}

/// One worker's consumer.
pub(super) struct WorkerConsumer {
    pub(super) consumer: Arc<BaseConsumer<WorkerContext>>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) limits: KafkaLimits,
    pub(super) waker: Waker,
    pub(super) lanes: Vec<Lane>,
}

/// One partition in the thread.
pub(super) struct Lane {
    queue: rdkafka::consumer::base_consumer::PartitionQueue<WorkerContext>,
    feed: Arc<Feed>,
    /// The least offset that may come next.
    next: u64,
    at_end: bool,
    failed: bool,
    /// The size of the last batch: what the next one allocates.
    size: usize,
}

impl WorkerConsumer {
    /// Reads until the mailbox is stopped.
    pub(super) fn run(mut self) {
        while !self.mailbox.stopped.load(Ordering::Acquire) {
            self.adopt();
            let mut wake = self.serve();
            let mut moved = false;
            for lane in &mut self.lanes {
                let drained = lane.drain(&self.consumer, &self.limits);
                wake |= drained.wake;
                moved |= drained.moved;
            }
            self.retire();
            if wake {
                (self.waker)();
            }
            if !moved {
                self.mailbox.signal.wait(SLEEP_MAX);
            }
        }
    }

    /// Starts reading the partitions in the inbox.
    pub(super) fn adopt(&mut self) {
        let opened = std::mem::take(&mut *lock(&self.mailbox.inbox));
        if opened.is_empty() {
            return;
        }
        let context = Arc::clone(self.consumer.context());
        let mut assigned = TopicPartitionList::new();
        let mut feeds = Vec::new();
        for (opened, state) in opened {
            let feed = Arc::new(Feed::new(
                state,
                opened.partition,
                opened.found_later,
                Arc::clone(&context.health),
                Arc::clone(&self.mailbox.signal),
                self.limits.partition_queue_bytes_max,
            ));
            lock(&self.mailbox.ready).push(KafkaReader(Arc::clone(&feed)));
            feeds.push(Arc::clone(&feed));
            // Split before it is assigned: no message can take the way through the common queue.
            let queue = self.consumer.split_partition_queue(&opened.topic, opened.partition);
            let added = assigned.add_partition_offset(&opened.topic, opened.partition, opened.from);
            let (Some(mut queue), Ok(())) = (queue, added) else {
                feed.fail(format!("could not read {}: librdkafka refuses it", name(&feed)));
                continue;
            };
            let signal = Arc::clone(&self.mailbox.signal);
            queue.set_nonempty_callback(move || signal.raise());
            let next = opened.position;
            self.lanes.push(Lane { queue, feed, next, at_end: false, failed: false, size: 0 });
        }
        if let Err(error) = self.consumer.incremental_assign(&assigned) {
            for feed in &feeds {
                feed.fail(format!("could not read {}: {error}", name(feed)));
            }
        }
        lock(&context.feeds).extend(feeds);
        (self.waker)();
    }

    /// Serves librdkafka's own events. Returns whether the worker has to look again.
    fn serve(&mut self) -> bool {
        let mut wake = false;
        for _ in 0..EVENTS_MAX {
            match self.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    // Cannot be, as the queues are split first; lost it must not be.
                    let at = self.lanes.iter().find(|lane| lane.is_of(&message));
                    wake |= at.is_some_and(|lane| {
                        lane.feed.fail(format!(
                            "{} came by the wrong queue at offset {}; restart the job",
                            name(&lane.feed),
                            message.offset()
                        ))
                    });
                }
                Some(Err(ClientError::MessageConsumptionFatal(code))) => {
                    let reason = self.consumer.context().reason();
                    for lane in &self.lanes {
                        let text = format!("could not read {}: {code}: {reason}", name(&lane.feed));
                        wake |= lane.feed.fail(text);
                    }
                }
                // The context has judged it.
                Some(Err(_)) => {}
            }
        }
        wake | self.consumer.context().health.take_changed()
    }

    /// Stops reading the partitions whose readers were dropped.
    fn retire(&mut self) {
        if !self.lanes.iter().any(|lane| lane.feed.is_closed()) {
            return;
        }
        let mut closed = TopicPartitionList::new();
        self.lanes.retain(|lane| {
            if lane.feed.is_closed() {
                closed.add_partition(lane.feed.topic(), lane.feed.partition);
            }
            !lane.feed.is_closed()
        });
        lock(&self.consumer.context().feeds).retain(|feed| !feed.is_closed());
        if let Err(error) = self.consumer.incremental_unassign(&closed) {
            tracing::warn!(%error, "kafka: could not give partitions back");
        }
    }
}

/// What a partition's turn did.
struct Drained {
    /// Something was taken from librdkafka.
    moved: bool,
    /// The worker waits for it.
    wake: bool,
}

impl Lane {
    fn is_of(&self, message: &BorrowedMessage<'_>) -> bool {
        self.feed.partition == message.partition() && self.feed.topic() == message.topic()
    }

    /// Takes at most one batch from librdkafka's queue.
    fn drain(&mut self, consumer: &BaseConsumer<WorkerContext>, limits: &KafkaLimits) -> Drained {
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
                    match append(&mut batch, &message, self.next) {
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
        let (name, next) = (name(&self.feed), self.next);
        let held =
            consumer.fetch_watermarks(self.feed.topic(), self.feed.partition, WATERMARKS_TIMEOUT);
        let held = match held {
            Ok((low, high)) => format!("it holds offsets {low} up to {high}"),
            Err(error) => format!("what it holds could not be asked: {error}"),
        };
        format!(
            "could not read {name} at offset {next}: the broker no longer has it, {held}; \
             retention has removed the records or the topic was made anew. Set `start = \
             \"earliest\"` in the job to go on with what is there, without what is gone, and \
             raise the topic's retention"
        )
    }
}

fn name(feed: &Feed) -> String {
    format!("{}[{}]", feed.topic(), feed.partition)
}

/// Adds a message to the batch; returns the offset after it, or `None`, adding nothing, when its
/// offset is below `next`.
fn append(batch: &mut RawBatch, message: &BorrowedMessage<'_>, next: u64) -> Option<u64> {
    let offset = u64::try_from(message.offset()).ok().filter(|offset| *offset >= next)?;
    let appended_at = match message.timestamp() {
        Timestamp::LogAppendTime(ms) => EventTime::try_from(ms).ok(),
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
    };
    let mut keep = |bytes: &[u8]| {
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(bytes);
        start..batch.bytes.len()
    };
    let key = message.key().map(&mut keep);
    let value = message.payload().map(&mut keep);
    batch.records.push(RawRecord { offset, key, value, appended_at });
    offset.checked_add(1)
}

/// Milliseconds since the epoch; `None` when the clock stands before it.
fn wall_ms() -> Option<EventTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    EventTime::try_from(since.as_millis()).ok()
}
