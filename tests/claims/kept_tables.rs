//! Reference tables over restarts: each version is seen from the time on that its record says, whatever
//! happens to the process.

use crate::folder::Folder;
use crate::memory::{self, Record, Run};
use crate::redis_server::Redis;
use crate::run::{self, Process, command, hashes_of, settings, topic, until, until_stored, write};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark::checkpoint::{VersionReader, VersionRecord, VersionRecords};
use tidemark::job_file;
use tidemark::objects::{self, Absent};
use tidemark_operators::plan::Plan;
use tidemark_operators::value::Cell;

/// The bug that [`a_record_that_comes_after_the_frontier_is_noticed`] notices.
pub const MUTANT: &str = "table_record_after_frontier";

const T: u64 = 1_700_000_000_000;
const PARTITIONS: u64 = 4;
/// Records of a partition, and the event time between two of them.
const RECORDS: u64 = 1_200;
const STEP: u64 = 100;
/// Parts of the log: one is there at the first start, and each later run finds another.
const PARTS: u64 = 8;
const USERS: u64 = 5;

const JOB: &str = r#"
[job]
name = "kept_tables"
[sources.t]
SOURCE
time = "ts"
out_of_orderness = "2s"
[sources.t.fields]
user = "string"
[sources.t.lookup]
level = { table = "levels", key = "user", column = "level", default = -1 }
[tables.levels]
file = "levels.csv"
key = "user"
columns = { level = "int" }
SINCE
[entities.user]
key = "user"
[views.users]
entity = "user"
[views.users.features]
level = { aggregate = "latest", of = "level" }
levels = { aggregate = "distinct", of = "level", window = "1m" }
total = { aggregate = "sum", of = "level", window = "20s" }
odd = { aggregate = "count", where = 'level >= 20', window = "10s" }
"#;

fn job(source: &str, since: &str) -> String {
    JOB.replace("SOURCE", source).replace("SINCE", since)
}

/// What is told apart in a version: each user's level.
fn level(version: u64, user: u64) -> u64 {
    version * 10 + user
}

/// Replaces the table as one should: by renaming.
fn replace(folder: &Folder, version: u64) {
    let rows = (0..USERS).map(|user| format!("u{user},{}\n", level(version, user)));
    let new = folder.write("new.csv", format!("user,level\n{}", rows.collect::<String>()));
    std::fs::rename(new, folder.path().join("levels.csv")).unwrap();
}

fn event(ts: u64, user: u64) -> (Record, Record) {
    let user = format!("u{user}");
    let value = format!("{{\"ts\":{ts},\"user\":\"{user}\"}}");
    (user.into_bytes(), value.into_bytes())
}

type Records = Vec<Vec<(Record, Record)>>;

/// The records of all partitions from `from` on up to `to`.
fn records(from: u64, to: u64) -> Records {
    let of = |partition: u64| {
        let at = |at: u64| event(T + at * STEP + partition, (at * 7 + partition) % USERS);
        (from..to).map(at).collect()
    };
    (0..PARTITIONS).map(of).collect()
}

fn part(at: u64) -> Records {
    records(RECORDS * at / PARTS, RECORDS * (at + 1) / PARTS)
}

/// A record of each partition that is so late that everything before it is sealed.
fn closing() -> Records {
    (0..PARTITIONS).map(|partition| vec![event(T + RECORDS * STEP + 60_000, partition)]).collect()
}

/// Sees every record that there ever is, and which version of the file it names.
struct Watch {
    seen: Arc<Mutex<BTreeMap<u64, (u64, u64)>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(state: &str) -> Watch {
        let (seen, over) = (Arc::<Mutex<BTreeMap<_, _>>>::default(), Arc::<AtomicBool>::default());
        let objects = objects::open(state, Absent::Made).unwrap();
        let (sees, ends) = (Arc::clone(&seen), Arc::clone(&over));
        let look = move || {
            while !ends.load(Ordering::Relaxed) {
                let records = VersionRecords::new(&*objects);
                let numbers = records.numbers().unwrap().remove("levels").unwrap_or_default();
                for number in numbers {
                    if sees.lock().unwrap().contains_key(&number) {
                        continue;
                    }
                    // It may have gone just now: then it is missed below.
                    let Ok(record) = records.read("levels", number) else { continue };
                    if let Some(version) = version_of(&*objects, &record) {
                        sees.lock().unwrap().insert(number, (record.from, version));
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        Watch { seen, over, thread: Some(std::thread::spawn(look)) }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The versions by the time that they are seen from, as all records together say it.
    fn end(mut self) -> BTreeMap<u64, u64> {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        let seen = self.seen.lock().unwrap();
        assert!(seen.keys().copied().eq(1..=seen.len() as u64), "none was missed: {seen:?}");
        let mut times = BTreeMap::new();
        for (from, version) in seen.values() {
            times.insert(*from, *version);
        }
        assert!(seen.values().is_sorted_by_key(|(from, _)| from), "{seen:?}");
        times
    }
}

fn version_of(objects: &dyn objects::Objects, record: &VersionRecord) -> Option<u64> {
    let rows = VersionReader::open(objects, "levels", &record.rows, None).ok()?.rows(0).ok()?;
    match rows.first()?.row.cells.first()? {
        Cell::Word(level) => Some(level / 10),
        other => panic!("{other:?}"),
    }
}

/// A job on a topic, with a table, whose records go on while it is killed.
struct World {
    folder: Folder,
    redis: Redis,
    topic: String,
    watch: Watch,
    /// The newest version of the file.
    version: u64,
    log: Records,
}

impl World {
    fn new(name: &str) -> World {
        let folder = Folder::new(name);
        folder.write("job.toml", job("topic = \"t\"", "reload = \"100ms\""));
        replace(&folder, 1);
        let (state, sealed) = (folder.file("state"), folder.file("sealed.jsonl"));
        settings(
            folder.path(),
            &format!(
                "[sealed]\npath = {sealed:?}\n[state]\nurl = {state:?}\n\
                 checkpoint_interval = \"100ms\"\nsnapshot_interval = \"1s\"\n"
            ),
        );
        let first = part(0);
        let topic = topic(&first);
        let watch = Watch::start(&state);
        World { folder, redis: Redis::start(&[]), topic, watch, version: 1, log: first }
    }

    fn start(&self, workers: usize, more: &[(&str, &str)]) -> Process {
        let (brokers, port) = (run::kafka().bootstrap_servers, self.redis.port.to_string());
        let workers = workers.to_string();
        let mut variables = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
            ("KAFKA_TOPIC", &self.topic),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
            ("PARALLELISM", &workers),
        ];
        variables.extend(more);
        Process::start(self.folder.path(), &self.folder.file("job.toml"), &variables)
    }

    fn write(&mut self, records: &Records) {
        write(&self.topic, records);
        self.log.iter_mut().zip(records).for_each(|(log, more)| log.extend_from_slice(more));
    }

    fn replace(&mut self) {
        self.version += 1;
        replace(&self.folder, self.version);
    }

    fn sealed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("sealed.jsonl")).unwrap_or_default()
    }

    /// Lets the job come to its end undisturbed, and holds what it has given out against a run in which
    /// each version is seen from the time on that its record says.
    fn end(mut self) -> Result<BTreeMap<u64, u64>, String> {
        let mut job = self.start(2, &[]);
        job.until_ready();
        self.write(&closing());
        let lines = (RECORDS * PARTITIONS) as usize;
        until("all to be sealed", || self.sealed().lines().count() >= lines);
        let (folder, log) = (Folder::new("kept-tables-undisturbed"), self.log.clone());
        let redis = self.redis;
        let path = self.folder.path().join("sealed.jsonl");
        let times = self.watch.end();
        let plan = undisturbed(&folder, &times);
        let values = log.iter().map(|records| records.iter().map(|r| r.1.clone()).collect());
        let expected = memory::replay(&plan, &values.collect(), &Run::default());
        let sealed = std::fs::read_to_string(&path).unwrap();
        if !expected.sealed.starts_with(&sealed) {
            let mut lines = sealed.lines().zip(expected.sealed.lines());
            let first = lines.find(|(is, should)| is != should);
            return Err(format!("sealed rows are others, {times:?}; the first: {first:?}"));
        }
        until_stored(&redis, &hashes_of(&plan, &expected));
        job.stop("TERM");
        let verified =
            command().args(["checkpoint", "verify", &self.folder.file("state")]).output().unwrap();
        assert!(verified.status.success(), "{verified:?}");
        Ok(times)
    }
}

/// The job with a table that says from when on each of its rows is valid.
fn undisturbed(folder: &Folder, times: &BTreeMap<u64, u64>) -> Arc<Plan> {
    let mut rows = "user,level,since\n".to_owned();
    for (from, version) in times {
        for user in 0..USERS {
            let since = if *from == 0 { String::new() } else { from.to_string() };
            rows.push_str(&format!("u{user},{},{since}\n", level(*version, user)));
        }
    }
    folder.write("levels.csv", rows);
    let path = folder.write("job.toml", job("topic = \"t\"", "valid_from = \"since\""));
    job_file::load(path.to_str().unwrap()).unwrap_or_else(|e| panic!("{e}")).plan
}

/// Where a run may be killed.
const POINTS: [&str; 6] = [
    "table.rows:1:KILL",
    "table.record:1:KILL",
    "table.recorded:1:KILL",
    "table.record:2:KILL",
    "cut.manifest:7:KILL",
    "cut.committed:5:KILL",
];

#[test]
fn a_job_that_is_killed_between_versions_of_a_table_gives_what_the_records_of_versions_say() {
    let mut running = 0;
    for seed in 0..2 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut world = World::new("kept-tables");
        for at in 1..PARTS {
            let point = POINTS[rng.random_range(0..POINTS.len())];
            let fault = rng.random_bool(0.5).then_some(("TIDEMARK_FAULT", point));
            let mut job = world.start(rng.random_range(1..4), fault.as_slice());
            job.gets_ready();
            let before = world.watch.count();
            let half = RECORDS / PARTS / 2;
            let middle = RECORDS * at / PARTS + half;
            world.write(&records(middle - half, middle));
            if rng.random_bool(0.8) {
                world.replace();
                // Its record, or the end of the process.
                let start = Instant::now();
                while world.watch.count() == before && start.elapsed() < Duration::from_secs(2) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                running += usize::from(world.watch.count() > before);
            }
            world.write(&records(middle, RECORDS * (at + 1) / PARTS));
            std::thread::sleep(Duration::from_millis(rng.random_range(0..1_000)));
            let signal = if rng.random_bool(0.8) { "KILL" } else { "TERM" };
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-s", signal, &job.id().to_string()]).status();
            job.wait();
            if rng.random_bool(0.4) {
                world.replace();
            }
        }
        let times = world.end().unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        assert!(times.len() > 4, "seed {seed}: {times:?}");
    }
    assert!(running > 4, "versions came while the job ran: {running}");
}

/// A version comes and its record is not created before the process is killed; with the bug it is in use
/// by then, and checkpoints have been made of what was looked up in it.
fn killed_before_the_record(mutant: Option<(&str, &str)>) -> Result<BTreeMap<u64, u64>, String> {
    let mut world = World::new("kept-tables-record");
    let fault = [("TIDEMARK_FAULT", "table.record:2:KILL")];
    let variables: Vec<_> = fault.into_iter().chain(mutant).collect();
    let mut job = world.start(2, &variables);
    job.until_ready();
    world.replace();
    for at in 1..PARTS {
        world.write(&part(at));
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(job.wait().code(), None, "it was killed: {}", job.log());
    world.replace();
    world.end()
}

#[test]
fn a_record_that_comes_after_the_frontier_is_noticed() {
    let times = killed_before_the_record(None).unwrap_or_else(|difference| panic!("{difference}"));
    assert_eq!(
        times.values().copied().collect::<Vec<_>>(),
        [1, 3],
        "the second was never recorded"
    );
    let noticed = killed_before_the_record(Some(("TIDEMARK_MUTANT", MUTANT)));
    let difference = noticed.expect_err("the bug is not noticed");
    assert!(difference.contains("sealed rows are others"), "{difference}");
}

/// A job over a file of records that has come to its end, and the names of its versions' objects.
fn ended() -> (Folder, Vec<String>) {
    let folder = Folder::new("kept-tables-damaged");
    folder.write("job.toml", job("files = [\"records.jsonl\"]", ""));
    folder.write(
        "cluster.toml",
        "[online]\nkind = \"embedded\"\n[http]\nport = 0\n[sealed]\npath = \"sealed.jsonl\"\n\
         [dead_letters]\npath = \"dead.jsonl\"\n[state]\nurl = \"state\"\n",
    );
    for run in 1..3 {
        replace(&folder, run);
        let lines = records(0, 100 * run).concat().into_iter().map(|(_, value)| value);
        let lines: Vec<String> = lines.map(|line| String::from_utf8(line).unwrap()).collect();
        folder.write("records.jsonl", lines.join("\n") + "\n");
        let (code, said) = run_once(&folder);
        assert_eq!(code, Some(0), "{said}");
    }
    let names = std::fs::read_dir(folder.path().join("state/versions")).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    (folder, names.into_iter().map(|name| format!("versions/{name}")).collect())
}

fn run_once(folder: &Folder) -> (Option<i32>, String) {
    tidemark(folder, &["run", "job.toml", "--cluster", "cluster.toml"])
}

fn tidemark(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command().args(arguments).current_dir(folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_version_that_is_damaged_or_missing_is_named_and_never_used() {
    let (folder, names) = ended();
    assert_eq!(names.len(), 2, "{names:?}");
    let (code, shown) = tidemark(&folder, &["checkpoint", "show", "state"]);
    assert!(code == Some(0) && shown.contains("TABLE") && shown.contains(&names[1]), "{shown}");
    let (code, listed) = tidemark(&folder, &["checkpoint", "ls", "state"]);
    assert!(code == Some(0) && listed.contains("TABLE VERSIONS"), "{listed}");
    // The second run has repeated the first version, and then recorded its own, which is seen at the cut of
    // its last checkpoint: of those before it only older checkpoints have need.
    let record = |number: u64| format!("tables/levels/{number:020}");
    let all = [&names[0], &record(2), &names[1], &record(3)];
    for (at, name) in all.into_iter().enumerate() {
        let path = folder.path().join("state").join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 4;
        for damage in [Some(flipped), Some(whole[..whole.len() / 2].to_vec()), None] {
            match &damage {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let (code, said) = tidemark(&folder, &["checkpoint", "verify", "state"]);
            assert!(code == Some(1) && said.contains(name), "{name}: {said}");
            if at >= 2 {
                let (code, said) = run_once(&folder);
                assert!(code == Some(1) && said.contains(name), "{name}: {said}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }
    let (code, said) = run_once(&folder);
    assert_eq!(code, Some(0), "{said}");
}
