//! `tidemark run` on a topic of Avro records, with a real broker and a registry that is not ours.

use super::front::{Front, Mode};
use super::register_avro;
use crate::folder::Folder;
use crate::memory::{Output, Record};
use crate::redis_server::Redis;
use crate::run::{
    Process, component, expected, hashes, kafka, settings, traffic, until, until_stored,
};
use crate::servers::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use tidemark::kafka::{create_topic, produce};
use tidemark_operators::verdict::Reason;

/// An id that the registry never has.
const NOBODYS: u32 = 4_242;

/// The first version of what producers write.
fn first() -> Value {
    let text = |name: &str| json!({"name": name, "type": "string"});
    json!({"type": "record", "name": "Transaction", "namespace": "bank", "fields": [
        text("transaction_id"), text("card_id"), text("user_id"),
        {"name": "amount", "type": "double"},
        text("currency"), text("merchant_id"), text("mcc"), text("country"), text("device_id"),
        text("ip_address"), text("status"),
        {"name": "timestamp", "type": "long"},
    ]})
}

/// The second: other types and another order, and fields that the job does not know.
fn second() -> Value {
    let text = |name: &str| json!({"name": name, "type": ["null", "string"]});
    json!({"type": "record", "name": "Transaction", "namespace": "bank", "fields": [
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "terminal", "type": {"type": "record", "name": "Terminal", "fields": [
            {"name": "serial", "type": {"type": "fixed", "name": "Serial", "size": 4}},
            {"name": "counts", "type": {"type": "array", "items": "int"}},
        ]}},
        {"name": "amount", "type":
            {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "status", "type":
            {"type": "enum", "name": "Status", "symbols": ["declined", "approved"]}},
        {"name": "card_id", "type": "string"},
        text("transaction_id"), text("user_id"), text("currency"), text("merchant_id"),
        text("mcc"), text("country"), text("device_id"), text("ip_address"),
    ]})
}

fn long(number: i64, into: &mut Record) {
    let mut zigzag = ((number << 1) ^ (number >> 63)) as u64;
    while zigzag >= 0x80 {
        into.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    into.push(zigzag as u8);
}

fn bytes(bytes: &[u8], into: &mut Record) {
    long(bytes.len() as i64, into);
    into.extend_from_slice(bytes);
}

fn wire(id: u32) -> Record {
    let mut record = vec![0];
    record.extend_from_slice(&id.to_be_bytes());
    record
}

fn in_first(id: u32, event: &Value) -> Record {
    let mut record = wire(id);
    for field in first()["fields"].as_array().unwrap() {
        let value = &event[field["name"].as_str().unwrap()];
        match field["type"].as_str().unwrap() {
            "string" => bytes(value.as_str().unwrap().as_bytes(), &mut record),
            "double" => record.extend_from_slice(&value.as_f64().unwrap().to_le_bytes()),
            _ => long(value.as_i64().unwrap(), &mut record),
        }
    }
    record
}

fn in_second(id: u32, event: &Value) -> Record {
    let mut record = wire(id);
    long(event["timestamp"].as_i64().unwrap(), &mut record);
    record.extend_from_slice(b"\xff\x00ab");
    // An array of one block of two, and its end.
    for number in [2, 7, -7, 0] {
        long(number, &mut record);
    }
    let cents = (event["amount"].as_f64().unwrap() * 100.0).round() as i64;
    bytes(&cents.to_be_bytes(), &mut record);
    long(i64::from(event["status"] == "approved"), &mut record);
    bytes(event["card_id"].as_str().unwrap().as_bytes(), &mut record);
    let last = ["transaction_id", "user_id", "currency", "merchant_id"];
    for name in last.iter().chain(&["mcc", "country", "device_id", "ip_address"]) {
        match event.get(name).and_then(Value::as_str) {
            None => long(0, &mut record),
            Some(text) => {
                long(1, &mut record);
                bytes(text.as_bytes(), &mut record);
            }
        }
    }
    record
}

/// Traffic as JSON and as Avro, and what the job computes from the first.
struct Traffic {
    json: Vec<Vec<(Record, Record)>>,
    output: Output,
}

impl Traffic {
    fn new(seed: u64, events: u64) -> Traffic {
        let json = traffic(seed, events);
        let output = expected(&json);
        Traffic { json, output }
    }

    /// The records in Avro, by the id that `version` gives a partition and an offset. What is
    /// malformed as JSON is malformed so too.
    fn avro(&self, ids: [u32; 2], version: impl Fn(usize, usize) -> usize) -> Vec<Vec<Record>> {
        let malformed = |partition: usize, offset: usize| {
            self.output.dead.iter().any(|letter| {
                let place = (letter.partition.partition as usize, letter.offset as usize);
                letter.reason == Reason::Malformed && place == (partition, offset)
            })
        };
        let record = |partition: usize, (offset, (_, line)): (usize, &(Record, Record))| {
            if malformed(partition, offset) {
                return b"{\"no\": \"magic byte\"}".to_vec();
            }
            let event: Value = serde_json::from_slice(line).unwrap();
            match version(partition, offset) {
                0 => in_first(ids[0], &event),
                _ => in_second(ids[1], &event),
            }
        };
        let partitions = self.json.iter().enumerate().map(|(partition, records)| {
            records.iter().enumerate().map(|numbered| record(partition, numbered)).collect()
        });
        partitions.collect()
    }

    /// Partition, offset and reason of all dead letters.
    fn dead(&self) -> BTreeMap<(u64, u64), String> {
        let dead = self.output.dead.iter().map(|letter| {
            ((u64::from(letter.partition.partition), letter.offset), letter.reason.to_string())
        });
        dead.collect()
    }
}

/// A topic of these records; `None` is a null payload.
fn topic(log: &[Vec<Option<Record>>]) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let topic = format!("avro-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    assert!(create_topic(&kafka(), &topic, log.len() as u32, &[]).unwrap());
    let records = (0..).zip(log).flat_map(|(partition, records)| {
        records.iter().map(move |record| (partition, None::<&[u8]>, record.as_deref()))
    });
    produce(&kafka(), &topic, records).unwrap();
    topic
}

/// The shipped job for Avro, with more keys of its source.
fn job(folder: &Path, topic: &str, more: &str) -> String {
    let shipped = include_str!("../../../jobs/fraud.toml");
    let job = shipped
        .replacen("topic = \"transactions\"", &format!("topic = \"{topic}\""), 1)
        .replacen("format = \"json\"", &format!("format = \"avro\"\n{more}"), 1);
    let path = folder.join("fraud.toml");
    std::fs::write(&path, job).unwrap();
    path.display().to_string()
}

/// The dead letters in the file: partition and offset, reason, error.
fn letters(folder: &Path) -> BTreeMap<(u64, u64), (String, String)> {
    let text = std::fs::read_to_string(folder.join("dead.jsonl")).unwrap_or_default();
    // The last line may not be there in full yet.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let letter = |line: Value| {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| line[key].as_u64().unwrap();
        ((number("partition"), number("offset")), (text("reason"), text("error")))
    };
    lines.map(letter).collect()
}

fn until_letters(folder: &Path, expected: &BTreeMap<(u64, u64), String>) {
    let reasons = || {
        let letters = letters(folder);
        letters.into_iter().map(|(place, (reason, _))| (place, reason)).collect()
    };
    until("the dead letters", || {
        let found: BTreeMap<_, _> = reasons();
        found.len() >= expected.len()
    });
    assert_eq!(reasons(), *expected);
}

#[test]
fn a_topic_of_two_schema_versions_gives_what_the_same_events_give_as_json() {
    let server = Server::start("registry", &["--basic", "ann:right-hunter2"]);
    let front = Front::start(server.value("PORT"));
    let signed_in = server.value("URL").replacen("//", "//ann:right-hunter2@", 1);
    let ids = [first(), second()].map(|schema| register_avro(&signed_in, "tx-value", &schema));
    let traffic = Traffic::new(21, 8_000);
    let avro = traffic.avro(ids, |partition, offset| (partition + offset / 3) % 2);
    let mut log: Vec<Vec<_>> =
        avro.into_iter().map(|records| records.into_iter().map(Some).collect()).collect();
    let mut dead = traffic.dead();
    for (partition, record, reason) in [
        (0, Some(wire(NOBODYS)), "schema"),
        (1, None, "tombstone"),
        (2, Some(wire(NOBODYS)), "schema"),
    ] {
        let offset = log[partition].len() as u64;
        dead.insert((partition as u64, offset), reason.to_owned());
        log[partition].push(record);
    }
    let topic = topic(&log);
    let redis = Redis::start(&[]);
    let folder = Folder::new("registry");
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong-hunter2").unwrap();
    settings(
        folder.path(),
        &format!(
            "[registry]\nuser = \"ann\"\npassword_file = {:?}\n",
            password.display().to_string()
        ),
    );
    let job = job(folder.path(), &topic, "schema_wait = \"1s\"");
    let (brokers, port, url) = (kafka().bootstrap_servers, redis.port.to_string(), front.url());
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("PARALLELISM", "2"),
        ("SCHEMA_REGISTRY_URL", &url),
    ];
    let mut job = Process::start(folder.path(), &job, &variables);
    until("health to say so", || {
        job.get("/health").is_some_and(|(_, health)| health.contains("answered 403"))
    });
    let (_, ready) = job.json("/ready");
    let reason = ready["reason"].as_str().unwrap();
    assert!(reason.contains("the schema registry gives no answer"), "{reason}");
    assert!(job.log().contains("Grant read access"), "{}", job.log());
    assert!(letters(folder.path()).values().all(|(reason, _)| reason != "schema"));

    std::fs::write(&password, "right-hunter2").unwrap();
    job.until_ready();
    until_stored(&redis, &hashes(&traffic.output));
    until_letters(folder.path(), &dead);
    let letters = letters(folder.path());
    let unknown: Vec<_> = letters.values().filter(|(reason, _)| reason == "schema").collect();
    assert!(unknown.len() == 2);
    for (_, error) in unknown {
        assert!(error.contains("4242") && error.contains(&url), "{error}");
    }
    let asked = front.requests();
    for id in ids {
        let path = format!("/schemas/ids/{id}");
        assert!(asked.contains(&path), "{asked:?}");
    }
    let metrics = job.get("/metrics").unwrap().1;
    for line in [
        "tidemark_registry_known_ids 2",
        "tidemark_registry_unknown_ids 1",
        "tidemark_registry_pending_ids 0",
        "tidemark_registry_requests_total{outcome=\"ok\"} 2",
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line} in\n{metrics}");
    }
    let everything = format!("{}{metrics}{}", job.log(), job.get("/health").unwrap().1);
    assert!(!everything.contains("hunter2"), "a secret is shown");
    job.stop("TERM");
}

#[test]
fn a_partition_that_waits_for_a_schema_holds_the_watermark_and_nothing_else() {
    let server = Server::start("registry", &[]);
    let front = Front::start(server.value("PORT"));
    let ids =
        [first(), second()].map(|schema| register_avro(server.value("URL"), "tx-value", &schema));
    let traffic = Traffic::new(22, 4_000);
    // Partition 0 is of the second version from its first good record on.
    let avro = traffic.avro(ids, |partition, _| usize::from(partition == 0));
    let log: Vec<Vec<_>> =
        avro.into_iter().map(|records| records.into_iter().map(Some).collect()).collect();
    let stuck = log[0].iter().position(|record| record.as_ref().unwrap()[0] == 0).unwrap() as u64;
    let topic = topic(&log);
    let redis = Redis::start(&[]);
    let folder = Folder::new("registry");
    let sealed = folder.path().join("sealed.jsonl");
    let more = format!(
        "[sealed]\npath = {:?}\n[registry]\nurl = {:?}\n",
        sealed.display().to_string(),
        front.url()
    );
    settings(folder.path(), &more);
    let job = job(folder.path(), &topic, "");
    let text = std::fs::read_to_string(&job).unwrap();
    assert!(text.contains("idle_after = \"30s\""));
    std::fs::write(&job, text.replace("idle_after = \"30s\"", "idle_after = \"200ms\"")).unwrap();
    let (brokers, port) = (kafka().bootstrap_servers, redis.port.to_string());
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("PARALLELISM", "2"),
    ];
    front.set_for(format!("/schemas/ids/{}", ids[1]), Mode::Answer(503, "loading"));
    let mut job = Process::start(folder.path(), &job, &variables);
    until("the other partitions", || {
        let Some((_, ready)) = job.get("/ready") else { return false };
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let partitions = ready["partitions"].as_array().unwrap();
        partitions.len() == log.len()
            && partitions.iter().all(|p| p["partition"] == 0 || p["caught_up"] == true)
    });
    // Long enough for the others, which are silent now, to have become idle many times over.
    until("idle partitions", || {
        let partitions = job.json("/overview").1["partitions"].take();
        let idle = partitions.as_array().unwrap().iter().filter(|p| p["idle"] == true);
        idle.count() == log.len() - 1
    });
    let (metrics, overview) = (job.get("/metrics").unwrap().1, job.json("/overview").1);
    let first = &overview["partitions"][0];
    assert_eq!((&first["partition"], &first["idle"]), (&json!(0), &json!(false)), "{overview}");
    assert_eq!(first["next_offset"], stuck, "who waits is not silent");
    assert!(metrics.contains("tidemark_registry_pending_ids 1\n"), "{metrics}");
    assert!(metrics.contains("tidemark_registry_up 0\n"), "{metrics}");
    let (_, health) = job.json("/health");
    let registry = component(&health, "registry");
    assert_eq!((&health["status"], &registry["state"]), (&json!("degraded"), &json!("down")));
    assert!(registry["reason"].as_str().unwrap().contains("answered 503"), "{registry}");
    let (code, ready) = job.json("/ready");
    assert_eq!((code, &ready["ready"]), (503, &json!(false)), "{ready}");
    assert_eq!(std::fs::read_to_string(&sealed).unwrap(), "", "nothing is sealed without it");

    front.set(Mode::Pass);
    job.until_ready();
    until_stored(&redis, &hashes(&traffic.output));
    until_letters(folder.path(), &traffic.dead());
    until("sealed rows", || !std::fs::read_to_string(&sealed).unwrap().is_empty());
    job.stop("TERM");
}
