//! Reference tables over restarts: each version is seen from the time on that its record says, whatever
//! happens to the process.

use crate::folder::Folder;
use crate::kept_log::{self, KeptJob, MUTANT, PARTS, RECORDS, USERS, part, records};
use crate::run::command;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tidemark::checkpoint::{VersionReader, VersionRecord};
use tidemark::job_file;
use tidemark::objects::Objects;
use tidemark_operators::plan::Plan;
use tidemark_operators::value::Cell;

fn job(source: &str, since: &str) -> String {
    kept_log::job("kept_tables", source, &format!("file = \"levels.csv\"\n{since}"))
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

/// From when on a version is seen, and which of the file it is.
fn version_of(objects: &dyn Objects, record: &VersionRecord) -> Option<(u64, u64)> {
    let rows = VersionReader::open(objects, "levels", &record.rows, None).ok()?.rows(0).ok()?;
    match rows.first()?.row.cells.first()? {
        Cell::Word(level) => Some((record.from, level / 10)),
        other => panic!("{other:?}"),
    }
}

/// A job with a table of a file.
struct World {
    job: KeptJob<(u64, u64)>,
    /// The newest version of the file.
    version: u64,
}

impl Deref for World {
    type Target = KeptJob<(u64, u64)>;

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
        let world = KeptJob::new(name, version_of);
        world.folder.write("job.toml", job("topic = \"t\"", "reload = \"100ms\""));
        replace(&world.folder, 1);
        World { job: world, version: 1 }
    }

    fn replace(&mut self) {
        self.version += 1;
        replace(&self.job.folder, self.version);
    }

    /// Holds what the job gives out against a run in which each version is seen from the time on that its
    /// record says: gives the versions by that time.
    fn end(self) -> Result<BTreeMap<u64, u64>, String> {
        let times = |seen: Vec<(u64, u64)>| {
            assert!(seen.is_sorted_by_key(|(from, _)| *from), "{seen:?}");
            seen.into_iter().collect::<BTreeMap<_, _>>()
        };
        let (times, folder) = self.job.end(times, undisturbed)?;
        let verified =
            command().args(["checkpoint", "verify", &folder.file("state")]).output().unwrap();
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
                running += usize::from(world.watch.until_more(before));
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
