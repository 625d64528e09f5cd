//! A job in memory, to try an operator out: the smallest plan that has all of it, logs of texts,
//! sinks that keep what they are given, and the smallest loop around a dataflow. The examples of
//! this crate stand on it; nothing that runs a job for others does.

mod cold;

pub use cold::{ColdInMemory, ColdTrials};

use crate::coordination::{Coordination, Notice};
use crate::cut::Resume;
use crate::dataflow::{self, Config};
use crate::entity_windows::{Sealing, Serving};
use crate::event_batch::EventBatch;
use crate::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use crate::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch};
use crate::interner::stable_hash;
use crate::metrics::WorkerMetrics;
use crate::online::{EntityIds, OnlineSink, RowBatch};
use crate::origin::{Origin, PartitionId};
use crate::plan::{
    AccumulatorPlan, EntityPlan, EntitySource, FeaturePlan, FieldPlan, Kind, Plan, Read,
    SourcePlan, TimeField, TimeUnit, ViewIndex, ViewPlan, Window,
};
use crate::sealed_lines::SealedSink;
use crate::shared::{Limits, Shared, SharedRef};
use crate::time::{EventTime, MINUTE};
use crate::value::Type;
use crate::zone::Zone;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

/// The smallest plan: of the source `payments`, JSON objects with `ts` (ms since the epoch) and
/// `card`, the entity `card` has one view, `activity`, with one feature, `events_1m`: how many
/// events it has had within a minute. Events may be 5 s out of order.
pub fn plan() -> Plan {
    let view = ViewPlan {
        name: "activity".to_owned(),
        index: 0,
        mask: 0,
        ttl: 60 * MINUTE,
        reads: vec![Read::Count { accumulator: 0 }],
        derived: Vec::new(),
        features: vec![FeaturePlan {
            name: "events_1m".to_owned(),
            ty: Type::Int,
            nullable: false,
            column: 0,
        }],
        extents: vec![(0, MINUTE)],
    };
    let key = EntitySource { key: 0, attributes: Vec::new(), bits: Vec::new() };
    let card = EntityPlan {
        name: "card".to_owned(),
        sources: vec![Some(key)],
        attributes: Vec::new(),
        filters: 0,
        lookups: Vec::new(),
        late: Vec::new(),
        sequences: Vec::new(),
        sessions: Vec::new(),
        windows: vec![Window { length: MINUTE, delay: 0 }],
        accumulators: vec![AccumulatorPlan {
            kind: Kind::Count,
            attribute: None,
            mask: 0,
            window: 0,
        }],
        lasts: Vec::new(),
        views: vec![view],
    };
    Plan {
        name: "in_memory".to_owned(),
        sources: vec![payments()],
        tables: Vec::new(),
        entities: vec![card],
        views: vec![ViewIndex { entity: 0, view: 0 }],
        zone: Arc::new(Zone::utc()),
        distinct_max: None,
    }
}

fn payments() -> SourcePlan {
    let card = FieldPlan::new("card", Type::Text);
    SourcePlan {
        earliest: 0,
        latest: EventTime::MAX,
        out_of_orderness: 5_000,
        idle_after: MINUTE,
        hold_max: MINUTE,
        keys: vec![0],
        ..SourcePlan::new(
            "payments",
            TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms),
            vec![card],
        )
    }
}

/// Accepted events of the plan's entity, each with its time and its card, as the source sends them to
/// the only worker.
///
/// ```
/// use tidemark_operators::in_memory::batch;
///
/// let events = batch(&[(1_000, "a"), (2_000, "b")]);
/// assert_eq!((events.len(), events.clock), (2, 2_000));
/// ```
pub fn batch(events: &[(EventTime, &str)]) -> EventBatch {
    let mut batch = EventBatch::new(0, 0, 0);
    for (offset, (ts, card)) in (0..).zip(events) {
        let id = batch.keep(card.as_bytes());
        batch.clock = batch.clock.max(*ts);
        batch.times.push(*ts);
        batch.origins.push(Origin { source: 0, partition: 0, offset });
        batch.hashes.push(stable_hash(card.as_bytes()));
        batch.bits.push(0);
        batch.ids.push(id);
    }
    batch
}

/// A log that ends: one partition of the first source, a record a text.
pub struct TextLog(Option<RawBatch>);

impl TextLog {
    /// The records `texts`, at the offsets 0, 1 and so on.
    pub fn new(texts: &[&str]) -> Self {
        let batch = RawBatch::of_values(0, texts);
        TextLog(Some(batch).filter(|batch| !batch.records.is_empty()))
    }
}

impl PartitionReader for TextLog {
    fn id(&self) -> PartitionId {
        PartitionId { source: 0, partition: 0 }
    }

    fn poll(&mut self) -> Poll {
        self.0.take().map_or(Poll::Ended, Poll::Records)
    }

    fn describe(&self) -> String {
        "in memory".to_owned()
    }
}

/// A worker's partitions, all there from the start.
pub struct Given(pub Vec<Box<dyn PartitionReader>>);

impl Partitions for Given {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        std::mem::take(&mut self.0)
    }

    fn may_grow(&self) -> bool {
        false
    }
}

/// A sink that keeps what it is given; its clones share that.
pub struct Kept<T>(Rc<RefCell<Vec<T>>>);

impl<T> Kept<T> {
    /// Takes what was given so far.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Rc::default())
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept(Rc::clone(&self.0))
    }
}

impl DeadLetterSink for Kept<DeadLetter> {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        self.0.borrow_mut().push(letter);
    }
}

impl SealedSink for Kept<u8> {
    fn write(&mut self, mut lines: Vec<u8>) {
        self.0.borrow_mut().append(&mut lines);
    }
}

/// A live row of the plan's view, as it was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// The entity's id.
    pub id: String,
    /// The live clock it is as of.
    pub as_of: EventTime,
    /// Its first feature, when that is an int; `None` when the row is gone.
    pub first: Option<i64>,
}

impl OnlineSink for Kept<LiveRow> {
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
        let rows = batch.slots.iter().enumerate().map(|(at, slot)| LiveRow {
            id: String::from_utf8_lossy(ids.id(*slot)).into_owned(),
            as_of: batch.as_of,
            first: batch.features.first().and_then(|column| column.int(at)),
        });
        self.0.borrow_mut().extend(rows);
    }

    fn finish(&mut self, _as_of: EventTime) {}
}

/// What one worker's operators are given, and what they hand out.
pub struct InMemory {
    /// The plan.
    pub plan: Arc<Plan>,
    /// What the worker counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Shared by its operators and its loop.
    pub shared: SharedRef,
    /// What it has heard.
    pub coordination: Rc<RefCell<Coordination>>,
    /// What it has to tell.
    pub notices: Rc<RefCell<Vec<Notice>>>,
    /// Its dead letters.
    pub letters: Kept<DeadLetter>,
    /// Its live rows.
    pub rows: Kept<LiveRow>,
    /// Its sealed rows: the bytes of lines.
    pub lines: Kept<u8>,
}

impl InMemory {
    /// For the only worker of a job.
    pub fn new(plan: Plan) -> Self {
        InMemory {
            metrics: Arc::new(WorkerMetrics::new(0, &plan)),
            plan: Arc::new(plan),
            shared: Rc::new(Shared::default()),
            coordination: Rc::new(RefCell::new(Coordination::new(1, None))),
            notices: Rc::default(),
            letters: Kept::default(),
            rows: Kept::default(),
            lines: Kept::default(),
        }
    }

    /// The configuration of a dataflow that reads `log`, hands live rows out as they change and
    /// writes sealed ones as lines.
    pub fn config(&self, log: TextLog) -> Config {
        let rows: Box<dyn OnlineSink> = Box::new(self.rows.clone());
        Config {
            plan: Arc::clone(&self.plan),
            limits: Limits::default(),
            partitions: Box::new(Given(vec![Box::new(log)])),
            tables: Vec::new(),
            dead_letters: Box::new(self.letters.clone()),
            schemas: None,
            sealing: Sealing::Lines,
            lines: Some(Box::new(self.lines.clone())),
            probes: Vec::new(),
            serving: Serving::EveryStep,
            online: Some(Rc::new(RefCell::new(rows))),
            served: None,
            resume: Resume::default(),
            cuts: None,
            restore: Vec::new(),
            metrics: Arc::clone(&self.metrics),
            shared: Rc::clone(&self.shared),
            coordination: Rc::clone(&self.coordination),
            notices: Rc::clone(&self.notices),
        }
    }

    /// Steps `worker` until `probe` is done: what a loop has to do between two steps is to pass on
    /// what was told, to move the live clock, and to say when all is over.
    pub fn drive(&self, worker: &mut Worker, probe: &ProbeHandle<EventTime>) {
        while !probe.done() {
            let mut coordination = self.coordination.borrow_mut();
            for notice in self.notices.take() {
                coordination.hear(&notice, 0);
            }
            self.shared.live_clock.set(coordination.live_clock(0));
            self.shared.over.set(coordination.over());
            drop(coordination);
            self.shared.wake_source();
            self.shared.wake_windows();
            worker.step();
        }
    }
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Dead letters.
    pub letters: Vec<DeadLetter>,
    /// Live rows, in the order they were handed out.
    pub rows: Vec<LiveRow>,
    /// Sealed rows: lines of JSON.
    pub sealed: String,
}

/// Runs the job [`plan`] over `log` to its end.
///
/// ```
/// use tidemark_operators::in_memory::{TextLog, run};
///
/// let output = run(TextLog::new(&[
///     r#"{"ts": 1000000, "card": "a"}"#,
///     r#"{"ts": 1031000, "card": "a"}"#,
///     r#"{"ts": 1020000, "card": "b"}"#,
///     "not an event",
/// ]));
/// let reasons: Vec<_> = output.letters.iter().map(|letter| letter.reason.name()).collect();
/// // The third is more than 5 s behind the second.
/// assert_eq!(reasons, ["late", "malformed"]);
/// let row = output.rows.last().unwrap();
/// assert_eq!((row.id.as_str(), row.as_of, row.first), ("a", 1_031_000, Some(2)));
/// assert_eq!(output.sealed.lines().count(), 2, "one row an event and view");
/// ```
pub fn run(log: TextLog) -> Output {
    timely::execute_directly(move |worker| {
        let job = InMemory::new(plan());
        let config = job.config(log);
        let built = worker.dataflow(|scope| dataflow::build(scope, config));
        job.drive(worker, &built.probe);
        Output {
            letters: job.letters.take(),
            rows: job.rows.take(),
            sealed: String::from_utf8_lossy(&job.lines.take()).into_owned(),
        }
    })
}
