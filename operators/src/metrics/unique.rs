//! The ids of events that are held so that copies are told.

use crate::metrics::cell::{Counter, Gauge};

/// The ids of one source's partitions that this worker owns.
#[derive(Debug, Default)]
pub struct UniqueIds {
    /// How many are held.
    pub held: Gauge,
    /// Ids of events that were not kept for want of room: copies of these records are events.
    pub unkept: Counter,
}
