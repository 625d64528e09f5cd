//! The source operator: reads the worker's partitions, decodes and judges their records, and sends
//! the events to the workers that own their entities.
//!
//! Records are sent at the worker's capability, which stands at the least watermark of its
//! partitions; their own times are in the rows. So timely's frontier is the watermark, and a
//! record costs no progress tracking of its own.
//!
//! The partition that is furthest behind is read first. One that is ahead is paused once the
//! worker's events above the frontier reach half of `stash_bytes`; the one that holds the frontier
//! never is, and when its own events reach `stash_bytes` the job stops, because waiting would not
//! help. Of logs that [rest](crate::ingest::reader::PartitionReader::rests) a few are open at a time, unless
//! more overlap. Events count with the bytes that keep them until they are sealed, not with those of their
//! records: an event is kept once for each entity type that it has a key of.
//!
//! Where there is little room for the state of what is read, only partitions that hold the frontier are
//! read, a few records a step; where there is none, nothing is ([`Room`]). Silent partitions follow the
//! others meanwhile, which may be what makes room.
//!
//! A record whose schema is still being asked for stays where it is, and its partition with it: it
//! is asked again whenever the source is woken, and holds its watermark meanwhile.

mod choose;
mod letter;
mod record;
mod reread;
mod survey;
mod times;

pub use survey::{FieldCount, FieldSurvey, TimeCount};
pub use times::RecordTimes;

use crate::coordination::{Coordination, Notice};
use crate::cut::{Marks, Resume};
use crate::event_batch::EventBatch;
use crate::ingest::ahead::Tally;
use crate::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use crate::ingest::decode::{Decoded, Metadata};
use crate::ingest::partition::Owned;
use crate::ingest::projection::{Outbox, Projection};
use crate::ingest::reader::Partitions;
use crate::ingest::schemas::Schemas;
use crate::metrics::{PartitionProgress, WaitFor, Waiting, WorkerMetrics};
use crate::plan::{Plan, SourcePlan};
use crate::shared::{Limits, Room, SharedRef};
use crate::time::{EventTime, Millis};
use letter::Letter;
use record::{Read, Records};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, StreamVec};

/// Records decoded together.
const BATCH_RECORDS: usize = 1024;
/// Bytes of records that are decoded together, and that are judged in one step: with the record
/// that reaches it.
const STEP_BYTES: usize = 16 << 20;
/// Records that are judged in one step while there is little room for their state.
const LITTLE_RECORDS: usize = 256;
/// How long a source that may not read waits before it looks again, unless it is woken.
const RETRY: Duration = Duration::from_micros(500);

/// What a worker needs to read its share of the partitions.
pub struct SourceConfig {
    /// The job.
    pub plan: Arc<Plan>,
    /// The worker's partitions.
    pub partitions: Box<dyn Partitions>,
    /// Bounds.
    pub limits: Limits,
    /// What the worker counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Shared with the other operators and the loop.
    pub shared: SharedRef,
    /// What the worker has heard of all partitions.
    pub coordination: Rc<RefCell<Coordination>>,
    /// What the worker has to tell the others.
    pub notices: Rc<RefCell<Vec<Notice>>>,
    /// Asked for room before anything is read.
    pub dead_letters: Rc<RefCell<Box<dyn DeadLetterSink>>>,
    /// Where the schemas of Avro records come from; `None`: there are none to be had.
    pub schemas: Option<Box<dyn Schemas>>,
    /// Where partitions stand that a checkpoint knows; the default: nothing is known.
    pub resume: Resume,
    /// Whether events say when they [arrived](EventBatch::arrivals).
    pub arrivals: bool,
}

/// What the source sends.
pub struct SourceStreams<'scope> {
    /// Events, by entity of the plan.
    pub events: Vec<StreamVec<'scope, EventTime, EventBatch>>,
    /// Records that did not become events.
    pub dead_letters: StreamVec<'scope, EventTime, DeadLetter>,
}

/// Makes the operator `Source`.
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use std::sync::Arc;
/// use tidemark_operators::cut::Resume;
/// use tidemark_operators::in_memory::{InMemory, TextLog, plan};
/// use tidemark_operators::ingest::dead_letter::DeadLetterSink;
/// use tidemark_operators::ingest::source::{SourceConfig, source};
/// use timely::dataflow::operators::{Inspect, Probe};
///
/// let accepted = timely::execute_directly(|worker| {
///     let (job, events) = (InMemory::new(plan()), Rc::new(RefCell::new(Vec::new())));
///     let log = TextLog::new(&[r#"{"ts": 1000000, "card": "a"}"#, "not an event"]);
///     let config = job.config(log);
///     let letters: Box<dyn DeadLetterSink> = Box::new(job.letters.clone());
///     let (seen, plan) = (Rc::clone(&events), Arc::clone(&job.plan));
///     let probe = worker.dataflow(|scope| {
///         let mut streams = source(
///             scope,
///             SourceConfig {
///                 plan,
///                 partitions: config.partitions,
///                 limits: config.limits,
///                 metrics: config.metrics,
///                 shared: config.shared,
///                 coordination: config.coordination,
///                 notices: config.notices,
///                 dead_letters: Rc::new(RefCell::new(letters)),
///                 schemas: None,
///                 resume: Resume::default(),
///                 arrivals: false,
///             },
///         );
///         // One stream an entity of the plan.
///         let cards = streams.events.remove(0);
///         let (probe, _) =
///             cards.inspect(move |batch| seen.borrow_mut().extend(batch.times.clone())).probe();
///         probe
///     });
///     // Its capability follows the frontier of all that reads: here nothing holds it back.
///     while job.metrics.verdicts[0].total() < 2 || events.borrow().is_empty() {
///         job.shared.wake_source();
///         worker.step();
///     }
///     assert!(!probe.done(), "other events may still be sealed until the windows are done");
///     let dataflow = worker.installed_dataflows()[0];
///     worker.drop_dataflow(dataflow);
///     events.take()
/// });
/// assert_eq!(accepted, [1_000_000]);
/// ```
pub fn source<'scope>(
    scope: Scope<'scope, EventTime>,
    config: SourceConfig,
) -> SourceStreams<'scope> {
    let mut builder = OperatorBuilder::new("Source".to_owned(), scope);
    let info = builder.operator_info();
    let (mut outputs, mut events) = (Vec::new(), Vec::new());
    for _ in &config.plan.entities {
        let (output, stream) = builder.new_output::<Vec<EventBatch>>();
        outputs.push(OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output));
        events.push(stream);
    }
    let (output, dead_letters) = builder.new_output::<Vec<DeadLetter>>();
    let mut dead = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let activator = scope.activator_for(Rc::clone(&info.address));
    let wake = scope.activator_for(Rc::clone(&info.address));
    *config.shared.source.borrow_mut() = Some(wake);
    let sync = scope.worker().sync_activator_for(info.address.to_vec());
    *config.shared.source_sync.borrow_mut() = Some(sync);
    let peers = scope.worker().peers();
    builder.build(move |capabilities| {
        let mut state = OwnedPartitions::new(config, capabilities, peers);
        activator.activate();
        move |_frontiers| {
            match state.step() {
                NextRead::Again => activator.activate(),
                NextRead::Later => activator.activate_after(RETRY),
                NextRead::Wait => {}
            }
            for (entity, output) in outputs.iter_mut().enumerate() {
                let Some(capability) = state.capabilities.get(entity) else { continue };
                let mut output = output.activate();
                let mut session = output.session(capability);
                let (shared, worker) = (&state.config.shared, state.config.metrics.worker);
                for mut batch in state.outbox.take(entity) {
                    shared.sends(worker, &mut batch);
                    session.give(batch);
                }
            }
            if let (Some(capability), false) = (state.capabilities.last(), state.dead.is_empty()) {
                let letters = &state.config.shared.letters;
                letters.set(letters.get() + state.dead.len());
                dead.activate().session(capability).give_iterator(state.dead.drain(..));
            }
            state.downgrade();
        }
    });
    SourceStreams { events, dead_letters }
}

/// When to go on.
enum NextRead {
    /// There is more to read.
    Again,
    /// Something has to move first.
    Later,
    /// A reader will wake us.
    Wait,
}

struct OwnedPartitions {
    config: SourceConfig,
    records: Vec<Records>,
    projections: Vec<Projection>,
    owned: Vec<Owned>,
    decoded: Decoded,
    offsets: Vec<u64>,
    outbox: Outbox,
    dead: Vec<DeadLetter>,
    /// What keeps it from reading.
    waiting: Waiting,
    /// Integer overflows counted so far.
    overflows: u64,
    /// One an output, all at one time; empty once there is nothing more to send.
    capabilities: Vec<Capability<EventTime>>,
    /// It has told of the partitions that were there at the start.
    told: bool,
    done: bool,
}

impl OwnedPartitions {
    fn new(config: SourceConfig, capabilities: Vec<Capability<EventTime>>, workers: usize) -> Self {
        let plan = &config.plan;
        let records = |source: &SourcePlan| Records::new(source, config.limits.record_bytes);
        OwnedPartitions {
            records: plan.sources.iter().map(records).collect(),
            projections: (0..plan.sources.len())
                .map(|at| Projection::new(plan, at).telling_arrivals(config.arrivals))
                .collect(),
            owned: Vec::new(),
            decoded: Decoded::default(),
            offsets: Vec::new(),
            outbox: Outbox::new(plan, workers),
            dead: Vec::new(),
            waiting: Waiting::default(),
            overflows: 0,
            capabilities,
            told: false,
            done: false,
            config,
        }
    }

    /// Reads for a while.
    fn step(&mut self) -> NextRead {
        if self.done || self.config.shared.failure.borrow().is_some() {
            self.report();
            return NextRead::Wait;
        }
        self.owned.iter_mut().for_each(|owned| owned.waiting = false);
        let now = self.config.shared.now.get();
        self.appeared(now);
        let (pace, wait) = match self.config.shared.marking.get() {
            true => (NextRead::Later, None),
            false => self.read(),
        };
        self.waiting.goes_on(wait, now, &self.config.metrics.waits);
        if let Err(failure) = self.rest() {
            self.config.shared.fail(failure);
        }
        self.report();
        pace
    }

    /// Takes in the partitions that have appeared.
    fn appeared(&mut self, now: Millis) {
        let held = self.capabilities.first().map_or(0, |c| *c.time()).max(self.config.resume.at);
        for reader in self.config.partitions.appeared() {
            let id = reader.id();
            let plan = &self.config.plan.sources[usize::from(id.source)];
            let mut owned = Owned::new(reader, plan, now, held);
            if let Some(marks) = &self.config.shared.marks {
                let at = self.config.resume.at;
                let known = self.config.resume.partitions.remove(&id);
                let known = known.map_or_else(Marks::default, |mark| Marks::resume(mark, at));
                owned.resume(marks.add(id, known), self.config.resume.ids.take(id));
            }
            self.owned.push(owned);
        }
    }

    /// When to go on, and what is waited for where something is left to read.
    fn read(&mut self) -> (NextRead, Option<WaitFor>) {
        let (mut left, mut left_bytes) = (self.config.limits.records_step, STEP_BYTES);
        match self.config.shared.room.get() {
            Room::Enough => {}
            Room::Little => left = left.min(LITTLE_RECORDS),
            Room::None => return (self.ask(), Some(WaitFor::State)),
        }
        while left > 0 && left_bytes > 0 {
            let shared = &self.config.shared;
            let room = self.config.dead_letters.borrow().has_room();
            if !room {
                return (NextRead::Later, Some(WaitFor::DeadLetters));
            }
            if shared.in_flight.bytes() >= self.config.limits.in_flight_bytes {
                return (NextRead::Later, Some(WaitFor::InFlight));
            }
            match self.choose() {
                Ok(Some(at)) => {
                    let again = self.owned[at].rereading.is_some();
                    let (records, bytes) = if again { self.reread(at) } else { self.judge(at) };
                    left = left.saturating_sub(records.max(1));
                    left_bytes = left_bytes.saturating_sub(bytes);
                }
                Ok(None) if self.owned.iter().any(|o| o.paused) => {
                    return (NextRead::Later, Some(WaitFor::Frontier));
                }
                Ok(None) => return (NextRead::Wait, None),
                Err(failure) => {
                    self.config.shared.fail(failure);
                    return (NextRead::Wait, None);
                }
            }
        }
        (NextRead::Again, None)
    }

    /// Asks the readers of partitions that have no records at hand whether there are any, and judges
    /// none: who is silent must be known, since the others go on without it. Whoever finds more room
    /// wakes the source.
    fn ask(&mut self) -> NextRead {
        let now = self.config.shared.now.get();
        // A log that rests is not silent.
        for owned in self.owned.iter_mut().filter(|owned| !owned.reader.rests()) {
            if let Err(failure) = owned.ready(now) {
                self.config.shared.fail(failure);
            }
        }
        NextRead::Wait
    }

    /// Decodes and judges records of partition `at`; returns how many, and their bytes.
    fn judge(&mut self, at: usize) -> (usize, usize) {
        let now = self.config.shared.now.get();
        let owned = &mut self.owned[at];
        let source = usize::from(owned.reader.id().source);
        let plan = &self.config.plan.sources[source];
        let verdicts = &self.config.metrics.verdicts[source];
        let mut tally = Tally::default();
        self.decoded.clear();
        self.offsets.clear();
        let raw = std::mem::take(&mut owned.raw);
        let marks = owned.marks.clone();
        let mut marks = marks.as_ref().map(|marks| marks.borrow_mut());
        let (from, mut bytes) = (owned.next, 0);
        for record in raw.records.iter().skip(from).take(BATCH_RECORDS) {
            if bytes >= STEP_BYTES {
                break;
            }
            let (rows, schemas) = (self.decoded.rows(), self.config.schemas.as_deref_mut());
            let of = Metadata { batch: &raw, record, partition: owned.reader.id().partition };
            let read = self.records[source].read(of, schemas, &mut self.decoded);
            if read == Read::Wait {
                owned.wait(now);
                break;
            }
            (owned.next, owned.next_offset) = (owned.next + 1, record.offset.saturating_add(1));
            let value = raw.value(record);
            bytes += value.len();
            let mut letter = Letter { owned, plan, record, key: raw.key(record), value };
            match read {
                Read::Dead(why, error) => self.dead.push(letter.unreadable(why, error)),
                Read::Keyless => verdicts.keyless.add(1),
                Read::Skipped(operation) => verdicts.skip(operation),
                Read::Row => {
                    let judged =
                        letter.judge(&mut self.decoded, now, &mut tally, &self.config.metrics);
                    self.dead.extend(judged);
                }
                Read::Wait => {}
            }
            let event = self.decoded.rows() > rows;
            if event {
                self.offsets.push(record.offset);
            }
            if let Some(marks) = &mut marks {
                match self.decoded.time.get(rows).filter(|_| event) {
                    Some(ts) => marks.accepted(*ts, record.offset),
                    None => marks.refused(record.offset),
                }
            }
        }
        drop(marks);
        let judged = owned.next - from;
        verdicts.accepted.add(self.decoded.rows() as u64);
        tally.tell(&self.config.metrics.clocks[source], &mut owned.ahead);
        owned.raw = raw;
        owned.mark();
        self.project(at);
        (judged, bytes)
    }

    /// Makes events of the rows that were accepted, and counts them as unsealed.
    fn project(&mut self, at: usize) {
        let owned = &mut self.owned[at];
        let due = owned.raw.due_ns;
        let id = owned.reader.id();
        let source = usize::from(id.source);
        // Without a row there may be no columns either: the first record waits, or is a tombstone.
        let rows = self.decoded.rows() as u64;
        for invalid in &self.decoded.invalid {
            self.config.metrics.invalid[source].add(invalid.field, &invalid.error);
        }
        for (field, error) in &self.decoded.unkeyed {
            self.config.metrics.invalid[source].add(*field, error);
        }
        for rounded in &self.decoded.rounded {
            self.config.metrics.rounded[source][rounded.field].add(1);
        }
        if rows > 0 {
            let (projection, outbox) = (&mut self.projections[source], &mut self.outbox);
            let kept =
                projection.project(&mut self.decoded, id.partition, &self.offsets, due, outbox);
            let each = kept.div_ceil(rows);
            self.decoded.time.iter().for_each(|ts| owned.unsealed.add(*ts, each));
        }
    }

    /// Lets silent partitions follow the others, and tells of what changed.
    fn rest(&mut self) -> Result<(), String> {
        let now = self.config.shared.now.get();
        let floor = self.config.coordination.borrow().floor(now);
        let mut notices = self.config.notices.borrow_mut();
        for owned in &mut self.owned {
            owned.rest(floor, now)?;
            if let Some(status) = owned.news() {
                notices.push(Notice::Partition(owned.reader.id(), status));
            }
        }
        if !std::mem::replace(&mut self.told, true) {
            notices.push(Notice::Reads(self.config.metrics.worker));
        }
        let over = self.owned.iter().all(|o| o.ended) && !self.config.partitions.may_grow();
        if over && !self.done {
            self.done = true;
            notices.push(Notice::Done(self.config.metrics.worker));
        }
        Ok(())
    }

    fn report(&mut self) {
        self.report_ids();
        for letter in &self.dead {
            let source = usize::from(letter.partition.source);
            self.config.metrics.verdicts[source].dead(letter.reason).add(1);
        }
        let (shared, metrics) = (&self.config.shared, &self.config.metrics);
        let (mut rows, mut bytes) = (0, 0);
        for owned in &mut self.owned {
            owned.unsealed.seal(shared.frontier.get());
            rows += owned.unsealed.rows;
            bytes += owned.unsealed.bytes;
        }
        metrics.unsealed_rows.set(rows);
        metrics.unsealed_bytes.set(bytes);
        metrics.in_flight_bytes.set(shared.in_flight.bytes());
        let overflows = self.projections.iter().map(Projection::int_overflows).sum();
        metrics.int_overflows.add(overflows - std::mem::replace(&mut self.overflows, overflows));
    }

    /// Tells of the ids that copies are told by.
    fn report_ids(&mut self) {
        let plans = self.config.plan.sources.iter().enumerate();
        let with_ids =
            plans.zip(&self.config.metrics.unique).filter(|((_, plan), _)| plan.unique.is_some());
        for ((source, _), metrics) in with_ids {
            let owned = self.owned.iter_mut();
            let owned = owned.filter(|owned| usize::from(owned.reader.id().source) == source);
            let mut held = 0;
            for unique in owned.filter_map(|owned| owned.unique.as_mut()) {
                held += unique.held();
                metrics.unkept.add(unique.take_unkept());
            }
            metrics.held.set(held);
        }
    }

    /// Moves the capability to the least watermark of the worker's partitions.
    fn downgrade(&mut self) {
        if self.done {
            self.capabilities.clear();
            return;
        }
        let now = self.config.shared.now.get();
        let reading = self.owned.iter().filter(|o| !o.ended);
        let least = reading.map(Owned::watermark).min();
        // Without partitions it follows the active ones of the others.
        let least = least.or_else(|| self.config.coordination.borrow().floor(now));
        if let Some(least) = least {
            for capability in &mut self.capabilities {
                if *capability.time() < least {
                    capability.downgrade(&least);
                }
            }
        }
        let progress = self.owned.iter_mut().map(|owned| progress(owned, now));
        self.config.metrics.set_progress(progress);
    }
}

fn progress(owned: &mut Owned, now: Millis) -> PartitionProgress {
    PartitionProgress {
        standing: owned.standing(),
        overdue: owned.overdue,
        still: owned.still(now),
        id: owned.reader.id(),
        watermark: owned.watermark(),
        clock: owned.judge.clock().unwrap_or(0),
        newest: owned.judge.newest().unwrap_or(0),
        ahead: owned.ahead,
        first: owned.first,
        next_offset: owned.next_offset,
        idle: owned.idle,
        caught_up: owned.caught_up(),
        paused: owned.paused,
    }
}
