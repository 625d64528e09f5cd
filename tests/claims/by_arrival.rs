//! Features of examples by what had arrived at their times, held against brute force, against what is known
//! at once or so much later, and against what has to be refused.

use crate::files::{Ended, tidemark};
use crate::folder::Folder;
use crate::historical::{arguments, workers_of};
use crate::memory::{Letters, Record, fail_fast, tables};
use crate::twin::{Event, MaxAhead, World};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use tidemark::engine::{self, Observer, Online, Parts, Settings};
use tidemark::memory_partition::{GivenPartitions, MemoryPartition};
use tidemark::source::Waker;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::reader::RawBatch;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::probes::{EntityProbes, ProbeBatch, Probed, Probing};
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// Histories that are asked about through the command.
const SEEDS: u64 = 100;
/// Histories that are asked about in this process.
pub const IN_PROCESS: u64 = 2_500;
/// The most records of a partition of these.
const RECORDS_MAX: usize = 24;

/// A source of a file whose records say when they arrived.
const BY_FIELD: &str =
    "files = [\"in.jsonl\"]\narrival_field = { field = \"seen\", unit = \"ms\" }\n";

/// The member `name` of a record, which is a number.
pub fn number(record: &[u8], name: &str) -> Option<u64> {
    serde_json::from_slice::<Value>(record).unwrap()[name].as_u64()
}

/// The record with another arrival, or with none.
pub fn seen_at(record: &[u8], seen: Option<u64>) -> Record {
    let text = std::str::from_utf8(record).unwrap();
    let text = match text.split_once(",\"seen\":") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}{rest}")
        }
        None => text.to_owned(),
    };
    let seen = seen.map_or(String::new(), |seen| format!(",\"seen\":{seen}"));
    format!("{}{seen}}}", text.strip_suffix('}').unwrap()).into_bytes()
}

/// Arrivals of all kinds: at once, soon, late, in the order of events or not, several at one time, before
/// the time of the event, and none.
fn arrival(rng: &mut SmallRng, ts: u64, far: u64) -> Option<u64> {
    match rng.random_range(0..20) {
        0..3 => Some(ts),
        3..8 => Some(ts + rng.random_range(0..20)),
        8..12 => Some(ts + rng.random_range(0..far)),
        12..15 => Some((ts / 50 + 1) * 50),
        15..19 => Some(ts - rng.random_range(0..far.min(500))),
        _ => None,
    }
}

/// A world whose history lies in files, and the arrival of each accepted event.
struct ArrivingWorld {
    world: World,
    /// With their arrivals; in the order of events.
    accepted: Vec<(Event, u64)>,
    late: u64,
    /// Of those of each source how many there are, and how many do not say when they arrived.
    of_sources: Vec<(u64, u64)>,
    folder: Folder,
    sources: String,
}

impl ArrivingWorld {
    /// Records say when they arrived by `arrival`, of their times.
    fn new(
        seed: u64,
        max_ahead: MaxAhead,
        arrival: impl FnMut(u64) -> Option<u64>,
    ) -> ArrivingWorld {
        ArrivingWorld::of(World::of_sources(seed, 1 + seed as usize % 2), max_ahead, arrival)
    }

    fn of(
        mut world: World,
        max_ahead: MaxAhead,
        mut arrival: impl FnMut(u64) -> Option<u64>,
    ) -> ArrivingWorld {
        world.max_ahead = Some(max_ahead);
        for record in world.log.iter_mut().flatten() {
            let ts = number(record, "ts").unwrap();
            *record = seen_at(record, arrival(ts));
        }
        let (accepted, late) = world.judge();
        let seen = |event: &Event| number(&world.log[event.partition][event.offset], "seen");
        let of_source = |source: usize| {
            let own = || accepted.iter().filter(move |event| event.source == source);
            (own().count() as u64, own().filter(|event| seen(event).is_none()).count() as u64)
        };
        let of_sources = (0..world.sources).map(of_source).collect();
        let accepted = accepted.into_iter().map(|event| {
            let arrived = seen(&event).unwrap_or(event.ts);
            (event, arrived)
        });
        let accepted = accepted.collect();
        let folder = Folder::new("by_arrival");
        folder.write("job.toml", world.job());
        world.write_table(&folder);
        let sources = world.write_log(&folder);
        let late = late.len() as u64;
        ArrivingWorld { world, accepted, late, of_sources, folder, sources }
    }

    /// The source of whose events not one says when it arrived, if there is one: it is refused.
    fn refused(&self) -> Option<&'static str> {
        let mut named = self.of_sources.iter().zip(["t", "u"]);
        named.find(|((events, unknown), _)| *events > 0 && events == unknown).map(|(_, name)| name)
    }

    fn unknown(&self) -> u64 {
        self.of_sources.iter().map(|(_, unknown)| unknown).sum()
    }

    /// Times at which something may change: arrivals, edges of windows, and others.
    fn time(&self, rng: &mut SmallRng) -> u64 {
        let at = rng.random_range(0..self.accepted.len().max(1));
        let arrived = self.accepted.get(at).map_or(10_000, |(_, arrived)| *arrived);
        match rng.random_range(0..8) {
            0..2 => arrived,
            2 => arrived - 1,
            3 => arrived + 1,
            _ => {
                let events: Vec<Event> = self.accepted.iter().map(|(e, _)| e.clone()).collect();
                self.world.telling_time(&events, rng)
            }
        }
    }

    /// A spine, of nobody and of strangers too.
    fn spine(&self, rng: &mut SmallRng, rows: usize) -> Vec<(String, String, u64)> {
        let row = |_| {
            let (card, user) = (rng.random_range(0..6_u32), rng.random_range(0..8_u32));
            (format!("c{card}"), format!("u{user}"), self.time(rng))
        };
        let spine: Vec<_> = (0..rows).map(row).collect();
        let mut lines = String::new();
        for (card, user, at) in &spine {
            let _ = writeln!(
                lines,
                "{{\"card\":\"{card}\",\"user\":\"{user}\",\"event_timestamp\":{at}}}"
            );
        }
        self.folder.write("spine.jsonl", lines);
        spine
    }

    fn words(&self, more: &str) -> String {
        let views: Vec<String> = (0..self.world.views.len()).map(|at| format!("v{at}")).collect();
        format!(
            "historical job.toml --time-unit ms --full-feature-names --entities spine.jsonl --features {} \
             --out out.jsonl{}{more}",
            views.join(","),
            self.sources
        )
    }

    fn historical(&self, more: &str) -> Ended {
        tidemark(self.folder.path(), &self.words(more), b"")
    }

    /// Sees what came out of it.
    fn check(&self, said: &Value, expected: &str, why: &str) {
        let counts = ["accepted", "late"].map(|name| said[name].as_u64().unwrap());
        assert_eq!(counts, [self.accepted.len() as u64, self.late], "{why}");
        assert_eq!(said["arrival_unknown"].as_u64().unwrap(), self.unknown(), "{why}");
        let found = std::fs::read_to_string(self.folder.path().join("out.jsonl")).unwrap();
        let differs = found.lines().zip(expected.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{why}: {}", self.world.job());
        assert!(found == expected, "{why}");
    }

    /// What comes out.
    fn rows(&self, more: &str) -> String {
        let ended = self.historical(more);
        assert_eq!(ended.code, 0, "{more}: {}{}", ended.errors, self.world.job());
        std::fs::read_to_string(self.folder.path().join("out.jsonl")).unwrap()
    }

    /// What has to come out of a row: nothing but the events that had arrived is known.
    fn expected(&self, (card, user, at): &(String, String, u64), before: bool) -> String {
        let arrived = |(_, arrived): &&(Event, u64)| arrived < at || (!before && arrived == at);
        let known: Vec<Event> =
            self.accepted.iter().filter(arrived).map(|(event, _)| event.clone()).collect();
        let mut line =
            format!("{{\"card\":\"{card}\",\"user\":\"{user}\",\"event_timestamp\":{at}");
        for (view, plan) in self.world.views.iter().enumerate() {
            let id = if plan.entity == "card" { card } else { user };
            for (n, value) in self.world.values_of(view, &known, id, *at).iter().enumerate() {
                let _ = write!(line, ",\"v{view}__f{n}\":{value}");
            }
        }
        line + "}"
    }
}

fn some_max_ahead(rng: &mut SmallRng) -> MaxAhead {
    match rng.random_range(0..4) {
        0 => MaxAhead::Unsaid,
        1 => MaxAhead::Anything,
        _ => MaxAhead::Most([0, 7, 100, 1_000][rng.random_range(0..4)]),
    }
}

/// A world, a spine of it, what has to come out of that, and whether what arrives at its times counts.
fn asked(seed: u64, world: World, rows_max: usize) -> (ArrivingWorld, String, bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let max_ahead = some_max_ahead(&mut rng);
    let far = [5, 100, 3_000][rng.random_range(0..3)];
    // Of some not one record says it, of some those of one source alone.
    let never = rng.random_bool(0.03);
    let mut told = SmallRng::seed_from_u64(!seed);
    let arrival = |ts| arrival(&mut told, ts, far).filter(|_| !never);
    let all = ArrivingWorld::of(world, max_ahead, arrival);
    let (before, rows) = (rng.random_bool(0.4), rng.random_range(1..rows_max));
    let spine = all.spine(&mut rng, rows);
    let expected = spine.iter().map(|row| all.expected(row, before) + "\n").collect();
    (all, expected, before)
}

/// How many worlds were refused: of one source, and of two.
#[derive(Debug, Default)]
struct RefusedWorlds {
    of_one: u64,
    of_two: u64,
}

impl RefusedWorlds {
    /// Counts a world whose source `name` says of no record when it arrived, which `errors` has to say.
    fn add(&mut self, world: &World, name: &str, errors: &str) {
        let says = format!("accepted records of source \"{name}\" says when it arrived");
        assert!(errors.contains("not one of") && errors.contains(&says), "{errors}");
        *(if world.sources == 1 { &mut self.of_one } else { &mut self.of_two }) += 1;
    }
}

#[test]
fn what_had_arrived_equals_brute_force_whatever_the_workers() {
    let (mut asked_for, mut unlike_final, mut refused) = (0, 0, RefusedWorlds::default());
    for seed in 0..SEEDS {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let (all, expected, before) = asked(seed, world, 200);
        let flag = if before { " --before" } else { "" };
        for workers in 1..=3 {
            let more = format!(" --known arrived{flag} --workers {workers}");
            let (ended, why) = (all.historical(&more), format!("seed {seed} on {workers}"));
            let Some(name) = all.refused() else {
                assert_eq!(ended.code, 0, "{why}: {}{}", ended.errors, all.world.job());
                all.check(&serde_json::from_str(&ended.out).unwrap(), &expected, &why);
                continue;
            };
            assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{why}: {}", ended.errors);
            assert!(!all.folder.path().join("out.jsonl").exists(), "{why}");
            if workers == 1 {
                refused.add(&all.world, name, &ended.errors);
            }
        }
        asked_for += expected.lines().count();
        let of_final = all.rows(flag);
        unlike_final +=
            expected.lines().zip(of_final.lines()).filter(|(one, other)| one != other).count();
    }
    assert!(asked_for > 6_000 && unlike_final > 600, "{asked_for} {unlike_final}");
    assert!(refused.of_one + refused.of_two < SEEDS / 5, "{refused:?}");
}

#[test]
fn what_had_arrived_in_thousands_of_random_histories_is_what_brute_force_finds() {
    let (mut histories, mut asked_for, mut looked_up) = (0, 0, 0);
    let mut refused = RefusedWorlds::default();
    for seed in 0..IN_PROCESS {
        let world = World::looking_up(seed, 1 + seed as usize % 2, RECORDS_MAX);
        looked_up += usize::from(world.shows_what_is_looked_up());
        let (all, expected, before) = asked(seed, world, 24);
        let flag = if before { " --before" } else { "" };
        let mut args = arguments(&all.folder, &all.words(&format!(" --known arrived{flag}")));
        for workers in workers_of(seed) {
            args.workers = Some(workers);
            let why = format!("seed {seed} on {workers}");
            match (tidemark::historical::make(&args), all.refused()) {
                (Ok(said), None) => {
                    all.check(&serde_json::to_value(said).unwrap(), &expected, &why);
                }
                (Err(failure), Some(name)) => {
                    assert!(!all.folder.path().join("out.jsonl").exists(), "{why}");
                    if workers == *workers_of(seed).start() {
                        refused.add(&all.world, name, &failure.to_string());
                    }
                }
                (Ok(_), Some(name)) => panic!("{why}: source {name} says no arrival"),
                (Err(failure), None) => panic!("{why}: {failure}{}", all.world.job()),
            }
        }
        histories += 1;
        asked_for += expected.lines().count();
    }
    assert_eq!(histories, IN_PROCESS);
    assert!(asked_for > 25_000 && looked_up > 2_000, "{asked_for} {looked_up}");
    let RefusedWorlds { of_one, of_two } = refused;
    assert!((20..300).contains(&of_one) && (20..300).contains(&of_two), "{of_one} {of_two}");
}

#[test]
fn where_all_arrive_at_their_own_times_it_is_final_and_where_so_much_later_it_is_that_lag() {
    let mut lagged = 0;
    for seed in 0..100 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let all = ArrivingWorld::new(seed, some_max_ahead(&mut rng), Some);
        all.spine(&mut rng, 150);
        for flag in ["", " --before"] {
            let known = all.rows(flag);
            assert!(known == all.rows(&format!(" --known arrived{flag}")), "seed {seed}{flag}");
        }
        let most = all.world.lag_max();
        if most > 0 {
            let lag = rng.random_range(1..=most);
            let all = ArrivingWorld::new(seed, MaxAhead::Unsaid, |ts| Some(ts + lag));
            all.spine(&mut rng, 150);
            let known = all.rows(&format!(" --known lag={lag}ms"));
            assert!(known == all.rows(" --known arrived"), "seed {seed}, {lag} ms");
            lagged += 1;
        }
    }
    assert!(lagged > 30, "{lagged}");
}

const SHIPPED: [(&str, &str); 3] =
    [("fraud", "transactions"), ("personalization", "clicks"), ("behavior", "behavior_events")];

/// A shipped job whose records say when they arrived, by a field that they have anyway.
fn shipped(folder: &Folder, (profile, source): (&str, &str)) -> String {
    let generate =
        format!("generate --profile {profile} --events 6000 --seed 5 --late 0.01 --out in.jsonl");
    assert_eq!(tidemark(folder.path(), &generate, b"").code, 0);
    let (name, text) = tidemark_jobs::shipped(profile).unwrap();
    let at = format!("[sources.{source}]\n");
    assert!(text.contains(&at), "{name}");
    let says = format!("{at}arrival_field = {{ field = \"timestamp\", unit = \"ms\" }}\n");
    folder.write("job.toml", text.replacen(&at, &says, 1));
    // The table that one of them looks up is named from its folder.
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/ip_reputation.csv");
    std::fs::copy(table, folder.path().join("ip_reputation.csv")).unwrap();
    let plan = tidemark_jobs::load(name, text).unwrap().plan;
    let views = (0..plan.views.len()).map(|at| plan.view(at).unwrap().name.clone());
    views.collect::<Vec<_>>().join(",")
}

#[test]
fn shipped_jobs_whose_events_arrive_at_once_have_all_features_as_final_has_them() {
    for (profile, source) in SHIPPED {
        let folder = Folder::new("by_arrival");
        let views = shipped(&folder, (profile, source));
        let rows = |more: &str| {
            let line = format!(
                "historical job.toml --source {source}=in.jsonl --entities in.jsonl --time timestamp \
                 --features {views} --full-feature-names --out out.jsonl{more}"
            );
            let ended = tidemark(folder.path(), &line, b"");
            assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
            std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap()
        };
        let known = rows("");
        assert!(known.lines().count() == 6_000, "{profile}");
        for more in [" --known arrived", " --known arrived --workers 3"] {
            assert!(known == rows(more), "{profile}{more}");
        }
    }
}

/// A job of counts, of records that say when they arrived.
fn counting(folder: &Folder, source: &str) {
    folder.write(
        "job.toml",
        format!(
            "[job]\nname = \"counting\"\n[sources.t]\n{source}time = {{ field = \"ts\", unit = \"ms\" }}\n\
             out_of_orderness = \"10s\"\nevent_time_min = \"1970-01-01T00:00:00Z\"\n\
             [sources.t.fields]\ncard = \"string\"\n[entities.card]\nkey = \"card\"\n[views.v]\n\
             entity = \"card\"\n[views.v.features]\nn = {{ aggregate = \"count\", window = \"1m\" }}\n\
             late = {{ aggregate = \"count\", window = \"1m\", delay = \"5s\" }}\n"
        ),
    );
    folder.write("spine.csv", "card,event_timestamp\na,12000\na,12999\na,13000\na,61000\nb,9000\n");
}

fn counted(folder: &Folder, more: &str) -> (Ended, String) {
    let line = format!(
        "historical job.toml --time-unit ms --source t=in.jsonl --features v --entities spine.csv \
         --out out.csv --known arrived{more}"
    );
    let ended = tidemark(folder.path(), &line, b"");
    let out = std::fs::read_to_string(folder.path().join("out.csv")).unwrap_or_default();
    (ended, out)
}

#[test]
fn an_event_counts_from_its_arrival_on_and_leaves_when_it_always_leaves() {
    let folder = Folder::new("by_arrival");
    counting(&folder, BY_FIELD);
    // One second behind, twelve, and one that lies ahead of its arrival.
    folder.write(
        "in.jsonl",
        "{\"ts\":1000,\"card\":\"a\",\"seen\":13000}\n{\"ts\":2000,\"card\":\"a\",\"seen\":3000}\n\
         {\"ts\":10000,\"card\":\"b\",\"seen\":9000}\n",
    );
    let (ended, out) = counted(&folder, "");
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
    assert_eq!(
        out,
        "card,event_timestamp,n,late\na,12000,1,1\na,12999,1,1\na,13000,2,2\na,61000,1,2\nb,9000,1,0\n"
    );
    let (_, before) = counted(&folder, " --before");
    assert!(before.contains("a,13000,1,1\n") && before.contains("b,9000,0,0\n"), "{before}");
    let spec = "--spec spec.json";
    let (ended, _) = counted(&folder, &format!(" {spec}"));
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let spec = std::fs::read_to_string(folder.path().join("spec.json")).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    assert_eq!((&spec["known"], &spec["arrival_unknown"]), (&"arrived".into(), &0.into()));
}

#[test]
fn the_order_of_files_and_of_what_arrives_at_one_time_changes_nothing() {
    let folder = Folder::new("by_arrival");
    counting(&folder, BY_FIELD);
    let mut rng = SmallRng::seed_from_u64(7);
    let mut lines = |records: u64| {
        let of = |at: u64| {
            let ts = 1_000 + at * 10;
            let seen = (ts + rng.random_range(0..8_000)) / 1_000 * 1_000;
            let card = ["a", "b"][rng.random_range(0..2)];
            format!("{{\"ts\":{ts},\"card\":\"{card}\",\"seen\":{seen}}}\n")
        };
        (0..records).map(of).collect::<String>()
    };
    let (one, other) = (lines(6_000), lines(5_000));
    folder.write("one.jsonl", one);
    folder.write("other.jsonl", other);
    let rows: String = (0..900).map(|at| format!("a,{0}\nb,{0}\n", at * 100)).collect();
    folder.write("spine.csv", format!("card,event_timestamp\n{rows}"));
    let mut all = Vec::new();
    for files in ["one.jsonl,other.jsonl", "other.jsonl,one.jsonl"] {
        for workers in 1..=3 {
            let line = format!(
                "historical job.toml --time-unit ms --source t={files} --features v --entities spine.csv \
                 --out out.csv --known arrived --workers {workers}"
            );
            let ended = tidemark(folder.path(), &line, b"");
            assert_eq!(ended.code, 0, "{}", ended.errors);
            all.push(std::fs::read_to_string(folder.path().join("out.csv")).unwrap());
        }
    }
    assert!(all.iter().all(|out| *out == all[0]));
    assert!(all[0].lines().filter(|line| line.starts_with("a,60000,")).count() == 1);
}

#[test]
fn sources_that_do_not_say_when_records_arrived_are_refused_with_what_to_do() {
    let folder = Folder::new("by_arrival");
    folder.write("in.jsonl", "{\"ts\":1000,\"card\":\"a\"}\n{\"ts\":2000,\"card\":\"a\"}\n");
    let field = "arrival_field = { field = \"seen\", unit = \"ms\" }\n";
    for (source, code, says) in [
        (
            "files = [\"in.jsonl\"]\n",
            2,
            ["source \"t\" arrived", "by arrival_field in [sources.t]"],
        ),
        ("topic = \"t\"\n", 2, ["its files have no timestamps", "framing = \"kcat\""]),
        (
            "topic = \"t\"\narrival = \"none\"\n",
            2,
            ["source \"t\" has arrival = \"none\"", "out of"],
        ),
        (
            &format!("files = [\"in.jsonl\"]\n{field}"),
            1,
            ["not one of 2 accepted records of source \"t\"", "name another arrival_field"],
        ),
    ] {
        counting(&folder, source);
        let (ended, out) = counted(&folder, "");
        assert_eq!((ended.code, out.as_str()), (code, ""), "{source}: {}", ended.errors);
        for says in says {
            assert!(ended.errors.contains(says), "{says}: {}", ended.errors);
        }
    }
}

#[test]
fn an_event_without_an_arrival_counts_from_its_own_time_on_and_is_told() {
    let folder = Folder::new("by_arrival");
    counting(&folder, BY_FIELD);
    // The second has none, the third one that no event could have.
    folder.write(
        "in.jsonl",
        "{\"ts\":9000,\"card\":\"a\",\"seen\":13000}\n{\"ts\":12000,\"card\":\"a\"}\n\
         {\"ts\":12001,\"card\":\"a\",\"seen\":99999999999999}\n",
    );
    let (ended, out) = counted(&folder, "");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let of_a = "a,12000,1,0\na,12999,2,0\na,13000,3,0\n";
    assert!(out.contains(of_a), "{out}");
    let said: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(said["arrival_unknown"], 2);
    let note = "2 of 3 events of source \"t\" do not say when they arrived, by the field seen";
    assert!(ended.errors.contains(note), "{}", ended.errors);
}

#[test]
fn what_is_looked_up_is_as_it_was_at_the_event_however_late_that_arrives() {
    let folder = Folder::new("by_arrival");
    folder.write(
        "job.toml",
        "[job]\nname = \"risks\"\n[sources.t]\nfiles = [\"in.jsonl\"]\ntime = { field = \"ts\", unit = \"ms\" }\n\
         arrival_field = { field = \"seen\", unit = \"ms\" }\nout_of_orderness = \"1s\"\n\
         event_time_min = \"1970-01-01T00:00:00Z\"\n[sources.t.fields]\ncard = \"string\"\nplace = \"string\"\n\
         [sources.t.lookup]\nrisk = { table = \"places\", key = \"place\", column = \"risk\" }\n\
         [tables.places]\nfile = \"places.csv\"\nkey = \"place\"\ncolumns = { risk = \"decimal(2)\" }\n\
         valid_from = \"since\"\n[entities.card]\nkey = \"card\"\n[views.v]\nentity = \"card\"\n\
         [views.v.features]\nrisk = { aggregate = \"sum\", of = \"risk\", window = \"1h\" }\n\
         newest = { aggregate = \"latest\", of = \"risk\", horizon = \"1h\" }\n",
    );
    folder.write("places.csv", "place,risk,since\nx,0.10,0\nx,0.90,10000\n");
    // The frontier goes far beyond all that is looked up before the first of a's arrives.
    let others = (0..2_000).map(|at| {
        let ts = 11_000 + at * 10;
        format!("{{\"ts\":{ts},\"card\":\"b\",\"place\":\"x\",\"seen\":{ts}}}\n")
    });
    folder.write(
        "in.jsonl",
        "{\"ts\":9000,\"card\":\"a\",\"place\":\"x\",\"seen\":25000}\n\
         {\"ts\":10000,\"card\":\"a\",\"place\":\"x\",\"seen\":20000}\n"
            .to_owned()
            + &others.collect::<String>(),
    );
    folder.write("spine.csv", "card,event_timestamp\na,19999\na,20000\na,24999\na,25000\n");
    for workers in 1..=2 {
        let (ended, out) = counted(&folder, &format!(" --workers {workers}"));
        assert_eq!(ended.code, 0, "{}", ended.errors);
        assert_eq!(
            out,
            "card,event_timestamp,risk,newest\na,19999,0.0,\na,20000,0.9,0.9\na,24999,0.9,0.9\n\
             a,25000,1.0,0.9\n"
        );
    }
}

/// One question at a time far away.
struct AskedOnce(Option<u64>);

impl Probing for AskedOnce {
    fn next(&self) -> Option<u64> {
        self.0
    }

    fn last(&self) -> Option<u64> {
        self.0
    }

    fn take(&mut self, until: u64, _: usize, into: &mut ProbeBatch) {
        if let Some(at) = self.0.take_if(|at| *at <= until) {
            into.push(at, 0, b"a");
        }
    }

    fn give(&mut self, _: &Probed<'_>) {}
}

/// Runs a job over records a millisecond apart, the first of which arrives `late` ms after its time: why it
/// stopped, if it did.
fn stopped(job: &str, late: u64) -> Option<String> {
    let plan = tidemark_jobs::load("job.toml", job).unwrap().plan;
    fail_fast();
    let settings = Settings {
        plan: Arc::clone(&plan),
        shape: Shape::one_process(1),
        limits: Limits { stash_bytes: 3 << 20, ..Limits::default() },
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::Arrived,
        online: Online::Off,
    };
    let observer = Observer::new(&settings);
    let tables = tables(&plan, None);
    let make: engine::MakeParts = Arc::new(move |worker, waker: Waker| {
        let record = |at: u64| {
            let (ts, late) = (at + 1_000, if at == 0 { late } else { 0 });
            format!("{{\"ts\":{ts},\"card\":\"a\",\"seen\":{}}}", ts + late).into_bytes()
        };
        let records: Vec<Vec<u8>> = (0..60_000).map(record).collect();
        let batch = |(at, records): (usize, &[Vec<u8>])| {
            Some(RawBatch::of_values(at as u64 * 500, records))
        };
        let batches: VecDeque<_> = records.chunks(500).enumerate().map(batch).collect();
        let id = PartitionId { source: 0, partition: 0 };
        let reader = MemoryPartition::new(id, batches, Arc::clone(&waker));
        let asked = EntityProbes {
            views: vec![0],
            before: false,
            lag: 0,
            probes: Box::new(AskedOnce(Some(500_000))),
            watched: None,
        };
        Ok(Parts {
            partitions: Box::new(GivenPartitions(vec![Box::new(reader)])),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(Letters(Arc::default())),
            online: None,
            lines: None,
            probes: vec![Some(asked)],
            checkpoints: None,
        })
    });
    engine::run(&settings, &observer, &make).err().map(|error| error.to_string())
}

#[test]
fn more_than_may_wait_for_what_has_not_arrived_stops_the_job_and_says_why() {
    let folder = Folder::new("by_arrival");
    counting(&folder, BY_FIELD);
    let job = std::fs::read_to_string(folder.path().join("job.toml")).unwrap();
    let job = job.replace("out_of_orderness = \"10s\"", "out_of_orderness = \"1s\"");
    assert_eq!(stopped(&job, 100), None, "what arrives soon does not stop it");
    let why = stopped(&job, 50_000).unwrap();
    assert!(why.contains("events of card by arrival") && why.contains("wait for it"), "{why}");
    assert!(why.contains("limits.stash_bytes is 3145728"), "{why}");
    let unbounded = job.replace("out_of_orderness", "max_ahead = \"none\"\nout_of_orderness");
    let why = stopped(&unbounded, 100).unwrap();
    assert!(why.contains("max_ahead = \"none\""), "{why}");
}
