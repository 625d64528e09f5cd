//! A row with the events that it says it shows is what these make at its clock, whatever arrives while it
//! is read; where these are what had arrived by then, it is what training finds by arrival.

use crate::by_arrival::{number, seen_at};
use crate::folder::Folder;
use crate::historical::arguments;
use crate::memory::{Letters, Log, Record, fail_fast, tables};
use crate::twin::{Event, MaxAhead, World};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
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
/// How long a record may take to be shown before others are read.
const SHOWN_WITHIN: Duration = Duration::from_millis(20);
/// Reads after each record that is let through.
const READS_A_RECORD: usize = 12;
const WORKERS: usize = 3;

/// A partition that gives a record once it is let through: each has a number among those of all partitions.
struct PacedPartition {
    id: PartitionId,
    records: Vec<(usize, Record)>,
    next: usize,
    let_through: Arc<AtomicUsize>,
}

impl PartitionReader for PacedPartition {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        let Some((number, record)) = self.records.get(self.next) else { return Poll::Ended };
        if *number >= self.let_through.load(Ordering::SeqCst) {
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
    /// Over `log`, of whose records `order` says the partitions one after the other.
    fn start(plan: &Arc<Plan>, log: &Log, order: &[usize]) -> PacedJob {
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
        let (sources, log, tables) = (plan.sources.len(), numbered(log, order), tables(plan, None));
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

    /// One record more is read, the next one of all partitions.
    fn let_one_through(&self) {
        self.let_through.fetch_add(1, Ordering::SeqCst);
        self.wakers.lock().unwrap().iter().for_each(|wake| wake());
    }
}

/// An order in which the records of all partitions come, as their partitions.
fn shuffled(log: &Log, rng: &mut SmallRng) -> Vec<usize> {
    let mut left: Vec<usize> = log.iter().map(Vec::len).collect();
    let mut order = Vec::new();
    while let Some(last) = left.iter().sum::<usize>().checked_sub(1) {
        let mut nth = rng.random_range(0..=last);
        let of = |(at, left): (usize, &mut usize)| {
            let is = nth < *left;
            nth -= if is { 0 } else { *left };
            *left -= usize::from(is);
            is.then_some(at)
        };
        order.extend(left.iter_mut().enumerate().find_map(of));
    }
    order
}

/// The records of each partition with their numbers in `order`.
fn numbered(log: &Log, order: &[usize]) -> Vec<Vec<(usize, Record)>> {
    let mut numbers = vec![Vec::new(); log.len()];
    for (number, partition) in order.iter().enumerate() {
        numbers[*partition].push(number);
    }
    let of = |(records, numbers): (&Vec<Record>, Vec<usize>)| {
        numbers.into_iter().zip(records.iter().cloned()).collect()
    };
    log.iter().zip(numbers).map(of).collect()
}

/// The rows that brute force finds of `events`.
fn rows_of(world: &World, accepted: &[Event], events: &AppliedEvents) -> BTreeMap<String, String> {
    let known = accepted.iter().filter(|event| shows(world, events, event));
    world.live(&known.cloned().collect::<Vec<_>>(), events.clock)
}

/// Whether an event is one of `events`.
fn shows(world: &World, events: &AppliedEvents, event: &Event) -> bool {
    let id = PartitionId {
        source: event.source as u16,
        partition: (event.partition / world.sources) as u32,
    };
    let end = events.offsets.iter().find(|(known, _)| *known == id);
    end.is_some_and(|(_, end)| (event.offset as u64) < *end)
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

/// Who has events, and somebody who has none.
fn ids(accepted: &[Event]) -> Vec<String> {
    let key = |event: &Event| [event.card.clone(), event.user.clone()];
    let mut ids: Vec<String> = accepted.iter().flat_map(key).flatten().collect();
    ids.sort();
    ids.dedup();
    ids.push("nobody".to_owned());
    ids
}

#[test]
fn rows_that_are_read_while_the_job_runs_are_what_their_events_make() {
    let (mut reads, mut moments, mut seed) = (0, 0, 0);
    while reads < READS || moments < MOMENTS {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let plan = tidemark_jobs::load("twin.toml", &world.job()).unwrap().plan;
        let (accepted, _) = world.judge();
        let ids = ids(&accepted);
        let mut rng = SmallRng::seed_from_u64(seed);
        let job = PacedJob::start(&plan, &world.log, &shuffled(&world.log, &mut rng));
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

/// A world whose records arrive in an order, each at the clock that all before it have made, or moves it on to
/// its own time.
struct ArrivingInOrder {
    world: World,
    order: Vec<usize>,
    accepted: Vec<Event>,
    /// When each of them arrives.
    arrivals: Vec<u64>,
}

impl ArrivingInOrder {
    fn new(seed: u64, rng: &mut SmallRng) -> ArrivingInOrder {
        let mut world = World::of_sources(seed, 1 + seed as usize % 2);
        world.max_ahead = Some(MaxAhead::Anything);
        let order = shuffled(&world.log, rng);
        let (mut clock, mut next) = (0, vec![0; world.log.len()]);
        for partition in &order {
            let record = &mut world.log[*partition][next[*partition]];
            next[*partition] += 1;
            let ts = number(record, "ts").unwrap();
            // The clocks of some who write are ahead: those move nothing.
            clock = if clock > 0 && rng.random_bool(0.1) { clock } else { ts.max(clock) };
            *record = seen_at(record, Some(clock));
        }
        let (accepted, _) = world.judge();
        let seen = |event: &Event| number(&world.log[event.partition][event.offset], "seen");
        let arrivals = accepted.iter().map(|event| seen(event).unwrap()).collect();
        ArrivingInOrder { world, order, accepted, arrivals }
    }

    /// The event that is the record at place `nth` of all, if it is one, and whom the views are of that it is
    /// in.
    fn event(&self, nth: usize) -> Option<(&Event, &str)> {
        let partition = *self.order.get(nth)?;
        let offset = self.order[..nth].iter().filter(|at| **at == partition).count();
        let is = |event: &&Event| (event.partition, event.offset) == (partition, offset);
        let event = self.accepted.iter().find(is)?;
        Some((event, event.card.as_deref().or(event.user.as_deref())?))
    }

    /// Whether the events of `id` that `events` shows are those that had arrived at its clock. Only of those
    /// is a row what training finds then; between two that arrive at one time, or while the clock of a worker
    /// is not yet where its events are, it is of others.
    fn are_what_had_arrived(&self, id: &str, events: &AppliedEvents) -> bool {
        let mut own = self.accepted.iter().zip(&self.arrivals).filter(|(event, _)| {
            [&event.card, &event.user].iter().any(|key| key.as_deref() == Some(id))
        });
        own.all(|(event, arrived)| shows(&self.world, events, event) == (*arrived <= events.clock))
    }
}

/// A read: of which view and whom, at which clock, and what it said.
struct ReadRow {
    view: usize,
    id: String,
    clock: u64,
    features: Option<String>,
}

/// What `historical --known arrived` finds for `reads` in files of the log.
fn found_by_arrival(all: &ArrivingInOrder, reads: &[ReadRow]) -> Vec<String> {
    let (folder, world) = (Folder::new("positions"), &all.world);
    folder.write("job.toml", world.job());
    let sources = world.write_log(&folder);
    let mut spine = String::new();
    for ReadRow { id, clock, .. } in reads {
        let _ =
            writeln!(spine, "{{\"card\":\"{id}\",\"user\":\"{id}\",\"event_timestamp\":{clock}}}");
    }
    folder.write("spine.jsonl", spine);
    let views: Vec<String> = (0..world.views.len()).map(|at| format!("v{at}")).collect();
    let words = format!(
        "historical job.toml --time-unit ms --full-feature-names --entities spine.jsonl --features {} \
         --out out.jsonl --known arrived --workers 2{sources}",
        views.join(",")
    );
    tidemark::historical::make(&arguments(&folder, &words)).unwrap_or_else(|why| panic!("{why}"));
    let out = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let row = |(line, ReadRow { view, .. }): (&str, &ReadRow)| {
        let row: BTreeMap<String, &RawValue> = serde_json::from_str(line).unwrap();
        let features = (0..world.views[*view].features.len())
            .map(|n| format!("\"f{n}\":{}", row[&format!("v{view}__f{n}")].get()));
        format!("{{{}}}", features.collect::<Vec<_>>().join(","))
    };
    assert_eq!(out.lines().count(), reads.len());
    out.lines().zip(reads).map(row).collect()
}

/// Lets one record after the other through, and reads what is there of its card or user, and of others.
fn read_while_it_runs(all: &ArrivingInOrder, plan: &Arc<Plan>, rng: &mut SmallRng) -> Vec<ReadRow> {
    let (ids, mut reads) = (ids(&all.accepted), Vec::new());
    let job = PacedJob::start(plan, &all.world.log, &all.order);
    for nth in 0.. {
        if job.running.is_finished() {
            break;
        }
        job.let_one_through();
        let event = all.event(nth);
        let let_through = Instant::now();
        let is_shown = |(event, id): &(&Event, &str)| {
            let row = job.store.applied(usize::from(event.card.is_none()), id.as_bytes());
            row.is_some_and(|row| shows(&all.world, &row.events, event))
        };
        while event.as_ref().is_some_and(|of| !is_shown(of)) {
            if let_through.elapsed() > SHOWN_WITHIN {
                break;
            }
            std::thread::yield_now();
        }
        for _ in 0..READS_A_RECORD {
            let view = rng.random_range(0..all.world.views.len());
            let own = event.map(|(_, id)| id).filter(|_| rng.random_bool(0.8));
            let id = own.unwrap_or_else(|| &ids[rng.random_range(0..ids.len())]);
            let Some(row) = job.store.applied(view, id.as_bytes()) else { break };
            if all.are_what_had_arrived(id, &row.events) {
                let (clock, features) = (row.events.clock, said(plan, view, &row));
                reads.push(ReadRow { view, id: id.to_owned(), clock, features });
            }
        }
    }
    job.running.join().unwrap();
    reads
}

#[test]
fn what_was_read_while_the_job_ran_is_what_training_finds_by_arrival() {
    let (mut rows, mut absent, mut unlike_final, mut seed) = (0, 0, 0, 1_000);
    // Of those that are there: most others are of whom there was nothing yet, or nothing any more.
    while rows < READS {
        let mut rng = SmallRng::seed_from_u64(seed);
        let all = ArrivingInOrder::new(seed, &mut rng);
        let plan = tidemark_jobs::load("twin.toml", &all.world.job()).unwrap().plan;
        let reads = read_while_it_runs(&all, &plan, &mut rng);
        let found = if reads.is_empty() { Vec::new() } else { found_by_arrival(&all, &reads) };
        for (ReadRow { view, id, clock, features }, found) in reads.iter().zip(found) {
            let at = format!("seed {seed}: v{view} of {id} at {clock}");
            // No row is the row of nobody.
            let shown = |values: Vec<String>| {
                let named = values.iter().enumerate().map(|(n, value)| format!("\"f{n}\":{value}"));
                format!("{{{}}}", named.collect::<Vec<_>>().join(","))
            };
            let Some(features) = features else {
                assert_eq!(shown(all.world.values_of(*view, &[], id, *clock)), found, "{at}");
                absent += 1;
                continue;
            };
            assert_eq!(features, &found, "{at}");
            rows += 1;
            let known = all.accepted.partition_point(|event| event.ts <= *clock);
            let known = all.world.values_of(*view, &all.accepted[..known], id, *clock);
            unlike_final += usize::from(shown(known) != found);
        }
        seed += 1;
    }
    let counts = [rows, absent, unlike_final];
    assert!(counts.iter().zip([READS, 1_000, 1_000]).all(|(is, least)| *is >= least), "{counts:?}");
}
