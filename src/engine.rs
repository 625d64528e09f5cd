//! Runs a job's dataflow: the workers, the loop that drives each, and how all of them stop.
//!
//! Everything that touches the world comes in as [`Parts`], made on the worker's own thread; the
//! engine knows clocks and threads, not files, servers or sockets.

mod channels;
mod cold;
mod cuts;
mod forget;
mod held;
mod load;
mod processes;
mod state_bound;
mod worker;

use crate::mesh::{Mesh, MeshEnd};
use crate::source::Waker;
pub use held::{EntityHeld, HELD_EVENTS_MAX, HeldError};
pub use processes::Parcels;
pub use state_bound::StateBound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use thiserror::Error;
use tidemark_operators::coordination::{Agreement, Coordination, Notice};
use tidemark_operators::cut::{CutSink, Resume};
use tidemark_operators::entity_windows::{EntityRestore, Sealing};
use tidemark_operators::ingest::dead_letter::DeadLetterSink;
use tidemark_operators::ingest::reader::Partitions;
use tidemark_operators::ingest::schemas::Schemas;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::OnlineSink;
use tidemark_operators::plan::Plan;
use tidemark_operators::probes::EntityProbes;
use tidemark_operators::reference::input::TableInput;
use tidemark_operators::sealed_lines::SealedSink;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::{InFlight, Limits};
use tidemark_operators::time::{EventTime, Millis};

/// When live rows are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Online {
    /// Never: no live windows are kept.
    Off,
    /// As they change.
    EveryStep,
    /// Once, at the end.
    AtEnd,
    /// As they change; once the events have ended, the live clock goes on to this time and stops
    /// there, also before an event that lies ahead of it. Sealing stops there too.
    Until(EventTime),
}

impl Online {
    /// Where the live clock stops, unless at the newest event.
    fn until(self) -> Option<EventTime> {
        match self {
            Online::Until(until) => Some(until),
            Online::Off | Online::EveryStep | Online::AtEnd => None,
        }
    }
}

/// Tells the time of the machine, in ms since the epoch.
pub type MachineClock = Arc<dyn Fn() -> EventTime + Send + Sync>;

/// How a job is run.
#[derive(Clone)]
pub struct Settings {
    /// The job.
    pub plan: Arc<Plan>,
    /// The workers of this process among all.
    pub shape: Shape,
    /// Bounds.
    pub limits: Limits,
    /// When no record has moved the live clock for so long it goes on by itself; `None` in replay: it
    /// follows records.
    pub live_idle: Option<Millis>,
    /// Where the live clock stood when a run before was seen last, and how many ms ago that is; (0, 0)
    /// where there was none. Checkpoints say it themselves.
    pub live_left: (EventTime, Millis),
    /// What the live clock never runs ahead of, unless the frontier does; asked on worker 0 only.
    /// `None` in replay: it follows records alone.
    pub machine_clock: Option<MachineClock>,
    /// What becomes of sealed rows.
    pub sealing: Sealing,
    /// When live rows are handed out.
    pub online: Online,
}

/// What one worker works with.
pub struct Parts {
    /// The partitions it owns.
    pub partitions: Box<dyn Partitions>,
    /// What the job's reference tables are read from, in plan order: looked at on worker 0 only.
    pub tables: Vec<TableInput>,
    /// Where its dead letters go.
    pub dead_letters: Box<dyn DeadLetterSink>,
    /// Where the schemas of Avro records in topics come from; `None`: there are none to be had.
    pub schemas: Option<Box<dyn Schemas>>,
    /// Where its live rows go, unless [`Online::Off`].
    pub online: Option<Box<dyn OnlineSink>>,
    /// Where sealed lines go, under [`Sealing::Lines`]: looked at on worker 0 only.
    pub lines: Option<Box<dyn SealedSink>>,
    /// Under [`Sealing::Probes`], what is asked of its entities, in plan order; none: nothing.
    pub probes: Vec<Option<EntityProbes>>,
    /// Its part in the job's checkpoints; `None`: there are none.
    pub checkpoints: Option<Checkpoints>,
}

/// A worker's part in checkpoints.
pub struct Checkpoints {
    /// Where its part of each goes.
    pub sink: Box<dyn CutSink>,
    /// Says when one is due, or a snapshot, by how far everything is sealed: asked on worker 0 only,
    /// once a step.
    pub due: Box<dyn FnMut(EventTime) -> Option<Notice>>,
    /// Where the last cut lies when all sources have ended, unless at their watermark.
    pub last: Option<EventTime>,
    /// Where the partitions of a job that goes on stand.
    pub resume: Resume,
    /// Where its live clock stood when it was seen last, and for how many ms before now it has not been
    /// seen; (0, 0) for a job that begins.
    pub live: (EventTime, Millis),
    /// What the state of each entity of the plan is restored from; none: the job begins.
    pub restore: Vec<EntityRestore>,
    /// What goes between processes of it; `None` where there is one, and on workers that take no part.
    pub parcels: Option<Parcels>,
}

/// Makes a worker's parts on its own thread: the worker's number among all, and what wakes it.
pub type MakeParts = Arc<dyn Fn(usize, Waker) -> Result<Parts, String> + Send + Sync>;

/// A job that stopped before its end.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Something the job cannot go on without failed. The text says what, on what, why and what to
    /// do.
    #[error("{0}")]
    Failed(String),
    /// A worker thread ended by a panic: a defect of ours.
    #[error("a worker panicked: {0}; this is a defect, please report it with the log")]
    Panicked(String),
}

/// What is known of a job from outside while it runs.
#[derive(Clone)]
pub struct Observer {
    /// One for each worker of this process.
    pub metrics: Vec<Arc<WorkerMetrics>>,
    shape: Shape,
    progress: Arc<RunState>,
    started: Instant,
}

#[derive(Default)]
struct RunState {
    stop: AtomicBool,
    caught_up: AtomicBool,
    state_bound: OnceLock<StateBound>,
    cold: cold::KeepingCold,
    failure: Mutex<Option<String>>,
    taken_over: AtomicBool,
    watched: AtomicBool,
    /// What is to be told to all processes.
    said: Mutex<Vec<Notice>>,
    agreed: Mutex<Agreement>,
    questions: held::Questions,
    forget_questions: forget::ForgetQuestions,
}

impl Observer {
    /// For a job that is about to be run with `settings`.
    pub fn new(settings: &Settings) -> Self {
        let metrics = |worker| Arc::new(WorkerMetrics::new(worker, &settings.plan));
        Observer {
            metrics: settings.shape.workers().map(metrics).collect(),
            shape: settings.shape,
            progress: Arc::new(RunState {
                agreed: Mutex::new(Agreement::new(settings.shape.processes())),
                ..RunState::default()
            }),
            started: Instant::now(),
        }
    }

    /// The workers of this process among all.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Tells all processes, where there are several.
    pub fn tell(&self, notice: Notice) {
        if self.shape.processes() > 1 {
            self.progress.said.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
        }
    }

    fn said(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.progress.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn agree(&self, notice: &Notice) {
        if self.shape.processes() > 1 {
            self.progress.agreed.lock().unwrap_or_else(PoisonError::into_inner).hear(notice);
        }
    }

    /// What the processes have agreed on, where there are several.
    pub fn agreed(&self) -> Agreement {
        self.progress.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bounds what the state may take; only the first bound counts. Without one nothing does.
    pub fn bound_state(&self, bound: StateBound) {
        let _ = self.progress.state_bound.set(bound);
    }

    /// What the state may take, where it is bounded.
    pub fn state_bound(&self) -> Option<&StateBound> {
        self.progress.state_bound.get()
    }

    /// Has what the operators of each worker do be counted: before the job is run.
    pub fn watch_operators(&self) {
        self.progress.watched.store(true, Ordering::Relaxed);
    }

    /// Asks all workers to stop reading and end. What was handed out stays.
    pub fn stop(&self) {
        self.progress.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop, or has failed.
    pub fn stopping(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }

    /// Whether every partition has been read to the end it had at some moment since the start.
    pub fn caught_up(&self) -> bool {
        self.progress.caught_up.load(Ordering::Relaxed)
    }

    /// Nanoseconds since this was made: the clock of `due_ns`. Never 0.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// When this was made.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Stops the job with `failure`, which must say what was attempted, on what, why it failed and
    /// what to do.
    pub fn fail(&self, failure: String) {
        if self.shape.processes() > 1 {
            // At once: this process may be ended before it can say so at its own end.
            tracing::error!("{failure}");
        }
        let mut first = self.progress.failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(failure);
        self.stop();
    }

    /// Stops the job, because another process has taken it over: as [`Observer::fail`].
    pub fn taken_over(&self, failure: String) {
        self.progress.taken_over.store(true, Ordering::Relaxed);
        self.fail(failure);
    }

    /// Whether another process has taken the job over.
    pub fn is_taken_over(&self) -> bool {
        self.progress.taken_over.load(Ordering::Relaxed)
    }

    /// Why the job failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.progress.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs a job to its end: until all its partitions have ended, or until it is stopped through
/// `observer`. Returns where the live clock stands, when it came to the end by itself: at the greatest
/// accepted event time, unless [`Online::Until`] says later.
///
/// # Errors
/// When a partition cannot be read on, a worker's parts cannot be made, or a worker panics.
pub fn run(
    settings: &Settings,
    observer: &Observer,
    make: &MakeParts,
) -> Result<Option<EventTime>, EngineError> {
    run_in(settings, observer, make, None)
}

/// The same, as one of the processes that `mesh` connects; `None`: the only one.
///
/// # Errors
/// As [`run`], and when the connections cannot be used.
pub fn run_in(
    settings: &Settings,
    observer: &Observer,
    make: &MakeParts,
    mesh: Option<Mesh>,
) -> Result<Option<EventTime>, EngineError> {
    let end = mesh.as_ref().map(|mesh| Arc::clone(mesh.end()));
    let (builders, connections) =
        processes::builders(settings.shape, mesh).map_err(EngineError::Failed)?;
    let (settings, make) = (settings.clone(), Arc::clone(make));
    let (watched, in_flight) = (observer.clone(), InFlight::default());
    let config = timely::WorkerConfig::default();
    let of_workers = end.clone();
    let guards = timely::execute::execute_from(builders, Box::new(()), config, move |worker| {
        let mesh = of_workers.as_deref();
        let reached = worker::drive(worker, &settings, &watched, &make, (&in_flight, mesh));
        if let Some(mesh) = mesh.filter(|mesh| watched.stopping() && !mesh.is_agreed()) {
            // Before the others find it gone.
            mesh.leave();
        }
        reached
    })
    .map_err(EngineError::Failed)?;
    let (mut newest, mut panicked) = (None, None);
    for result in guards.join() {
        match result {
            Ok(reached) => newest = newest.max(reached),
            Err(why) => panicked = panicked.or(Some(why)),
        }
    }
    processes::close(connections, end.as_deref());
    match (observer.failure(), panicked) {
        (_, Some(why)) => Err(EngineError::Panicked(why)),
        (Some(failure), None) => Err(EngineError::Failed(failure)),
        (None, None) => Ok(newest),
    }
}
