//! Rows on their way to the online store.

use crate::origin::{Origin, PartitionId};
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

/// Which events of an entity type a worker's rows show: those of its entities, from each partition the ones
/// below an offset, as of a live clock. What a row is follows from that and from the reference tables as
/// they are then, whatever arrived when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedEvents {
    /// The entity type's place in the job.
    pub entity: usize,
    /// The live clock.
    pub clock: EventTime,
    /// For each partition that an event of these has come from, in order, the offset after the newest.
    pub offsets: Vec<(PartitionId, u64)>,
}

impl AppliedEvents {
    /// Takes note of events that have come, those of a partition in the order of their offsets.
    ///
    /// ```
    /// use tidemark_operators::online::AppliedEvents;
    /// use tidemark_operators::origin::{Origin, PartitionId};
    ///
    /// let mut applied = AppliedEvents::default();
    /// applied.take(&[(1, 4), (1, 7), (0, 2)].map(|(partition, offset)| {
    ///     Origin { source: 0, partition, offset }
    /// }));
    /// let partition = |partition| PartitionId { source: 0, partition };
    /// assert_eq!(applied.offsets, [(partition(0), 3), (partition(1), 8)]);
    /// ```
    pub fn take(&mut self, origins: &[Origin]) {
        let of = |origin: &Origin| (origin.source, origin.partition);
        for run in origins.chunk_by(|one, next| of(one) == of(next)) {
            let Some(last) = run.last() else { continue };
            let id = PartitionId { source: last.source, partition: last.partition };
            let end = last.offset.saturating_add(1);
            match self.offsets.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(at) => self.offsets[at].1 = self.offsets[at].1.max(end),
                Err(at) => self.offsets.insert(at, (id, end)),
            }
        }
    }
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

    /// The rows of an entity type that were written are all that changed up to now: with those written
    /// before they show the events `applied`. Until then they are of two moments. Whoever does not tell of
    /// that has nothing to do.
    fn applied(&mut self, _applied: &AppliedEvents) {}

    /// Called once when the job ends by itself: all rows have been written, and the live clock
    /// stands at `as_of`.
    fn finish(&mut self, as_of: EventTime);
}
