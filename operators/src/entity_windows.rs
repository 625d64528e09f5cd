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
//! The operator holds its output at the least time it may still seal, and until the job is over.

mod config;
mod report;
mod state;

use crate::entity_log::EntityLog;
use crate::event_batch::EventBatch;
use crate::hot::HotEntities;
use crate::live::LiveWindows;
use crate::online_rows::LiveRows;
use crate::origin::Origin;
use crate::reference::lookups::Lookups;
use crate::sealed::{SealedOutput, SealedRows, SealedWindows};
use crate::sealed_lines::{LineWriter, SealedLines};
use crate::shared::Reached;
use crate::time::EventTime;
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use crate::window::attach::Attachments;
pub use config::{Sealing, Serving, WindowsConfig};
use report::Told;
pub use report::tell_reached;
pub use state::EntityState;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

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
///         serving: Serving::None,
///         metrics: Arc::clone(&job.metrics),
///         shared: Rc::clone(&job.shared),
///         cuts: None,
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
    let waiting = config.plan.sources.iter().map(|s| s.out_of_orderness).max().unwrap_or(0);
    let log = EntityLog::new(entity, config.limits.chunk_rows, waiting);
    let served = config.serving != Serving::None;
    let state = Rc::new(RefCell::new(EntityState {
        log: if served { log } else { log.sealed_only() },
        windows: Attachments::new(&entity.windows),
    }));
    let shared_state = Rc::clone(&state);
    builder.build(move |capabilities| {
        let mut capabilities = capabilities.into_iter();
        let mut capability = capabilities.next();
        // Live rows are of no frontier: nobody waits for this one to move.
        let mut rows_capability = capabilities.next().filter(|_| served);
        let mut running = Running::new(config, state);
        move |frontiers| {
            input.for_each(|_, batches| running.receive(batches));
            let frontier = running.known(frontiers[0].frontier().first().copied());
            let pace = running.step(frontier);
            if let (Some(lines), Some(capability)) = (running.lines(), &capability) {
                output.activate().session(capability).give(lines);
            }
            if let (false, Some(capability)) = (running.rows.is_empty(), &rows_capability) {
                rows_output.activate().session(capability).give_container(&mut running.rows);
                running.rows.clear();
            }
            match pace {
                Activation::Again => again.activate(),
                Activation::Wait => hold(&mut capability, running.sealed),
                Activation::Over => (capability, rows_capability) = (None, None),
            }
        }
    });
    EntityWindows { lines, rows, state: shared_state }
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
    Wait,
    Over,
}

/// Computes rows, looks at none of them.
struct Counted;

impl SealedOutput for Counted {
    fn rows(&mut self, rows: &SealedRows<'_>, _: &Names) {
        // The rows are the result: computing them must not be optimised away.
        black_box(rows.columns);
    }
}

struct Running {
    config: WindowsConfig,
    state: Rc<RefCell<EntityState>>,
    queue: VecDeque<EventBatch>,
    lookups: Lookups,
    live: Option<LiveWindows>,
    sealing: Option<SealedWindows>,
    writer: Option<LineWriter>,
    origins: Vec<Origin>,
    /// Everything below has been sealed and given out.
    sealed: EventTime,
    due: Vec<u64>,
    /// Live rows that this activation gives.
    rows: LiveRows,
    /// Whether there are more of them than one activation gives.
    more_rows: bool,
    /// To be told once they are given.
    reached: Option<Reached>,
    /// Whether rows were given and nothing has been let go of since.
    unretired: bool,
    told: Told,
    hot: HotEntities,
    over: bool,
}

impl Running {
    fn new(config: WindowsConfig, state: Rc<RefCell<EntityState>>) -> Self {
        let (plan, entity) = (&config.plan, &config.plan.entities[config.entity]);
        let live = config.serving != Serving::None;
        let sealing = match config.sealing {
            Sealing::None => None,
            Sealing::State { rebuilt } => {
                let sealed = SealedWindows::at(plan, entity, &state.borrow().log.log, 0);
                // Live windows say the rest.
                Some(if live { sealed.lessened(plan, entity, rebuilt) } else { sealed })
            }
            // Rows need less state than a snapshot does.
            Sealing::Count | Sealing::Lines if config.cuts.is_none() => {
                Some(SealedWindows::new(plan, entity))
            }
            Sealing::Count | Sealing::Lines => {
                Some(SealedWindows::at(plan, entity, &state.borrow().log.log, 0))
            }
        };
        let lines = config.sealing == Sealing::Lines;
        Running {
            queue: VecDeque::new(),
            lookups: Lookups::new(plan, entity, Rc::clone(&config.tables)),
            live: live.then(|| LiveWindows::new(plan, entity)),
            sealing,
            writer: lines.then(|| LineWriter::new(plan, config.metrics.worker, config.entity)),
            origins: Vec::new(),
            sealed: 0,
            due: Vec::new(),
            rows: LiveRows::default(),
            more_rows: false,
            reached: None,
            unretired: false,
            told: Told::default(),
            hot: HotEntities::default(),
            over: false,
            config,
            state,
        }
    }

    fn receive(&mut self, batches: &mut Vec<EventBatch>) {
        self.queue.extend(batches.drain(..));
    }

    /// Below which everything is known: of the events, and of the tables they are looked up in.
    fn known(&self, events: Option<EventTime>) -> Option<EventTime> {
        events.into_iter().chain(self.lookups.frontier()).min()
    }

    fn lines(&mut self) -> Option<SealedLines> {
        self.writer.as_mut().and_then(LineWriter::take)
    }

    /// One slice of work up to `frontier` (`None`: the events have ended).
    fn step(&mut self, frontier: Option<EventTime>) -> Activation {
        if self.over {
            return Activation::Over;
        }
        if self.more_rows {
            self.hand_out();
            return Activation::Again;
        }
        if std::mem::take(&mut self.unretired) {
            self.retire();
        }
        let over = if frontier.is_none() { self.config.shared.over.get() } else { None };
        if !self.arrive(frontier, over) {
            return Activation::Again;
        }
        // Once the events have ended, the clock stops at the newest of all.
        let hi = frontier.or(over.map(|newest| newest + 1));
        let done = hi.is_none_or(|hi| self.seal(hi));
        self.reached = Some(self.reached(frontier, done));
        match self.config.serving {
            Serving::EveryStep => self.hand_out(),
            Serving::AtEnd if done && over.is_some() => self.hand_out(),
            _ => self.tell_reached(),
        }
        // The rows' slots are theirs until the sink has seen them, which it has when this runs again.
        self.unretired = !self.rows.batches.is_empty();
        if !self.unretired {
            self.retire();
        }
        self.report(over.is_some());
        match (done, over) {
            _ if self.more_rows => Activation::Again,
            (false, _) => Activation::Again,
            (true, None) => Activation::Wait,
            (true, Some(_)) if self.unretired => Activation::Again,
            (true, Some(_)) => {
                self.over = true;
                self.check();
                Activation::Over
            }
        }
    }

    /// Moves the live clock and takes in what has arrived; says whether it is through.
    fn arrive(&mut self, frontier: Option<EventTime>, over: Option<EventTime>) -> bool {
        let EntityState { log, .. } = &mut *self.state.borrow_mut();
        if let Some(live) = &mut self.live {
            let shared = &self.config.shared;
            let said = self.queue.iter().map(|b| b.clock).max().unwrap_or(0);
            let cap = shared.live_cap.get().map(|cap| cap.max(frontier.unwrap_or(self.sealed)));
            let said = cap.map_or(said, |cap| said.min(cap));
            let clock = over.unwrap_or(said.max(shared.live_clock.get()));
            if !live.advance(log, clock, self.config.limits.slice_rows) {
                return false;
            }
        }
        let lookups = &mut self.lookups;
        if let Some(from) = lookups.news() {
            log.revise(from, |block, row, names| lookups.fill(block, row..row + 1, names));
            if let Some(live) = &mut self.live {
                live.revised(log);
            }
        }
        let traced = self.config.serving == Serving::EveryStep;
        for batch in self.queue.drain(..) {
            self.config.shared.in_flight.received(batch.size());
            if batch.due_ns > 0 && traced {
                self.due.push(batch.due_ns);
            }
            let fill =
                |block: &Block, names: &mut Names| lookups.fill(block, 0..block.len(), names);
            let block = log.receive_with(batch, fill);
            self.hot.arrive(&block.slots);
            if let Some(live) = &mut self.live {
                live.arrive(&block, log);
            }
        }
        true
    }

    /// Seals what lies below `hi`; says whether it is through.
    fn seal(&mut self, hi: EventTime) -> bool {
        if hi <= self.sealed {
            return true;
        }
        let given = matches!(self.config.sealing, Sealing::Count | Sealing::Lines);
        let EntityState { log, windows } = &mut *self.state.borrow_mut();
        if windows.upper() == self.sealed {
            log.seal(Some(hi), &mut self.origins);
            windows.seal(&log.log, hi);
            if let Some(sealing) = &mut self.sealing {
                if given {
                    sealing.sealed(&mut self.origins);
                }
                sealing.begin(windows.newest(), hi);
            }
            self.origins.clear();
        }
        // The step that has been begun ends before the next begins.
        if let Some(sealing) = &mut self.sealing {
            let mut counted = Counted;
            let output: &mut dyn SealedOutput = match &mut self.writer {
                Some(writer) => writer,
                None => &mut counted,
            };
            let budget = self.config.limits.slice_rows;
            let done = match given {
                true => sealing.run(&log.log, &mut log.names, budget, output),
                false => sealing.fold(&log.log, &mut log.names, budget),
            };
            if !done {
                return false;
            }
        }
        windows.compact();
        self.sealed = windows.upper();
        self.sealed >= hi
    }

    /// Fills the rows to be given; with the last of a step goes what is told once they are given.
    fn hand_out(&mut self) {
        let Some(live) = &mut self.live else { return };
        self.more_rows = !live.hand_out(&self.state.borrow().log.names, &mut self.rows.batches);
        if self.more_rows {
            return;
        }
        self.rows.due.append(&mut self.due);
        match self.rows.is_empty() {
            true => self.tell_reached(),
            false => self.rows.reached = self.reached.take(),
        }
    }

    /// Lets go of what no window needs, after the sink has seen the rows that say so.
    fn retire(&mut self) {
        let EntityState { log, windows } = &mut *self.state.borrow_mut();
        // As much as a slice may have brought: what passes its horizon must not pile up.
        let budget = self.config.limits.slice_rows;
        let mut low = windows.low_water(&log.log);
        if let Some(live) = &mut self.live {
            low = low.min(live.low_water(log));
            live.forget(self.sealed.saturating_sub(1), budget as usize, &mut log.names);
        }
        if let Some(sealing) = &self.sealing {
            low = low.min(sealing.low_water());
        }
        log.retire(low, budget);
        log.forget(self.sealed, budget as usize);
    }
}
