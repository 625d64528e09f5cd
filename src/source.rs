//! What every source has in common.

use crate::fault;
use std::sync::Arc;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll};
use tidemark_operators::origin::PartitionId;

/// Wakes the worker that a reader was made for. Called from the reader's threads whenever there is
/// something to see after a `Pending`: records, the end of the log, a failure. Cheap, and may be
/// called more often than needed.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Asks a reader for its next records, and sees to them on their way: what watches them, or leaves
/// some out.
pub(crate) type Polling = Box<dyn FnMut(&mut dyn PartitionReader) -> Poll>;

/// Partitions whose readers are polled through something.
pub(crate) struct PolledPartitions {
    partitions: Box<dyn Partitions>,
    polling: Box<dyn FnMut(PartitionId) -> Polling>,
}

impl PolledPartitions {
    /// Those of `partitions`, each polled through what `polling` gives for it.
    pub(crate) fn new(
        partitions: Box<dyn Partitions>,
        polling: impl FnMut(PartitionId) -> Polling + 'static,
    ) -> Self {
        PolledPartitions { partitions, polling: Box::new(polling) }
    }
}

impl Partitions for PolledPartitions {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let polled = |reader: Box<dyn PartitionReader>| -> Box<dyn PartitionReader> {
            let polling = (self.polling)(reader.id());
            Box::new(PolledReader { reader, polling })
        };
        self.partitions.appeared().into_iter().map(polled).collect()
    }

    fn may_grow(&self) -> bool {
        self.partitions.may_grow()
    }
}

struct PolledReader {
    reader: Box<dyn PartitionReader>,
    polling: Polling,
}

impl PartitionReader for PolledReader {
    fn id(&self) -> PartitionId {
        self.reader.id()
    }

    fn poll(&mut self) -> Poll {
        let polled = (self.polling)(&mut *self.reader);
        if matches!(polled, Poll::Records(_)) {
            fault::point("read.records");
        }
        polled
    }

    fn rests(&self) -> bool {
        self.reader.rests()
    }

    fn found_later(&self) -> Option<u64> {
        self.reader.found_later()
    }

    fn keeps_up(&self, next_offset: u64) -> bool {
        self.reader.keeps_up(next_offset)
    }

    fn describe(&self) -> String {
        self.reader.describe()
    }
}
