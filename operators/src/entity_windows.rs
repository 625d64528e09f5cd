//! The operator that holds all of one entity type's state on one worker: timeline, live windows,
//! sealed windows.
//!
//! One activation takes in what has arrived, moves the live clock, applies the arrivals, seals what
//! the frontier has passed, hands out the rows that changed, and lets go of what nothing needs. Work
//! is bounded: a storm of expiry stops after a slice of log rows, and the operator asks to be run
//! again. While the live clock is on its way nothing is applied, so no row ever shows an event and
//! not the departures before it.
//!
//! A step of the frontier is one batch of each window's [arrangement](crate::window), whether live or
//! sealed rows are wanted or none. Sealed windows fold the batches; until they have, the next step is
//! not begun. Then the arrangements are compacted, and the log keeps what they and the live windows
//! still need.
//!
//! Batches that wait for the live clock count as in flight, which gates the sources.
//!
//! Lines of rows are merged with those of the other entity types and workers. Who is far ahead of these seals
//! nothing until they have come up.
//!
//! The operator holds its output at the least time it may still seal, and until the job is over.

mod arrived;
mod checkpoint;
mod config;
mod cooling;
mod forgetting;
mod handed;
mod lines_ahead;
mod report;
mod restore;
mod restoring;
mod running;
mod state;
mod watching;

use crate::entity_log::EntityLog;
use crate::event_batch::EventBatch;
use crate::online_rows::LiveRows;
use crate::sealed_lines::SealedLines;
use crate::shared::Reached;
use crate::time::EventTime;
use crate::timeline::owner::Owner;
use crate::window::attach::Attachments;
pub use config::{Sealing, Serving, WindowsConfig};
pub use forgetting::{EntityForgotten, FORGETTING_MAX};
pub use report::tell_reached;
pub use restore::{EntityRestore, RestoreFeed, Restored};
use running::Running;
pub use state::EntityState;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

/// How often it is looked whether more of a checkpoint has been read.
const SOON: Duration = Duration::from_millis(1);

/// What the operator gives.
pub struct EntityWindows<'scope> {
    /// Sealed rows, under [`Sealing::Lines`].
    pub lines: StreamVec<'scope, EventTime, SealedLines>,
    /// Live rows, unless [`Serving::None`]: for [`online_rows`](crate::online_rows::online_rows).
    /// Their slots stay what they are until the operator runs again.
    pub rows: Stream<'scope, EventTime, LiveRows>,
    /// The state.
    pub state: Rc<RefCell<EntityState>>,
}

/// Makes the operator `EntityWindows`.
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use std::sync::Arc;
/// use tidemark_operators::entity_windows::{Sealing, Serving, WindowsConfig, entity_windows};
/// use tidemark_operators::in_memory::{InMemory, batch, plan};
/// use tidemark_operators::reference::tables::TablesRef;
/// use tidemark_operators::shared::Limits;
/// use timely::dataflow::operators::{Input, Inspect};
///
/// timely::execute_directly(|worker| {
///     let (job, sealed) = (InMemory::new(plan()), Rc::new(RefCell::new(Vec::new())));
///     let config = WindowsConfig {
///         plan: Arc::clone(&job.plan),
///         entity: 0,
///         limits: Limits::default(),
///         tables: TablesRef::default(),
///         sealing: Sealing::Lines,
///         probes: None,
///         serving: Serving::None,
///         metrics: Arc::clone(&job.metrics),
///         shared: Rc::clone(&job.shared),
///         cuts: None,
///         restore: None,
///     };
///     let seen = Rc::clone(&sealed);
///     let mut events = worker.dataflow(|scope| {
///         let (events, stream) = scope.new_input();
///         let windows = entity_windows(stream, config);
///         windows.lines.inspect(move |given| {
///             seen.borrow_mut().extend(given.lines.iter().map(|line| line.0.as_of));
///         });
///         events
///     });
///     events.send(batch(&[(1_000_000, "a"), (1_031_000, "a"), (1_032_000, "b")]));
///     // A row is given once the frontier has passed its event.
///     events.advance_to(1_032_000);
///     while sealed.borrow().len() < 2 {
///         worker.step();
///     }
///     assert_eq!(sealed.take(), [1_000_000, 1_031_000]);
///     // The events have ended, and the newest of all was that of 1,032,000.
///     events.close();
///     job.shared.over.set(Some(1_032_000));
///     while worker.step() {}
///     assert_eq!(sealed.take(), [1_032_000]);
/// });
/// ```
pub fn entity_windows<'scope>(
    events: StreamVec<'scope, EventTime, EventBatch>,
    config: WindowsConfig,
) -> EntityWindows<'scope> {
    let scope = events.scope();
    let entity = &config.plan.entities[config.entity];
    let mut builder = OperatorBuilder::new(format!("EntityWindows({})", entity.name), scope);
    let info = builder.operator_info();
    let mut input = builder.new_input(events, Exchange::new(|b: &EventBatch| u64::from(b.target)));
    let (output, lines) = builder.new_output::<Vec<SealedLines>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let (rows_output, rows) = builder.new_output::<LiveRows>();
    let mut rows_output = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(rows_output);
    let again = scope.activator_for(Rc::clone(&info.address));
    let wake = scope.activator_for(Rc::clone(&info.address));
    config.shared.windows.borrow_mut().push(wake);
    config.shared.reach(config.entity, Reached::default());
    let owner = Owner { worker: scope.worker().index(), workers: scope.peers() };
    let served = config.serving != Serving::None;
    let state = Rc::new(RefCell::new(EntityState {
        log: empty_log(&config),
        windows: Attachments::new(&entity.windows),
        clock: 0,
        forgetting: VecDeque::new(),
    }));
    let shared_state = Rc::clone(&state);
    builder.build(move |capabilities| {
        let mut capabilities = capabilities.into_iter();
        let mut capability = capabilities.next();
        // Live rows are of no frontier: nobody waits for this one to move.
        let mut rows_capability = capabilities.next().filter(|_| served);
        let mut running = Running::new(config, state, owner);
        move |frontiers| {
            input.for_each(|_, batches| running.receive(batches));
            let frontier = running.known(frontiers[0].frontier().first().copied());
            let pace = running.step_cooling(frontier);
            if let (Some(lines), Some(capability)) = (running.lines(), &capability) {
                output.activate().session(capability).give(lines);
            }
            if let (false, Some(capability)) = (running.rows.is_empty(), &rows_capability) {
                rows_output.activate().session(capability).give_container(&mut running.rows);
                running.rows.clear();
            }
            match pace {
                Activation::Again => {
                    // A storm of decay is many lines: those that are whole need not wait for its end.
                    hold(&mut capability, running.given());
                    again.activate();
                }
                Activation::Soon => again.activate_after(SOON),
                Activation::Wait => hold(&mut capability, running.given()),
                Activation::Over => (capability, rows_capability) = (None, None),
            }
        }
    });
    EntityWindows { lines, rows, state: shared_state }
}

/// The log of the entity, of which nothing is known yet.
fn empty_log(config: &WindowsConfig) -> EntityLog {
    let entity = &config.plan.entities[config.entity];
    let waiting = config.plan.sources.iter().map(|s| s.out_of_orderness).max().unwrap_or(0);
    let mut log = EntityLog::new(entity, config.limits.chunk_rows, waiting);
    // Who answers probes alone has the events of a file in memory, and goes.
    if let Some(cold) = config.shared.cold.as_ref().filter(|_| !config.sealing.answers()) {
        log.log.keep_cold(&entity.name, cold.hot_window, (cold.open)(config.entity));
    }
    let seen_live = config.serving != Serving::None || config.sealing == Sealing::Arrived;
    if seen_live { log } else { log.sealed_only() }
}

fn hold(capability: &mut Option<Capability<EventTime>>, at: EventTime) {
    if let Some(capability) = capability
        && *capability.time() < at
    {
        capability.downgrade(&at);
    }
}

enum Activation {
    Again,
    /// What it waits for wakes nobody.
    Soon,
    Wait,
    Over,
}
