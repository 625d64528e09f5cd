//! Reference tables that are topics, over restarts: each update is seen from the time on that the state
//! says, whatever happens to the process and to the records that it was read from.

use crate::folder::Folder;
use crate::kafka::{admin, wait_for};
use crate::kept_log::{self, KeptJob, MUTANT, PARTS, RECORDS, STEP, T, USERS, part, records};
use crate::run::{self, command, until};
use crate::servers::shared_kafka;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tidemark::checkpoint::{VersionReader, VersionRecord, VersionRecords};
use tidemark::job_file;
use tidemark::kafka::{create_topic, produce};
use tidemark::objects::{self, Absent, Objects};
use tidemark_operators::plan::Plan;
use tidemark_operators::value::Cell;

/// What a lookup gives that finds no row.
const NONE: i64 = -1;

fn job(table: &str) -> String {
    kept_log::job("kept_topics", "topic = \"t\"", table)
}

/// From when on a user has a level, as the state says it: of two of one time the last.
type Levels = BTreeMap<(String, u64), i64>;

fn levels_of(objects: &dyn Objects, record: &VersionRecord) -> Option<Levels> {
    let version = VersionReader::open(objects, "levels", &record.rows, None).ok()?;
    let mut levels = Levels::new();
    for block in 0..version.blocks() {
        for row in version.rows(block).ok()? {
            let level = match row.row.cells.as_slice() {
                [Cell::Word(level), Cell::Word(0)] => level.cast_signed(),
                [_, Cell::Word(1)] => NONE,
                other => panic!("{other:?}"),
            };
            levels.insert((String::from_utf8(row.key).unwrap(), row.row.valid_from), level);
        }
    }
    Some(levels)
}

/// All that was kept, together.
fn all(seen: Vec<Levels>) -> Levels {
    seen.into_iter().flatten().collect()
}

/// A job with a table that is a topic.
struct World {
    job: KeptJob<Levels>,
    table: String,
    /// The newest level.
    level: u64,
}

impl Deref for World {
    type Target = KeptJob<Levels>;

    fn deref(&self) -> &Self::Target {
        &self.job
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.job
    }
}

impl World {
    fn new(name: &str) -> World {
        let world = KeptJob::new(name, levels_of);
        let table = format!("{}-levels", world.topic);
        // So that its records may be removed by hand, too.
        let policy = [("cleanup.policy", "compact,delete"), ("retention.ms", "-1")];
        assert!(create_topic(&run::kafka(), &table, 2, &policy).unwrap());
        let of_topic = format!(
            "topic = \"{table}\"\ntime = \"since\"\nout_of_orderness = \"1s\"\nidle_after = \"300ms\""
        );
        world.folder.write("job.toml", job(&of_topic));
        let mut world = World { job: world, table, level: 0 };
        (0..USERS).for_each(|user| world.update(user, Some(T)));
        world
    }

    /// A user gets another level, `since` then; `None`: the row is deleted.
    fn update(&mut self, user: u64, since: Option<u64>) {
        self.level += 1;
        let key = format!("u{user}").into_bytes();
        let level = self.level;
        let value = since.map(|since| format!("{{\"since\":{since},\"level\":{level}}}"));
        let record = (u32::try_from(user % 2).unwrap(), Some(key), value.map(String::into_bytes));
        produce(&run::kafka(), &self.table, [record]).unwrap();
    }

    /// Updates of the time around record `at`: in time, late, and without one.
    fn updates(&mut self, rng: &mut SmallRng, at: u64) {
        for _ in 0..rng.random_range(1..5) {
            let ts = T + at * STEP;
            let since = match rng.random_range(0..4) {
                0 => None,
                1 => Some(ts - rng.random_range(0..10_000)),
                _ => Some(ts + rng.random_range(0..5_000)),
            };
            self.update(rng.random_range(0..USERS), since);
        }
    }

    /// Removes the records of the table that were read, as compaction may.
    fn remove_read(&self) {
        let objects = objects::open(&self.folder.file("state"), Absent::Made).unwrap();
        let records = VersionRecords::new(&*objects);
        let Some(last) = records.chain("levels", None).unwrap().pop() else { return };
        let mut upto = TopicPartitionList::new();
        for of in last.topic.unwrap().partitions {
            let (partition, read) = (i32::try_from(of.partition), i64::try_from(of.read));
            let offset = Offset::Offset(read.unwrap());
            upto.add_partition_offset(&self.table, partition.unwrap(), offset).unwrap();
        }
        wait_for(admin(shared_kafka()).delete_records(&upto, &AdminOptions::new())).unwrap();
    }

    /// Holds what the job gives out against a replay in which each update is seen from the time on that the
    /// state says.
    fn end(self) -> Result<Levels, String> {
        let (levels, folder) = self.job.end(all, undisturbed)?;
        for (what, says) in [("verify", "no fault"), ("show", "TOPIC"), ("ls", "TABLE VERSIONS")] {
            let asked = ["checkpoint", what, &folder.file("state")];
            let output = command().args(asked).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.contains(says), "{what}: {output:?}");
        }
        Ok(levels)
    }
}

/// The job with a table that says from when on each of its rows is valid. A row that is deleted is as one
/// that says what is found without one.
fn undisturbed(folder: &Folder, levels: &Levels) -> Arc<Plan> {
    let mut rows = "user,level,since\n".to_owned();
    for ((user, from), level) in levels {
        let since = if *from == 0 { String::new() } else { from.to_string() };
        rows.push_str(&format!("{user},{level},{since}\n"));
    }
    folder.write("levels.csv", rows);
    let path = folder.write("job.toml", job("file = \"levels.csv\"\nvalid_from = \"since\""));
    job_file::load(path.to_str().unwrap()).unwrap_or_else(|e| panic!("{e}")).plan
}

/// Where a run may be killed.
const POINTS: [&str; 6] = [
    "table.rows:1:KILL",
    "table.record:1:KILL",
    "table.recorded:1:KILL",
    "table.record:3:KILL",
    "cut.manifest:7:KILL",
    "cut.committed:5:KILL",
];

#[test]
fn a_job_that_is_killed_between_updates_of_a_topic_gives_what_the_state_says_of_them() {
    let (mut running, mut late) = (0, 0);
    for seed in 0..2 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut world = World::new("kept-topics");
        for at in 1..PARTS {
            let point = POINTS[rng.random_range(0..POINTS.len())];
            let fault = rng.random_bool(0.5).then_some(("TIDEMARK_FAULT", point));
            let mut job = world.start(rng.random_range(1..4), fault.as_slice());
            job.gets_ready();
            let half = RECORDS / PARTS / 2;
            let middle = RECORDS * at / PARTS + half;
            world.write(&records(middle - half, middle));
            for _ in 0..rng.random_range(1..4) {
                let before = world.watch.count();
                world.updates(&mut rng, middle);
                running += usize::from(world.watch.until_more(before));
            }
            world.write(&records(middle, RECORDS * (at + 1) / PARTS));
            std::thread::sleep(Duration::from_millis(rng.random_range(0..1_000)));
            let signal = if rng.random_bool(0.8) { "KILL" } else { "TERM" };
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-s", signal, &job.id().to_string()]).status();
            job.wait();
            if rng.random_bool(0.5) {
                world.remove_read();
            }
            if rng.random_bool(0.5) {
                world.updates(&mut rng, middle);
            }
        }
        let level = world.level;
        let levels = world.end().unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        // In a grid of seconds are those that came too late for their own time.
        late += levels.keys().filter(|(_, from)| *from > T && from % 1_000 == 0).count();
        assert!(levels.len() as u64 > level / 2, "seed {seed}: {level}, {levels:?}");
    }
    assert!(running > 8 && late > 8, "{running} while it ran, {late} late");
}

/// An update comes and is not kept before the process is killed; with the bug it is in use by then, and
/// checkpoints have been made of what was looked up in it.
fn killed_before_it_is_kept(mutant: Option<(&str, &str)>) -> Result<Levels, String> {
    let mut world = World::new("kept-topics-record");
    let fault = [("TIDEMARK_FAULT", "table.record:2:KILL")];
    let variables: Vec<_> = fault.into_iter().chain(mutant).collect();
    let mut job = world.start(2, &variables);
    job.until_ready();
    // So that it is seen from where the table stands.
    (0..USERS).for_each(|user| world.update(user, Some(T)));
    for at in 1..PARTS {
        world.write(&part(at));
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(job.wait().code(), None, "it was killed: {}", job.log());
    world.end()
}

#[test]
fn an_update_that_is_kept_after_the_frontier_has_passed_it_is_noticed() {
    killed_before_it_is_kept(None).unwrap_or_else(|difference| panic!("{difference}"));
    let noticed = killed_before_it_is_kept(Some(("TIDEMARK_MUTANT", MUTANT)));
    let difference = noticed.expect_err("the bug is not noticed");
    assert!(difference.contains("sealed rows are others"), "{difference}");
}

/// A job with a table on a topic, that has read it and was killed.
fn killed() -> World {
    let world = World::new("kept-topics-changed");
    let mut job = world.start(1, &[]);
    job.until_ready();
    until("the table to be kept", || world.watch.count() > 0);
    job.kill();
    job.wait();
    world
}

#[test]
fn a_topic_of_a_table_that_was_made_anew_is_refused_until_that_is_accepted() {
    let mut world = killed();
    let table = world.table.clone();
    let gone = wait_for(admin(shared_kafka()).delete_topics(&[&table], &AdminOptions::new()));
    assert!(gone.unwrap().iter().all(Result::is_ok));
    // A job waits for a topic that is not there.
    let mut job = world.start(1, &[]);
    until("the topic to be missed", || {
        let waits = format!("topic '{table}' does not exist, and is waited for");
        job.get("/health").is_some_and(|(_, text)| text.contains(&waits))
    });
    until("the topic to be made anew", || {
        create_topic(&run::kafka(), &table, 2, &[]).unwrap_or(false)
    });
    world.update(1, Some(T + 5_000));
    let status = job.wait();
    let said = job.log();
    assert_eq!(status.code(), Some(1), "{said}");
    for part in ["the table \"levels\" cannot go on", "--accept-changed-topic levels"] {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
    let before = world.watch.count();
    let mut job = world.start_with(&[], &["--accept-changed-topic", "levels"]);
    job.until_ready();
    until("what it says now to be kept", || world.watch.count() > before + 1);
    job.stop("TERM");
    let levels = all(world.job.watch.end());
    let newest = levels.iter().rfind(|((user, _), _)| user == "u1").unwrap();
    assert_eq!(*newest.1, world.level.cast_signed());
    assert!(levels.contains_key(&("u2".to_owned(), T)), "the rows of before stay: {levels:?}");
}
