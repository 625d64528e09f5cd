//! When records arrived, so that their latency can be told.
//!
//! A topic's batch says at which wall time it was first read; the dataflow's latency is measured on
//! the monotonic clock of [`Observer::now_ns`]. A batch that says nothing arrives when the worker
//! takes it.

use crate::engine::Observer;
use crate::source::PolledPartitions;
use crate::wall_clock::wall_ms;
use tidemark_operators::ingest::reader::{Partitions, Poll, RawBatch};
use tidemark_operators::time::EventTime;

/// Partitions whose batches say when they arrived, by `clock`.
pub(super) fn arrivals(partitions: Box<dyn Partitions>, clock: &Observer) -> PolledPartitions {
    let clock = clock.clone();
    PolledPartitions::new(partitions, move |_| {
        let clock = clock.clone();
        Box::new(move |reader| {
            let mut polled = reader.poll();
            if let Poll::Records(batch) = &mut polled {
                note(batch, clock.now_ns(), wall_ms());
            }
            polled
        })
    })
}

/// Sets when `batch` was due, unless it says so itself: as long before `now_ns` as it was read before
/// `wall`.
fn note(batch: &mut RawBatch, now_ns: u64, wall: Option<EventTime>) {
    if batch.due_ns == 0 {
        let waited = wall.zip(batch.read_at).map_or(0, |(wall, read)| wall.saturating_sub(read));
        batch.due_ns = now_ns.saturating_sub(waited.saturating_mul(1_000_000)).max(1);
    }
}

/// The machine's clock; 0 when it stands before the epoch, so that the frontier bounds the live clock.
pub(super) fn machine_clock() -> EventTime {
    wall_ms().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_due_when_it_was_read() {
        let due = |due_ns, read_at, wall| {
            let mut batch = RawBatch { due_ns, read_at, ..RawBatch::default() };
            note(&mut batch, 9_000_000, wall);
            batch.due_ns
        };
        assert_eq!(due(0, Some(100), Some(103)), 6_000_000);
        assert_eq!(due(0, Some(100), Some(900)), 1, "before the job began, as it were");
        assert_eq!(due(0, Some(100), Some(50)), 9_000_000, "a clock that was set back");
        assert_eq!(due(0, None, Some(103)), 9_000_000);
        assert_eq!(due(7, Some(100), Some(103)), 7);
    }
}
