//! The thread that reads a worker's partitions.
//!
//! Round after round it takes what librdkafka holds for each partition, at most one batch of each,
//! and sleeps only when a whole round found nothing. So a batch is whatever came in during the
//! round before: small when little comes, full when much does, and nothing ever waits for more.

use crate::kafka::context::WorkerContext;
use crate::kafka::feed::{Feed, KafkaReader, Signal};
use crate::kafka::lane::{Lane, Opened, name};
use crate::kafka::lock;
use crate::kafka::settings::KafkaLimits;
use crate::kafka::status::PartitionState;
use crate::source::Waker;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long the thread sleeps at most: librdkafka's own events (reports, errors) raise no signal.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// How many of librdkafka's own events are served a round.
const EVENTS_MAX: usize = 32;

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
                opened.found_later.then_some(opened.end),
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
            self.lanes.push(Lane::new(queue, feed, &opened));
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
