//! The operator that hands live rows to the online store.
//!
//! ```text
//! EntityWindows ---- LiveRows (pipeline) ----> OnlineRows ----> OnlineSink
//!       |                                          |
//!       +---- ids of slots <-----------------------+
//! ```
//!
//! It is an operator of its own so that what the store costs is told apart from what the windows
//! cost, in timely's own logs as elsewhere. Batches are shared with the windows, which use them
//! again once they are let go of; they carry slots, and the sink asks the windows' names for ids.
//!
//! What a step of the windows gives is handed to the sink before the windows run again: timely
//! schedules whom a batch is for later in the same pass over the dataflow. So no slot of a batch is
//! let go of before the sink has seen it, as long as the windows let go of nothing in the activation
//! that gave the batch.
//!
//! Live rows are as of the live clock, not of a frontier: the time of the stream says nothing.

use crate::online::{EntityIds, OnlineSink, RowBatch};
use crate::shared::Reached;
use crate::time::EventTime;
use std::cell::RefCell;
use std::rc::Rc;
use timely::Accountable;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{Stream, StreamVec};

/// The end of an online store that all operators of a worker write to.
pub type SharedSink = Rc<RefCell<Box<dyn OnlineSink>>>;

/// What one activation of an entity's windows gives out: at most
/// [`HANDOUT_ROWS`](crate::online::HANDOUT_ROWS) rows.
#[derive(Clone, Debug, Default)]
pub struct LiveRows {
    /// The rows.
    pub batches: Vec<Rc<RowBatch>>,
    /// The due times of records (see [`crate::ingest::reader::RawBatch::due_ns`]) that these rows,
    /// and what was given out before, show.
    pub due: Vec<u64>,
    /// How far the windows are once the sink has these rows.
    pub reached: Option<Reached>,
}

impl LiveRows {
    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.due.is_empty()
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.due.clear();
        self.reached = None;
    }
}

impl Accountable for LiveRows {
    /// Rows, and the due times that come with them.
    fn record_count(&self) -> i64 {
        let rows: usize = self.batches.iter().map(|batch| batch.slots.len()).sum();
        i64::try_from(rows + self.due.len()).unwrap_or(i64::MAX)
    }
}

/// How rows of one entity type are handed over.
pub struct OnlineRowsConfig<'a, I> {
    /// The entity's name in the job.
    pub entity: &'a str,
    /// Who knows the ids of the rows' slots.
    pub ids: Rc<RefCell<I>>,
    /// Who takes the rows; `None`: there are none.
    pub sink: Option<SharedSink>,
    /// Told how far the windows are, once the sink has the rows.
    pub reached: Box<dyn Fn(Reached)>,
    /// Told the due time of records once the sink has their rows.
    pub served: Option<Rc<dyn Fn(u64)>>,
}

/// Makes the operator `OnlineRows`. What it gives is empty, and ends when all rows are with the
/// sink.
pub fn online_rows<'scope, I: EntityIds + 'static>(
    rows: Stream<'scope, EventTime, LiveRows>,
    config: OnlineRowsConfig<'_, I>,
) -> StreamVec<'scope, EventTime, ()> {
    let OnlineRowsConfig { entity, ids, sink, reached, served } = config;
    let name = format!("OnlineRows({entity})");
    rows.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, &name, |_, _| {
        move |input, _output| {
            input.for_each(|_, rows| {
                if let Some(sink) = &sink {
                    let (mut sink, ids) = (sink.borrow_mut(), ids.borrow());
                    rows.batches.iter().for_each(|batch| sink.write(batch, &*ids));
                }
                if let Some(served) = &served {
                    rows.due.iter().for_each(|due| served(*due));
                }
                if let Some(now) = rows.reached {
                    reached(now);
                }
                rows.clear();
            });
        }
    })
}
