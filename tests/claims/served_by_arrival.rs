//! What a running job answered is what `historical --known arrived` finds in the topic afterwards.

use crate::folder::Folder;
use crate::run::{Process, command, kafka, settings, until};
use crate::servers::shared_kafka;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;
use tidemark::kafka::create_topic;

const PARTITIONS: u32 = 3;
const CARDS: u32 = 8;
/// So many that each worker has one of them.
const TICKS: u32 = 8;
const ROUNDS: u64 = 24;
const ROUND_MS: u64 = 400;
const T: u64 = 1_767_484_955_000;
const WAIT: Duration = Duration::from_secs(60);

const JOB: &str = r#"
[job]
name = "arriving"
[sources.tx]
topic = "arriving"
framing = "kcat"
time = { field = "ts", unit = "ms" }
out_of_orderness = "2s"
[sources.tx.fields]
card = "string"
amount = "decimal"
country = "string"
[entities.card]
key = "card"
[views.v]
entity = "card"
[views.v.features]
n_1s = { aggregate = "count", window = "1s" }
n_5s = { aggregate = "count", window = "5s" }
n_delayed = { aggregate = "count", window = "1s", delay = "700ms" }
large = { aggregate = "ratio", window = "3s", where = "amount >= 50" }
spent = { aggregate = "sum", of = "amount", window = "3s" }
most = { aggregate = "max", of = "amount", window = "2s" }
countries = { aggregate = "distinct", of = "country", window = "3s" }
moves = { aggregate = "changes", of = "country", window = "3s" }
newest = { aggregate = "latest", of = "country", horizon = "1m" }
gap = { aggregate = "previous_gap", horizon = "1m", unit = "ms" }
visit = { aggregate = "count", session = "300ms" }
visit_ms = { aggregate = "duration", session = "300ms", unit = "ms" }
is_new = { aggregate = "is_new", of = "country", horizon = "3s" }
mean = { expression = 'spent / n_5s' }
"#;

/// A record: its event time, when it arrives (its timestamp in the topic), and whose it is.
struct ArrivingRecord {
    ts: u64,
    arrival: u64,
    partition: u32,
    card: String,
    amount: u32,
    country: &'static str,
}

/// What arrives in a round, in the order of arrival; last of all what moves the clock of all rows to its end:
/// a worker's rows are as of when it changed one of them.
fn round(rng: &mut SmallRng, at: u64) -> Vec<ArrivingRecord> {
    let end = T + (at + 1) * ROUND_MS;
    let mut records: Vec<ArrivingRecord> = (0..40)
        .map(|_| {
            let arrival = end - rng.random_range(0..ROUND_MS);
            let ts = match rng.random_range(0..10) {
                0 => arrival,
                1..5 => arrival - rng.random_range(0..30),
                5..8 => arrival - rng.random_range(0..1_500),
                // Too late, mostly.
                8 => arrival - rng.random_range(0..9_000),
                // A fast clock, sometimes faster than is believed.
                _ => arrival + rng.random_range(0..2_500),
            };
            ArrivingRecord {
                ts,
                arrival,
                partition: rng.random_range(0..PARTITIONS),
                card: format!("c{}", rng.random_range(0..CARDS)),
                amount: rng.random_range(0..100),
                country: ["SE", "NO", "DK"][rng.random_range(0..3)],
            }
        })
        .collect();
    records.sort_by_key(|record| record.arrival);
    records.extend((0..TICKS).map(|tick| ArrivingRecord {
        ts: end,
        arrival: end,
        partition: 0,
        card: format!("tick{tick}"),
        amount: 0,
        country: "SE",
    }));
    records
}

fn write(producer: &BaseProducer, topic: &str, records: &[ArrivingRecord]) {
    for record in records {
        let value = format!(
            "{{\"ts\":{},\"card\":\"{}\",\"amount\":{}.25,\"country\":\"{}\"}}",
            record.ts, record.card, record.amount, record.country
        );
        let sent = BaseRecord::to(topic)
            .partition(i32::try_from(record.partition).unwrap())
            .key(&record.card)
            .timestamp(i64::try_from(record.arrival).unwrap())
            .payload(&value);
        producer.send(sent).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(WAIT).unwrap();
}

type FeatureTexts = BTreeMap<String, String>;

/// A row as it was answered.
#[derive(serde::Deserialize)]
struct AnsweredRow {
    as_of: u64,
    positions: BTreeMap<String, BTreeMap<String, u64>>,
    features: BTreeMap<String, Box<RawValue>>,
}

impl AnsweredRow {
    fn features(&self) -> FeatureTexts {
        self.features.iter().map(|(name, value)| (name.clone(), value.get().to_owned())).collect()
    }
}

/// For each partition the end of the card's records so far that are events: what is more than 2 s behind the
/// newest of its partition is late.
fn ends(log: &[ArrivingRecord], card: &str) -> BTreeMap<u32, u64> {
    let (mut next, mut ends) = (BTreeMap::<u32, (u64, u64)>::new(), BTreeMap::new());
    for record in log {
        let (offset, clock) = next.entry(record.partition).or_default();
        let ts = record.ts.min(record.arrival + 2_000);
        if ts + 2_000 >= *clock {
            *clock = (*clock).max(ts.min(record.arrival));
            if record.card == card {
                ends.insert(record.partition, *offset + 1);
            }
        }
        *offset += 1;
    }
    ends
}

/// The row of `card` once it is as of `end` and shows all of `log` that it can.
fn answered(
    process: &Process,
    log: &[ArrivingRecord],
    (card, end): (&str, u64),
) -> Option<FeatureTexts> {
    let (mut row, ends) = (None, ends(log, card));
    until("a row that shows what has arrived", || {
        let (code, body) =
            process.get(&format!("/features/v?id={card}&positions=true")).expect("an answer");
        if code == 404 {
            return ends.is_empty();
        }
        let answer: AnsweredRow =
            serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        let shown = &answer.positions["tx"];
        let shows = |(partition, end): (&u32, &u64)| {
            shown.get(&partition.to_string()).is_some_and(|shown| shown >= end)
        };
        let whole = answer.as_of == end && ends.iter().all(shows);
        row = whole.then(|| answer.features());
        whole
    });
    row
}

/// What kcat makes of the topic.
fn dump(folder: &Folder, topic: &str) {
    let brokers = kafka().bootstrap_servers;
    let dump = Command::new("kcat")
        .args(["-C", "-b", &brokers, "-t", topic, "-J", "-o", "beginning", "-e", "-q"])
        .output()
        .expect("kcat is needed; run: scripts/setup tests");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    folder.write("dump.jsonl", dump.stdout);
}

fn historical(folder: &Folder, known: &str) -> (Value, Vec<FeatureTexts>) {
    let line = format!(
        "historical arriving.toml --source tx=dump.jsonl --entities spine.csv --time-unit ms --features v \
         --workers 2 --out out.jsonl --known {known}"
    );
    let ended = command().current_dir(folder.path()).args(line.split(' ')).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let out = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let row = |line: &str| {
        let row: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).unwrap();
        let features =
            row.into_iter().filter(|(name, _)| name != "card" && name != "event_timestamp");
        features.map(|(name, value)| (name, value.get().to_owned())).collect()
    };
    (serde_json::from_slice(&ended.stdout).unwrap(), out.lines().map(row).collect())
}

#[test]
fn rows_that_were_read_online_are_what_had_arrived_at_their_clocks_in_a_dump_of_the_topic() {
    let folder = Folder::new("served_by_arrival");
    let topic = "arriving";
    assert!(create_topic(&kafka(), topic, PARTITIONS, &[]).unwrap());
    let job = folder.write("arriving.toml", JOB);
    settings(folder.path(), "[online]\nkind = \"embedded\"\n");
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", shared_kafka().value("BOOTSTRAP"))];
    let mut process =
        Process::start_with(folder.path(), job.to_str().unwrap(), &variables, &["--workers", "2"]);
    process.until_ready();
    let mut native = ClientConfig::new();
    native.set("bootstrap.servers", kafka().bootstrap_servers);
    let producer: BaseProducer = native.create().unwrap();
    let (mut rng, mut log, mut read) = (SmallRng::seed_from_u64(11), Vec::new(), Vec::new());
    let mut spine = "card,event_timestamp\n".to_owned();
    for at in 0..ROUNDS {
        let records = round(&mut rng, at);
        write(&producer, topic, &records);
        log.extend(records);
        let end = T + (at + 1) * ROUND_MS;
        for card in 0..CARDS {
            let card = format!("c{card}");
            if let Some(row) = answered(&process, &log, (&card, end)) {
                let _ = writeln!(spine, "{card},{end}");
                read.push(row);
            }
        }
    }
    process.stop("TERM");
    dump(&folder, topic);
    folder.write("spine.csv", spine);
    let (said, found) = historical(&folder, "arrived");
    assert_eq!(said["arrival_unknown"], 0);
    assert!(said["late"].as_u64().unwrap() > 20, "{said}");
    assert!(read.len() > 150 && read.len() == found.len(), "{} {}", read.len(), found.len());
    for (row, (online, arrived)) in read.iter().zip(&found).enumerate() {
        assert_eq!(online, arrived, "row {row}");
    }
    // What is known afterwards is something else.
    let (_, known) = historical(&folder, "final");
    let unlike = read.iter().zip(&known).filter(|(online, known)| online != known).count();
    assert!(unlike > 50, "{unlike}");
}
