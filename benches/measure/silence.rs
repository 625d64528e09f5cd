//! Partitions of which one falls silent when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, Standing};
use tidemark_operators::origin::PartitionId;

/// The partitions of `inner`; the one of the number `partition` stands at its end while `silent` is
/// set.
pub struct Silenced<P> {
    pub inner: P,
    pub partition: u32,
    pub silent: Arc<AtomicBool>,
}

impl<P: Partitions> Partitions for Silenced<P> {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let silenced = |reader: Box<dyn PartitionReader>| -> Box<dyn PartitionReader> {
            if reader.id().partition != self.partition {
                return reader;
            }
            Box::new(SilencedReader { inner: reader, silent: Arc::clone(&self.silent) })
        };
        self.inner.appeared().into_iter().map(silenced).collect()
    }

    fn may_grow(&self) -> bool {
        self.inner.may_grow()
    }
}

struct SilencedReader {
    inner: Box<dyn PartitionReader>,
    silent: Arc<AtomicBool>,
}

impl PartitionReader for SilencedReader {
    fn id(&self) -> PartitionId {
        self.inner.id()
    }

    fn poll(&mut self) -> Poll {
        match self.silent.load(Relaxed) {
            true => Poll::Pending(Standing::AtEnd),
            false => self.inner.poll(),
        }
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
