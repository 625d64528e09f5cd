//! Example rows: the job run over a few thousand records, in this process alone.

use super::records;
use crate::engine::{self, EngineError, Observer, Online, Parts, Settings};
use crate::memory_partition::{GivenPartitions, MemoryPartition};
use crate::online::{Embedded, OnlineStore, Row};
use crate::tables::{OpenTables, TablesConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_jobs::Job;
use tidemark_jobs::docs::Example;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::ingest::reader::{PartitionReader, RawBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Plan, ViewIndex};
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;
use tidemark_operators::value::Value;

/// For each view of the job the row of its entity's most telling id, after the newest record: all
/// views of an entity show the same one where it has a row in them. Views of which no record makes a
/// row have none. The same job gives the same rows.
///
/// # Errors
/// When the job cannot be run here.
pub(super) fn examples(job: &Job) -> Result<Vec<Option<Example>>, EngineError> {
    let made = records::of_shipped(&job.plan).map(|records| computed(&job.plan, records));
    let found = |examples: &Vec<Option<Example>>| examples.iter().any(Option::is_some);
    match made.transpose()?.filter(found) {
        Some(examples) => Ok(examples),
        // The job has sources of its own.
        None => computed(&job.plan, records::of_fields(&job.plan)),
    }
}

fn computed(
    plan: &Arc<Plan>,
    records: Vec<Vec<Vec<u8>>>,
) -> Result<Vec<Option<Example>>, EngineError> {
    let plan = Arc::new(Plan::clone(plan).of_json_alone());
    let settings = Settings {
        plan: Arc::clone(&plan),
        shape: Shape::default(),
        limits: Limits::default(),
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::AtEnd,
    };
    // Without its tables (one is a topic, or its file is elsewhere) a job has no examples.
    let Ok(Some(tables)) = OpenTables::open(&plan, &TablesConfig::default(), &|| true) else {
        return Ok(plan.views.iter().map(|_| None).collect());
    };
    let store = Arc::new(Embedded::new(&plan, 1));
    let rows = Arc::clone(&store);
    let batches: Vec<_> = records.iter().map(|records| batch(records)).collect();
    let make: engine::MakeParts = Arc::new(move |worker, waker| {
        let partition = |(source, batch): (u16, &Option<RawBatch>)| {
            let id = PartitionId { source, partition: 0 };
            let batches = batch.clone().map(Some);
            Box::new(MemoryPartition::new(id, batches, Arc::clone(&waker)))
                as Box<dyn PartitionReader>
        };
        Ok(Parts {
            partitions: Box::new(GivenPartitions((0..).zip(&batches).map(partition).collect())),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(Unread),
            online: Some(rows.writer(worker)),
            lines: None,
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    engine::run(&settings, &Observer::new(&settings), &make)?;
    Ok(chosen(&plan, &(0..plan.views.len()).map(|view| store.rows(view)).collect::<Vec<_>>()))
}

/// How many values are there, and how many of them are other than zero.
type RowWeight = (usize, usize);

fn telling(row: &Row) -> RowWeight {
    let there = row.values.iter().filter(|value| **value != Value::Null).count();
    let zeros = [Value::Null, Value::Int(0), Value::Double(0.0), Value::Bool(false)];
    (there, row.values.iter().filter(|value| !zeros.contains(value)).count())
}

/// A row for each view, of those that it has.
fn chosen(plan: &Plan, rows: &[Vec<(Vec<u8>, Row)>]) -> Vec<Option<Example>> {
    let of_entity = |entity: usize| {
        let views = plan.views.iter().zip(rows);
        views.filter(move |(place, _)| place.entity == entity).flat_map(|(_, rows)| rows)
    };
    let best: Vec<Option<&[u8]>> =
        (0..plan.entities.len()).map(|entity| most_telling(of_entity(entity))).collect();
    let example = |(place, rows): (&ViewIndex, &Vec<(Vec<u8>, Row)>)| {
        let best = best.get(place.entity).copied().flatten();
        let id = match rows.iter().any(|(id, _)| Some(id.as_slice()) == best) {
            true => best,
            // It has no row in this view.
            false => most_telling(rows.iter()),
        }?;
        let (_, row) = rows.iter().find(|(other, _)| other == id)?;
        let id = String::from_utf8_lossy(id).into_owned();
        Some(Example { id, as_of: row.as_of, values: row.values.clone() })
    };
    plan.views.iter().zip(rows).map(example).collect()
}

/// The id whose rows say most together; of equal ones the least.
fn most_telling<'r>(rows: impl Iterator<Item = &'r (Vec<u8>, Row)>) -> Option<&'r [u8]> {
    let mut by_id: BTreeMap<&[u8], RowWeight> = BTreeMap::new();
    for (id, row) in rows {
        let (there, other) = telling(row);
        let all = by_id.entry(id).or_default();
        *all = (all.0 + there, all.1 + other);
    }
    // Of equal ones `max_by_key` takes the last.
    by_id.into_iter().rev().max_by_key(|(_, telling)| *telling).map(|(id, _)| id)
}

/// Dead letters of records that were made for examples: nobody asks for them.
struct Unread;

impl DeadLetterSink for Unread {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, _letter: DeadLetter) {}
}

/// A source's records as one batch; nothing where there are none.
fn batch(records: &[Vec<u8>]) -> Option<RawBatch> {
    let batch = RawBatch::of_values(0, records);
    (!batch.records.is_empty()).then_some(batch)
}
