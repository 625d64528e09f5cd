//! What partitions did lately: seen by looking once a second.
//!
//! Bound: an entry a partition.

use crate::connect::millis;
use crate::metrics::float;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::{Ahead, PartitionProgress};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::Millis;

/// Clocks are looked at over one to two times this long.
const TURN: Duration = Duration::from_secs(20);
/// Of fewer events nothing is said of a clock.
const EVENTS_LEAST: u64 = 5;

/// What was seen last, and when it was new.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<HashMap<PartitionId, PartitionLately>>);

#[derive(Debug)]
struct PartitionLately {
    offset: u64,
    /// When the offset was new.
    moved: Instant,
    /// Where the counts of events and of those ahead stood at the turn before the last, and at the last.
    before: AheadCounts,
    turn: AheadCounts,
    turned: Instant,
    now: AheadCounts,
}

/// Events with a known arrival, those ahead of it, and how far in ms.
type AheadCounts = [u64; 3];

fn counts(ahead: &Ahead) -> AheadCounts {
    [ahead.arrivals, ahead.events, ahead.by_ms]
}

/// How the times of a partition's newest events lie against their arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AheadLately {
    /// The share of them that lies ahead; `None` where too few have a known arrival.
    pub share: Option<f64>,
    /// By how much those do on average.
    pub by: Millis,
}

impl PartitionLately {
    fn new(progress: &PartitionProgress, at: Instant) -> Self {
        let now = counts(&progress.ahead);
        let (moved, turned) = (at, at);
        let offset = progress.next_offset;
        PartitionLately { offset, moved, before: now, turn: now, turned, now }
    }

    fn look(&mut self, progress: &PartitionProgress, at: Instant) {
        if self.offset != progress.next_offset {
            (self.offset, self.moved) = (progress.next_offset, at);
        }
        self.now = counts(&progress.ahead);
        if at.saturating_duration_since(self.turned) >= TURN {
            (self.before, self.turn, self.turned) = (self.turn, self.now, at);
        }
    }
}

impl Lately {
    /// Looks at the partitions.
    pub fn look(&self, progress: &[PartitionProgress], now: Instant) {
        let mut seen = self.seen();
        for partition in progress {
            let known = seen.entry(partition.id);
            known.or_insert_with(|| PartitionLately::new(partition, now)).look(partition, now);
        }
    }

    /// For how long nothing was read from a partition, in ms.
    pub fn quiet(&self, partition: PartitionId, now: Instant) -> Millis {
        let since = self.seen().get(&partition).map(|known| known.moved);
        since.map_or(0, |since| millis(now.saturating_duration_since(since)))
    }

    /// How the times of its newest events lie against their arrivals.
    pub fn ahead(&self, partition: PartitionId) -> AheadLately {
        let seen = self.seen();
        let Some(known) = seen.get(&partition) else { return AheadLately::default() };
        let [arrivals, events, by] =
            std::array::from_fn(|at| match (known.now.get(at), known.before.get(at)) {
                (Some(now), Some(before)) => now.saturating_sub(*before),
                _ => 0,
            });
        let share = (arrivals >= EVENTS_LEAST).then(|| float(events) / float(arrivals));
        AheadLately { share, by: by / events.max(1) }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<PartitionId, PartitionLately>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::at as standing_at;

    #[test]
    fn a_partition_is_quiet_since_its_last_record_and_ahead_by_its_newest_events_only() {
        let (lately, start) = (Lately::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut progress = standing_at(1, true);
        let id = progress.id;
        lately.look(&[progress], at(0));
        progress.next_offset += 1;
        progress.ahead = Ahead { arrivals: 10, events: 10, by_ms: 50_000, ..progress.ahead };
        lately.look(&[progress], at(7));
        assert_eq!(lately.quiet(id, at(9)), 2_000);
        assert_eq!(lately.ahead(id), AheadLately { share: Some(1.0), by: 5_000 });
        progress.ahead.arrivals = 30;
        for seconds in [20, 40, 60] {
            lately.look(&[progress], at(seconds));
        }
        assert_eq!(lately.ahead(id).share, None, "of none of late nothing is said");
    }
}
