//! Sealed rows in topics, on a real broker: each once, in the order of their file, with the entity's id as
//! the key.

use crate::folder::Folder;
use crate::redis_server::Redis;
use crate::run::{
    self, Process, half, refuses, settings, topic, traffic, until, until_stored, write,
};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

/// How long the broker may say nothing.
const WITHIN: Duration = Duration::from_secs(20);

/// A record of a topic.
struct Published {
    partition: i32,
    key: Vec<u8>,
    row: Vec<u8>,
}

/// What is committed in a topic; nothing where there is none.
fn committed(bootstrap: &str, topic: &str) -> Vec<Published> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "claims-sealed")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .create()
        .unwrap();
    let found = consumer.fetch_metadata(Some(topic), WITHIN).unwrap();
    let partitions: Vec<i32> = found.topics()[0].partitions().iter().map(|p| p.id()).collect();
    let mut all = TopicPartitionList::new();
    for partition in &partitions {
        all.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut published, mut ended) = (Vec::new(), BTreeSet::new());
    while ended.len() < partitions.len() {
        match consumer.poll(WITHIN).expect("an answer of the broker") {
            Err(KafkaError::PartitionEOF(partition)) => {
                ended.insert(partition);
            }
            Err(error) => panic!("{error}"),
            Ok(message) => published.push(Published {
                partition: message.partition(),
                key: message.key().unwrap().to_vec(),
                row: message.payload().unwrap().to_vec(),
            }),
        }
    }
    published
}

/// Compares the rows of `topics` with the first lines of a file, which must be the same: in each partition
/// in their order, and those of an entity in one. Says how many they are: `all`, where that is asked for.
///
/// # Errors
/// What is not as it has to be.
pub fn compare(
    bootstrap: &str,
    topics: &[String],
    sealed: &[u8],
    all: bool,
) -> Result<usize, String> {
    let lines: Vec<&[u8]> =
        sealed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let places: BTreeMap<&[u8], usize> =
        lines.iter().enumerate().map(|(at, line)| (*line, at)).collect();
    assert_eq!(places.len(), lines.len(), "a line is in the file twice");
    let mut seen = BTreeSet::new();
    for topic in topics {
        let (mut newest, mut homes) = (BTreeMap::new(), BTreeMap::new());
        for Published { partition, key, row } in committed(bootstrap, topic) {
            let text = String::from_utf8_lossy(&row).into_owned();
            let at = *places
                .get(row.as_slice())
                .ok_or_else(|| format!("{topic} has a row that the file has not: {text}"))?;
            if !seen.insert(at) {
                return Err(format!("{topic} has a sealed row twice: {text}"));
            }
            let before = newest.insert(partition, at);
            if before.is_some_and(|before| before > at) {
                return Err(format!("{topic}[{partition}] has a row behind a later one: {text}"));
            }
            let json: serde_json::Value = serde_json::from_slice(&row).unwrap();
            let is_its = json["entity_id"].as_str().map(str::as_bytes) == Some(&key)
                && topic.ends_with(json["view"].as_str().unwrap());
            if !is_its || *homes.entry(key).or_insert(partition) != partition {
                return Err(format!("{topic}[{partition}] is not where this row belongs: {text}"));
            }
        }
    }
    match lines.iter().enumerate().find(|(at, _)| !seen.contains(at)) {
        Some((at, line)) if at < seen.len() || all => Err(format!(
            "{} of {} sealed rows are in their topics; the first that is in none: {}",
            seen.len(),
            lines.len(),
            String::from_utf8_lossy(line)
        )),
        _ => Ok(seen.len()),
    }
}

/// A job whose rows are published, and what is set of that.
struct World {
    log: Vec<Vec<(crate::memory::Record, crate::memory::Record)>>,
    topic: String,
    redis: Redis,
    folder: Folder,
}

impl World {
    fn new(seed: u64, sealed: &str) -> World {
        let log = traffic(seed, 12_000);
        let (topic, redis, folder) =
            (topic(&half(&log, 0)), Redis::start(&[]), Folder::new("sealed-topics"));
        let (path, state) = (folder.file("sealed.jsonl"), folder.file("state"));
        let more = format!(
            "[sealed]\npath = {path:?}\ntopic = \"{topic}.{{view}}\"\n{sealed}[state]\nurl = {state:?}\n\
             checkpoint_interval = \"100ms\"\n"
        );
        settings(folder.path(), &more);
        World { log, topic, redis, folder }
    }

    fn start(&self) -> Process {
        let kafka = run::kafka().bootstrap_servers;
        let port = self.redis.port.to_string();
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.as_str()),
            ("KAFKA_TOPIC", &self.topic),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ];
        let mut process = Process::start(self.folder.path(), "fraud", &variables);
        process.until_ready();
        process
    }

    fn rest(&self) {
        let rest: Vec<_> =
            self.log.iter().map(|records| records[records.len() / 2..].to_vec()).collect();
        write(&self.topic, &rest);
    }

    fn topics(&self) -> Vec<String> {
        let plan = run::fraud();
        let views = plan.entities.iter().flat_map(|entity| &entity.views);
        views.map(|view| format!("{}.{}", self.topic, view.name)).collect()
    }
}

#[test]
fn rows_are_published_once_and_their_room_is_given_back_to_the_disk() {
    let world = World::new(61, "keep = false\n");
    let expected = run::expected(&world.log);
    let mut process = world.start();
    let unpublished = || {
        let (_, metrics) = process.get("/metrics").unwrap();
        let line = metrics.lines().find(|line| line.starts_with("tidemark_sink_pending_bytes"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    until("rows to be published while the job runs", || {
        !committed(&run::kafka().bootstrap_servers, &world.topics()[0]).is_empty()
            && unpublished() == Some(0.0)
    });
    // What was published in part is looked up.
    process.kill();
    process.wait();
    let mut process = world.start();
    world.rest();
    until_stored(&world.redis, &run::hashes(&expected));
    process.stop("TERM");
    let file = std::fs::metadata(world.folder.file("sealed.jsonl")).unwrap();
    let bytes = file.len() as usize;
    assert!(bytes * 10 > expected.sealed.len() * 9, "{bytes} bytes");
    assert!(file.blocks() * 512 < file.len() / 2, "{} blocks of {bytes} bytes", file.blocks());
    let bootstrap = run::kafka().bootstrap_servers;
    let sealed = &expected.sealed.as_bytes()[..bytes];
    compare(&bootstrap, &world.topics(), sealed, true).unwrap();
    // Nothing more comes of another start.
    world.start().stop("TERM");
    compare(&bootstrap, &world.topics(), sealed, true).unwrap();
}

#[test]
fn rows_of_before_there_was_a_topic_are_published_and_an_older_state_publishes_its_own_again() {
    let world = World::new(62, "");
    let file = world.folder.file("cluster.toml");
    let with = std::fs::read_to_string(&file).unwrap();
    let without: String =
        with.split_inclusive('\n').filter(|line| !line.starts_with("topic = ")).collect();
    std::fs::write(&file, without).unwrap();
    world.start().stop("TERM");
    let before = std::fs::read(world.folder.file("sealed.jsonl")).unwrap();
    assert!(before.len() > 100_000, "{} bytes", before.len());
    std::fs::write(&file, with).unwrap();
    world.folder.copy("state", "older");
    world.start().stop("TERM");
    let bootstrap = run::kafka().bootstrap_servers;
    compare(&bootstrap, &world.topics(), &before, true).unwrap();
    world.rest();
    let mut process = world.start();
    until_stored(&world.redis, &run::hashes(&run::expected(&world.log)));
    process.stop("TERM");
    let all = std::fs::read(world.folder.file("sealed.jsonl")).unwrap();
    compare(&bootstrap, &world.topics(), &all, true).unwrap();
    // The older state has its rows once more, and says so.
    std::fs::remove_dir_all(world.folder.file("state")).unwrap();
    world.folder.copy("older", "state");
    // As what refuses to write to Redis says.
    let _: u64 = redis::cmd("DEL")
        .arg("tidemark:fraud:generation")
        .query(&mut world.redis.client())
        .unwrap();
    let mut process = world.start();
    until("the rows to be published again", || {
        let rows =
            world.topics().iter().map(|topic| committed(&bootstrap, topic).len()).sum::<usize>();
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        rows == 2 * lines(&all) - lines(&before)
    });
    assert!(process.log().contains("an older one was put back"), "{}", process.log());
    process.stop("TERM");
}

#[test]
fn settings_of_topics_that_cannot_be_are_refused() {
    let folder = Folder::new("sealed-topics-refused");
    let refused = |sealed: &str, what: &str| refuses(&folder, sealed, what);
    refused("[sealed]\ntopic = \"features.{view}\"\n", "needs \"path\" there");
    refused("[sealed]\npath = \"rows\"\nkeep = false\n", "nothing else has the rows");
    let whole = "[state]\nurl = \"state\"\n[sealed]\npath = \"rows\"\ntopic = ";
    refused(&format!("{whole}\"transactions\"\n"), "the job reads the topic transactions");
    refused(&format!("{whole}\"a b\"\n"), "must be letters");
    let stream = whole.replace("\"rows\"", "\"-\"");
    refused(&format!("{stream}\"rows\"\n"), "rows are published from a file");
    assert!(!folder.path().join("state").exists());
}
