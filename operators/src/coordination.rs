//! What the workers tell each other about their partitions, apart from the events.
//!
//! Every worker broadcasts the watermark, the newest accepted ts and the state of each partition
//! it owns, and keeps a table of what it has heard. From it follow the floor of idle partitions
//! (the least watermark of the active ones), the live clock, and that the job is over.

use crate::origin::PartitionId;
use crate::time::{EventTime, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One partition, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its watermark.
    pub watermark: EventTime,
    /// Its greatest accepted ts.
    pub newest: Option<EventTime>,
    /// Records accepted so far: any change tells of life.
    pub accepted: u64,
    /// It holds the frontier by its own watermark: not idle, not ended.
    pub active: bool,
    /// Nothing more is to be read as far as its owner knows.
    pub caught_up: bool,
    /// Its log has ended for good.
    pub ended: bool,
}

/// What workers broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// A partition changed.
    Partition(PartitionId, Status),
    /// This worker reads nothing any more.
    Done(usize),
}

/// What one worker has heard from all of them, itself included.
#[derive(Clone, Debug)]
pub struct Coordination {
    partitions: BTreeMap<PartitionId, Status>,
    done: Vec<bool>,
    live: LiveClock,
}

/// The live clock: it follows the newest event, and monotonic time while all is silent.
#[derive(Clone, Debug)]
struct LiveClock {
    /// `None`: follows events only.
    idle_after: Option<Millis>,
    newest: EventTime,
    /// The monotonic time of the last acceptance that was heard of, and the clock then.
    heard: (Millis, EventTime),
    clock: EventTime,
}

impl Coordination {
    /// A table for `workers` workers. After `live_idle` ms of silence the live clock goes on by
    /// itself; `None`: never.
    pub fn new(workers: usize, live_idle: Option<Millis>) -> Self {
        Coordination {
            partitions: BTreeMap::new(),
            done: vec![false; workers],
            live: LiveClock { idle_after: live_idle, newest: 0, heard: (0, 0), clock: 0 },
        }
    }

    /// Takes a notice in at monotonic time `now` ms.
    pub fn hear(&mut self, notice: &Notice, now: Millis) {
        match notice {
            Notice::Done(worker) => {
                if let Some(done) = self.done.get_mut(*worker) {
                    *done = true;
                }
            }
            Notice::Partition(id, status) => {
                // As the silence before this left it.
                let clock = self.live_clock(now);
                let old = self.partitions.insert(*id, *status);
                self.live.newest = self.live.newest.max(status.newest.unwrap_or(0));
                if old.map_or(0, |old| old.accepted) < status.accepted {
                    self.live.heard = (now, clock.max(self.live.newest));
                }
            }
        }
    }

    /// The least watermark of the active partitions; `None` when none is active.
    pub fn floor(&self) -> Option<EventTime> {
        self.partitions.values().filter(|s| s.active).map(|s| s.watermark).min()
    }

    /// The live clock at monotonic time `now` ms: never goes back.
    pub fn live_clock(&mut self, now: Millis) -> EventTime {
        let (heard, then) = self.live.heard;
        let silent = now.saturating_sub(heard);
        let mut clock = self.live.newest.max(then);
        let idle = self.live.idle_after.is_some_and(|after| silent >= after);
        if idle && clock > 0 && self.partitions.values().all(|s| s.caught_up) {
            clock = clock.saturating_add(silent);
        }
        self.live.clock = self.live.clock.max(clock);
        self.live.clock
    }

    /// Every partition has been read to its present end (and there is at least one), or is over.
    pub fn caught_up(&self) -> bool {
        self.is_over()
            || (!self.partitions.is_empty() && self.partitions.values().all(|s| s.caught_up))
    }

    /// When every worker is done: the greatest accepted ts of all.
    pub fn over(&self) -> Option<EventTime> {
        self.is_over().then_some(self.live.newest)
    }

    fn is_over(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// The partitions and what is known of them.
    pub fn partitions(&self) -> impl Iterator<Item = (&PartitionId, &Status)> {
        self.partitions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(watermark: EventTime, active: bool, caught_up: bool) -> Status {
        let newest = Some(watermark + 10);
        Status { watermark, newest, accepted: watermark, active, caught_up, ended: false }
    }

    fn partition(partition: u32) -> PartitionId {
        PartitionId { source: 0, partition }
    }

    #[test]
    fn idle_partitions_do_not_hold_the_floor() {
        let mut table = Coordination::new(1, None);
        table.hear(&Notice::Partition(partition(0), status(100, true, false)), 0);
        table.hear(&Notice::Partition(partition(1), status(50, false, true)), 0);
        assert_eq!(table.floor(), Some(100));
        table.hear(&Notice::Partition(partition(0), status(100, false, true)), 0);
        assert_eq!(table.floor(), None, "when none is active, all hold");
    }

    #[test]
    fn the_live_clock_goes_on_in_silence_and_never_back() {
        let mut table = Coordination::new(1, Some(1_000));
        table.hear(&Notice::Partition(partition(0), status(100, true, true)), 500);
        assert_eq!(table.live_clock(1_499), 110);
        assert_eq!(table.live_clock(1_500), 1_110);
        assert_eq!(table.live_clock(2_000), 1_610);
        table.hear(&Notice::Partition(partition(0), status(200, true, true)), 2_000);
        assert_eq!(table.live_clock(2_100), 1_610, "an older event does not turn it back");
        table.hear(&Notice::Partition(partition(1), status(300, true, false)), 2_100);
        assert_eq!(table.live_clock(9_000), 1_610, "somebody still has to catch up");
    }

    #[test]
    fn an_old_event_in_a_silence_does_not_stop_the_live_clock() {
        let mut table = Coordination::new(1, Some(1_000));
        table.hear(&Notice::Partition(partition(0), status(100, true, true)), 0);
        assert_eq!(table.live_clock(60_000), 60_110);
        // Accepted an hour of silence behind the clock, a second time a while after.
        table.hear(&Notice::Partition(partition(0), status(101, true, true)), 60_000);
        assert_eq!(table.live_clock(60_999), 60_110);
        assert_eq!(table.live_clock(62_000), 62_110, "on from where it stood");
        table.hear(&Notice::Partition(partition(0), status(102, true, true)), 63_000);
        assert_eq!(table.live_clock(64_000), 64_110);
    }
}
