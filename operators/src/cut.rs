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
//! - marks: where each partition stands.
//!
//! Rows at or above `G` are not kept: they are read again from their partitions.

mod encoding;
mod mapping;
mod owner;
mod rows;
mod states;
mod texts;

pub use encoding::{Encoded, Unreadable};
pub(crate) use encoding::{put, put_bytes, put_signed, put_signed_wide, put_wide};
pub use mapping::{BitFrom, RowMapping};
pub use owner::Owner;
pub use rows::{AttributeValues, TimelineRows};
pub use states::{EntityStates, StateComponent};
pub use texts::Texts;

use crate::time::{Millis, SECOND};

/// Cuts are multiples of this.
pub const CUT_GRID: Millis = SECOND;
