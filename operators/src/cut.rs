//! What a checkpoint takes of the workers, by value: nothing in it is a number of one process, so that
//! another process, with any number of workers, can go on from it.
//!
//! A *cut* is an event time `G`, a multiple of [`CUT_GRID`]. What is kept of a job as of a cut:
//!
//! - [`TimelineRows`]: of each entity type the sealed rows with `ts < G`, as they stand in the log:
//!   what was derived of an event or looked up for it is not derived again. A checkpoint writes those
//!   that have been sealed since the one before;
//! - [`EntityStates`]: what is folded over those rows, entity by entity, as of an earlier cut `S`: what
//!   is in the windows, the latest events, sequences and sessions. It is only written now and then: the
//!   rows from `S` on make of it the state as of `G`;
//! - [`PartitionMark`]s: where each partition stands;
//! - [`SeenId`]s: where copies are told by an id, those of all events that were judged. A checkpoint
//!   writes those that have come since the one before;
//! - [`Forgotten`] entities, of which none of that is to come back.
//!
//! Rows at or above `G` are not kept: they are read again from their partitions.

mod encoding;
mod forgotten;
mod ids;
mod marks;
mod rows;
mod states;
mod steps;
mod texts;

pub use encoding::{Encoded, Unreadable};
pub(crate) use encoding::{put, put_bytes, put_signed, put_signed_wide, put_wide};
pub use forgotten::{FORGOTTEN_MAX, Forgotten};
pub(crate) use ids::HeldIds;
pub use ids::{ResumedIds, SeenId};
pub(crate) use marks::Marks;
pub use marks::{HistoryOverlap, PartitionMark, PartitionMarks, RecordCheck, Resume};
pub use rows::{AttributeValues, TimelineRows};
pub use states::{EntityStates, StateComponent};
pub(crate) use steps::SecondSteps;
pub use texts::Texts;

use crate::origin::PartitionId;
use crate::time::{EventTime, Millis, SECOND};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Cuts are multiples of this.
pub const CUT_GRID: Millis = SECOND;

/// A cut that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Its number, one more than that of the cut before.
    pub number: u64,
    /// The event time below which everything belongs to it: a multiple of [`CUT_GRID`], and not less
    /// than that of the cut before.
    pub at: EventTime,
}

impl Cut {
    /// The last of a job whose sources have ended, the greatest of their watermarks being `watermark`:
    /// nobody asks for it. It does not lie at the newest event, where everything is sealed then, so
    /// that what is appended to a file is read by a later run as if the file had never ended.
    pub const fn last(watermark: EventTime) -> Cut {
        Cut { number: u64::MAX, at: Cut::below(watermark) }
    }

    /// The same at a time that was asked for, where everything before it is sealed by then.
    pub const fn last_at(at: EventTime) -> Cut {
        Cut { number: u64::MAX, at: Cut::below(at) }
    }

    /// The greatest event time of a cut that lies at or below `frontier`.
    pub const fn below(frontier: EventTime) -> EventTime {
        frontier / CUT_GRID * CUT_GRID
    }
}

/// Where a worker's part of each checkpoint goes. The implementations write on threads of their own;
/// nothing blocks.
pub trait CutSink {
    /// The worker's partitions have had these ids since the cut before `cut`, whose marks come next.
    fn ids(&mut self, cut: Cut, ids: BTreeMap<PartitionId, Vec<SeenId>>);

    /// The worker's partitions stand so at `cut`, and its live clock at `live`. Dead letters that it
    /// has handed over before belong to the cut, and no others.
    fn marks(&mut self, cut: Cut, marks: BTreeMap<PartitionId, PartitionMark>, live: EventTime);

    /// The rows of entity type `entity` below `cut` that were not below the cut before.
    fn rows(&mut self, cut: Cut, entity: usize, rows: TimelineRows);

    /// An entity of type `entity` is forgotten. Rows that are handed over later have nothing of it from
    /// before; those that were handed over already may.
    fn forgotten(&mut self, entity: usize, forgotten: Forgotten);

    /// The state of more entities of type `entity` as of the cut `as_of`; `None`: that was all of it.
    fn states(&mut self, entity: usize, as_of: EventTime, states: Option<EntityStates>);
}

/// A worker's [`CutSink`], which its operators and its loop share.
pub type SharedCutSink = Rc<RefCell<Box<dyn CutSink>>>;
