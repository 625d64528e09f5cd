//! What is served, what is trained on and what the log makes is the same, and where it is not the first
//! difference is explained.

use crate::files::{Ended, job_over};
use crate::folder::Folder;
use crate::historical::names_of_views;
use crate::memory::Record;
use crate::redis_server::Redis;
use crate::run::{
    Process, command, expected, hashes, settings, stored, topic, traffic, until, until_stored,
    write,
};
use crate::servers::shared_kafka;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidemark::online::{Heartbeat, Life};

/// Whether all workers say that the rows are as of their clocks.
fn beats_are_live(redis: &Redis) -> bool {
    let beats: BTreeMap<String, String> =
        redis::cmd("HGETALL").arg("tidemark:fraud").query(&mut redis.client()).unwrap();
    let worker = beats.iter().filter(|(name, _)| name.starts_with('w') && *name != "workers");
    let beats: Vec<Heartbeat> = worker.map(|(_, beat)| beat.parse().unwrap()).collect();
    !beats.is_empty() && beats.iter().all(|beat| beat.life == Life::Live && beat.clock > 0)
}

/// A job that runs on Kafka and Redis, and all of whose rows are there.
struct Served {
    folder: Folder,
    redis: Redis,
    topic: String,
    process: Process,
}

impl Served {
    fn start(seed: u64) -> Served {
        let log = traffic(seed, 2_000);
        let mut served = Served::of(&log, false);
        served.process.until_ready();
        until_stored(&served.redis, &hashes(&expected(&log)));
        // Until then nobody says as of when they are.
        until("the rows to be vouched for", || beats_are_live(&served.redis));
        served
    }

    /// The same as soon as it has been started, with checkpoints where it `keeps` any.
    fn of(log: &[Vec<(Record, Record)>], keeps: bool) -> Served {
        let (folder, redis) = (Folder::new("validated"), Redis::start(&[]));
        let (topic, state) = (topic(log), folder.path().join("state"));
        let kept = format!("[state]\nurl = {state:?}\ncheckpoint_interval = \"100ms\"\n");
        settings(folder.path(), if keeps { &kept } else { "" });
        let process = Served::process(&folder, &redis, &topic);
        Served { folder, redis, topic, process }
    }

    fn process(folder: &Folder, redis: &Redis, topic: &str) -> Process {
        let url = format!("redis://127.0.0.1:{}/0", redis.port);
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", shared_kafka().value("BOOTSTRAP")),
            ("KAFKA_TOPIC", topic),
            ("REDIS_URL", &url),
        ];
        Process::start(folder.path(), "fraud", &variables)
    }

    fn run(&self, line: &str) -> Ended {
        let mut command = command();
        command.args(line.split(' ')).current_dir(self.folder.path());
        command.env("KAFKA_BOOTSTRAP_SERVERS", shared_kafka().value("BOOTSTRAP"));
        command.env("KAFKA_TOPIC", &self.topic);
        command.env("REDIS_URL", format!("redis://127.0.0.1:{}/0", self.redis.port));
        command.output().unwrap().into()
    }

    fn document(&self, line: &str) -> (i32, Value) {
        let ended = self.run(&format!("{line} --format json"));
        let document = serde_json::from_str(&ended.out);
        (ended.code, document.unwrap_or_else(|_| panic!("{}{}", ended.out, ended.errors)))
    }

    /// A card and its row with at least two payments in a day.
    fn card(&self) -> (String, BTreeMap<String, String>) {
        let rows = stored(&self.redis);
        let row = rows.iter().find(|(key, row)| {
            let count = row.get("txn_count_24h").and_then(|count| count.parse::<u64>().ok());
            key.ends_with(":transaction_stats_5m") && count.is_some_and(|count| count >= 2)
        });
        let (key, row) = row.unwrap();
        (key.split(':').nth(2).unwrap().to_owned(), row.clone())
    }
}

#[test]
fn rows_of_a_running_job_are_those_of_its_windows_and_of_its_log() {
    let served = Served::start(41);
    let (code, all) = served.document("validate-pit fraud --sample 30");
    assert_eq!((code, &all["ok"], &all["differences"]), (0, &true.into(), &Value::Array(vec![])));
    let number = |key: &str| all[key].as_u64().unwrap();
    assert!(number("entities") >= 90 && number("values") > 500, "{all}");
    let (card, row) = served.card();
    let of_card = format!("validate-pit fraud --entity-type card --entity-id {card}");
    for asked in ["", &format!(" --http http://127.0.0.1:{}", served.process.port())] {
        let (code, of_one) = served.document(&format!("{of_card}{asked}"));
        assert_eq!(code, 0, "{of_one}");
        let rows = of_one["rows"].as_array().unwrap();
        let count = rows.iter().find(|row| row["feature"] == "txn_count_24h").unwrap();
        for told in ["online", "windows", "events"] {
            assert_eq!(count[told].to_string(), row["txn_count_24h"], "{count}");
        }
    }
    let ended = served.run(&of_card);
    assert!(ended.out.contains("the job's windows and the log: all are equal"), "{}", ended.out);
    let nobody = "validate-pit fraud --entity-type card --entity-id nobody";
    assert_eq!(served.document(nobody).0, 0, "no row reads as the empty values");
}

#[test]
fn a_row_that_somebody_changed_differs_and_is_explained_by_its_events() {
    let served = Served::start(42);
    let (card, row) = served.card();
    let key = format!("features:card:{card}:transaction_stats_5m");
    let mut client = served.redis.client();
    let _: u64 =
        redis::cmd("HSET").arg(&key).arg("txn_count_24h").arg(99).query(&mut client).unwrap();
    let of_card = format!("validate-pit fraud --entity-type card --entity-id {card}");
    let (code, found) = served.document(&of_card);
    assert_eq!((code, &found["ok"]), (1, &false.into()));
    let differences = found["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{found}");
    assert_eq!(
        (&differences[0]["feature"], &differences[0]["online"]),
        (&"txn_count_24h".into(), &99.into())
    );
    assert_eq!(differences[0]["events"].to_string(), row["txn_count_24h"]);
    assert!(found["why"].as_str().unwrap().contains("at none of the times before"), "{found}");
    let explained = &found["explained"]["features"][0];
    assert_eq!(explained["name"], "txn_count_24h");
    let events = explained["inputs"][0]["events"].as_array().unwrap();
    assert_eq!(events.len().to_string(), row["txn_count_24h"]);
    let place = events[0]["place"].as_str().unwrap();
    assert!(place.starts_with(&format!("{}[", served.topic)), "{place}");
}

#[test]
fn a_row_that_was_not_brought_up_to_date_is_told_by_the_time_at_which_it_was_right() {
    let served = Served::start(43);
    let (card, _) = served.card();
    let explain = format!("explain fraud transaction_stats_5m {card}");
    let (_, now) = served.document(&explain);
    let features = now["features"].as_array().unwrap();
    let count = features.iter().find(|feature| feature["name"] == "txn_count_24h").unwrap();
    let first = count["inputs"][0]["events"][0]["at"].as_i64().unwrap();
    let at = jiff::Timestamp::from_millisecond(first).unwrap();
    let then = served.run(&format!("{explain} --at {at} --format json")).out;
    // The row as it was at the first of its payments.
    #[derive(serde::Deserialize)]
    struct Then {
        features: Vec<FeatureThen>,
    }
    #[derive(serde::Deserialize)]
    struct FeatureThen {
        name: String,
        value: Box<RawValue>,
    }
    let then: Then = serde_json::from_str(&then).unwrap();
    let key = format!("features:card:{card}:transaction_stats_5m");
    let mut client = served.redis.client();
    for FeatureThen { name, value } in &then.features {
        let mut command = redis::cmd(if value.get() == "null" { "HDEL" } else { "HSET" });
        command.arg(&key).arg(name);
        if value.get() != "null" {
            command.arg(value.get().trim_matches('"'));
        }
        let _: u64 = command.query(&mut client).unwrap();
    }
    let of_card = format!("validate-pit fraud --entity-type card --entity-id {card}");
    let ended = served.run(&of_card);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.errors);
    assert!(ended.out.contains("it has not been brought up to date since"), "{}", ended.out);
    assert!(ended.out.contains("differs"), "{}", ended.out);
}

/// A job that has read a file of events of a profile into Redis, and has ended.
struct ReadFile {
    folder: Folder,
    redis: Redis,
}

impl ReadFile {
    /// With `settings` of the store.
    fn new(profile: &str, job: &str, settings: &str) -> ReadFile {
        let (folder, redis) = (Folder::new("validated-file"), Redis::start(&[]));
        job_over(&folder, job, "in.jsonl");
        // What the job `behavior` looks up.
        folder.write("ip_reputation.csv", tidemark_jobs::IP_REPUTATION);
        folder.write("cluster.toml", format!("[online.redis]\n{settings}"));
        let read = ReadFile { folder, redis };
        let generate =
            format!("generate --profile {profile} --events 4000 --seed 9 --out in.jsonl");
        for line in [generate.as_str(), "run job.toml --port 0"] {
            let ended = read.run(line);
            assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
        }
        read
    }

    fn run(&self, line: &str) -> Ended {
        let mut command = command();
        command.args(line.split(' ')).current_dir(self.folder.path());
        command.env("REDIS_URL", format!("redis://127.0.0.1:{}/0", self.redis.port));
        command.output().unwrap().into()
    }

    fn document(&self, line: &str) -> (i32, Value) {
        let ended = self.run(&format!("{line} --format json"));
        let document = serde_json::from_str(&ended.out);
        (ended.code, document.unwrap_or_else(|_| panic!("{}{}", ended.out, ended.errors)))
    }

    fn events(&self) -> Vec<Value> {
        let events = std::fs::read_to_string(self.folder.file("in.jsonl")).unwrap();
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The rows of a job other than that of cards are judged, and one that is gone is a difference, in a layout.
fn rows_are_judged(layout: &str) {
    let settings = format!("layout = {layout:?}\n");
    let job = ReadFile::new("personalization", tidemark_jobs::PERSONALIZATION, &settings);
    let (code, all) = job.document("validate-pit job.toml --sample 30");
    assert_eq!((code, &all["ok"]), (0, &true.into()), "{all}");
    assert!(all["online"].as_str().unwrap().contains("redis"), "{all}");
    assert!(all["values"].as_u64().unwrap() > 40, "{all}");
    let user = job.events().last().unwrap()["user_id"].as_str().unwrap().to_owned();
    let of_one = format!("validate-pit job.toml --entity-type user --entity-id {user}");
    let (code, told) = job.document(&of_one);
    assert_eq!(code, 0, "{told}");
    let rows = told["rows"].as_array().unwrap();
    let is_shown = |row: &&Value| row["online"].as_f64().is_some_and(|value| value != 0.0);
    let shown = rows.iter().filter(is_shown).count();
    assert!(shown > 3 && rows.iter().all(|row| row["online"] == row["events"]), "{told}");
    let mut client = job.redis.client();
    let keys: Vec<Vec<u8>> =
        redis::cmd("KEYS").arg(format!("*{user}*")).query(&mut client).unwrap();
    assert!(!keys.is_empty());
    let _: u64 = redis::cmd("DEL").arg(keys).query(&mut client).unwrap();
    let (code, told) = job.document(&of_one);
    assert_eq!((code, &told["ok"]), (1, &false.into()), "{told}");
    assert!(told["differences"].as_array().unwrap().len() >= shown, "{told}");
    assert!(told["explained"]["features"].as_array().is_some(), "{told}");
}

#[test]
fn rows_of_shoppers_are_judged_in_our_layout() {
    rows_are_judged("hash");
}

#[test]
fn rows_of_shoppers_are_judged_in_the_layout_of_feast() {
    rows_are_judged("feast");
}

#[test]
fn at_a_time_the_windows_and_the_log_have_what_training_has_and_no_row_is_looked_at() {
    for (profile, source, entity, key) in [
        ("personalization", "clicks", "user", "user_id"),
        ("behavior", "behavior_events", "user", "user_id"),
        ("fraud", "transactions", "card", "card_id"),
    ] {
        let folder = Folder::new("validated-at");
        let run = |line: &str| {
            let ended = crate::files::tidemark(folder.path(), line, b"");
            assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.errors);
            ended.out
        };
        run(&format!("generate --profile {profile} --events 4000 --seed 9 --out in.jsonl"));
        let events = std::fs::read_to_string(folder.file("in.jsonl")).unwrap();
        let events: Vec<Value> =
            events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let time = |event: &Value| match event["timestamp"].as_str() {
            Some(text) => text.parse::<jiff::Timestamp>().unwrap().as_millisecond(),
            None => event["timestamp"].as_i64().unwrap(),
        };
        let views = names_of_views(profile, entity);
        let mut compared = 0;
        // At an event of its own, a while after it, and long after all.
        for (nth, after) in [(700, 0), (1_500, 90_000), (2_400, 0), (3_900, 400 * 86_400_000)] {
            let id = events[nth][key].as_str().unwrap();
            let at = time(&events[nth]) + after;
            folder
                .write("spine.jsonl", format!("{{\"{key}\":\"{id}\",\"event_timestamp\":{at}}}\n"));
            run(&format!(
                "historical {profile} --source {source}=in.jsonl --entities spine.jsonl --time-unit ms \
                 --features {} --out out.jsonl --full-feature-names",
                views.join(",")
            ));
            let trained = std::fs::read_to_string(folder.file("out.jsonl")).unwrap();
            let trained: Value = serde_json::from_str(&trained).unwrap();
            let time = jiff::Timestamp::from_millisecond(at).unwrap();
            let told = run(&format!(
                "validate-pit {profile} --entity-type {entity} --entity-id {id} --at {time} \
                 --source {source}=in.jsonl --format json"
            ));
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!((&told["ok"], &told["differences"]), (&true.into(), &json!([])), "{told}");
            for row in told["rows"].as_array().unwrap() {
                let name = |of: &str| row[of].as_str().unwrap();
                let column = format!("{}__{}", name("view"), name("feature"));
                assert!(row["online"].is_null(), "{row}");
                for said in ["windows", "events"] {
                    assert_eq!(row[said], trained[&column], "{profile}: {row} at {time}");
                }
                compared += 1;
            }
        }
        assert!(compared > 30, "{profile}: {compared}");
    }
}

/// Slice `at` of `of` of each partition.
fn slice(log: &[Vec<(Record, Record)>], at: usize, of: usize) -> Vec<Vec<(Record, Record)>> {
    let part =
        |records: &Vec<_>| records[records.len() * at / of..records.len() * (at + 1) / of].to_vec();
    log.iter().map(part).collect()
}

#[test]
fn rows_are_right_while_event_time_runs_far_faster_than_the_clock_and_after_a_kill() {
    const SLICES: usize = 400;
    let log = traffic(44, 40_000);
    let mut served = Served::of(&slice(&log, 0, SLICES), true);
    let (writes, topic) = (Arc::new(AtomicBool::new(true)), served.topic.clone());
    let written = Arc::clone(&writes);
    let writing = std::thread::spawn(move || {
        for at in (1..SLICES).take_while(|_| written.load(Ordering::SeqCst)) {
            write(&topic, &slice(&log, at, SLICES));
        }
    });
    for round in 0..3 {
        served.process.until_ready();
        until("the rows to be vouched for", || beats_are_live(&served.redis));
        let http = format!(" --http http://127.0.0.1:{}", served.process.port());
        for asked in [http.as_str(), ""] {
            let (code, found) = served.document(&format!("validate-pit fraud --sample 20{asked}"));
            assert_eq!((code, &found["differences"]), (0, &Value::Array(vec![])), "{found}");
            assert!(found["values"].as_u64().unwrap() > 100, "{found}");
            assert!(asked.is_empty() || found["unjudged"] == 0, "{found}");
        }
        if round == 0 {
            served.process.kill();
            served.process.wait();
            served.process = Served::process(&served.folder, &served.redis, &served.topic);
        }
    }
    writes.store(false, Ordering::SeqCst);
    writing.join().unwrap();
}
