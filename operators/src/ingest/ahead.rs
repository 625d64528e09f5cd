//! How far the events of a partition lie ahead of their arrivals, counted a batch at a time.

use crate::metrics::{Ahead, ClockCounts, Histogram};
use crate::time::EventTime;
use crate::verdict::Verdict;

/// The times of an accepted record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// What its field says.
    pub ts: EventTime,
    /// The event's time.
    pub time: EventTime,
    pub arrival: Option<EventTime>,
    /// The record's timestamp in the topic.
    pub timestamp: Option<EventTime>,
}

impl Times {
    /// Counts by how much a late record is late, and whether what its field says would have been on
    /// time.
    pub(super) fn tell_late(&self, verdict: Verdict, by_ms: &Histogram, clocks: &ClockCounts) {
        if let Verdict::Late { by, .. } = verdict {
            by_ms.record(by);
            clocks.late_by_arrival.add(u64::from(by <= self.ts - self.time && self.time < self.ts));
        }
    }
}

/// What a batch adds to the counts of its source.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ahead: Ahead,
    corrected: u64,
    stamped: u64,
    stamped_with_ts: u64,
}

impl Tally {
    /// Takes note of an accepted record.
    #[inline]
    pub fn add(&mut self, times: Times, counts: &ClockCounts) {
        let Times { ts, time, arrival, timestamp } = times;
        if let Some(arrival) = arrival {
            self.ahead.arrivals += 1;
            if ts > arrival {
                self.ahead.events += 1;
                self.ahead.by_ms = self.ahead.by_ms.saturating_add(ts - arrival);
            }
            if time < ts {
                self.corrected += 1;
                counts.corrected_by_ms.record(ts - time);
            }
        }
        if let Some(timestamp) = timestamp {
            self.stamped += 1;
            self.stamped_with_ts += u64::from(timestamp == ts);
        }
    }

    /// Adds what was noted to the counts of the source and of the partition.
    pub fn tell(self, counts: &ClockCounts, partition: &mut Ahead) {
        counts.arrivals.add(self.ahead.arrivals);
        counts.ahead.add(self.ahead.events);
        counts.corrected.add(self.corrected);
        counts.stamped.add(self.stamped);
        counts.stamped_with_ts.add(self.stamped_with_ts);
        partition.arrivals += self.ahead.arrivals;
        partition.events += self.ahead.events;
        partition.by_ms = partition.by_ms.saturating_add(self.ahead.by_ms);
    }
}
