//! One worker over partitions that follow a script: records, and waits until something has come to
//! pass.

use crate::memory::{Letters, Lines, Rows, Verdicts, verdicts};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemark::engine::{self, MachineClock, Observer, Online, Parts, Settings};
use tidemark::memory_partition::GivenPartitions;
use tidemark::source::Waker;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::ingest::reader::{PartitionReader, Poll, RawBatch, Standing};
use tidemark_operators::online::{EntityIds, OnlineSink, RowBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// A wait longer than this is a failure; every wait ends at once when what it waits for has come.
const DEADLINE: Duration = Duration::from_secs(60);

/// All that has been shown of each row, `None` where it was deleted.
pub type Shown = BTreeMap<String, Vec<Option<String>>>;

type Condition = Box<dyn Fn(&Observer, &Shown) -> bool + Send>;

pub enum Step {
    Records(RawBatch),
    /// Caught up and silent, until this holds.
    Until(&'static str, Condition),
    /// Looked at again and again until it holds, without ever being idle.
    Watch(&'static str, Condition),
}

/// Looks again and again until `holds`.
pub fn watch(
    what: &'static str,
    holds: impl Fn(&Observer, &Shown) -> bool + Send + 'static,
) -> Step {
    Step::Watch(what, Box::new(holds))
}

/// Waits, caught up, until `holds`.
pub fn until(
    what: &'static str,
    holds: impl Fn(&Observer, &Shown) -> bool + Send + 'static,
) -> Step {
    Step::Until(what, Box::new(holds))
}

/// Records `from..` of a partition, as they are.
pub fn records<R: AsRef<[u8]>>(from: u64, records: &[R]) -> Step {
    Step::Records(RawBatch::of_values(from, records))
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub sealed: String,
    pub shown: Shown,
    /// In the order in which they were handed over.
    pub dead: Vec<DeadLetter>,
    pub verdicts: Verdicts,
    pub newest: Option<u64>,
}

struct Reader {
    id: PartitionId,
    script: VecDeque<Step>,
    observer: Observer,
    shown: Arc<Mutex<Shown>>,
    waiting: Option<Instant>,
    waker: Waker,
}

impl PartitionReader for Reader {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        match self.script.pop_front() {
            None => Poll::Ended,
            Some(Step::Records(batch)) => {
                self.waiting = None;
                Poll::Records(batch)
            }
            Some(Step::Until(what, holds)) => {
                if !holds(&self.observer, &self.shown.lock().unwrap()) {
                    let since = *self.waiting.get_or_insert_with(Instant::now);
                    assert!(since.elapsed() < DEADLINE, "{} waits until {what}", self.describe());
                    self.script.push_front(Step::Until(what, holds));
                }
                Poll::Pending(Standing::AtEnd)
            }
            Some(Step::Watch(what, holds)) => {
                if !holds(&self.observer, &self.shown.lock().unwrap()) {
                    let since = *self.waiting.get_or_insert_with(Instant::now);
                    assert!(since.elapsed() < DEADLINE, "{} waits until {what}", self.describe());
                    self.script.push_front(Step::Watch(what, holds));
                }
                (self.waker)();
                Poll::Pending(Standing::Behind)
            }
        }
    }

    fn describe(&self) -> String {
        format!("script[{}]", self.id.partition)
    }
}

/// Keeps the rows, and what they were before.
struct Showing {
    rows: Rows,
    shown: Arc<Mutex<Shown>>,
}

impl OnlineSink for Showing {
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
        self.rows.write(batch, ids);
        let (rows, mut shown) = (self.rows.rows.lock().unwrap(), self.shown.lock().unwrap());
        let name = &self.rows.plan.view(batch.view).unwrap().name;
        for slot in &batch.slots {
            let row = format!("{name}/{}", String::from_utf8_lossy(ids.id(*slot)));
            let newest = rows.get(&row).cloned();
            shown.entry(row).or_default().push(newest);
        }
    }

    fn finish(&mut self, _as_of: u64) {}
}

/// Runs `plan` over partitions that follow `scripts`.
pub fn run(
    plan: &Arc<Plan>,
    limits: Limits,
    live_idle: Option<u64>,
    scripts: Vec<Vec<Step>>,
) -> Outcome {
    run_until(plan, limits, live_idle, None, scripts)
}

/// The same with a live clock that does not run ahead of the machine's.
pub fn run_until(
    plan: &Arc<Plan>,
    limits: Limits,
    live_idle: Option<u64>,
    machine_clock: Option<MachineClock>,
    scripts: Vec<Vec<Step>>,
) -> Outcome {
    run_bounded(plan, limits, live_idle, machine_clock, |_| {}, scripts)
}

/// The same, where `bound` may bound what is observed before anything is read.
pub fn run_bounded(
    plan: &Arc<Plan>,
    limits: Limits,
    live_idle: Option<u64>,
    machine_clock: Option<MachineClock>,
    bound: impl FnOnce(&Observer),
    scripts: Vec<Vec<Step>>,
) -> Outcome {
    crate::memory::fail_fast();
    let settings = Settings {
        plan: Arc::clone(plan),
        shape: Shape::default(),
        limits,
        live_idle,
        live_left: (0, 0),
        machine_clock,
        sealing: Sealing::Lines,
        online: Online::EveryStep,
    };
    let observer = Observer::new(&settings);
    bound(&observer);
    let (dead, sealed): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<u8>>>) = Default::default();
    let shown: Arc<Mutex<Shown>> = Arc::default();
    let scripts = Mutex::new(scripts);
    let (letters, lines, rows) = (Arc::clone(&dead), Arc::clone(&sealed), Arc::clone(&shown));
    let (watched, shared_plan) = (observer.clone(), Arc::clone(plan));
    let tables = crate::memory::tables(plan, observer.metrics.first().cloned());
    let make: engine::MakeParts = Arc::new(move |worker, waker| {
        let scripts = std::mem::take(&mut *scripts.lock().unwrap());
        let reader = |(partition, script): (u32, Vec<Step>)| {
            Box::new(Reader {
                id: PartitionId { source: 0, partition },
                script: script.into(),
                observer: watched.clone(),
                shown: Arc::clone(&rows),
                waiting: None,
                waker: Arc::clone(&waker),
            }) as Box<dyn PartitionReader>
        };
        Ok(Parts {
            partitions: Box::new(GivenPartitions((0..).zip(scripts).map(reader).collect())),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(Letters(Arc::clone(&letters))),
            online: Some(Box::new(Showing {
                rows: Rows { plan: Arc::clone(&shared_plan), rows: Arc::default() },
                shown: Arc::clone(&rows),
            })),
            lines: Some(Box::new(Lines(Arc::clone(&lines)))),
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    let newest = engine::run(&settings, &observer, &make).unwrap();
    let verdicts = verdicts(&observer);
    let sealed = String::from_utf8(std::mem::take(&mut *sealed.lock().unwrap())).unwrap();
    let dead = std::mem::take(&mut *dead.lock().unwrap());
    let shown = std::mem::take(&mut *shown.lock().unwrap());
    Outcome { sealed, shown, dead, verdicts, newest }
}
