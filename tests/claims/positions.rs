//! A row with the events that it says it shows is what these make at its clock, whatever arrives while it
//! is read.

use crate::memory::{Letters, Log, fail_fast, tables};
use crate::twin::{Event, World};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidemark::engine::{self, Observer, Online, Parts, Settings};
use tidemark::http::FeatureRow;
use tidemark::memory_partition::GivenPartitions;
use tidemark::online::{AppliedRow, Embedded, OnlineStore};
use tidemark::source::Waker;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::reader::{PartitionReader, Poll, RawBatch, Standing};
use tidemark_operators::online::AppliedEvents;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// Reads over all histories, each while the job runs.
const READS: usize = 100_000;
/// Moments that they are of, at least.
const MOMENTS: usize = 2_000;
/// Reads after each record that is let through.
const READS_A_RECORD: usize = 12;
const WORKERS: usize = 3;

/// A partition that gives a record once one is let through.
struct PacedPartition {
    id: PartitionId,
    records: Vec<Vec<u8>>,
    next: usize,
    let_through: Arc<AtomicUsize>,
}

impl PartitionReader for PacedPartition {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        let Some(record) = self.records.get(self.next) else { return Poll::Ended };
        let one_less = |left: usize| left.checked_sub(1);
        let taken = self.let_through.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if taken.is_err() {
            return Poll::Pending(Standing::Behind);
        }
        self.next += 1;
        Poll::Records(RawBatch::of_values(self.next as u64 - 1, [record]))
    }

    fn describe(&self) -> String {
        format!("paced[{}.{}]", self.id.source, self.id.partition)
    }
}

/// A job at work, whose records are let through one by one.
struct PacedJob {
    store: Arc<Embedded>,
    let_through: Arc<AtomicUsize>,
    wakers: Arc<Mutex<Vec<Waker>>>,
    running: std::thread::JoinHandle<()>,
}

impl PacedJob {
    fn start(plan: &Arc<Plan>, log: &Log) -> PacedJob {
        fail_fast();
        let settings = Settings {
            plan: Arc::clone(plan),
            shape: Shape::one_process(WORKERS),
            limits: Limits::default(),
            live_idle: None,
            live_left: (0, 0),
            machine_clock: None,
            sealing: Sealing::None,
            online: Online::EveryStep,
        };
        let observer = Observer::new(&settings);
        let store = Arc::new(Embedded::new(plan, WORKERS));
        let let_through = Arc::new(AtomicUsize::new(0));
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let (sources, log, tables) = (plan.sources.len(), log.clone(), tables(plan, None));
        let (rows, paced) = (Arc::clone(&store), Arc::clone(&let_through));
        let waking = Arc::clone(&wakers);
        let make: engine::MakeParts = Arc::new(move |worker, waker: Waker| {
            waking.lock().unwrap().push(Arc::clone(&waker));
            let mine = log.iter().enumerate().filter(|(at, _)| at % WORKERS == worker);
            let readers = mine.map(|(at, records)| {
                Box::new(PacedPartition {
                    id: PartitionId {
                        source: (at % sources) as u16,
                        partition: (at / sources) as u32,
                    },
                    records: records.clone(),
                    next: 0,
                    let_through: Arc::clone(&paced),
                }) as Box<dyn PartitionReader>
            });
            Ok(Parts {
                partitions: Box::new(GivenPartitions(readers.collect())),
                tables: tables.take(worker, &waker)?,
                schemas: None,
                dead_letters: Box::new(Letters(Arc::default())),
                online: Some(rows.writer(worker)),
                lines: None,
                probes: Vec::new(),
                checkpoints: None,
            })
        });
        let running = std::thread::spawn(move || {
            engine::run(&settings, &observer, &make).unwrap();
        });
        PacedJob { store, let_through, wakers, running }
    }

    /// One record more is read, of whatever partition.
    fn let_one_through(&self) {
        self.let_through.fetch_add(1, Ordering::SeqCst);
        self.wakers.lock().unwrap().iter().for_each(|wake| wake());
    }
}

/// The rows that brute force finds of `events`.
fn rows_of(world: &World, accepted: &[Event], events: &AppliedEvents) -> BTreeMap<String, String> {
    let shown = |event: &&Event| {
        let id = PartitionId {
            source: event.source as u16,
            partition: (event.partition / world.sources) as u32,
        };
        let end = events.offsets.iter().find(|(known, _)| *known == id);
        end.is_some_and(|(_, end)| (event.offset as u64) < *end)
    };
    let known: Vec<Event> = accepted.iter().filter(shown).cloned().collect();
    world.live(&known, events.clock)
}

/// What a row says, in the form of brute force.
fn said(plan: &Plan, view: usize, row: &AppliedRow) -> Option<String> {
    let names = plan.view(view).unwrap().features.iter().map(|feature| feature.name.clone());
    let row = FeatureRow {
        view: String::new(),
        entity_type: String::new(),
        entity_id: String::new(),
        as_of: row.events.clock,
        complete_from: None,
        positions: None,
        features: names.zip(row.values.clone()?).collect(),
    };
    // As text: reading numbers could change their last digits.
    let text = serde_json::to_string(&row).unwrap();
    let (_, features) = text.split_once("\"features\":").unwrap();
    features.strip_suffix('}').map(str::to_owned)
}

#[test]
fn rows_that_are_read_while_the_job_runs_are_what_their_events_make() {
    let (mut reads, mut moments, mut seed) = (0, 0, 0);
    while reads < READS || moments < MOMENTS {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let plan = tidemark_jobs::load("twin.toml", &world.job()).unwrap().plan;
        let (accepted, _) = world.judge();
        let key = |event: &Event| [event.card.clone(), event.user.clone()];
        let mut ids: Vec<String> = accepted.iter().flat_map(key).flatten().collect();
        ids.sort();
        ids.dedup();
        ids.push("nobody".to_owned());
        let job = PacedJob::start(&plan, &world.log);
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut found: HashMap<String, BTreeMap<String, String>> = HashMap::new();
        while !job.running.is_finished() {
            job.let_one_through();
            for _ in 0..READS_A_RECORD {
                let (view, id) =
                    (rng.random_range(0..world.views.len()), &ids[rng.random_range(0..ids.len())]);
                // Before its worker has given any row nothing is told.
                let Some(row) = job.store.applied(view, id.as_bytes()) else { break };
                let rows = found
                    .entry(format!("{:?}", row.events))
                    .or_insert_with(|| rows_of(&world, &accepted, &row.events));
                assert_eq!(
                    said(&plan, view, &row).as_ref(),
                    rows.get(&format!("v{view}/{id}")),
                    "seed {seed}, v{view}/{id}, {:?}",
                    row.events
                );
                reads += 1;
            }
        }
        job.running.join().unwrap();
        moments += found.len();
        seed += 1;
    }
}
