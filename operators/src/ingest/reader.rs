//! A partition's log as the dataflow sees it.
//!
//! The implementations (Kafka, files, the generator) live outside this crate, do their I/O on
//! threads of their own, and hand over batches of raw records through bounded channels. Nothing
//! here blocks: a worker asks, and goes on to something else when there is nothing yet.

use crate::origin::PartitionId;
use crate::time::EventTime;
use std::ops::Range;
use std::sync::Arc;

/// Consecutive raw records of one partition.
#[derive(Clone, Debug, Default)]
pub struct RawBatch {
    /// The bytes of keys and values.
    pub bytes: Vec<u8>,
    /// The records, in offset order.
    pub records: Vec<RawRecord>,
    /// Those of the records' headers that are wanted, in offset order.
    pub headers: Vec<RawHeader>,
    /// Wall time (ms since the epoch) at which the batch was first read, to measure latency by;
    /// `None` where that means nothing (files, replay). Nothing that is decided depends on it.
    pub read_at: Option<EventTime>,
    /// An opaque number the reader may use to trace latency (for example when the records were
    /// due, in ns of a monotonic clock); 0 when unused.
    pub due_ns: u64,
    /// What all of its values were written with, where their file says so: of Avro the schema, as
    /// JSON text, and the values are then bare datums; of CSV the line that names the columns.
    pub schema: Option<Arc<str>>,
}

/// A header of a record: of those of its name the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawHeader {
    /// The record's offset.
    pub offset: u64,
    /// Its name: which of [`SourcePlan::headers`](crate::plan::SourcePlan::headers).
    pub name: usize,
    /// Its value in the batch's bytes; `None` for a null.
    pub value: Option<Range<usize>>,
}

/// One raw record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRecord {
    /// Its offset: Kafka's, or the line number from 0.
    pub offset: u64,
    /// Its key in the batch's bytes.
    pub key: Option<Range<usize>>,
    /// Its value in the batch's bytes; `None` for a null payload.
    pub value: Option<Range<usize>>,
    /// How many bytes of its value have been left out, behind those that are in the batch: a reader
    /// keeps no more of it than the longest record may have. It is malformed then.
    pub left_out: usize,
    /// Its timestamp in the topic.
    pub timestamp: Option<EventTime>,
    /// Whether the broker set that (`LogAppendTime`), and not the producer (`CreateTime`).
    pub broker_time: bool,
}

impl RawRecord {
    /// When the broker appended it, where it says so.
    pub fn appended_at(&self) -> Option<EventTime> {
        self.timestamp.filter(|_| self.broker_time)
    }
}

impl RawBatch {
    /// Records that have a value and nothing else, with offsets from `first` on.
    ///
    /// ```
    /// use tidemark_operators::ingest::reader::RawBatch;
    ///
    /// let batch = RawBatch::of_values(40, ["a", "b"]);
    /// assert_eq!((batch.records[1].offset, batch.value(&batch.records[1])), (41, &b"b"[..]));
    /// ```
    pub fn of_values<V: AsRef<[u8]>>(first: u64, values: impl IntoIterator<Item = V>) -> Self {
        let mut batch = RawBatch::default();
        for (offset, value) in (first..).zip(values) {
            let value = Some(batch.keep(value.as_ref()));
            batch.records.push(RawRecord { offset, value, ..RawRecord::default() });
        }
        batch
    }

    /// Adds the bytes of a key, a value or a header: where they are in the batch.
    ///
    /// ```
    /// use tidemark_operators::ingest::reader::{RawBatch, RawRecord};
    ///
    /// let mut batch = RawBatch::default();
    /// let value = Some(batch.keep(b"{}"));
    /// batch.records.push(RawRecord { value, ..RawRecord::default() });
    /// assert_eq!(batch.value(&batch.records[0]), b"{}");
    /// ```
    #[inline]
    pub fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// The value of `record`, empty for a null payload or a range that is not in the batch.
    pub fn value(&self, record: &RawRecord) -> &[u8] {
        record.value.clone().and_then(|r| self.bytes.get(r)).unwrap_or_default()
    }

    /// The value of the header `name` of `record`; `None` where it has none, or a null.
    pub fn header(&self, record: &RawRecord, name: usize) -> Option<&[u8]> {
        let first = self.headers.partition_point(|header| header.offset < record.offset);
        let behind = self.headers.get(first..).unwrap_or_default();
        let mut own = behind.iter().take_while(|header| header.offset == record.offset);
        let header = own.find(|header| header.name == name)?;
        header.value.clone().and_then(|range| self.bytes.get(range))
    }

    /// The key of `record`.
    pub fn key(&self, record: &RawRecord) -> Option<&[u8]> {
        record.key.clone().and_then(|r| self.bytes.get(r))
    }
}

/// What asking a partition for records gave.
#[derive(Debug)]
pub enum Poll {
    /// The next records, at least one.
    Records(RawBatch),
    /// Nothing yet.
    Pending(Standing),
    /// The log has ended for good: a file was read to its end.
    Ended,
    /// The log cannot be read on; the job has to stop. The text says what was attempted, on what,
    /// why it failed and what to do.
    Failed(String),
}

/// Where a reader stands that has nothing to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Somewhere in the log: more is there, or may be.
    #[default]
    Behind,
    /// At the end of all that the log holds (a topic's high watermark), and the brokers are heard:
    /// what is silent now is the producers.
    AtEnd,
    /// All that may be read has been given; what follows belongs to a transaction that is still
    /// open. The brokers are heard.
    BeforeTransaction,
    /// The brokers are not heard, so nothing is known of the log.
    Unheard,
}

/// One partition's log, read by the worker that owns it. Dropping it stops its reading.
pub trait PartitionReader {
    /// Which partition this is.
    fn id(&self) -> PartitionId;

    /// The next records, if any have been read. Never blocks. The reader wakes the worker (by the
    /// waker it was made with) when there is something after a `Pending`.
    fn poll(&mut self) -> Poll;

    /// Whether the log is closed, and opened only once it is asked for records: what holds the others
    /// back is asked, and no other, so that a log whose time has not come takes no memory. One that
    /// begins so is asked for its first records to know where that is, and may rest again behind them.
    fn rests(&self) -> bool {
        false
    }

    /// For a partition that was found while the job ran, the end of what it held at that moment (the
    /// offset after its last record): until that has been judged, the frontier stays where it stood.
    /// `None` for one that was there at the start.
    fn found_later(&self) -> Option<u64> {
        None
    }

    /// Whether the log held nothing at or after `next_offset` one to a few seconds ago: a partition is
    /// never at its end where records come without a pause, and may keep up all the same. Cheap: it
    /// is asked several times a step.
    fn keeps_up(&self, next_offset: u64) -> bool {
        let _ = next_offset;
        false
    }

    /// Where in the log it was told to start, for error messages: `transactions[3]` or a file name.
    fn describe(&self) -> String;
}

/// The partitions a worker owns: those at the start, and those found later.
pub trait Partitions {
    /// Readers that have appeared since the last call; the first call gives those at the start.
    /// Never blocks.
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>>;

    /// Whether more may still appear. A worker that owns no partitions holds its capability while
    /// they may.
    fn may_grow(&self) -> bool;
}
