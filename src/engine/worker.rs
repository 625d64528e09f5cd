//! The loop that drives one worker.

use super::channels::Channels;
use super::cuts::Cuts;
use super::held::Answering;
use super::load;
use super::{
    Coordination, MachineClock, MakeParts, MeshEnd, Notice, Observer, Online, Parts, Settings,
};
use crate::source::Waker;
use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tidemark_operators::cut::{Cut, PartitionMarks, Resume};
use tidemark_operators::dataflow::{self, Config, Dataflow};
use tidemark_operators::entity_windows::{EntityRestore, Serving};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online_rows::SharedSink;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::{InFlight, Shared, SharedRef};
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::timeline::cold::Cold;
use timely::dataflow::ProbeHandle;
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

/// How long a worker with nothing to do sleeps at most: the grain of decay in silence.
const TICK: Duration = Duration::from_millis(5);
/// How often the machine's clock is told.
const MACHINE_CLOCK_EVERY: Millis = 100;
/// How often it is looked what CPU time the worker has used.
const CPU_EVERY: Millis = 100;
/// How often a silent source looks whether a partition has become idle.
const IDLE_CHECK: Millis = 50;

/// CPU time of this thread since it began, in ns.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

/// One worker's loop and what it looks at.
struct Loop<'a> {
    observer: &'a Observer,
    metrics: Arc<WorkerMetrics>,
    shared: SharedRef,
    coordination: Rc<RefCell<Coordination>>,
    notices: Rc<RefCell<Vec<Notice>>>,
    /// `None`: this worker is alone.
    channels: Option<Channels>,
    /// Whether it speaks for its process.
    speaks: bool,
    /// How the connections to other processes end, where there are any.
    mesh: Option<&'a MeshEnd>,
    /// When it was looked last for idle partitions, and at CPU time.
    checked: (Millis, Millis),
    floor: Option<EventTime>,
    /// Where the live clock stops at the end, unless at the newest event.
    until: Option<EventTime>,
    /// On worker 0, where the live clock is bounded by it.
    machine: Option<MachineClock>,
    /// When the machine's clock was told last.
    told: Option<Millis>,
    /// Its part in checkpoints.
    cuts: Option<Cuts>,
    answering: Answering,
}

pub(super) fn drive(
    worker: &mut Worker,
    settings: &Settings,
    observer: &Observer,
    make: &MakeParts,
    (in_flight, mesh): (&InFlight, Option<&MeshEnd>),
) -> Option<EventTime> {
    let (index, shape) = (worker.index(), settings.shape);
    let activator: Arc<OnceLock<Mutex<SyncActivator>>> = Arc::default();
    let made = make(index, waker(&activator)).map_err(|failure| observer.fail(failure));
    let Ok(mut parts) = made else { return None };
    let mut checkpoints = parts.checkpoints.take();
    let (mut resume, mut restore) = (Resume::default(), Vec::new());
    let (live, silent) = checkpoints.as_ref().map_or(settings.live_left, |held| held.live);
    let coordination = coordination(settings).resumed(live, silent);
    if let Some(checkpoints) = &mut checkpoints {
        resume = std::mem::take(&mut checkpoints.resume);
        restore = std::mem::take(&mut checkpoints.restore);
    }
    let metrics = Arc::clone(&observer.metrics[index - shape.first()]);
    let shared = shared(shape, observer.cold(&metrics), (in_flight, checkpoints.is_some()));
    let Ok(shared) = shared.map_err(|failure| observer.fail(failure)) else { return None };
    let cuts = checkpoints.map(Cuts::new);
    let mut state = Loop {
        observer,
        metrics,
        shared: Rc::clone(&shared),
        coordination: Rc::new(RefCell::new(coordination)),
        notices: Rc::default(),
        channels: Channels::new(worker, shape, cuts.as_ref().is_some_and(Cuts::sends)),
        speaks: index == shape.first(),
        mesh,
        checked: (0, 0),
        floor: None,
        until: settings.online.until(),
        machine: settings.machine_clock.clone().filter(|_| index == 0),
        told: None,
        cuts,
        answering: Answering::default(),
    };
    let sink = parts.online.map(|sink| Rc::new(RefCell::new(sink)));
    let parts = Parts { online: None, ..parts };
    let Dataflow { probe, entities } =
        build(worker, settings, &state, parts, sink.as_ref(), (resume, restore));
    if let Some(sync) = shared.source_sync.borrow_mut().take() {
        let _ = activator.set(Mutex::new(sync));
    }
    // Held as long as the job runs: what explains a row, checks it, or feeds a view that is added.
    state.answering = Answering::new(index, entities);
    let newest = state.run(worker, &probe);
    state.answering = Answering::default();
    if let (Some(sink), Some(newest)) = (sink, newest) {
        sink.borrow_mut().finish(newest);
    }
    newest
}

/// What the operators of a worker share, that keeps marks where it takes part in checkpoints.
fn shared(
    shape: Shape,
    cold: Result<Option<Cold>, String>,
    (in_flight, marks): (&InFlight, bool),
) -> Result<SharedRef, String> {
    Ok(Rc::new(Shared {
        shape,
        cold: cold?,
        in_flight: in_flight.clone(),
        marks: marks.then(PartitionMarks::default),
        ..Shared::default()
    }))
}

fn coordination(settings: &Settings) -> Coordination {
    let mut table = Coordination::new(settings.shape.peers(), settings.live_idle);
    if settings.shape.processes() > 1 {
        table = table.of_processes();
    }
    let sources = settings.plan.sources.iter();
    match settings.machine_clock {
        Some(_) => table.capped(sources.map(|source| source.out_of_orderness).collect()),
        None => table,
    }
}

/// A waker that can be made before what it wakes.
fn waker(activator: &Arc<OnceLock<Mutex<SyncActivator>>>) -> Waker {
    let activator = Arc::clone(activator);
    Arc::new(move || {
        if let Some(activator) = activator.get() {
            // An error means that the worker is gone: nobody is left to wake.
            let _ = activator.lock().unwrap_or_else(PoisonError::into_inner).activate();
        }
    })
}

fn build(
    worker: &mut Worker,
    settings: &Settings,
    state: &Loop<'_>,
    parts: Parts,
    sink: Option<&SharedSink>,
    (resume, restore): (Resume, Vec<EntityRestore>),
) -> Dataflow {
    let serving = match (settings.online, sink) {
        (Online::Off, _) | (_, None) => Serving::None,
        (Online::EveryStep | Online::Until(_), Some(_)) => Serving::EveryStep,
        (Online::AtEnd, Some(_)) => Serving::AtEnd,
    };
    let index = worker.index();
    let metrics = Arc::clone(&state.metrics);
    if state.observer.progress.watched.load(std::sync::atomic::Ordering::Relaxed) {
        load::watch(worker, &metrics);
    }
    let (clock, latency) = (state.observer.clone(), Arc::clone(&metrics));
    let served = move |due: u64| {
        latency.latency_ns.record(clock.now_ns().saturating_sub(due));
    };
    worker.dataflow_named::<EventTime, _, _>(&settings.plan.name, |scope| {
        dataflow::build(
            scope,
            Config {
                plan: Arc::clone(&settings.plan),
                limits: settings.limits,
                partitions: parts.partitions,
                tables: if index == 0 { parts.tables } else { Vec::new() },
                dead_letters: parts.dead_letters,
                schemas: parts.schemas,
                sealing: settings.sealing,
                lines: parts.lines.filter(|_| settings.sealing.line_form().is_some()),
                probes: parts.probes,
                serving,
                online: sink.cloned(),
                served: Some(Rc::new(served)),
                resume,
                restore,
                cuts: state.cuts.as_ref().map(|cuts| Rc::clone(&cuts.sink)),
                metrics,
                shared: Rc::clone(&state.shared),
                coordination: Rc::clone(&state.coordination),
                notices: Rc::clone(&state.notices),
            },
        )
    })
}

impl Loop<'_> {
    fn run(&mut self, worker: &mut Worker, probe: &ProbeHandle<EventTime>) -> Option<EventTime> {
        loop {
            self.metrics.steps.add(1);
            self.look();
            if self.observer.stopping() {
                for dataflow in worker.installed_dataflows() {
                    worker.drop_dataflow(dataflow);
                }
                return None;
            }
            if probe.done() && self.end() {
                return self.shared.over.get();
            }
            let entities = self.answering.entities();
            self.observer.hand_forgetting(self.metrics.worker, entities, &self.shared);
            let answers = self.answering.step(self.observer);
            worker.step_or_park(Some(if answers { Duration::ZERO } else { TICK }));
        }
    }

    /// Everything is computed everywhere: whether all of it has been told too.
    fn end(&mut self) -> bool {
        if let Some(cuts) = &mut self.cuts {
            cuts.last(&self.shared, self.shared.live_clock.get());
        }
        let Some(channels) = &mut self.channels else { return true };
        if self.cuts.as_ref().is_none_or(Cuts::all_sent) {
            channels.end_parcels();
        }
        let done = channels.done();
        if let Some(mesh) = self.mesh.filter(|_| done) {
            mesh.agree();
        }
        done
    }

    /// Clocks, what was heard, and what follows from it.
    fn look(&mut self) {
        let now = u64::try_from(self.observer.started().elapsed().as_millis()).unwrap_or(0);
        self.shared.now.set(now);
        if now >= self.checked.1 + CPU_EVERY {
            self.checked.1 = now;
            self.metrics.cpu_ns.set(thread_cpu_ns());
        }
        let mut said = std::mem::take(&mut *self.notices.borrow_mut());
        said.extend(self.machine_clock(now));
        said.extend(self.cut_due());
        if self.speaks {
            said.append(&mut self.observer.said());
        }
        self.exchange();
        self.tell(said, now);
        let mut coordination = self.coordination.borrow_mut();
        self.make_room();
        coordination.sealed(self.shared.frontier.get());
        let cap = coordination.live_cap(now);
        self.shared.live_cap.set(cap);
        self.metrics.live_cap.set(cap.unwrap_or(EventTime::MAX));
        let clock = coordination.live_clock(now);
        if clock > self.shared.live_clock.replace(clock) {
            self.shared.wake_windows();
        }
        if let Some(cuts) = &mut self.cuts {
            cuts.take_part(&coordination, &self.shared, clock);
        }
        let floor = coordination.floor(now);
        if floor != self.floor || now >= self.checked.0 + IDLE_CHECK {
            self.floor = floor;
            self.checked.0 = now;
            self.shared.wake_source();
        }
        if coordination.caught_up() {
            self.observer.progress.caught_up.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        if let (Some(newest), None) = (coordination.over(), self.shared.over.get()) {
            self.shared.over.set(Some(self.until.unwrap_or(newest)));
            let watermark = coordination.watermark();
            let last = self.cuts.as_ref().map(|cuts| cuts.last_cut(watermark));
            self.shared.last_cut.set(Some(last.unwrap_or(Cut::last(watermark))));
            self.shared.wake_windows();
            if let Some(channels) = &mut self.channels {
                channels.end_notices();
            }
        }
        if let Some(failure) = self.shared.failure.borrow_mut().take() {
            self.observer.fail(failure);
        }
    }

    /// Tells the source whether there is room for the state of what it reads.
    fn make_room(&self) {
        let Some(bound) = self.observer.state_bound() else { return };
        let room = bound.room(bound.held(&self.observer.metrics));
        if room != self.shared.room.replace(room) {
            self.shared.wake_source();
        }
    }

    /// The machine's clock, when it is time to tell it: the workers count on from there.
    fn machine_clock(&mut self, now: Millis) -> Option<Notice> {
        let machine = self.machine.as_ref()?;
        if self.told.is_some_and(|told| now < told + MACHINE_CLOCK_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(Notice::MachineClock(machine()))
    }

    /// On worker 0: the cut that is due.
    fn cut_due(&mut self) -> Option<Notice> {
        let cuts = self.cuts.as_mut().filter(|_| self.metrics.worker == 0)?;
        let frontier = match (self.shared.frontier.get(), self.shared.over.get()) {
            // The last cut comes by itself.
            (_, Some(_)) => return None,
            (frontier, None) => frontier,
        };
        cuts.due(frontier)
    }

    fn tell(&mut self, said: Vec<Notice>, now: Millis) {
        let heard = match &mut self.channels {
            None => said,
            Some(channels) => {
                channels.tell(said);
                channels.heard()
            }
        };
        let mut coordination = self.coordination.borrow_mut();
        for notice in &heard {
            coordination.hear(notice, now);
            // That all stop is known here before any worker does.
            if self.speaks || *notice == Notice::Stop {
                self.observer.agree(notice);
            }
            if *notice == Notice::Stop {
                // It has been sent to all by now, and whoever goes from here on is not lost.
                if let Some(mesh) = self.mesh {
                    mesh.agree();
                }
                self.observer.stop();
            }
            if let (Notice::LettersPublished(cut), Some(cuts)) = (notice, &mut self.cuts) {
                cuts.published(*cut);
            }
        }
    }

    /// Sends other processes what is theirs, and takes in what they have sent.
    fn exchange(&mut self) {
        let Some(channels) = &mut self.channels else { return };
        channels.receipt(self.shared.unacknowledged.take());
        let receipted = channels.receipted();
        if receipted > 0 {
            self.shared.in_flight.received(usize::try_from(receipted).unwrap_or(usize::MAX));
            self.shared.wake_source();
        }
        if let Some(cuts) = &mut self.cuts {
            channels.send(cuts.outgoing());
            cuts.incoming(channels.arrived());
        }
    }
}
