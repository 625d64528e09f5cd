//! How the times of a source's records compare with their arrivals.

use crate::metrics::cell::Counter;
use crate::metrics::histogram::{Histogram, LATE_BOUNDS_MS};
use crate::time::{EventTime, Millis};

/// The events of one partition against their arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Accepted events whose arrival is known.
    pub arrivals: u64,
    /// Those whose ts lies ahead of it.
    pub events: u64,
    /// How far, in ms, all of them together.
    pub by_ms: Millis,
    /// The arrival of the record that was judged last, whatever its verdict; `None` while none is
    /// known.
    pub newest_arrival: Option<EventTime>,
}

/// Counts of one source. A record's ts is what its event-time field says.
#[derive(Debug)]
pub struct ClockCounts {
    /// Accepted records whose arrival is known.
    pub arrivals: Counter,
    /// Those of them whose ts lies ahead of it.
    pub ahead: Counter,
    /// Those of them whose ts lay further ahead than `max_ahead` and was corrected.
    pub corrected: Counter,
    /// By how much they were corrected, in ms ([`LATE_BOUNDS_MS`]).
    pub corrected_by_ms: Histogram,
    /// Accepted records that have a timestamp in the topic.
    pub stamped: Counter,
    /// Those of them whose timestamp is their ts: of when they arrived it says nothing.
    pub stamped_with_ts: Counter,
    /// Late records that would have been on time by their ts: their arrivals are too slow.
    pub late_by_arrival: Counter,
}

impl Default for ClockCounts {
    fn default() -> Self {
        ClockCounts {
            arrivals: Counter::default(),
            ahead: Counter::default(),
            corrected: Counter::default(),
            corrected_by_ms: Histogram::new(LATE_BOUNDS_MS),
            stamped: Counter::default(),
            stamped_with_ts: Counter::default(),
            late_by_arrival: Counter::default(),
        }
    }
}
