//! Positions, lag and the brokers' health, for `/ready`, `/health` and the metrics.

use crate::kafka::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tidemark_operators::ingest::reader::Standing;
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
    /// The end of the log as last heard from the broker, open transactions included.
    pub high_watermark: u64,
    /// Offsets up to the high watermark that its worker has not been given yet, those of open
    /// transactions included; 0 at the end, also when the last offsets hold no records (transaction
    /// markers).
    pub lag: u64,
    /// Offsets between the last stable offset and the high watermark: transactions that are still
    /// open, and whatever was written after the first of them began. They cannot be read yet.
    pub unstable: u64,
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
    ends: Ends,
    reached: AtomicBool,
    /// The high watermark at which the worker was last told that there is no more.
    ended_at: AtomicU64,
    /// Why it cannot be read on, whatever is still in the queues.
    revoked: OnceLock<String>,
}

/// The ends of a log by the newest report of librdkafka.
#[derive(Debug, Default)]
struct Ends {
    reported: AtomicBool,
    high_watermark: AtomicU64,
    last_stable: AtomicU64,
    /// The offset at which librdkafka last said that there is no more to read.
    read_to: AtomicU64,
    /// The high watermark of the report before.
    before: AtomicU64,
}

impl PartitionState {
    pub(super) fn new(id: PartitionId, topic: &str, position: u64, end: u64) -> PartitionState {
        PartitionState {
            id,
            topic: topic.to_owned(),
            start: position,
            start_end: end,
            position: AtomicU64::new(position),
            ends: Ends { high_watermark: AtomicU64::new(end), ..Ends::default() },
            reached: AtomicBool::new(position >= end),
            ended_at: AtomicU64::new(0),
            revoked: OnceLock::new(),
        }
    }

    /// The worker was given everything below `position`.
    pub(super) fn given(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
        if position >= self.start_end {
            self.reached.store(true, Ordering::Relaxed);
        }
    }

    /// The worker was given all there is.
    pub(super) fn ended(&self) {
        self.ended_at.store(self.ends.high_watermark.load(Ordering::Relaxed), Ordering::Relaxed);
        self.reached.store(true, Ordering::Relaxed);
    }

    /// A report of librdkafka names the high watermark, the last stable offset, and the offset at
    /// which nothing more was to be read.
    pub(super) fn heard(&self, high_watermark: u64, last_stable: u64, read_to: u64) {
        let ends = &self.ends;
        ends.before.store(ends.high_watermark.load(Ordering::Relaxed), Ordering::Relaxed);
        ends.high_watermark.fetch_max(high_watermark, Ordering::Relaxed);
        ends.last_stable.store(last_stable, Ordering::Relaxed);
        ends.read_to.store(read_to, Ordering::Relaxed);
        ends.reported.store(true, Ordering::Release);
    }

    /// What it means that librdkafka has no more to give and the worker has been given all of it.
    ///
    /// Where the end of the log was seen to be the position, that is the end. Where the last offsets
    /// hold no records, or records that may not be read yet, only a report can say, up to a second
    /// later.
    pub(super) fn standing(&self) -> Standing {
        let ends = &self.ends;
        let reported = ends.reported.load(Ordering::Acquire);
        let high_watermark = ends.high_watermark.load(Ordering::Relaxed);
        let read_to = ends.read_to.load(Ordering::Relaxed);
        if self.position.load(Ordering::Relaxed) >= high_watermark
            || (reported && read_to >= high_watermark)
        {
            return Standing::AtEnd;
        }
        let last_stable = ends.last_stable.load(Ordering::Relaxed);
        match reported && read_to >= last_stable && last_stable < high_watermark {
            true => Standing::BeforeTransaction,
            false => Standing::Behind,
        }
    }

    /// Whether the log held nothing at or after `next_offset` at the report before the newest, which
    /// is one to two seconds ago.
    pub(super) fn keeps_up(&self, next_offset: u64) -> bool {
        self.ends.reported.load(Ordering::Acquire)
            && next_offset >= self.ends.before.load(Ordering::Relaxed)
    }

    /// It must not be read on: `why` says what happened and what to do.
    pub(super) fn revoke(&self, why: String) {
        let _ = self.revoked.set(why);
    }

    /// Why it must not be read on, if so.
    pub(super) fn revoked(&self) -> Option<&String> {
        self.revoked.get()
    }

    fn read(&self) -> PartitionStatus {
        let position = self.position.load(Ordering::Relaxed);
        let high_watermark = self.ends.high_watermark.load(Ordering::Relaxed).max(position);
        // What was given is stable, whatever the newest report says.
        let stable = self.ends.last_stable.load(Ordering::Relaxed).max(position);
        let reported = self.ends.reported.load(Ordering::Acquire);
        let ended_at = self.ended_at.load(Ordering::Relaxed);
        PartitionStatus {
            id: self.id,
            topic: self.topic.clone(),
            start: self.start,
            end_at_start: self.start_end,
            position,
            high_watermark,
            lag: high_watermark - position.max(ended_at).min(high_watermark),
            unstable: if reported { high_watermark.saturating_sub(stable) } else { 0 },
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

    /// Whether the topics have been found and opened.
    pub fn is_open(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }

    /// All partitions of `source`: none of them can be read on.
    pub(super) fn revoke(&self, source: u16, why: &str) {
        let partitions = lock(&self.partitions);
        let of_source = partitions.iter().filter(|state| state.id.source == source);
        of_source.for_each(|state| state.revoke(why.to_owned()));
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
        state.heard(12, 12, 0);
        assert_eq!(status.total_lag(), 4);
        assert!(!status.partitions()[0].reached_start_end);
        state.ended();
        assert_eq!(status.total_lag(), 0);
        assert!(status.partitions()[0].reached_start_end);
    }

    #[test]
    fn an_open_transaction_is_lag_and_not_the_end() {
        let status = KafkaStatus::new();
        let state = status.add(PartitionState::new(id(0), "t", 0, 4));
        state.given(4);
        assert_eq!(state.standing(), Standing::AtEnd);
        state.ended();
        // Three records of a transaction, then seven of others behind them.
        state.heard(14, 4, 4);
        assert_eq!(state.standing(), Standing::BeforeTransaction);
        let read = &status.partitions()[0];
        assert_eq!((read.lag, read.unstable, read.high_watermark), (10, 10, 14));
        // It commits at 14: what was withheld is on its way.
        state.heard(15, 15, 4);
        assert_eq!(state.standing(), Standing::Behind);
        state.given(14);
        assert_eq!(state.standing(), Standing::Behind, "offset 14 may hold a record");
        state.heard(15, 15, 15);
        assert_eq!(state.standing(), Standing::AtEnd, "it is the marker of the transaction");
        state.ended();
        assert_eq!((status.total_lag(), status.partitions()[0].unstable), (0, 0));
    }

    #[test]
    fn lag_grows_although_the_worker_does_not_ask() {
        let status = KafkaStatus::new();
        let state = status.add(PartitionState::new(id(0), "t", 5, 5));
        state.ended();
        assert_eq!(status.total_lag(), 0);
        state.heard(8, 8, 5);
        assert_eq!(status.total_lag(), 3, "it was at its end, and is no more");
    }

    #[test]
    fn who_has_judged_what_the_report_before_the_newest_knew_keeps_up() {
        let status = KafkaStatus::new();
        let state = status.add(PartitionState::new(id(0), "t", 0, 0));
        assert!(!state.keeps_up(0), "nothing has been reported");
        state.heard(1_000, 1_000, 0);
        assert!(state.keeps_up(1));
        state.heard(2_000, 2_000, 0);
        assert!(!state.keeps_up(999));
        assert!(state.keeps_up(1_000));
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
