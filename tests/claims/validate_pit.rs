//! What is served, what is trained on and what the log makes is the same, and where it is not the first
//! difference is explained.

use crate::files::Ended;
use crate::folder::Folder;
use crate::memory::Record;
use crate::redis_server::Redis;
use crate::run::{
    Process, command, expected, hashes, settings, stored, topic, traffic, until, until_stored,
    write,
};
use crate::servers::shared_kafka;
use serde_json::Value;
use serde_json::value::RawValue;
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
