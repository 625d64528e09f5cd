//! Positions, lag and the brokers' health, for `/ready`, `/health` and the metrics.

use crate::kafka::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tidemark_operators::origin::PartitionId;

/// What is known of all Kafka sources together; shared by the source's threads and the HTTP side.
///
/// Make it before [`crate::kafka::KafkaSource::open`], which reports here while it waits for the
/// brokers.
#[derive(Debug, Default)]
pub struct KafkaStatus {
    partitions: Mutex<Vec<Arc<PartitionState>>>,
    opened: AtomicBool,
    /// Outstanding errors by who reports them.
    errors: Mutex<BTreeMap<String, String>>,
}

/// Where one partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which partition.
    pub id: PartitionId,
    /// Its topic.
    pub topic: String,
    /// The offset it was started at.
    pub start: u64,
    /// The end of the log when the job started (for a partition found later: when it was found).
    pub end_at_start: u64,
    /// The next offset that its worker will be given.
    pub position: u64,
    /// The end of the log as last heard from the broker.
    pub high_watermark: u64,
    /// Records its worker has not been given yet; 0 at the end, also when the last offsets hold no
    /// records (transaction markers).
    pub lag: u64,
    /// Whether the worker has been given everything that the log held when the job started (for a
    /// partition found later: when it was found).
    pub reached_start_end: bool,
}

/// The live numbers behind a [`PartitionStatus`].
#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) id: PartitionId,
    pub(super) topic: String,
    start: u64,
    start_end: u64,
    position: AtomicU64,
    high_watermark: AtomicU64,
    reached: AtomicBool,
    at_end: AtomicBool,
}

impl PartitionState {
    pub(super) fn new(id: PartitionId, topic: &str, position: u64, end: u64) -> PartitionState {
        PartitionState {
            id,
            topic: topic.to_owned(),
            start: position,
            start_end: end,
            position: AtomicU64::new(position),
            high_watermark: AtomicU64::new(end),
            reached: AtomicBool::new(position >= end),
            at_end: AtomicBool::new(position >= end),
        }
    }

    /// The worker was given everything below `position`.
    pub(super) fn given(&self, position: u64) {
        self.at_end.store(false, Ordering::Relaxed);
        self.position.store(position, Ordering::Relaxed);
        if position >= self.start_end {
            self.reached.store(true, Ordering::Relaxed);
        }
    }

    /// The worker was given all there is.
    pub(super) fn ended(&self) {
        self.at_end.store(true, Ordering::Relaxed);
        self.reached.store(true, Ordering::Relaxed);
    }

    /// The broker named the end of the log.
    pub(super) fn heard(&self, high_watermark: u64) {
        self.high_watermark.fetch_max(high_watermark, Ordering::Relaxed);
    }

    fn read(&self) -> PartitionStatus {
        let position = self.position.load(Ordering::Relaxed);
        let high_watermark = self.high_watermark.load(Ordering::Relaxed).max(position);
        let at_end = self.at_end.load(Ordering::Relaxed);
        PartitionStatus {
            id: self.id,
            topic: self.topic.clone(),
            start: self.start,
            end_at_start: self.start_end,
            position,
            high_watermark,
            lag: if at_end { 0 } else { high_watermark - position },
            reached_start_end: self.reached.load(Ordering::Relaxed),
        }
    }
}

impl KafkaStatus {
    /// Nothing known yet.
    pub fn new() -> Arc<KafkaStatus> {
        Arc::default()
    }

    /// Where each partition stands, in (source, partition) order.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        let mut all: Vec<_> = lock(&self.partitions).iter().map(|state| state.read()).collect();
        all.sort_by_key(|status| status.id);
        all
    }

    /// Whether the workers were given everything the topics held when the job started; `false`
    /// until the topics are open.
    pub fn caught_up(&self) -> bool {
        self.opened.load(Ordering::Acquire)
            && lock(&self.partitions).iter().all(|state| state.reached.load(Ordering::Relaxed))
    }

    /// Records that the workers have not been given yet, over all partitions.
    pub fn total_lag(&self) -> u64 {
        lock(&self.partitions).iter().map(|state| state.read().lag).sum()
    }

    /// What is wrong with the brokers, if anything is. The engine keeps trying meanwhile.
    pub fn error(&self) -> Option<String> {
        lock(&self.errors).values().next().cloned()
    }

    pub(super) fn add(&self, state: PartitionState) -> Arc<PartitionState> {
        let state = Arc::new(state);
        lock(&self.partitions).push(Arc::clone(&state));
        state
    }

    pub(super) fn opened(&self) {
        self.opened.store(true, Ordering::Release);
    }

    /// Records or withdraws the outstanding error of `who`.
    pub(super) fn report(&self, who: &str, error: Option<String>) {
        let mut errors = lock(&self.errors);
        match error {
            Some(error) => errors.insert(who.to_owned(), error),
            None => errors.remove(who),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(partition: u32) -> PartitionId {
        PartitionId { source: 0, partition }
    }

    #[test]
    fn lag_is_what_the_worker_was_not_given_and_zero_at_the_end() {
        let status = KafkaStatus::new();
        let state = status.add(PartitionState::new(id(0), "t", 5, 10));
        assert_eq!(status.total_lag(), 5);
        state.given(8);
        state.heard(12);
        assert_eq!(status.total_lag(), 4);
        assert!(!status.partitions()[0].reached_start_end);
        state.ended();
        assert_eq!(status.total_lag(), 0);
        assert!(status.partitions()[0].reached_start_end);
    }

    #[test]
    fn caught_up_needs_an_open_source_and_every_partition() {
        let status = KafkaStatus::new();
        assert!(!status.caught_up());
        status.opened();
        assert!(status.caught_up());
        let state = status.add(PartitionState::new(id(1), "t", 0, 1));
        status.add(PartitionState::new(id(0), "t", 0, 0));
        assert!(!status.caught_up());
        state.given(1);
        assert!(status.caught_up());
        assert_eq!(status.partitions()[0].id, id(0));
    }
}
