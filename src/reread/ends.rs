//! Partitions that are read to the ends that they have at the start.

use super::BROKERS_PATIENCE;
use crate::kafka::KafkaStatus;
use crate::source::PolledPartitions;
use std::sync::Arc;
use std::time::Instant;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, Standing};

/// A topic's partitions among `partitions` end where their logs end when this is called: by `status`,
/// or where the brokers say that there is no more to be read.
pub(super) fn to_their_ends(
    partitions: Box<dyn Partitions>,
    status: &Arc<KafkaStatus>,
) -> Box<dyn Partitions> {
    let status = Arc::clone(status);
    let polled = PolledPartitions::new(partitions, move |id| {
        let known = status.partitions().into_iter().find(|partition| partition.id == id);
        let end = known.map(|partition| partition.end_at_start);
        let (mut ended, mut unheard) = (false, None::<Instant>);
        let status = Arc::clone(&status);
        Box::new(move |reader| {
            let Some(end) = end else { return reader.poll() };
            if ended {
                return Poll::Ended;
            }
            let (polled, ends) = poll_to(reader, end);
            ended = ends || matches!(polled, Poll::Ended);
            let is_unheard = matches!(polled, Poll::Pending(Standing::Unheard));
            unheard = is_unheard.then(|| unheard.unwrap_or_else(Instant::now));
            match unheard.filter(|since| since.elapsed() >= BROKERS_PATIENCE) {
                None => polled,
                Some(_) => Poll::Failed(format!(
                    "cannot read {} to its end: {}; see that the brokers answer, or name files by \
                     --source NAME=FILE",
                    reader.describe(),
                    status.error().unwrap_or_else(|| "the brokers are not heard".to_owned())
                )),
            }
        })
    });
    Box::new(EndingPartitions(polled))
}

/// What comes next below `end`, and whether nothing else does.
fn poll_to(reader: &mut dyn PartitionReader, end: u64) -> (Poll, bool) {
    match reader.poll() {
        Poll::Records(mut batch) => {
            let ends = batch.records.last().is_some_and(|last| last.offset + 1 >= end);
            batch.records.retain(|record| record.offset < end);
            if batch.records.is_empty() {
                return (Poll::Ended, true);
            }
            (Poll::Records(batch), ends)
        }
        Poll::Pending(Standing::AtEnd | Standing::BeforeTransaction) => (Poll::Ended, true),
        other => (other, false),
    }
}

/// Partitions that are there now, and no others.
struct EndingPartitions(PolledPartitions);

impl Partitions for EndingPartitions {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        self.0.appeared()
    }

    fn may_grow(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use tidemark_operators::ingest::reader::RawBatch;
    use tidemark_operators::origin::PartitionId;

    struct GrowingLog(VecDeque<RawBatch>);

    impl PartitionReader for GrowingLog {
        fn id(&self) -> PartitionId {
            PartitionId { source: 0, partition: 0 }
        }

        fn poll(&mut self) -> Poll {
            self.0.pop_front().map_or(Poll::Pending(Standing::Behind), Poll::Records)
        }

        fn describe(&self) -> String {
            "a log".to_owned()
        }
    }

    #[test]
    fn what_was_written_after_the_end_is_not_read() {
        let batches = [(0, vec!["a", "b"]), (2, vec!["c", "d", "e"]), (5, vec!["f"])];
        let batches = batches.map(|(first, values)| RawBatch::of_values(first, values));
        let mut log = GrowingLog(batches.into());
        let mut offsets = Vec::new();
        let ended = loop {
            match poll_to(&mut log, 4) {
                (Poll::Records(batch), ends) => {
                    offsets.extend(batch.records.iter().map(|record| record.offset));
                    if ends {
                        break true;
                    }
                }
                _ => break false,
            }
        };
        assert_eq!((offsets, ended), (vec![0, 1, 2, 3], true));
        assert!(matches!(poll_to(&mut log, 4), (Poll::Ended, true)));
        assert!(matches!(poll_to(&mut log, 4), (Poll::Pending(Standing::Behind), false)));
    }
}
