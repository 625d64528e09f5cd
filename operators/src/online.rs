//! Rows on their way to the online store.

use crate::time::EventTime;
use crate::value::Column;

/// Rows of a batch at most.
pub const BATCH_ROWS: usize = 1024;

/// Rows that the windows of one entity type hand out at most before the other operators run: what
/// bounds the rows between them and the store.
pub const HANDOUT_ROWS: usize = 16 * BATCH_ROWS;

/// Why a row changed. Rows changed by decay alone may wait longer before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event of the entity arrived.
    Arrival,
    /// Something left a window, entered a delayed one, or passed its horizon.
    Decay,
    /// Nothing did since the store was known to show it ([`Shown`]): the row was made again from a
    /// checkpoint.
    Restored,
}

/// What an online store is known to show of an earlier run: rows as of a live clock, in which every
/// event before a frontier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Events that have come since have this time or a later one.
    pub frontier: EventTime,
    /// The live clock.
    pub clock: EventTime,
}

/// Newest rows of one view for some entities of one worker, each entity at most once.
#[derive(Clone, Debug, Default)]
pub struct RowBatch {
    /// The view's place in the job ([`crate::plan::Plan::views`]).
    pub view: usize,
    /// The live clock the rows are as of.
    pub as_of: EventTime,
    /// The entities, as the worker's slots for the view's entity type.
    pub slots: Vec<u32>,
    /// Why each row changed.
    pub causes: Vec<Cause>,
    /// Whether the row is gone: nothing of the entity is held any more. Its values are then null.
    pub deleted: Vec<bool>,
    /// One column a feature, in job order, of the feature's type; as long as `slots`. Text and ip
    /// features carry their bytes.
    pub features: Vec<Column>,
}

/// Entity ids by slot. A slot is a dense number that one worker gives to one entity of one type;
/// it is reused for another entity only after every view's row of the first was deleted.
pub trait EntityIds {
    /// The id of the entity at `slot`: the bytes of its key (UTF-8 text, or an address in its
    /// usual notation). Empty when the slot is free.
    fn id(&self, slot: u32) -> &[u8];
}

/// What takes the newest rows: the worker-local end of an online store. Never blocks on I/O.
pub trait OnlineSink {
    /// Takes rows; each replaces what was there for its entity and view.
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds);

    /// Called once when the job ends by itself: all rows have been written, and the live clock
    /// stands at `as_of`.
    fn finish(&mut self, as_of: EventTime);
}
