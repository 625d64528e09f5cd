//! Partitions and sinks in memory, and a job run over them.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use tidemark::engine::{self, EngineError, Observer, Online, Parts, Settings};
use tidemark::memory_partition::{GivenPartitions, MemoryPartition};
use tidemark::source::Waker;
use tidemark::tables::{OpenTables, TablesConfig};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::in_memory::ColdInMemory;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, RawBatch, RawRecord};
use tidemark_operators::json::push_json;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::{EntityIds, OnlineSink, RowBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::sealed_lines::SealedSink;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// A record: its offset is its place in the partition.
pub type Record = Vec<u8>;

/// Partitions, each a list of records; they belong to the job's sources in turn.
pub type Log = Vec<Vec<Record>>;

/// How many records were accepted, late, from the future, and unreadable: malformed, tombstones, and
/// those whose schema does not fit.
pub type Verdicts = [u64; 4];

/// The verdicts of all workers.
pub fn verdicts(observer: &Observer) -> Verdicts {
    let mut totals = [0; 4];
    for counts in observer.metrics.iter().flat_map(|m| &m.verdicts) {
        let unreadable = counts.dead_letters() - counts.late.get() - counts.future.get();
        let counts = [counts.accepted.get(), counts.late.get(), counts.future.get(), unreadable];
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    totals
}

/// What a run gave.
#[derive(Debug, Default, PartialEq)]
pub struct Output {
    /// Sealed lines.
    pub sealed: String,
    /// Final live rows: `view/id` to the features as JSON; deleted rows are absent.
    pub live: BTreeMap<String, String>,
    /// Dead letters, by partition and offset.
    pub dead: Vec<DeadLetter>,
    /// The greatest accepted ts.
    pub newest: u64,
    /// Of all workers.
    pub verdicts: Verdicts,
}

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Run {
    pub workers: usize,
    /// How records are cut into batches and partitions interleaved.
    pub seed: u64,
    pub online: Online,
    pub limits: Limits,
    /// So many ms behind the clock events leave memory.
    pub hot_window: Option<u64>,
}

impl Default for Run {
    fn default() -> Self {
        let (online, limits) = (Online::AtEnd, Limits::default());
        Run { workers: 1, seed: 0, online, limits, hot_window: None }
    }
}

/// Has events leave memory, for another place in memory.
pub fn keep_cold(observer: &Observer, hot_window: u64) {
    observer.keep_cold(hot_window, |_| {
        Ok(Box::new(|_| Box::new(ColdInMemory::new(&Arc::default())) as _))
    });
}

/// How many chunks of events have come back.
pub fn came_back(observer: &Observer) -> u64 {
    let entities = observer.metrics.iter().flat_map(|worker| &worker.entities);
    entities.map(|entity| entity.cold_reads.get()).sum()
}

/// Cuts a partition into batches, with pauses between some of them.
fn cut(records: &[Record], seed: u64) -> VecDeque<Option<RawBatch>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let mut batches = VecDeque::new();
    let mut next = 0;
    while next < records.len() {
        let most = if random(3) == 0 { 3 } else { 300 };
        let end = (next + 1 + random(most) as usize).min(records.len());
        let mut batch = RawBatch::default();
        for (offset, record) in records.iter().enumerate().take(end).skip(next) {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(record);
            batch.records.push(RawRecord {
                offset: offset as u64,
                value: Some(start..batch.bytes.len()),
                ..RawRecord::default()
            });
        }
        batches.extend((0..random(3)).map(|_| None));
        batches.push_back(Some(batch));
        next = end;
    }
    batches
}

/// Keeps the dead letters.
pub struct Letters(pub Arc<Mutex<Vec<DeadLetter>>>);

impl DeadLetterSink for Letters {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        self.0.lock().unwrap().push(letter);
    }
}

/// Keeps the sealed lines.
pub struct Lines(pub Arc<Mutex<Vec<u8>>>);

impl SealedSink for Lines {
    fn write(&mut self, lines: Vec<u8>) {
        self.0.lock().unwrap().extend_from_slice(&lines);
    }
}

/// Keeps the rows handed out last: `view/id` to the features as JSON, without the deleted.
pub struct Rows {
    pub plan: Arc<Plan>,
    pub rows: Arc<Mutex<BTreeMap<String, String>>>,
}

impl OnlineSink for Rows {
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
        let view = self.plan.view(batch.view).unwrap();
        let mut rows = self.rows.lock().unwrap();
        for (row, slot) in batch.slots.iter().enumerate() {
            let id = String::from_utf8(ids.id(*slot).to_vec()).unwrap();
            assert!(!id.is_empty(), "a row of a free slot");
            let key = format!("{}/{id}", view.name);
            if batch.deleted[row] {
                rows.remove(&key);
                continue;
            }
            let mut json = b"{".to_vec();
            for (at, (feature, column)) in view.features.iter().zip(&batch.features).enumerate() {
                json.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
                json.extend_from_slice(feature.name.as_bytes());
                json.extend_from_slice(b"\":");
                push_json(column, feature.ty, row, &mut json);
            }
            json.push(b'}');
            rows.insert(key, String::from_utf8(json).unwrap());
        }
    }

    fn finish(&mut self, _as_of: u64) {}
}

/// Runs `plan` over `log` to the end.
pub fn replay(plan: &Arc<Plan>, log: &Log, run: &Run) -> Output {
    watched(plan, log, run).0
}

/// The job's reference tables; files are looked at again and again.
pub fn tables(plan: &Plan, metrics: Option<Arc<WorkerMetrics>>) -> OpenTables {
    let config = TablesConfig { reload: true, metrics, ..TablesConfig::default() };
    OpenTables::open(plan, &config, &|| true).unwrap_or_else(|e| panic!("{e}")).unwrap()
}

/// As [`replay`], with what was seen of it from outside.
pub fn watched(plan: &Arc<Plan>, log: &Log, run: &Run) -> (Output, Observer) {
    over(plan, run, tables(plan, None), given(plan, log, run))
}

/// The partitions that each worker is given of `log`.
fn given(
    plan: &Plan,
    log: &Log,
    run: &Run,
) -> impl Fn(usize, Waker) -> Box<dyn Partitions> + Send + Sync + 'static {
    let (sources, workers, seed, log) = (plan.sources.len(), run.workers, run.seed, log.clone());
    move |worker: usize, waker: Waker| {
        let mine = log.iter().enumerate().filter(|(p, _)| p % workers == worker);
        let reader = |(partition, records): (usize, &Vec<Record>)| {
            let source = (partition % sources) as u16;
            let id = PartitionId { source, partition: (partition / sources) as u32 };
            let batches = cut(records, seed + 31 * partition as u64);
            Box::new(MemoryPartition::new(id, batches, Arc::clone(&waker)))
                as Box<dyn PartitionReader>
        };
        Box::new(GivenPartitions(mine.map(reader).collect()))
    }
}

/// Runs `plan` to the end over the partitions that each worker is given.
pub fn over(
    plan: &Arc<Plan>,
    run: &Run,
    tables: OpenTables,
    partitions: impl Fn(usize, Waker) -> Box<dyn Partitions> + Send + Sync + 'static,
) -> (Output, Observer) {
    let Attempt { outcome, observer, dead, sealed, live } =
        attempt(plan, run, (tables, |_| {}), partitions);
    let newest = outcome.unwrap().unwrap();
    let mut dead = std::mem::take(&mut *dead.lock().unwrap());
    dead.sort_by_key(|letter: &DeadLetter| (letter.partition, letter.offset));
    let verdicts = verdicts(&observer);
    let sealed = String::from_utf8(std::mem::take(&mut *sealed.lock().unwrap())).unwrap();
    let live = std::mem::take(&mut *live.lock().unwrap());
    (Output { sealed, live, dead, newest, verdicts }, observer)
}

/// Runs `plan` over `log` as far as it goes; `prepare` may say more of the run before it begins. Beside how
/// it ended, the sealed rows that it gave.
pub fn tried(
    plan: &Arc<Plan>,
    log: &Log,
    run: &Run,
    prepare: impl FnOnce(&Observer),
) -> (Result<Option<u64>, EngineError>, String) {
    let attempt = attempt(plan, run, (tables(plan, None), prepare), given(plan, log, run));
    let sealed = std::mem::take(&mut *attempt.sealed.lock().unwrap());
    (attempt.outcome, String::from_utf8(sealed).unwrap())
}

/// A run that has ended somehow, and what it gave.
struct Attempt {
    outcome: Result<Option<u64>, EngineError>,
    observer: Observer,
    dead: Arc<Mutex<Vec<DeadLetter>>>,
    sealed: Arc<Mutex<Vec<u8>>>,
    live: Arc<Mutex<BTreeMap<String, String>>>,
}

fn attempt(
    plan: &Arc<Plan>,
    run: &Run,
    (tables, prepare): (OpenTables, impl FnOnce(&Observer)),
    partitions: impl Fn(usize, Waker) -> Box<dyn Partitions> + Send + Sync + 'static,
) -> Attempt {
    fail_fast();
    let settings = Settings {
        plan: Arc::clone(plan),
        shape: Shape::one_process(run.workers),
        limits: run.limits,
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::Lines,
        online: run.online,
    };
    let observer = Observer::new(&settings);
    run.hot_window.iter().for_each(|hot_window| keep_cold(&observer, *hot_window));
    prepare(&observer);
    let dead = Arc::<Mutex<Vec<_>>>::default();
    let sealed = Arc::<Mutex<Vec<u8>>>::default();
    let live = Arc::<Mutex<_>>::default();
    let (letters, lines, rows) = (Arc::clone(&dead), Arc::clone(&sealed), Arc::clone(&live));
    let shared_plan = Arc::clone(plan);
    let make: engine::MakeParts = Arc::new(move |worker, waker: Waker| {
        Ok(Parts {
            tables: tables.take(worker, &waker)?,
            partitions: partitions(worker, waker),
            schemas: None,
            dead_letters: Box::new(Letters(Arc::clone(&letters))),
            online: Some(Box::new(Rows {
                plan: Arc::clone(&shared_plan),
                rows: Arc::clone(&rows),
            })),
            lines: (worker == 0).then(|| Box::new(Lines(Arc::clone(&lines))) as _),
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    let outcome = engine::run(&settings, &observer, &make);
    Attempt { outcome, observer, dead, sealed, live }
}

/// A worker that panics leaves the others waiting for ever: end the process instead.
pub fn fail_fast() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            let thread = std::thread::current();
            if thread.name().is_some_and(|name| name.starts_with("timely:")) {
                // Past the capture of the test's output, which would be lost with the process.
                let said = format!("{info}\n{}\n", std::backtrace::Backtrace::force_capture());
                let _ = std::io::stderr().write_all(said.as_bytes());
                std::process::exit(101);
            }
        }));
    });
}
