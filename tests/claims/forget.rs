//! Entities that are forgotten, through the binary, with a real broker and a real Redis.

use crate::folder::Folder;
use crate::memory::Record;
use crate::redis_server::Redis;
use crate::run::{self, Process, command, settings, stored, topic, until, write};
use std::collections::BTreeMap;
use std::path::Path;

/// Somebody whose id has nothing in common with others'.
const SOMEBODY: &str = "zebra-4711@somewhere";

const JOB: &str = r#"
[job]
name = "forgets"

[sources.t]
topic = "t"
time = "ts"
out_of_orderness = "1s"

[sources.t.fields]
card = "string"
user = "string"
amount = "int"
country = "string"

[entities.card]
key = "card"

[entities.user]
key = "user"

[views.card_day]
entity = "card"

[views.card_day.features]
events = { aggregate = "count", window = "1d" }
amounts = { aggregate = "sum", of = "amount", window = "1d" }
countries = { aggregate = "distinct", of = "country", window = "1d" }
last_amount = { aggregate = "latest", of = "amount", horizon = "2d" }
new_country = { aggregate = "is_new", of = "country", horizon = "2d" }
in_session = { aggregate = "count", session = "12h" }

[views.user_day]
entity = "user"

[views.user_day.features]
events = { aggregate = "count", window = "1d" }
"#;

/// Where time begins, in ms.
const BEGIN: u64 = 1_700_000_000_000;

/// Events of six cards and two users in four partitions, one a second, from second `from` on. Every sixth
/// is somebody's, where `with` says so.
fn log(from: u64, events: u64, with: bool) -> Vec<Vec<(Record, Record)>> {
    let mut log = vec![Vec::new(); 4];
    for second in from..from + events {
        let card = match second % 6 {
            0 if with => SOMEBODY.to_owned(),
            card => format!("card-{card}"),
        };
        let record = format!(
            "{{\"ts\":{},\"card\":\"{card}\",\"user\":\"user-{}\",\"amount\":{},\"country\":\"c{}\"}}",
            BEGIN + second * 1_000,
            second % 2,
            second % 7,
            second % 5
        );
        log[second as usize / 6 % 4].push((card.into_bytes(), record.into_bytes()));
    }
    log
}

/// How many events of somebody are there, and their sum.
fn of_somebody(from: u64, events: u64) -> (u64, u64) {
    let all = || (from..from + events).filter(|second| second % 6 == 0);
    (all().count() as u64, all().map(|second| second % 7).sum())
}

struct World {
    topic: String,
    redis: Redis,
    folder: Folder,
}

impl World {
    fn new(more: &str) -> World {
        let folder = Folder::new("forget");
        let state = folder.file("state");
        let more = more.replace("STATE", &state);
        settings(folder.path(), &more);
        folder.write("job.toml", JOB);
        World { topic: topic(&log(0, 0, true)), redis: Redis::start(&[]), folder }
    }

    fn start(&self, workers: usize) -> Process {
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", run::kafka().bootstrap_servers),
            ("KAFKA_TOPIC", self.topic.clone()),
            ("REDIS_HOST", "127.0.0.1".to_owned()),
            ("REDIS_PORT", self.redis.port.to_string()),
            ("PARALLELISM", workers.to_string()),
        ];
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let job = self.folder.file("job.toml");
        Process::start(self.folder.path(), &job, &variables)
    }

    fn write(&self, from: u64, events: u64, with: bool) {
        write(&self.topic, &log(from, events, with));
    }

    /// The rows of Redis, by card.
    fn cards(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let of = |(key, row): (String, BTreeMap<String, String>)| {
            let id = key.strip_prefix("features:card:")?.strip_suffix(":card_day")?.to_owned();
            Some((id, row))
        };
        stored(&self.redis).into_iter().filter_map(of).collect()
    }

    fn events(&self, card: &str) -> Option<String> {
        self.cards().get(card)?.get("events").cloned()
    }

    /// Waits until Redis has as many events of a user: all that was written is in.
    fn until_read(&self, events: u64) {
        until("all to be read", || {
            let of = |user: &str| {
                let rows = stored(&self.redis);
                let row = rows.get(&format!("features:user:{user}:user_day"))?;
                row.get("events")?.parse::<u64>().ok()
            };
            of("user-0").zip(of("user-1")).is_some_and(|(a, b)| a + b == events)
        });
    }

    /// `tidemark forget card SOMEBODY`, as the process's own settings say; code and what is said.
    fn forget(&self, job: &Process, more: &[&str]) -> (i32, String) {
        let output = command()
            .args(["forget", "card", SOMEBODY, "--cluster", &self.folder.file("cluster.toml")])
            .args(more)
            .env("HEALTH_CHECK_PORT", job.port().to_string())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.code().unwrap(), said)
    }
}

const STATE: &str =
    "[state]\nurl = \"STATE\"\ncheckpoint_interval = \"200ms\"\nsnapshot_interval = \"2s\"\n";

#[test]
fn a_running_job_forgets_a_card_at_once_and_after_a_power_cut_and_counts_what_comes_later_from_nothing()
 {
    let world = World::new(STATE);
    world.write(0, 1_200, true);
    let mut job = world.start(2);
    job.until_ready();
    world.until_read(1_200);
    let before = world.cards();
    assert_eq!(before.len(), 6);
    assert_eq!(before[SOMEBODY]["events"], of_somebody(0, 1_200).0.to_string());

    let (code, said) = world.forget(&job, &[]);
    assert_eq!(code, 0, "{said}\n{}", job.log());
    assert!(said.contains(&format!("card \"{SOMEBODY}\": forgotten")), "{said}");
    assert!(said.contains(&format!("the topic {}", world.topic)), "{said}");
    assert!(said.contains("dead letters in "), "{said}");
    let path = format!("/features/card_day?id={SOMEBODY}");
    assert_eq!(job.get(&path).unwrap().0, 404);
    until("the row to go", || !world.cards().contains_key(SOMEBODY));
    let others = |mut rows: BTreeMap<String, BTreeMap<String, String>>| {
        rows.remove(SOMEBODY);
        rows
    };
    assert_eq!(world.cards(), others(before.clone()));

    // At once after the command ends.
    job.kill();
    job.wait();
    let mut job = world.start(3);
    job.until_ready();
    assert_eq!(job.get(&path).unwrap().0, 404, "{}", job.log());
    assert_eq!(world.cards(), others(before.clone()));

    world.write(1_200, 600, true);
    world.until_read(1_800);
    let (events, amounts) = of_somebody(1_200, 600);
    let row = &world.cards()[SOMEBODY];
    assert_eq!((&row["events"], &row["amounts"]), (&events.to_string(), &format!("{amounts}.0")));
    assert_eq!(row["in_session"], events.to_string());
    assert_eq!(world.events("card-1").unwrap(), "300");

    // Forgotten again, and killed while what was forgotten before lies further back.
    let (code, said) = world.forget(&job, &["--format", "json"]);
    assert_eq!(code, 0, "{said}");
    let told: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (told["held"].as_bool(), told["durable"].as_bool()),
        (Some(true), Some(true)),
        "{said}"
    );
    world.write(1_800, 60, true);
    world.until_read(1_860);
    job.kill();
    job.wait();
    let mut job = world.start(1);
    job.until_ready();
    world.until_read(1_860);
    until("the rows", || world.events(SOMEBODY).as_deref() == Some("10"));
    assert_eq!(world.events("card-1").unwrap(), "310");
    job.stop("TERM");
}

#[test]
fn redis_is_told_again_at_a_start_of_a_card_that_was_forgotten_before() {
    let world = World::new(STATE);
    world.write(0, 1_200, true);
    let mut job = world.start(2);
    job.until_ready();
    world.until_read(1_200);
    let (code, said) = world.forget(&job, &[]);
    assert_eq!(code, 0, "{said}\n{}", job.log());
    until("the row to go", || !world.cards().contains_key(SOMEBODY));
    job.kill();
    job.wait();
    // As if Redis had been away then.
    let key = format!("features:card:{SOMEBODY}:card_day");
    let mut row = redis::cmd("HSET");
    row.arg(&key).arg("events").arg(7).exec(&mut world.redis.client()).unwrap();
    let mut job = world.start(1);
    job.until_ready();
    until("the row to go", || !world.cards().contains_key(SOMEBODY));
    assert_eq!(world.cards().len(), 5);
    job.stop("TERM");
}

/// The files below a folder that have these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        // It may have been collected meanwhile.
        } else if let Ok(content) = std::fs::read(&path)
            && content.windows(bytes.len()).any(|window| window == bytes)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn no_file_of_the_state_has_the_id_once_all_that_had_it_are_written_anew() {
    let world = World::new(STATE);
    world.write(0, 1_200, true);
    let mut job = world.start(2);
    job.until_ready();
    world.until_read(1_200);
    let state = world.folder.path().join("state");
    let (mut second, id) = (1_200, SOMEBODY.as_bytes());
    let mut go_on = || {
        world.write(second, 24, false);
        second += 24;
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    until("a segment and a snapshot that have it", || {
        go_on();
        let found = files_with(&state, id);
        ["segments", "states"].iter().all(|kind| found.iter().any(|path| path.contains(kind)))
    });
    let (code, said) = world.forget(&job, &[]);
    assert_eq!(code, 0, "{said}\n{}", job.log());
    until("the last file with the id to go", || {
        go_on();
        files_with(&state, id).is_empty()
    });
    // A restart from there has all others.
    job.kill();
    job.wait();
    let mut job = world.start(1);
    job.until_ready();
    world.until_read(second);
    assert_eq!(world.events(SOMEBODY), None);
    assert_eq!(world.events("card-1").unwrap(), (second / 6).to_string());
    job.stop("TERM");
    let verified = command().args(["checkpoint", "verify"]).arg(&state).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn the_state_of_a_job_that_does_not_run_forgets_a_card_and_the_next_start_takes_its_row_away() {
    let world = World::new(STATE);
    world.write(0, 1_200, true);
    let mut job = world.start(2);
    job.until_ready();
    world.until_read(1_200);
    let (code, said) = world.forget(&job, &["--stopped"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("leave out --stopped"), "{said}");
    assert!(world.cards().contains_key(SOMEBODY));
    job.stop("TERM");

    let (code, said) = world.forget(&job, &["--stopped"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("forgotten in the state"), "{said}");
    let mut job = world.start(3);
    job.until_ready();
    until("the row to go", || !world.cards().contains_key(SOMEBODY));
    assert_eq!(world.cards().len(), 5);
    world.write(1_200, 60, true);
    world.until_read(1_260);
    assert_eq!(world.events(SOMEBODY).as_deref(), Some("10"));
    assert_eq!(world.events("card-1").as_deref(), Some("210"));
    job.stop("TERM");
}

#[test]
fn a_job_without_state_forgets_and_says_that_it_is_not_for_good() {
    let world = World::new("");
    world.write(0, 120, true);
    let mut job = world.start(1);
    job.until_ready();
    world.until_read(120);
    let (code, said) = world.forget(&job, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not for good"), "{said}");
    until("the row to go", || !world.cards().contains_key(SOMEBODY));
    let mut nobody = command();
    let nobody = nobody.args(["forget", "crad", "x"]);
    let nobody = nobody.env("HEALTH_CHECK_PORT", job.port().to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert_eq!(nobody.status.code(), Some(2), "{said}");
    assert!(said.contains("no entity type \"crad\"") && said.contains("card, user"), "{said}");
    job.stop("TERM");
}
