//! What an entity type is restored from.

use crate::cut::{EntityStates, Forgotten, TimelineRows};
use crate::entity_log::RowMapping;
use crate::online::Shown;
use crate::origin::PartitionId;
use crate::snapshot::Made;
use crate::time::EventTime;
use std::ops::Range;
use std::sync::Arc;

/// The next piece of what a worker's part of an entity type is restored from.
#[derive(Debug)]
pub enum Restored {
    /// The rows of these times, which follow those before: in parts, each in the order of time. No
    /// piece has rows on both sides of the snapshot's cut.
    Rows {
        /// The parts.
        parts: Vec<Arc<TimelineRows>>,
        /// Other rows of theirs are passed over.
        times: Range<EventTime>,
        /// How the plan reads them.
        mapping: Arc<RowMapping>,
    },
    /// States as of the snapshot's cut: after the rows before it, and before those from it on.
    States(Arc<EntityStates>),
    /// Nothing yet: the worker is woken when there is.
    Wait,
    /// That was all.
    End,
    /// It cannot be read: what was attempted, on what, why it failed and what to do.
    Failed(String),
}

/// Gives the pieces, in order. What is read of files is read on other threads; nothing blocks. Pieces
/// may have entities of other workers too.
pub trait RestoreFeed {
    /// The next piece.
    fn next(&mut self) -> Restored;

    /// Is told what of the state is not as it would be had it been kept all the time.
    fn made(&mut self, _made: &[Made]) {}
}

/// What a worker's part of an entity type is restored from.
pub struct EntityRestore {
    /// The cut: the state is that of all events before it.
    pub cut: EventTime,
    /// The cut of the snapshot, at or before that; 0: there is none.
    pub snapshot: EventTime,
    /// What the online store is known to show, at or after the cut by its clock; `None`: nothing.
    pub shown: Option<Shown>,
    /// Up to where partitions had been read, in their order: once they have been read to there again, the
    /// state shows what lies below.
    pub read: Vec<(PartitionId, u64)>,
    /// What is forgotten: nothing of it is restored, and its events that are read again are dropped.
    pub forgotten: Vec<Forgotten>,
    /// The pieces.
    pub feed: Box<dyn RestoreFeed>,
}
