//! Runs the events of a case through the engine, in the order they arrive, and keeps what came out.

use super::case::Event;
use crate::engine::{self, MakeParts, Observer, Online, Parts, Settings};
use crate::memory_partition::{GivenPartitions, MemoryPartition};
use crate::online::{Embedded, OnlineStore, text};
use crate::source::Waker;
use crate::tables::{OpenTables, TablesConfig};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::ingest::reader::{PartitionReader, RawBatch, RawRecord};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Plan, ViewPlan};
use tidemark_operators::sealed_lines::SealedSink;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;
use tidemark_operators::time::EventTime;

/// A row: a value a feature, in job order, each as JSON.
pub(super) type Row = Vec<String>;

/// A dead letter and the event it was, by its place in the case.
pub(super) type Dead = (usize, DeadLetter);

/// What a run gave.
pub(super) struct Played {
    /// The rows as they were read at the end.
    store: Embedded,
    /// By event.
    pub dead: Vec<Dead>,
    /// All sealed lines.
    pub sealed: String,
}

/// A record and the event it is, by its place in the case.
type Record<'a> = (usize, &'a Event);

/// Runs `events` (each with its place in the case, in the order they arrive) on `workers`. The live
/// clock then stops at `until`, or at the last event.
///
/// # Errors
/// When the engine stops before the end.
pub(super) fn play(
    plan: &Arc<Plan>,
    workers: usize,
    events: &[Record<'_>],
    until: Option<EventTime>,
) -> Result<Played, String> {
    let settings = Settings {
        plan: Arc::clone(plan),
        shape: Shape::one_process(workers),
        limits: Limits::default(),
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::Lines,
        online: until.map_or(Online::EveryStep, Online::Until),
    };
    let observer = Observer::new(&settings);
    let store = Arc::new(Embedded::new(plan, workers));
    let (dead, sealed) = (Letters::default(), Lines::default());
    let (letters, lines, rows) = (dead.clone(), sealed.clone(), Arc::clone(&store));
    let logs: Vec<_> = (0..plan.sources.len()).map(|source| log(events, source)).collect();
    let tables = OpenTables::open(plan, &TablesConfig::default(), &|| true);
    let tables = tables.map_err(|error| error.to_string())?.unwrap_or_default();
    let make: MakeParts = Arc::new(move |worker, waker: Waker| {
        let mine = logs.iter().enumerate().skip(worker).step_by(workers.max(1));
        let reader = |(source, log): (usize, &Vec<Option<RawBatch>>)| {
            let source = u16::try_from(source).map_err(|error| error.to_string())?;
            let id = PartitionId { source, partition: 0 };
            let partition = MemoryPartition::new(id, log.iter().cloned(), Arc::clone(&waker));
            Ok::<_, String>(Box::new(partition) as Box<dyn PartitionReader>)
        };
        Ok(Parts {
            schemas: None,
            tables: tables.take(worker, &waker)?,
            partitions: Box::new(GivenPartitions(mine.map(reader).collect::<Result<_, _>>()?)),
            dead_letters: Box::new(letters.clone()),
            online: Some(rows.writer(worker)),
            lines: (worker == 0).then(|| Box::new(lines.clone()) as _),
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    engine::run(&settings, &observer, &make).map_err(|error| error.to_string())?;
    drop(make);
    let store = Arc::into_inner(store).ok_or("the engine ended and still holds the rows")?;
    Ok(Played { store, dead: dead.take(events), sealed: sealed.take() })
}

/// The log of a source: a record a batch, each taken in before the next is read. A record's offset
/// is its place among the events.
fn log(events: &[Record<'_>], source: usize) -> Vec<Option<RawBatch>> {
    let mine = (0..).zip(events).filter(|(_, (_, event))| event.source == source);
    let batch = |(offset, (_, event)): (u64, &Record<'_>)| RawBatch {
        bytes: event.record.clone(),
        records: vec![RawRecord {
            offset,
            value: Some(0..event.record.len()),
            timestamp: event.arrival(),
            ..RawRecord::default()
        }],
        ..RawBatch::default()
    };
    mine.flat_map(|record| [Some(batch(record)), None]).collect()
}

#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<DeadLetter>>>);

impl Letters {
    fn take(self, events: &[Record<'_>]) -> Vec<Dead> {
        let letters = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let place = |letter: &DeadLetter| {
            let at = usize::try_from(letter.offset).ok()?;
            events.get(at).map(|(place, _)| *place)
        };
        let placed = letters.into_iter().filter_map(|letter| Some((place(&letter)?, letter)));
        let mut dead: Vec<_> = placed.collect();
        dead.sort_by_key(|(place, _)| *place);
        dead
    }
}

impl DeadLetterSink for Letters {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn take(self) -> String {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&lines).into_owned()
    }
}

impl SealedSink for Lines {
    fn write(&mut self, lines: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&lines);
    }
}

/// A sealed line, as far as it is looked at.
#[derive(Deserialize)]
struct Line<'a> {
    view: String,
    entity_id: String,
    as_of: EventTime,
    #[serde(borrow)]
    features: BTreeMap<String, &'a RawValue>,
}

impl Played {
    /// The row of `id` as it was read at the end.
    pub fn live(&self, view: usize, id: &str) -> Option<Row> {
        let row = self.store.get(view, id.as_bytes())?;
        let json = |value| {
            let mut out = Vec::new();
            text::json(value, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        Some(row.values.iter().map(json).collect())
    }

    /// The sealed rows of `id` at `at`: one for each event there.
    pub fn sealed(&self, view: &ViewPlan, id: &str, at: EventTime) -> Vec<Row> {
        let lines = self.sealed.lines().filter_map(|l| serde_json::from_str::<Line<'_>>(l).ok());
        let wanted = lines.filter(|l| l.view == view.name && l.entity_id == id && l.as_of == at);
        wanted.map(|line| row(view, &line.features)).collect()
    }
}

fn row(view: &ViewPlan, features: &BTreeMap<String, &RawValue>) -> Row {
    let text = |name: &str| features.get(name).map_or("missing", |value| value.get()).to_owned();
    view.features.iter().map(|feature| text(&feature.name)).collect()
}
