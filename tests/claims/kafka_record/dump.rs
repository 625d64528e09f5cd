//! A topic, and what `kcat -J` writes of it.

use super::load;
use crate::folder::Folder;
use crate::memory::{Output, Run, over, tables};
use crate::run::{command, kafka};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tidemark::file_source::{Dumps, Progress};
use tidemark::kafka::{
    KafkaPartitions, KafkaSource, KafkaStatus, KnownTopic, SourceTopic, create_topic,
};
use tidemark::memory_partition::GivenPartitions;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, Standing};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Plan, Start};
use tidemark_operators::shape::Shape;

const PARTITIONS: i32 = 3;
const T: i64 = 1_767_484_955_000;
const WAIT: Duration = Duration::from_secs(60);

const JOB: &str = r#"
[job]
name = "payments"
[sources.tx]
topic = "TOPIC"
framing = "kcat"
time = { record = "timestamp" }
id = "attempt"
unique_within = "1m"
out_of_orderness = "2s"
max_future_skew = "10s"
[sources.tx.fields]
card_id = { type = "string", key = "id" }
device = { type = "string?", header = "x-device" }
attempt = { type = "int?", header = "x-attempt" }
partition = { type = "int", record = "partition" }
offset = { type = "int", record = "offset" }
amount = "decimal?"
[entities.card]
key = "card_id"
[entities.device]
key = "device"
[views.cards]
entity = "card"
[views.cards.features]
n = { aggregate = "count", window = "1m" }
spent = { aggregate = "sum", of = "amount", window = "1m" }
attempts = { aggregate = "sum", of = "attempt", window = "1m" }
device = { aggregate = "latest", of = "device" }
partition = { aggregate = "latest", of = "partition" }
offset = { aggregate = "latest", of = "offset" }
[views.devices]
entity = "device"
[views.devices.features]
n = { aggregate = "count", window = "30s" }
"#;

/// A topic with all that a topic can have: keys of several kinds, headers that are missing, null and
/// there twice, tombstones, bytes that are no JSON, framed JSON, records that are late, and copies.
fn filled(topic: &str) {
    assert!(create_topic(&kafka(), topic, 3, &[]).unwrap());
    let mut native = ClientConfig::new();
    native.set("bootstrap.servers", kafka().bootstrap_servers);
    let producer: BaseProducer = native.create().unwrap();
    for n in 0..240_i64 {
        let key = match n % 11 {
            0 => format!(r#"{{"schema":{{"type":"struct"}},"payload":{{"id":"c{}"}}}}"#, n % 5),
            1 => "no object".to_owned(),
            _ => format!(r#"{{"id":"c{}","n":{n}}}"#, n % 5),
        };
        let value = match n % 13 {
            0 => "{ no JSON \u{1}\u{7f}\u{e9}\n".to_owned(),
            1 => format!("\0\0\0\0\u{5}{{\"amount\":\"{n}.5\"}}"),
            _ => format!("{{\"amount\":{n}.25,\"note\":\"\\u00e9\\n\u{1f600}\"}}"),
        };
        let mut headers = OwnedHeaders::new();
        let device = format!("d{}", n % 3);
        if n % 4 != 0 {
            headers = headers.insert(Header { key: "x-device", value: Some("other") });
            headers = headers.insert(Header { key: "unread", value: Some("\u{0}") });
            let value = Some(device.as_str()).filter(|_| n % 9 != 1);
            headers = headers.insert(Header { key: "x-device", value });
        }
        let attempt = match n {
            _ if n % 17 == 0 => "many".to_owned(),
            // The id of one before it in its partition.
            _ if n % 23 == 22 => (n - 6).to_string(),
            _ => n.to_string(),
        };
        headers = headers.insert(Header { key: "x-attempt", value: Some(attempt.as_str()) });
        // Disorder of up to 1.5 s, and now and then more than is allowed.
        let behind = if n % 31 == 30 { 9_000 } else { n * 7 % 4 * 500 };
        let record = BaseRecord::to(topic)
            .partition(i32::try_from(n * n % 3 + n % 2).unwrap() % PARTITIONS)
            .key(&key)
            .timestamp(T + n * 400 - behind)
            .headers(headers);
        let record = if n % 19 == 5 { record } else { record.payload(&value) };
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WAIT).unwrap();
}

/// What kcat makes of the topic: its lines, by partition.
fn dumped(topic: &str) -> BTreeMap<u64, Vec<String>> {
    let brokers = kafka().bootstrap_servers;
    let dump = Command::new("kcat")
        .args(["-C", "-b", &brokers, "-t", topic, "-J", "-o", "beginning", "-e", "-q"])
        .output()
        .expect("kcat is needed; run: scripts/setup tests");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let mut lines = BTreeMap::<_, Vec<_>>::new();
    for line in String::from_utf8(dump.stdout).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let partition = record["partition"].as_u64().unwrap();
        lines.entry(partition).or_default().push(format!("{line}\n"));
    }
    lines
}

/// A partition that ends where the topic does.
struct Ending(Box<dyn PartitionReader>);

impl PartitionReader for Ending {
    fn id(&self) -> PartitionId {
        self.0.id()
    }

    fn poll(&mut self) -> Poll {
        match self.0.poll() {
            Poll::Pending(Standing::AtEnd) => Poll::Ended,
            poll => poll,
        }
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

struct EndingPartitions(KafkaPartitions);

impl Partitions for EndingPartitions {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let appeared = self.0.appeared().into_iter();
        appeared.map(|reader| Box::new(Ending(reader)) as _).collect()
    }

    fn may_grow(&self) -> bool {
        false
    }
}

fn by_topic(plan: &Arc<Plan>, workers: usize) -> Output {
    let topic = SourceTopic {
        source: 0,
        topic: plan.sources[0].topic.clone().unwrap(),
        start: Start::Earliest,
        headers: plan.sources[0].headers(),
        offsets: BTreeMap::new(),
        known: KnownTopic::default(),
    };
    let status = KafkaStatus::new();
    let source =
        KafkaSource::open(&kafka(), vec![topic], Shape::one_process(workers), &status, &|| true)
            .unwrap();
    let partitions = move |worker, waker| {
        Box::new(EndingPartitions(source.partitions(worker, waker).unwrap())) as _
    };
    over(plan, &Run { workers, ..Run::default() }, tables(plan, None), partitions).0
}

fn by_dump(plan: &Arc<Plan>, files: &[PathBuf], workers: usize) -> Output {
    let mut sources = vec![(0, files.to_vec())];
    let dumps = Dumps::take(plan, &mut sources).unwrap();
    assert!(sources.is_empty());
    let partitions = move |worker, waker| {
        let progress = Arc::<Progress>::default();
        let readers = dumps.open(worker, workers, &waker, &progress).unwrap();
        Box::new(GivenPartitions(readers)) as _
    };
    over(plan, &Run { workers, ..Run::default() }, tables(plan, None), partitions).0
}

#[test]
fn a_dump_of_a_topic_replays_to_the_same_bytes_as_the_topic() {
    let topic = "dumped";
    filled(topic);
    let plan = load(&JOB.replace("TOPIC", topic));
    let expected = by_topic(&plan, 1);
    let [accepted, late, future, unreadable] = expected.verdicts;
    assert!(accepted > 120 && late > 3 && unreadable > 40, "{:?}", expected.verdicts);
    let copies = 240 - (accepted + late + future + unreadable);
    assert!((5..=10).contains(&copies) && future == 0, "{:?}", expected.verdicts);
    assert!(expected.sealed.lines().count() > 200 && expected.live.len() == 5 + 3);
    let arrivals = expected.dead.iter().filter(|letter| letter.arrival.is_some()).count();
    assert_eq!(arrivals as u64, late);

    let lines = dumped(topic);
    assert_eq!((lines.len(), lines.values().map(Vec::len).sum::<usize>()), (3, 240));
    let folder = Folder::new("dump");
    // One partition after the other, and all mixed.
    let whole = folder.write("whole.jsonl", lines.values().flatten().cloned().collect::<String>());
    let longest = lines.values().map(Vec::len).max().unwrap();
    let mixed = (0..longest).flat_map(|at| lines.values().filter_map(move |lines| lines.get(at)));
    let mixed: Vec<String> = mixed.cloned().collect();
    let (first, second) = mixed.split_at(100);
    let parts = [("1.jsonl", first), ("2.jsonl", second)];
    let parts = parts.map(|(name, lines)| folder.write(name, lines.concat()));
    for workers in 1..=3 {
        assert_eq!(by_topic(&plan, workers), expected, "the topic on {workers}");
        assert_eq!(
            by_dump(&plan, std::slice::from_ref(&whole), workers),
            expected,
            "whole on {workers}"
        );
        assert_eq!(by_dump(&plan, &parts, workers), expected, "in parts on {workers}");
    }

    let job = folder.write("payments.toml", JOB.replace("TOPIC", topic));
    let (sealed, dead) = (folder.path().join("sealed.jsonl"), folder.path().join("dead.jsonl"));
    let replayed = command()
        .arg("replay")
        .arg(job)
        .args(["--source", &format!("tx={}", whole.display()), "--workers", "2", "--sealed"])
        .arg(&sealed)
        .arg("--dlq")
        .arg(&dead)
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    assert_eq!(std::fs::read_to_string(sealed).unwrap(), expected.sealed);
    let letters = std::fs::read_to_string(dead).unwrap();
    assert_eq!(letters.lines().count(), expected.dead.len());
}
