//! Jobs under a load that is spread as an estimate assumes, and what they hold then.

use crate::counting::held;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tidemark::check::memory::estimate;
use tidemark::engine::{self, MakeParts, Observer, Online, Parts, Settings, StateBound};
use tidemark::job_file;
use tidemark::memory_partition::GivenPartitions;
use tidemark::online::{Embedded, OnlineStore as _};
use tidemark::source::Waker;
use tidemark::tables::{OpenTables, TablesConfig};
use tidemark_jobs::Job;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::footprint::Load;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::ingest::reader::{PartitionReader, Poll, RawBatch, RawRecord, Standing};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// One run after the other: the allocator counts for all.
static ALONE: Mutex<()> = Mutex::new(());

const START: u64 = 1_700_000_000_000;
const LOAD: Load = Load { entities: 40_000, events: 10, values: 3, texts: 40_000, text_bytes: 16 };
/// Times that a reader is asked in vain before what is held is looked at: all it gave has arrived.
const ASKED: u32 = 3_000;

/// An event: the number of the entity, and of the value its other texts have.
struct Event {
    entity: u64,
    value: u64,
    time: u64,
}

/// Writes an event's record.
type Record = fn(&Event, &mut String);

/// A text of a field that has a number; as long as the load says.
fn text(field: char, number: u64, length: u64) -> String {
    let width = usize::try_from(length).unwrap() - 1;
    format!("{field}{number:0width$}")
}

/// A log that is made while it is read, and looks at what is held when all of it has arrived.
struct SpreadLog {
    record: Record,
    load: Load,
    longest: u64,
    next: u64,
    asked: u32,
    waker: Waker,
    /// Looks at what is held, and at what the job says that its state takes.
    look: Arc<dyn Fn() + Send + Sync>,
}

impl PartitionReader for SpreadLog {
    fn id(&self) -> PartitionId {
        PartitionId { source: 0, partition: 0 }
    }

    fn poll(&mut self) -> Poll {
        let Load { entities, events, values, texts, .. } = self.load;
        let all = entities * events;
        if self.next == all {
            self.asked += 1;
            if self.asked < ASKED {
                (self.waker)();
                return Poll::Pending(Standing::Behind);
            }
            (self.look)();
            return Poll::Ended;
        }
        let (mut batch, mut line) = (RawBatch::default(), String::new());
        for at in self.next..(self.next + 200).min(all) {
            let entity = at % entities;
            let value = (entity * values + at / entities % values) % texts;
            let time = START + self.longest * at / all;
            line.clear();
            (self.record)(&Event { entity, value, time }, &mut line);
            let value = Some(batch.keep(line.as_bytes()));
            batch.records.push(RawRecord { offset: at, value, ..RawRecord::default() });
        }
        self.next += batch.records.len() as u64;
        Poll::Records(batch)
    }

    fn describe(&self) -> String {
        "spread".to_owned()
    }
}

/// There are none.
struct NoLetters;

impl DeadLetterSink for NoLetters {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        panic!("{:?}", letter.error);
    }
}

/// What `job` holds under `load` when every event has arrived, and what it says that its state takes.
fn measured(job: &Job, load: Load, record: Record) -> (u64, u64) {
    let plan = &job.plan;
    let windows = |plan: &Plan| {
        let windows = plan.entities.iter().flat_map(|entity| &entity.windows);
        windows.map(|window| window.leaves(0)).max().unwrap()
    };
    let longest = windows(plan);
    let settings = Settings {
        plan: Arc::clone(plan),
        shape: Shape::default(),
        // What a step has at hand is no state: it is to be little.
        limits: Limits { records_step: 256, slice_rows: 4_096, ..Limits::default() },
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    };
    let observer = Observer::new(&settings);
    let tables = OpenTables::open(plan, &TablesConfig::default(), &|| true).unwrap().unwrap();
    let seen: Arc<[AtomicU64; 2]> = Arc::default();
    let before = held();
    let store = Arc::new(Embedded::new(plan, 1));
    let (shared, watched, rows) = (Arc::clone(&seen), observer.clone(), Arc::clone(&store));
    let look: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        let [found, said] = &*shared;
        found.store(held(), Relaxed);
        let rows = Arc::clone(&rows);
        let bound = StateBound::new(u64::MAX, move || rows.memory());
        said.store(bound.held(&watched.metrics).held, Relaxed);
    });
    let make: MakeParts = Arc::new(move |worker, waker: Waker| {
        let log = SpreadLog {
            record,
            load,
            longest,
            next: 0,
            asked: 0,
            waker: Arc::clone(&waker),
            look: Arc::clone(&look),
        };
        Ok(Parts {
            partitions: Box::new(GivenPartitions(vec![Box::new(log)])),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(NoLetters),
            online: Some(store.writer(worker)),
            lines: None,
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    engine::run(&settings, &observer, &make).unwrap().unwrap();
    let accepted = observer.metrics[0].verdicts[0].accepted.get();
    assert_eq!(accepted, load.entities * load.events, "every record is an event");
    let [found, said] = &*seen;
    (found.load(Relaxed) - before, said.load(Relaxed))
}

/// Holds the estimate against a run, within a fifth, and what the job says of itself, within a twelfth.
#[track_caller]
fn holds(job: &Job, load: Load, record: Record) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let said = estimate(job, &load);
    let (found, told) = measured(job, load, record);
    let off = said.total_bytes.abs_diff(found);
    let parts = format!("{:?}", said.entities);
    let name = &job.plan.name;
    eprintln!("{name}: {} bytes are said, {told} told, {found} held", said.total_bytes);
    assert!(told.abs_diff(found) * 12 <= found, "{name} tells of {told} bytes and holds {found}");
    assert!(found > 10_000_000, "{found} bytes are too few to tell");
    assert!(
        off * 5 <= found,
        "{}: {} bytes are said and {found} are held\n{parts}",
        job.plan.name,
        said.total_bytes
    );
}

#[test]
fn the_memory_of_fraud_is_what_is_said() {
    holds(&job_file::load("fraud").unwrap(), LOAD, |event, line| {
        let Event { entity, value, time } = event;
        let word = |field| text(field, *value, LOAD.text_bytes);
        let [_, b, c, d] = u32::try_from(*value).unwrap().to_be_bytes();
        let _ = write!(
            line,
            r#"{{"card_id":"{}","user_id":"{}","merchant_id":"{}","device_id":"{}","mcc":"{}","country":"{}","status":"{}","ip_address":"10.{b}.{c}.{d}","amount":{}.5,"timestamp":{time}}}"#,
            text('c', *entity, LOAD.text_bytes),
            text('u', *entity, LOAD.text_bytes),
            word('m'),
            word('d'),
            word('x'),
            word('y'),
            word('s'),
            time % 977,
        );
    });
}

#[test]
fn the_memory_of_behavior_is_what_is_said() {
    holds(&job_file::load("behavior").unwrap(), LOAD, |event, line| {
        let Event { entity, value, time } = event;
        let word = |field| text(field, *value, LOAD.text_bytes);
        let [_, b, c, d] = u32::try_from(*value).unwrap().to_be_bytes();
        let _ = write!(
            line,
            r#"{{"user_id":"{}","event_type":"api_call","source":"{}","data":{{"source_ip":"10.{b}.{c}.{d}","user_agent":"{}","result":"success","resource":"{}","endpoint":"{}","bytes":17}},"device_info":{{"device_id":"{}"}},"location_info":{{"country":"{}","city":"{}"}},"timestamp":{time}}}"#,
            text('u', *entity, LOAD.text_bytes),
            word('s'),
            word('a'),
            word('r'),
            word('e'),
            word('d'),
            word('c'),
            word('t'),
        );
    });
}

#[test]
fn the_memory_of_personalization_is_what_is_said() {
    let (file, shipped) = tidemark_jobs::shipped("personalization").unwrap();
    // What waits to be sealed is no part of what is said, and here it would be a share that counts:
    // all of the load is within the five minutes of the longest window.
    let sealed = shipped.replace("out_of_orderness = \"5s\"", "out_of_orderness = \"50ms\"");
    assert_ne!(sealed, shipped);
    holds(&tidemark_jobs::load(file, &sealed).unwrap(), LOAD, |event, line| {
        let Event { entity, time, .. } = event;
        let _ = write!(
            line,
            r#"{{"user_id":"{}","session_id":"{}","event_type":"page_view","dwell_time_sec":{},"scroll_depth":0.5,"timestamp":{time}}}"#,
            text('u', *entity, LOAD.text_bytes),
            text('s', *entity, LOAD.text_bytes),
            time % 61,
        );
    });
}

const TEXTS: &str = r#"[job]
name = "texts"

[sources.hits]
topic = "hits"
time = "timestamp"
out_of_orderness = "1s"

[sources.hits.fields]
user = "string"
agent = "string"
page = "string"

[entities.user]
key = "user"

[views.agents]
entity = "user"

[views.agents.features]
agents_1h = { aggregate = "distinct", of = "agent", window = "1h" }
agent = { aggregate = "latest", of = "agent" }
pages_10m = { aggregate = "entropy", of = "page", window = "10m" }
new_agent = { aggregate = "is_new", of = "agent", horizon = "30d" }
"#;

#[test]
fn long_texts_are_said_with_their_length() {
    const LONG: Load = Load { text_bytes: 500, ..LOAD };
    holds(&tidemark_jobs::load("texts.toml", TEXTS).unwrap(), LONG, |event, line| {
        let Event { entity, value, time } = event;
        let _ = write!(
            line,
            r#"{{"user":"{}","agent":"{}","page":"{}","timestamp":{time}}}"#,
            text('u', *entity, LONG.text_bytes),
            text('a', *value, LONG.text_bytes),
            text('p', *value, LONG.text_bytes),
        );
    });
}
