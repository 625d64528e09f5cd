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

use crate::online::{AppliedEvents, EntityIds, OnlineSink, RowBatch};
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
    /// Which events the rows of the entity type show once the sink has these.
    pub applied: Option<Rc<AppliedEvents>>,
}

impl LiveRows {
    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.due.is_empty() && self.applied.is_none()
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.due.clear();
        (self.reached, self.applied) = (None, None);
    }
}

impl Accountable for LiveRows {
    /// Rows, and what comes with them: due times, and which events they show.
    fn record_count(&self) -> i64 {
        let rows: usize = self.batches.iter().map(|batch| batch.slots.len()).sum();
        let beside = self.due.len() + usize::from(self.applied.is_some());
        i64::try_from(rows + beside).unwrap_or(i64::MAX)
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
///
/// ```
/// use std::cell::{Cell, RefCell};
/// use std::rc::Rc;
/// use tidemark_operators::in_memory::{InMemory, LiveRow, plan};
/// use tidemark_operators::online::{Cause, EntityIds, OnlineSink, RowBatch};
/// use tidemark_operators::online_rows::{LiveRows, OnlineRowsConfig, online_rows};
/// use tidemark_operators::shared::Reached;
/// use tidemark_operators::value::Column;
/// use timely::container::CapacityContainerBuilder;
/// use timely::dataflow::operators::Input;
///
/// struct Cards;
///
/// impl EntityIds for Cards {
///     fn id(&self, _slot: u32) -> &[u8] {
///         b"a"
///     }
/// }
///
/// timely::execute_directly(|worker| {
///     let (job, clock) = (InMemory::new(plan()), Rc::new(Cell::new(0)));
///     let (sink, reached): (Box<dyn OnlineSink>, _) = (Box::new(job.rows.clone()), clock.clone());
///     let mut rows = worker.dataflow(|scope| {
///         let (rows, stream) =
///             scope.new_input_with_builder::<CapacityContainerBuilder<LiveRows>>();
///         let config = OnlineRowsConfig {
///             entity: "card",
///             ids: Rc::new(RefCell::new(Cards)),
///             sink: Some(Rc::new(RefCell::new(sink))),
///             reached: Box::new(move |now: Reached| reached.set(now.clock)),
///             served: None,
///         };
///         online_rows(stream, config);
///         rows
///     });
///     let mut events_1m = Column::default();
///     events_1m.push_int(2);
///     let batch = RowBatch {
///         as_of: 9_000,
///         slots: vec![0],
///         causes: vec![Cause::Arrival],
///         deleted: vec![false],
///         features: vec![events_1m],
///         ..RowBatch::default()
///     };
///     let reached = Some(Reached { frontier: 4_000, clock: 9_000 });
///     let batches = vec![Rc::new(batch)];
///     rows.send_batch(&mut LiveRows { batches, reached, ..LiveRows::default() });
///     // How far the windows are is told once the sink has the rows.
///     while clock.get() < 9_000 {
///         worker.step();
///     }
///     assert_eq!(job.rows.take(), [LiveRow { id: "a".to_owned(), as_of: 9_000, first: Some(2) }]);
/// });
/// ```
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
                    rows.applied.iter().for_each(|applied| sink.applied(applied));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use timely::dataflow::operators::generic::operator::source;
    use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};

    type Said = Rc<RefCell<Vec<String>>>;

    struct Ids;

    impl EntityIds for Ids {
        fn id(&self, _slot: u32) -> &[u8] {
            b"card"
        }
    }

    struct Sink(Said);

    impl OnlineSink for Sink {
        fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
            assert_eq!(ids.id(0), b"card");
            self.0.borrow_mut().push(format!("{} rows", batch.slots.len()));
        }

        fn applied(&mut self, applied: &AppliedEvents) {
            self.0.borrow_mut().push(format!("{} partitions", applied.offsets.len()));
        }

        fn finish(&mut self, _as_of: EventTime) {}
    }

    fn batch(rows: u32) -> Rc<RowBatch> {
        Rc::new(RowBatch { slots: (0..rows).collect(), ..RowBatch::default() })
    }

    /// What a source gave that gives these one after the other, what was said meanwhile, and what
    /// timely logged.
    fn run(given: fn() -> Vec<LiveRows>) -> (Vec<String>, Vec<TimelyEvent>) {
        timely::execute_directly(move |worker| {
            let said = Said::default();
            let logged: Rc<RefCell<Vec<TimelyEvent>>> = Rc::default();
            let log = Rc::clone(&logged);
            let mut register = worker.log_register().unwrap();
            register.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
                let events = events.iter().flat_map(|events| events.iter());
                log.borrow_mut().extend(events.map(|(_, event)| event.clone()));
            });
            drop(register);
            let sink: Box<dyn OnlineSink> = Box::new(Sink(Rc::clone(&said)));
            let (windows, reached, served) = (Rc::clone(&said), Rc::clone(&said), Rc::clone(&said));
            worker.dataflow::<EventTime, _, _>(|scope| {
                let rows = source::<_, CapacityContainerBuilder<LiveRows>, _, _>(
                    scope,
                    "EntityWindows(card)",
                    |capability, info| {
                        let again = scope.activator_for(info.address);
                        let (mut capability, mut given) = (Some(capability), given().into_iter());
                        move |output| match (given.next(), &capability) {
                            (Some(mut rows), Some(at)) => {
                                windows.borrow_mut().push("windows".to_owned());
                                output.session_with_builder(at).give_container(&mut rows);
                                again.activate();
                            }
                            _ => capability = None,
                        }
                    },
                );
                online_rows(
                    rows,
                    OnlineRowsConfig {
                        entity: "card",
                        ids: Rc::new(RefCell::new(Ids)),
                        sink: Some(Rc::new(RefCell::new(sink))),
                        reached: Box::new(move |now| {
                            reached.borrow_mut().push(format!("reached {}", now.clock));
                        }),
                        served: Some(Rc::new(move |due| {
                            served.borrow_mut().push(format!("served {due}"));
                        })),
                    },
                );
            });
            while worker.step() {}
            worker.log_register().unwrap().flush();
            (said.take(), logged.take())
        })
    }

    #[test]
    fn rows_are_with_the_sink_before_the_windows_run_again_and_served_after_that() {
        let (said, _) = run(|| {
            let reached = Some(Reached { frontier: 5, clock: 7 });
            vec![
                LiveRows { batches: vec![batch(1024), batch(3)], ..LiveRows::default() },
                LiveRows {
                    batches: vec![batch(2)],
                    due: vec![11, 12],
                    reached,
                    applied: Some(Rc::default()),
                },
                // No view shows the record: it is served all the same.
                LiveRows { due: vec![13], ..LiveRows::default() },
            ]
        });
        let first = ["windows", "1024 rows", "3 rows"];
        let second = ["windows", "2 rows", "0 partitions", "served 11", "served 12", "reached 7"];
        assert_eq!(said, [&first[..], &second[..], &["windows", "served 13"]].concat());
    }

    #[test]
    fn timely_logs_the_time_and_the_rows_of_the_operator_apart() {
        let (_, logged) = run(|| {
            let rows = |rows| LiveRows { batches: vec![batch(rows)], ..LiveRows::default() };
            vec![rows(1024), rows(7)]
        });
        let mut names = HashMap::new();
        let (mut runs, mut received) = (0, 0);
        for event in &logged {
            match event {
                TimelyEvent::Operates(operator) => {
                    names.insert(operator.id, operator.name.as_str());
                }
                TimelyEvent::Schedule(run) if run.start_stop == StartStop::Start => {
                    runs += u32::from(names.get(&run.id) == Some(&"OnlineRows(card)"));
                }
                TimelyEvent::Messages(message) if !message.is_send => {
                    received += message.record_count;
                }
                _ => {}
            }
        }
        assert!(runs >= 2, "{runs} runs");
        assert_eq!(received, 1024 + 7);
    }
}
