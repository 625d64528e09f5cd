//! The operators put together: from a worker's partitions to its sinks.

use crate::coordination::{Coordination, Notice};
use crate::cut::{Resume, SharedCutSink};
use crate::entity_windows::{
    EntityRestore, EntityState, Sealing, Serving, WindowsConfig, entity_windows, tell_reached,
};
use crate::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use crate::ingest::reader::Partitions;
use crate::ingest::schemas::Schemas;
use crate::ingest::source::{SourceConfig, source};
use crate::metrics::WorkerMetrics;
use crate::online_rows::{OnlineRowsConfig, SharedSink, online_rows};
use crate::plan::Plan;
use crate::probes::EntityProbes;
use crate::reference::input::TableInput;
use crate::reference::tables::Tables;
use crate::sealed_lines::{SealedSink, merge_lines};
use crate::shared::{Limits, SharedRef};
use crate::time::EventTime;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Concatenate, Probe};
use timely::dataflow::{ProbeHandle, Scope, StreamVec};

/// Everything one worker's part of a job is made of.
pub struct Config {
    /// The job.
    pub plan: Arc<Plan>,
    /// Bounds.
    pub limits: Limits,
    /// The worker's partitions.
    pub partitions: Box<dyn Partitions>,
    /// What the reference tables are read from, in plan order; on worker 0 only.
    pub tables: Vec<TableInput>,
    /// Where dead letters go.
    pub dead_letters: Box<dyn DeadLetterSink>,
    /// Where the schemas of Avro records in topics come from; `None`: there are none to be had.
    pub schemas: Option<Box<dyn Schemas>>,
    /// What becomes of sealed rows; `lines` is where they go.
    pub sealing: Sealing,
    /// Where sealed lines go, on worker 0, under [`Sealing::Lines`].
    pub lines: Option<Box<dyn SealedSink>>,
    /// Under [`Sealing::Probes`] and [`Sealing::Arrived`], what is asked of each entity of the plan; none:
    /// nothing.
    pub probes: Vec<Option<EntityProbes>>,
    /// What becomes of live rows; `online` is where they go.
    pub serving: Serving,
    /// Where live rows go, unless [`Serving::None`].
    pub online: Option<SharedSink>,
    /// See [`OnlineRowsConfig::served`].
    pub served: Option<Rc<dyn Fn(u64)>>,
    /// What the worker counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Shared between the operators and the loop that drives them.
    pub shared: SharedRef,
    /// Where partitions stand that a checkpoint knows; the default: nothing is known.
    pub resume: Resume,
    /// Where the worker's part of checkpoints goes; `None`: there are none.
    pub cuts: Option<SharedCutSink>,
    /// What the state of each entity of the plan is restored from; none: the job begins.
    pub restore: Vec<EntityRestore>,
    /// What the worker has heard.
    pub coordination: Rc<RefCell<Coordination>>,
    /// What the worker has to tell; the loop broadcasts it.
    pub notices: Rc<RefCell<Vec<Notice>>>,
}

/// What is left in the hands of the loop.
pub struct Dataflow {
    /// Done once everything has been read, computed and handed out.
    pub probe: ProbeHandle<EventTime>,
    /// The state of each entity of the plan, with the arrangements of its windows.
    pub entities: Vec<Rc<RefCell<EntityState>>>,
}

/// Builds the job's dataflow in `scope`.
///
/// ```
/// use tidemark_operators::dataflow;
/// use tidemark_operators::in_memory::{InMemory, TextLog, plan};
///
/// timely::execute_directly(|worker| {
///     let job = InMemory::new(plan());
///     let log = TextLog::new(&[r#"{"ts": 1000000, "card": "a"}"#]);
///     let config = job.config(log);
///     let built = worker.dataflow(|scope| dataflow::build(scope, config));
///     // The loop around it passes on notices and moves the live clock.
///     job.drive(worker, &built.probe);
///     let row = job.rows.take().pop().unwrap();
///     assert_eq!((row.id.as_str(), row.first), ("a", Some(1)));
/// });
/// ```
pub fn build(scope: Scope<'_, EventTime>, config: Config) -> Dataflow {
    let (dead_letters, probe) = (Rc::new(RefCell::new(config.dead_letters)), ProbeHandle::new());
    let streams = source(
        scope,
        SourceConfig {
            plan: Arc::clone(&config.plan),
            partitions: config.partitions,
            limits: config.limits,
            metrics: Arc::clone(&config.metrics),
            shared: Rc::clone(&config.shared),
            coordination: config.coordination,
            notices: config.notices,
            dead_letters: Rc::clone(&dead_letters),
            schemas: config.schemas,
            resume: config.resume,
            arrivals: config.sealing == Sealing::Arrived,
        },
    );
    let clock = dead_letter(streams.dead_letters, dead_letters, &probe, Rc::clone(&config.shared));
    let (plan, shared, metrics) = (&config.plan, &config.shared, &config.metrics);
    let tables = Tables::build(&clock, plan, config.tables, shared, metrics);
    let (mut entities, mut lines) = (Vec::new(), Vec::new());
    let (mut restore, mut probes) = (config.restore.into_iter(), config.probes.into_iter());
    for (entity, events) in streams.events.into_iter().enumerate() {
        let windows = entity_windows(
            events,
            WindowsConfig {
                plan: Arc::clone(plan),
                entity,
                limits: config.limits,
                tables: Rc::clone(&tables),
                sealing: config.sealing,
                probes: probes.next().flatten(),
                serving: config.serving,
                metrics: Arc::clone(&config.metrics),
                shared: Rc::clone(&config.shared),
                cuts: config.cuts.clone(),
                restore: restore.next(),
            },
        );
        let (shared, metrics) = (Rc::clone(shared), Arc::clone(metrics));
        let (live, name) = (config.serving != Serving::None, &plan.entities[entity].name);
        let rows = OnlineRowsConfig {
            entity: name,
            ids: Rc::clone(&windows.state),
            sink: config.online.clone(),
            reached: Box::new(move |now| tell_reached((entity, now), live, &shared, &metrics)),
            served: config.served.clone(),
        };
        // Every worker builds the same graph, whatever it serves.
        online_rows(windows.rows, rows).probe_with(&probe);
        entities.push(windows.state);
        lines.push(windows.lines.probe_with(&probe));
    }
    // Every worker builds the same graph; the lines all go to worker 0.
    if config.sealing.line_form().is_some() {
        merge_lines(scope.concatenate(lines), config.lines, shared);
    }
    Dataflow { probe, entities }
}

/// The operator that hands dead letters to their sink. What it gives is empty, and its frontier is
/// that of the sources.
fn dead_letter<'scope>(
    letters: StreamVec<'scope, EventTime, DeadLetter>,
    sink: Rc<RefCell<Box<dyn DeadLetterSink>>>,
    probe: &ProbeHandle<EventTime>,
    shared: SharedRef,
) -> StreamVec<'scope, EventTime, ()> {
    letters
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "DeadLetters", |_, _| {
            move |input, _output| {
                input.for_each(|_, letters| {
                    let mut sink = sink.borrow_mut();
                    shared.letters.set(shared.letters.get().saturating_sub(letters.len()));
                    letters.drain(..).for_each(|letter| sink.push(letter));
                });
            }
        })
        .probe_with(probe)
}
