//! Partitions that are read on from where a checkpoint says.

use crate::engine::Checkpoints;
use crate::kafka::FoundTopics;
use crate::recovery::Recovery;
use crate::source::PolledPartitions;
use std::collections::BTreeMap;
use tidemark_operators::ingest::dead_letter::DeadLetterSink;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll};
use tidemark_operators::origin::PartitionId;

/// What a worker goes on with from a checkpoint.
pub(super) struct GoesOn {
    pub partitions: Box<dyn Partitions>,
    pub checkpoints: Checkpoints,
    /// Letters that are published with checkpoints.
    pub letters: Box<dyn DeadLetterSink>,
}

impl GoesOn {
    /// What `worker` goes on with whose partitions are `partitions`, as `topics` were found to be.
    ///
    /// # Errors
    /// When the job is over.
    pub fn of(
        recovery: &Recovery,
        worker: usize,
        partitions: Box<dyn Partitions>,
        topics: Option<&FoundTopics>,
    ) -> Result<Self, String> {
        let (mut checkpoints, letters) = recovery.part(worker)?;
        if let Some(topics) = topics {
            topics.amend(&mut checkpoints.resume);
            // Of another topic of that name nothing has been read.
            let known = &checkpoints.resume.partitions;
            let read = checkpoints.restore.iter_mut().flat_map(|of| &mut of.forgotten);
            read.for_each(|one| one.read.retain(|(id, _)| known.contains_key(id)));
        }
        let marks = checkpoints.resume.partitions.iter();
        let from = marks.map(|(id, mark)| (*id, mark.reread)).collect();
        Ok(GoesOn { partitions: Box::new(resumed(partitions, from)), checkpoints, letters })
    }
}

/// Partitions whose records before an offset are passed over, where their reader has not begun there;
/// `from`: for each partition that is known the first offset that is wanted.
fn resumed(partitions: Box<dyn Partitions>, from: BTreeMap<PartitionId, u64>) -> PolledPartitions {
    PolledPartitions::new(partitions, move |id| {
        let mut from = from.get(&id).copied();
        Box::new(move |reader| match from {
            None => reader.poll(),
            Some(first) => poll_from(reader, first, &mut from),
        })
    })
}

/// The next records at `first` or behind it; once there are any, `from` is that no more.
fn poll_from(reader: &mut dyn PartitionReader, first: u64, from: &mut Option<u64>) -> Poll {
    loop {
        match reader.poll() {
            Poll::Records(mut batch) => {
                batch.records.retain(|record| record.offset >= first);
                if !batch.records.is_empty() {
                    *from = None;
                    return Poll::Records(batch);
                }
            }
            // What comes is still passed over: it is not the producers who are silent.
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use tidemark_operators::ingest::reader::{RawBatch, Standing};

    struct Log(VecDeque<RawBatch>);

    impl PartitionReader for Log {
        fn id(&self) -> PartitionId {
            PartitionId { source: 0, partition: 3 }
        }

        fn poll(&mut self) -> Poll {
            self.0.pop_front().map_or(Poll::Pending(Standing::AtEnd), Poll::Records)
        }

        fn describe(&self) -> String {
            "a log".to_owned()
        }
    }

    struct One(Option<Log>);

    impl Partitions for One {
        fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
            self.0.take().into_iter().map(|log| Box::new(log) as Box<_>).collect()
        }

        fn may_grow(&self) -> bool {
            false
        }
    }

    #[test]
    fn records_before_the_offset_are_passed_over_whatever_batch_they_are_in() {
        let batches = [(0, ["a", "b"]), (2, ["c", "d"]), (4, ["e", "f"])];
        let batches = batches.map(|(first, values)| RawBatch::of_values(first, values));
        let log = One(Some(Log(batches.into())));
        let from = BTreeMap::from([(PartitionId { source: 0, partition: 3 }, 3)]);
        let mut reader = resumed(Box::new(log), from).appeared().pop().unwrap();
        let mut offsets = Vec::new();
        while let Poll::Records(batch) = reader.poll() {
            assert_eq!(batch.value(&batch.records[0]).len(), 1);
            offsets.extend(batch.records.iter().map(|record| record.offset));
        }
        assert_eq!(offsets, [3, 4, 5]);
    }
}
