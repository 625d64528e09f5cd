//! Live windows against brute force, after every arrival, move of the clock and seal.

use crate::memory::Rows;
use crate::twin::{Event, Feature, Filter, View, World};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tidemark_operators::entity_log::EntityLog;
use tidemark_operators::in_memory::ColdInMemory;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::ingest::projection::{Outbox, Projection};
use tidemark_operators::live::LiveWindows;
use tidemark_operators::online::{EntityIds, OnlineSink, RowBatch};
use tidemark_operators::plan::Plan;

/// Chunks of so many events leave memory at once.
const COLD_CHUNKS: usize = 4;

/// Counts what is handed out, and keeps it.
struct Sink {
    rows: Rows,
    clock: u64,
    given: usize,
}

impl OnlineSink for Sink {
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
        assert_eq!(batch.as_of, self.clock);
        self.given += batch.slots.len();
        self.rows.write(batch, ids);
    }

    fn finish(&mut self, _as_of: u64) {}
}

/// A world's live windows, driven by hand.
struct Drive<'w> {
    world: &'w World,
    /// By (partition, offset).
    accepted: BTreeMap<(usize, usize), Event>,
    plan: Arc<Plan>,
    entities: Vec<(EntityLog, LiveWindows)>,
    sink: Sink,
    arrived: Vec<Event>,
    clock: u64,
    budget: u64,
    slices: usize,
}

impl<'w> Drive<'w> {
    fn new(world: &'w World, chunk_rows: usize) -> Self {
        let plan = tidemark_jobs::load("twin.toml", &world.job()).unwrap().plan;
        let entities = plan.entities.iter().map(|entity| {
            let mut log = EntityLog::new(entity, chunk_rows, world.out_of_orderness);
            if chunk_rows == COLD_CHUNKS {
                log.log.keep_cold("any", 0, Box::new(ColdInMemory::new(&Arc::default())));
            }
            (log, LiveWindows::new(&plan, entity))
        });
        let rows: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let (accepted, _) = world.judge();
        Drive {
            world,
            accepted: accepted.into_iter().map(|e| ((e.partition, e.offset), e)).collect(),
            entities: entities.collect(),
            sink: Sink { rows: Rows { plan: Arc::clone(&plan), rows }, clock: 0, given: 0 },
            plan,
            arrived: Vec::new(),
            clock: 0,
            budget: u64::MAX / 2,
            slices: 0,
        }
    }

    /// Moves the clock.
    fn advance(&mut self, to: u64) {
        self.clock = self.clock.max(to);
        for (log, live) in &mut self.entities {
            while !live.advance(log, self.clock, self.budget) {
                self.slices += 1;
            }
            assert_eq!(live.clock(), self.clock);
        }
    }

    /// Records `from..to` of a partition arrive; the late ones are left out.
    fn arrive(&mut self, partition: usize, from: usize, to: usize) {
        let source = partition % self.world.sources;
        let mut decoder = Decoder::new(&self.plan.sources[source]);
        let (mut decoded, mut offsets, mut clock) = (Decoded::default(), Vec::new(), self.clock);
        for offset in from..to {
            let Some(event) = self.accepted.get(&(partition, offset)) else { continue };
            decoder.decode(&self.world.log[partition][offset], &mut decoded).unwrap();
            let row = offsets.len();
            (decoded.time[row], decoded.arrival[row]) = (event.ts, Some(event.clock));
            offsets.push(offset as u64);
            clock = clock.max(event.clock);
            self.arrived.push(event.clone());
        }
        self.advance(clock);
        let mut outbox = Outbox::new(&self.plan, 1);
        let mut projection = Projection::new(&self.plan, source);
        let within = (partition / self.world.sources) as u32;
        projection.project(&mut decoded, within, &offsets, 0, &mut outbox);
        for (at, (log, live)) in self.entities.iter_mut().enumerate() {
            for batch in outbox.take(at) {
                let block = log.receive(batch);
                live.arrive(&block, log);
            }
        }
    }

    /// Everything below `frontier` is sealed; what nothing needs is let go of.
    fn seal(&mut self, frontier: u64) {
        for (log, _) in &mut self.entities {
            log.seal(Some(frontier), &mut Vec::new());
        }
        self.give_out();
        for (log, live) in &mut self.entities {
            let low = live.low_water(log);
            live.forget(frontier.saturating_sub(1), usize::MAX, &mut log.names);
            log.retire(low, u64::MAX);
            log.forget(frontier, usize::MAX);
            let (mut places, through) = (Vec::new(), log.log.end());
            live.places(&mut places);
            for _ in 0..8 {
                log.log.cool(frontier, through, &places);
            }
        }
    }

    /// The greatest time of what has arrived.
    fn furthest(&self) -> u64 {
        self.arrived.iter().map(|e| e.ts).max().unwrap_or(0)
    }

    fn give_out(&mut self) {
        self.sink.clock = self.clock;
        for (log, live) in &mut self.entities {
            let mut batches = Vec::new();
            while !live.hand_out(&log.names, &mut batches) {}
            batches.iter().for_each(|batch| self.sink.write(batch, &log.names));
        }
    }

    /// Hands out what has changed, and compares all that was ever handed out with brute force.
    fn check(&mut self, what: &str) {
        self.give_out();
        let mut events: Vec<Event> = self.arrived.clone();
        events.sort_by_key(Event::place);
        // No window of these worlds reaches further back, but sessions may.
        let far = self.world.looks_far_back();
        let from = events.partition_point(|e| !far && e.ts + 2_000 < self.clock);
        let expected = self.world.live(&events[from..], self.clock);
        let rows = self.sink.rows.rows.lock().unwrap();
        if *rows != expected {
            let ids: Vec<_> = rows.keys().chain(expected.keys()).collect();
            let wrong = ids.iter().find(|id| rows.get(**id) != expected.get(**id)).unwrap();
            panic!(
                "{what}, clock {}: {wrong} is {:?} and should be {:?}\n{}",
                self.clock,
                rows.get(*wrong),
                expected.get(*wrong),
                self.world.job()
            );
        }
    }
}

/// Lets all partitions arrive in turns, with moves of the clock and seals between, checking every
/// time.
fn play(drive: &mut Drive<'_>, rng: &mut SmallRng, what: &str) {
    let log = &drive.world.log;
    let mut next = vec![0; log.len()];
    let mut clocks = vec![0u64; log.len()];
    let most = rng.random_range(1..40);
    loop {
        let open: Vec<usize> = (0..log.len()).filter(|p| next[*p] < log[*p].len()).collect();
        if open.is_empty() {
            return;
        }
        match rng.random_range(0..6) {
            0 => {
                let by = if rng.random_bool(0.2) { 1_500 } else { 40 };
                let to = drive.clock + rng.random_range(0..by);
                drive.advance(to);
            }
            1 => {
                // A partition that has ended holds nobody back.
                let watermark = |p: &usize| clocks[*p].saturating_sub(drive.world.out_of_orderness);
                let frontier = open.iter().map(watermark).min().unwrap_or(0);
                drive.seal(frontier);
            }
            _ => {
                let partition = open[rng.random_range(0..open.len())];
                let from = next[partition];
                let to = (from + rng.random_range(1..=most)).min(log[partition].len());
                drive.arrive(partition, from, to);
                let times = (from..to).filter_map(|o| drive.accepted.get(&(partition, o)));
                clocks[partition] = times.map(|e| e.clock).fold(clocks[partition], u64::max);
                next[partition] = to;
            }
        }
        drive.check(what);
    }
}

#[test]
fn live_rows_equal_brute_force_after_every_step() {
    let mut back = 0;
    for seed in 0..500 {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x11fe);
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let chunk_rows = if rng.random() { 256 } else { 1 << 16 };
        let chunk_rows = if seed % 3 == 0 { COLD_CHUNKS } else { chunk_rows };
        let mut drive = Drive::new(&world, chunk_rows);
        if rng.random() {
            drive.budget = rng.random_range(1..10);
        }
        play(&mut drive, &mut rng, &format!("seed {seed}"));
        for _ in 0..8 {
            let to = drive.clock + rng.random_range(1..400);
            drive.advance(to);
            drive.check(&format!("seed {seed}, in silence"));
        }
        // What lies ahead of the clock is sealed once the clock has come to it.
        drive.advance(drive.furthest());
        drive.seal(drive.clock + 1);
        back += drive.entities.iter().map(|(log, _)| log.log.cold().reads).sum::<u64>();
        drive.advance(drive.clock + 2_000);
        drive.check(&format!("seed {seed}, all gone"));
        drive.seal(drive.clock + 1);
        assert!(drive.sink.rows.rows.lock().unwrap().is_empty(), "seed {seed}");
        for (log, _) in &drive.entities {
            assert_eq!((log.stash.len(), log.log.end() - log.log.start()), (0, 0), "seed {seed}");
            assert!(log.names.entities.is_empty(), "seed {seed}: slots are free again");
            let symbols = log.names.symbols.iter().flatten();
            symbols.for_each(|s| assert!(s.is_empty(), "seed {seed}: symbols are free again"));
        }
    }
    assert!(back > 100, "{back} chunks came back");
}

#[test]
fn the_values_of_a_silent_entity_decay_at_the_exact_millisecond() {
    for seed in 0..14 {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0xdeca);
        let mut world = World::random(seed);
        world.log.iter_mut().for_each(|partition| partition.truncate(25));
        let mut drive = Drive::new(&world, 256);
        play(&mut drive, &mut rng, &format!("seed {seed}"));
        for step in 0..1_100 {
            if step == 3 {
                // Some of them decay in the stash, the others in the log.
                drive.seal(drive.clock);
            }
            drive.advance(drive.clock + 1);
            drive.check(&format!("seed {seed}, {step} ms of silence"));
        }
        drive.advance(drive.clock.max(drive.furthest() + 1_100) + 200);
        drive.check(&format!("seed {seed}"));
        assert!(drive.sink.rows.rows.lock().unwrap().is_empty(), "seed {seed}");
    }
}

fn feature(aggregate: &'static str, of: &'static str, window: u64, delay: u64) -> Feature {
    Feature { aggregate, of, window, delay, filter: Filter::All, apart: 0, named: None }
}

/// A view of cards; the world's users have to have one too, and nobody is one.
fn views(features: Vec<Feature>) -> Vec<View> {
    let users = vec![feature("count", "", 60, 0)];
    vec![
        View { entity: "card", filter: Filter::All, features },
        View { entity: "user", filter: Filter::All, features: users },
    ]
}

fn record(ts: u64, card: &str, country: &str, amount: u64) -> Vec<u8> {
    let mut json = String::new();
    let _ = write!(
        json,
        "{{\"ts\":{ts},\"card\":\"{card}\",\"country\":\"{country}\",\"amount\":{amount}}}"
    );
    json.into_bytes()
}

/// 2,000 events, one a millisecond.
fn storm(out_of_orderness: u64) -> World {
    let features = vec![
        feature("count", "", 1_000, 0),
        feature("sum", "amount", 60, 0),
        feature("distinct", "country", 1_000, 40),
        feature("max", "amount", 200, 0),
    ];
    let countries = ["se", "no", "dk"];
    let one = |ts: u64| {
        let country = countries[ts as usize % 3];
        record(10_000 + ts, &format!("c{}", ts * 7 % 97), country, ts * 31 % 400)
    };
    World {
        out_of_orderness,
        max_ahead: None,
        views: views(features),
        sources: 1,
        log: vec![(0..2_000).map(one).collect()],
        table: None,
    }
}

#[test]
fn a_storm_of_expiry_is_worked_off_in_slices_and_shows_no_partial_state() {
    for sealed in [0, 11_500, 12_000] {
        let world = storm(10_000);
        let mut drive = Drive::new(&world, 256);
        drive.arrive(0, 0, 2_000);
        drive.seal(sealed);
        drive.check("before the storm");
        let given = drive.sink.given;
        drive.budget = 10;
        drive.advance(drive.clock + 900);
        assert_eq!(drive.sink.given, given, "nothing is handed out on the way");
        drive.check("in the storm");
        // 900 rows leave the longest windows. What waits in the stash is sliced by its buckets.
        let least = match sealed {
            12_000 => 85,
            11_500 => 45,
            _ => 5,
        };
        assert!(drive.slices >= least, "sealed to {sealed}: {} slices", drive.slices);
        drive.advance(drive.clock + 100_000);
        drive.check("after the storm");
        assert!(drive.sink.rows.rows.lock().unwrap().is_empty());
    }
}

#[test]
fn rows_that_lost_their_edge_in_the_stash_do_not_spend_the_slice() {
    let world = storm(10_000);
    let mut drive = Drive::new(&world, 256);
    drive.arrive(0, 0, 2_000);
    // Most have left the windows of 60 and 200 ms while they were in the stash.
    drive.seal(12_000);
    drive.budget = 10;
    drive.advance(drive.clock + 55);
    let few = drive.slices;
    assert!((5..=20).contains(&few), "{few} slices for 55 rows in steps of 10");
    drive.check("a small storm");
}

#[test]
fn slots_and_symbols_are_reused_and_nothing_leaks_between_entities() {
    const GENERATIONS: u64 = 120;
    let features = vec![
        feature("count", "", 60, 0),
        feature("avg", "amount", 200, 0),
        feature("min", "points", 60, 0),
        feature("max", "amount", 60, 20),
        feature("stddev", "amount", 60, 0),
        feature("distinct", "country", 200, 0),
        feature("normalised", "country", 60, 5),
        feature("latest", "amount", 200, 0),
        feature("previous_gap", "", 200, 0),
    ];
    let mut log = Vec::new();
    let mut rng = SmallRng::seed_from_u64(5);
    for generation in 0..GENERATIONS {
        let mut times: Vec<u64> = (0..60).map(|_| rng.random_range(0..100)).collect();
        times.sort_unstable();
        for ts in times {
            let card = format!("card {generation} of a long name, {}", rng.random_range(0..40));
            let country = format!("country {generation} {}", rng.random_range(0..5));
            log.push(record(
                1_000 + 300 * generation + ts,
                &card,
                &country,
                rng.random_range(0..9),
            ));
        }
    }
    let (views, log) = (views(features), vec![log]);
    let world = World { out_of_orderness: 3, max_ahead: None, views, sources: 1, log, table: None };
    let mut drive = Drive::new(&world, 256);
    for generation in 0..GENERATIONS as usize {
        for part in 0..6 {
            let from = generation * 60 + part * 10;
            drive.arrive(0, from, from + 10);
            drive.seal(drive.clock - 3);
            drive.check("while they come");
        }
        let names = &drive.entities[0].0.names;
        assert!(names.entities.len() <= 80, "{} entities", names.entities.len());
        assert!(names.entities.end() <= 160, "{} slots", names.entities.end());
        for symbols in names.symbols.iter().flatten() {
            assert!(symbols.len() <= 10 && symbols.end() <= 21, "{} symbols", symbols.end());
        }
    }
    drive.seal(drive.clock);
    drive.advance(drive.clock + 1_000);
    drive.seal(drive.clock);
    drive.check("when they are gone");
    assert!(drive.entities[0].0.names.entities.is_empty());
}

#[test]
fn the_live_state_equals_the_sealed_state_once_the_inputs_have_closed() {
    use crate::memory::{Run, replay};
    for seed in 0..100 {
        let mut world = World::random(seed);
        let (accepted, _) = world.judge();
        // A last word of every entity, all at one time: their sealed rows are as of the end.
        let end = accepted.iter().map(|e| e.ts).max().unwrap_or(10_000) + 7;
        for at in 0..6 {
            let card = at % 4;
            let last = format!(
                "{{\"ts\":{end},\"card\":\"c{card}\",\"user\":\"u{at}\",\"amount\":99,\
                 \"country\":\"se\",\"good\":true}}"
            );
            world.log[0].push(last.into_bytes());
        }
        let plan = tidemark_jobs::load("twin.toml", &world.job()).unwrap().plan;
        let output = replay(&plan, &world.log, &Run { seed, ..Run::default() });
        let mut sealed = BTreeMap::new();
        for line in output.sealed.lines() {
            let of = |key: &str| {
                let from = line.find(key).unwrap() + key.len();
                let rest = &line[from..];
                rest[..rest.find('"').unwrap()].to_owned()
            };
            if line.contains(&format!("\"as_of\":{end},")) {
                let features = line.split_once("\"features\":").unwrap().1;
                let features = features.strip_suffix('}').unwrap();
                let row = format!("{}/{}", of("\"view\":\""), of("\"entity_id\":\""));
                sealed.insert(row, features.to_owned());
            }
        }
        let ids = world.views.iter().map(|v| if v.entity == "card" { 4 } else { 6 });
        assert_eq!(sealed.len(), ids.sum::<usize>());
        let live: BTreeMap<_, _> =
            output.live.into_iter().filter(|(row, _)| sealed.contains_key(row)).collect();
        assert_eq!(live, sealed, "seed {seed}: {}", world.job());
    }
}
