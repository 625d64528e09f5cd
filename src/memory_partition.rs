//! Partition logs in memory: for records that a command makes itself, and for tests.

use crate::source::Waker;
use std::collections::VecDeque;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch, Standing};
use tidemark_operators::origin::PartitionId;

/// A log that ends after its last batch.
pub struct MemoryPartition {
    id: PartitionId,
    batches: VecDeque<Option<RawBatch>>,
    waker: Waker,
}

impl MemoryPartition {
    /// A log of `batches`. At a `None` the worker is told once that there is nothing yet, so what was
    /// read before it takes effect by itself.
    pub fn new(
        id: PartitionId,
        batches: impl IntoIterator<Item = Option<RawBatch>>,
        waker: Waker,
    ) -> Self {
        MemoryPartition { id, batches: batches.into_iter().collect(), waker }
    }
}

impl PartitionReader for MemoryPartition {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        match self.batches.pop_front() {
            None => Poll::Ended,
            Some(Some(batch)) => Poll::Records(batch),
            Some(None) => {
                (self.waker)();
                Poll::Pending(Standing::Behind)
            }
        }
    }

    fn describe(&self) -> String {
        format!("memory[{}.{}]", self.id.source, self.id.partition)
    }
}

/// A worker's partitions, all there from the start.
pub struct GivenPartitions(pub Vec<Box<dyn PartitionReader>>);

impl Partitions for GivenPartitions {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        std::mem::take(&mut self.0)
    }

    fn may_grow(&self) -> bool {
        false
    }
}
