//! A job whose records go on while it is killed, and all that is ever kept of its table `levels`.

use crate::folder::Folder;
use crate::memory::{self, Record, Run};
use crate::redis_server::Redis;
use crate::run::{self, Process, hashes_of, settings, topic, until, until_stored, write};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark::checkpoint::{VersionRecord, VersionRecords};
use tidemark::objects::{self, Absent, Objects};
use tidemark_operators::plan::Plan;

/// The bug that who looks at what is kept notices.
pub const MUTANT: &str = "table_record_after_frontier";

pub const T: u64 = 1_700_000_000_000;
pub const PARTITIONS: u64 = 4;
/// Records of a partition, and the event time between two of them.
pub const RECORDS: u64 = 1_200;
pub const STEP: u64 = 100;
/// Parts of the log: one is there at the first start, and each later run finds another.
pub const PARTS: u64 = 8;
pub const USERS: u64 = 5;

/// Of each user the level that is looked up in the table, in a job of `name`.
pub fn job(name: &str, source: &str, table: &str) -> String {
    JOB.replace("NAME", name).replace("SOURCE", source).replace("TABLE", table)
}

const JOB: &str = r#"
[job]
name = "NAME"
[sources.t]
SOURCE
time = "ts"
out_of_orderness = "2s"
[sources.t.fields]
user = "string"
[sources.t.lookup]
level = { table = "levels", key = "user", column = "level", default = -1 }
[tables.levels]
TABLE
key = "user"
columns = { level = "int" }
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

fn event(ts: u64, user: u64) -> (Record, Record) {
    let user = format!("u{user}");
    let value = format!("{{\"ts\":{ts},\"user\":\"{user}\"}}");
    (user.into_bytes(), value.into_bytes())
}

pub type Records = Vec<Vec<(Record, Record)>>;

/// The records of all partitions from `from` on up to `to`.
pub fn records(from: u64, to: u64) -> Records {
    let of = |partition: u64| {
        let at = |at: u64| event(T + at * STEP + partition, (at * 7 + partition) % USERS);
        (from..to).map(at).collect()
    };
    (0..PARTITIONS).map(of).collect()
}

pub fn part(at: u64) -> Records {
    records(RECORDS * at / PARTS, RECORDS * (at + 1) / PARTS)
}

/// A record of each partition that is so late that everything before it is sealed.
fn closing() -> Records {
    (0..PARTITIONS).map(|partition| vec![event(T + RECORDS * STEP + 60_000, partition)]).collect()
}

/// Sees every record of a version that there ever is, by its number, and what is read of it.
pub struct Watch<V> {
    seen: Arc<Mutex<BTreeMap<u64, V>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Reads what a record lists; `None`: it has gone.
pub type ReadVersion<V> = fn(&dyn Objects, &VersionRecord) -> Option<V>;

impl<V: Debug + Send + 'static> Watch<V> {
    fn start(state: &str, read: ReadVersion<V>) -> Self {
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
                    if let Some(version) = read(&*objects, &record) {
                        sees.lock().unwrap().insert(number, version);
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        Watch { seen, over, thread: Some(std::thread::spawn(look)) }
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Waits until there are more than `before`, or a while: the process may be gone.
    pub fn until_more(&self, before: usize) -> bool {
        let start = Instant::now();
        while self.count() == before && start.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.count() > before
    }

    /// All that were seen, in the order of their numbers.
    pub fn end(mut self) -> Vec<V> {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert!(seen.keys().copied().eq(1..=seen.len() as u64), "none was missed: {seen:?}");
        seen.into_values().collect()
    }
}

/// A job on a topic, with a table.
pub struct KeptJob<V> {
    pub folder: Folder,
    pub redis: Redis,
    pub topic: String,
    pub watch: Watch<V>,
    log: Records,
}

impl<V: Debug + Send + 'static> KeptJob<V> {
    /// With the first part of the log in a topic, and no job file.
    pub fn new(name: &str, read: ReadVersion<V>) -> Self {
        let folder = Folder::new(name);
        let (state, sealed) = (folder.file("state"), folder.file("sealed.jsonl"));
        settings(
            folder.path(),
            &format!(
                "[sealed]\npath = {sealed:?}\n[state]\nurl = {state:?}\n\
                 checkpoint_interval = \"100ms\"\nsnapshot_interval = \"1s\"\n"
            ),
        );
        let log = part(0);
        let (topic, watch) = (topic(&log), Watch::start(&state, read));
        KeptJob { folder, redis: Redis::start(&[]), topic, watch, log }
    }

    /// Starts it with variables `more`, and with these arguments.
    pub fn start_with(&self, more: &[(&str, &str)], arguments: &[&str]) -> Process {
        let (brokers, port) = (run::kafka().bootstrap_servers, self.redis.port.to_string());
        let mut variables = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
            ("KAFKA_TOPIC", &self.topic),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ];
        variables.extend(more);
        let path = self.folder.file("job.toml");
        Process::start_with(self.folder.path(), &path, &variables, arguments)
    }

    pub fn start(&self, workers: usize, more: &[(&str, &str)]) -> Process {
        let workers = workers.to_string();
        self.start_with(&[&[("PARALLELISM", workers.as_str())], more].concat(), &[])
    }

    pub fn write(&mut self, records: &Records) {
        write(&self.topic, records);
        self.log.iter_mut().zip(records).for_each(|(log, more)| log.extend_from_slice(more));
    }

    fn sealed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("sealed.jsonl")).unwrap_or_default()
    }

    /// Lets the job come to its end undisturbed, and holds what it has given out against a replay of the job
    /// that `undisturbed` makes in a folder of what was kept; gives that, and the folder of the job.
    pub fn end<K: Debug>(
        mut self,
        kept: impl FnOnce(Vec<V>) -> K,
        undisturbed: impl FnOnce(&Folder, &K) -> Arc<Plan>,
    ) -> Result<(K, Folder), String> {
        let mut job = self.start(2, &[]);
        job.until_ready();
        self.write(&closing());
        let lines = (RECORDS * PARTITIONS) as usize;
        until("all to be sealed", || self.sealed().lines().count() >= lines);
        let kept = kept(self.watch.end());
        let folder = Folder::new("kept-undisturbed");
        let plan = undisturbed(&folder, &kept);
        let values = self.log.iter().map(|records| records.iter().map(|r| r.1.clone()).collect());
        let expected = memory::replay(&plan, &values.collect(), &Run::default());
        let sealed = std::fs::read_to_string(self.folder.path().join("sealed.jsonl")).unwrap();
        if !expected.sealed.starts_with(&sealed) {
            let mut lines = sealed.lines().zip(expected.sealed.lines());
            let first = lines.find(|(is, should)| is != should);
            return Err(format!("sealed rows are others, {kept:?}; the first: {first:?}"));
        }
        until_stored(&self.redis, &hashes_of(&plan, &expected));
        job.stop("TERM");
        Ok((kept, self.folder))
    }
}
