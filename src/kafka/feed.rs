//! A partition's records on their way from the consumer thread to the worker.
//!
//! A bounded queue of batches. The consumer thread does not poll the partition while the queue is
//! full; the worker tells it when half of the room is free again.

use crate::kafka::health::Health;
use crate::kafka::lock;
use crate::kafka::status::PartitionState;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tidemark_operators::ingest::reader::{
    PartitionReader, Poll, RawBatch, RawHeader, RawRecord, Standing,
};
use tidemark_operators::origin::PartitionId;

/// Something for the consumer thread to look at.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn raise(&self) {
        let mut raised = lock(&self.raised);
        if !*raised {
            *raised = true;
            self.changed.notify_one();
        }
    }

    /// Waits until it is raised, at most `timeout`, and lowers it.
    pub(super) fn wait(&self, timeout: Duration) {
        let raised = lock(&self.raised);
        let waited = self.changed.wait_timeout_while(raised, timeout, |raised| !*raised);
        let (mut raised, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *raised = false;
    }
}

/// The queue of one partition.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) state: Arc<PartitionState>,
    /// The partition's number as librdkafka has it.
    pub(super) partition: i32,
    /// See [`PartitionReader::found_later`].
    found_later: Option<u64>,
    health: Arc<Health>,
    signal: Arc<Signal>,
    bytes_max: usize,
    queue: Mutex<Queue>,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<RawBatch>,
    bytes: usize,
    /// Nothing came after the end of the log was reported.
    at_end: bool,
    failed: Option<String>,
    /// The worker found nothing, and wants to be woken.
    waiting: bool,
    /// The consumer thread found no room, and wants to be told.
    full: bool,
}

impl Feed {
    pub(super) fn new(
        state: Arc<PartitionState>,
        partition: i32,
        found_later: Option<u64>,
        health: Arc<Health>,
        signal: Arc<Signal>,
        bytes_max: usize,
    ) -> Feed {
        Feed {
            state,
            partition,
            found_later,
            health,
            signal,
            bytes_max,
            queue: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn topic(&self) -> &str {
        &self.state.topic
    }

    /// Whether the worker has dropped its reader.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether another batch can be taken; if not, the signal is raised when it can.
    pub(super) fn has_room(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.full = queue.bytes >= self.bytes_max;
        !queue.full
    }

    /// Adds what was read, and whether the log's end was reached after it. Returns whether the
    /// worker waits for it.
    pub(super) fn push(&self, batch: RawBatch, at_end: bool) -> bool {
        let mut queue = lock(&self.queue);
        queue.at_end = at_end;
        if !batch.records.is_empty() {
            queue.bytes = queue.bytes.saturating_add(weight(&batch));
            queue.batches.push_back(batch);
        }
        std::mem::take(&mut queue.waiting)
    }

    /// The log cannot be read on. Returns whether the worker waits.
    pub(super) fn fail(&self, error: String) -> bool {
        let mut queue = lock(&self.queue);
        queue.at_end = false;
        queue.failed.get_or_insert(error);
        std::mem::take(&mut queue.waiting)
    }

    fn take(&self) -> Poll {
        if let Some(why) = self.state.revoked() {
            return Poll::Failed(why.clone());
        }
        let mut queue = lock(&self.queue);
        if let Some(batch) = queue.batches.pop_front() {
            queue.bytes = queue.bytes.saturating_sub(weight(&batch));
            if queue.full && queue.bytes <= self.bytes_max / 2 {
                queue.full = false;
                self.signal.raise();
            }
            drop(queue);
            if let Some(last) = batch.records.last() {
                self.state.given(last.offset.saturating_add(1));
            }
            return Poll::Records(batch);
        }
        if let Some(error) = &queue.failed {
            return Poll::Failed(error.clone());
        }
        queue.waiting = true;
        let standing = match (self.health.is_healthy(), queue.at_end) {
            (false, _) => Standing::Unheard,
            (true, true) => self.state.standing(),
            (true, false) => Standing::Behind,
        };
        if standing == Standing::AtEnd {
            self.state.ended();
        }
        Poll::Pending(standing)
    }
}

/// What a batch holds in memory.
fn weight(batch: &RawBatch) -> usize {
    let headers = batch.headers.len() * size_of::<RawHeader>();
    batch.bytes.len() + batch.records.len() * size_of::<RawRecord>() + headers
}

/// A worker's end of a partition.
#[derive(Debug)]
pub struct KafkaReader(pub(super) Arc<Feed>);

impl PartitionReader for KafkaReader {
    fn id(&self) -> PartitionId {
        self.0.state.id
    }

    fn poll(&mut self) -> Poll {
        self.0.take()
    }

    fn found_later(&self) -> Option<u64> {
        self.0.found_later
    }

    fn keeps_up(&self, next_offset: u64) -> bool {
        self.0.health.is_healthy() && self.0.state.keeps_up(next_offset)
    }

    fn describe(&self) -> String {
        format!("{}[{}]", self.0.topic(), self.0.partition)
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.signal.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::status::KafkaStatus;

    fn feed(bytes_max: usize) -> (Arc<Feed>, Arc<Health>, KafkaReader) {
        let status = KafkaStatus::new();
        let id = PartitionId { source: 0, partition: 3 };
        let state = status.add(PartitionState::new(id, "t", 0, 2));
        let health = Arc::new(Health::new("w".into(), status));
        let signal = Arc::new(Signal::default());
        let feed = Feed::new(state, 3, None, Arc::clone(&health), signal, bytes_max);
        let feed = Arc::new(feed);
        (Arc::clone(&feed), health, KafkaReader(feed))
    }

    fn batch(offset: u64, bytes: usize) -> RawBatch {
        let record = RawRecord { offset, value: Some(0..bytes), ..RawRecord::default() };
        RawBatch { bytes: vec![0; bytes], records: vec![record], ..RawBatch::default() }
    }

    #[test]
    fn the_end_of_the_log_is_seen_only_behind_its_records_and_with_healthy_brokers() {
        let (feed, health, mut reader) = feed(1_000);
        assert!(matches!(reader.poll(), Poll::Pending(Standing::Behind)));
        assert!(feed.push(batch(0, 10), true), "the reader waits");
        assert!(!feed.push(batch(1, 10), true), "and was told once");
        assert!(matches!(reader.poll(), Poll::Records(_)));
        assert!(matches!(reader.poll(), Poll::Records(_)));
        assert!(matches!(reader.poll(), Poll::Pending(Standing::AtEnd)));
        health.failed("down".into());
        assert!(matches!(reader.poll(), Poll::Pending(Standing::Unheard)));
        feed.push(batch(2, 10), false);
        assert!(matches!(reader.poll(), Poll::Records(_)));
        assert!(matches!(reader.poll(), Poll::Pending(Standing::Unheard)));
    }

    #[test]
    fn what_follows_the_last_stable_offset_is_not_the_end() {
        let (feed, _, mut reader) = feed(1_000);
        feed.push(batch(0, 10), false);
        feed.push(batch(1, 10), true);
        feed.state.heard(9, 2, 2);
        assert!(matches!(reader.poll(), Poll::Records(_)));
        assert!(matches!(reader.poll(), Poll::Records(_)));
        assert!(matches!(reader.poll(), Poll::Pending(Standing::BeforeTransaction)));
    }

    #[test]
    fn a_partition_that_must_not_be_read_on_fails_before_what_is_in_its_queue() {
        let (feed, _, mut reader) = feed(1_000);
        feed.push(batch(0, 10), false);
        feed.state.revoke("made anew".into());
        assert!(matches!(reader.poll(), Poll::Failed(text) if text == "made anew"));
    }

    #[test]
    fn a_full_feed_has_room_again_when_half_of_it_was_taken() {
        let (feed, _, mut reader) = feed(300);
        feed.push(batch(0, 150), false);
        assert!(feed.has_room());
        feed.push(batch(1, 150), false);
        assert!(!feed.has_room());
        reader.poll();
        assert!(!*lock(&feed.signal.raised), "more than half is still there");
        reader.poll();
        assert!(*lock(&feed.signal.raised));
        assert!(feed.has_room());
    }

    #[test]
    fn a_failure_comes_after_the_records_read_before_it() {
        let (feed, _, mut reader) = feed(300);
        feed.push(batch(0, 10), false);
        feed.fail("first".into());
        feed.fail("second".into());
        assert!(matches!(reader.poll(), Poll::Records(_)));
        assert!(matches!(reader.poll(), Poll::Failed(text) if text == "first"));
        assert_eq!(reader.describe(), "t[3]");
        drop(reader);
        assert!(feed.is_closed());
    }
}
