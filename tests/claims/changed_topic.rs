//! A job that goes on from a checkpoint, on a topic that is not what it was.

use crate::folder::Folder;
use crate::kafka::{admin, wait_for};
use crate::memory::Record;
use crate::run::{self, Process, settings, traffic, until, write};
use crate::servers::shared_kafka;
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::path::Path;
use tidemark::checkpoint::{Manifests, PartitionMark};
use tidemark::kafka::{
    KafkaSource, KafkaStatus, KnownPartition, KnownTopic, SourceTopic, create_topic, produce,
};
use tidemark::objects::{self, Absent};
use tidemark_operators::cut::RecordCheck;
use tidemark_operators::interner::stable_hash;
use tidemark_operators::plan::Start;
use tidemark_operators::shape::Shape;

const ACCEPT: [&str; 2] = ["--accept-changed-topic", "transactions"];

/// A job with checkpoints on a topic.
struct Checkpointed {
    folder: Folder,
    topic: String,
    job: String,
}

impl Checkpointed {
    /// It has read `log`, and was stopped.
    fn new(log: &[Vec<(Record, Record)>]) -> Checkpointed {
        Self::with_job(log, "fraud".to_owned(), |_, _| true)
    }

    /// The same of another job, stopped once `done` says so of its topic and its newest checkpoint.
    fn with_job(
        log: &[Vec<(Record, Record)>],
        job: String,
        mut done: impl FnMut(&str, &[PartitionMark]) -> bool,
    ) -> Checkpointed {
        let (folder, topic) = (Folder::new("changed-topic"), run::topic(log));
        let state = folder.file("state");
        settings(
            folder.path(),
            &format!(
                "[online]\nkind = \"embedded\"\n[state]\nurl = {state:?}\ncheckpoint_interval = \
                 \"100ms\"\n"
            ),
        );
        let job = match job.contains('\n') {
            true => {
                folder.write("job.toml", job);
                folder.file("job.toml")
            }
            false => job,
        };
        let checkpointed = Checkpointed { folder, topic, job };
        let mut process = checkpointed.process(&[]);
        process.until_ready();
        until("the checkpoint", || done(&checkpointed.topic, &marks(checkpointed.folder.path())));
        process.stop("TERM");
        checkpointed
    }

    fn process(&self, more: &[&str]) -> Process {
        let _ = std::fs::remove_file(self.folder.file("log"));
        let brokers = run::kafka().bootstrap_servers;
        let variables =
            [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", &self.topic)];
        Process::start_with(self.folder.path(), &self.job, &variables, more)
    }

    /// It does not start, and says all of `parts`.
    fn is_refused(&self, parts: &[String]) {
        let mut process = self.process(&[]);
        let status = process.wait();
        let said = process.log();
        assert_eq!(status.code(), Some(1), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} is missing in: {said}");
        }
    }

    /// It starts, reads all there is, and stops; what it said.
    fn goes_on(&self, more: &[&str]) -> String {
        let mut process = self.process(more);
        process.until_ready();
        process.stop("TERM");
        process.log()
    }

    fn mark(&self, partition: u32) -> PartitionMark {
        let mut marks = marks(self.folder.path()).into_iter();
        marks.find(|mark| mark.partition == partition).unwrap()
    }

    fn remove_before(&self, partition: i32, offset: u64) {
        let mut upto = TopicPartitionList::new();
        let offset = Offset::Offset(i64::try_from(offset).unwrap());
        upto.add_partition_offset(&self.topic, partition, offset).unwrap();
        wait_for(admin(shared_kafka()).delete_records(&upto, &AdminOptions::new())).unwrap();
    }
}

/// The partitions in the newest checkpoint of the state in `folder`.
fn marks(folder: &Path) -> Vec<PartitionMark> {
    let url = folder.join("state").display().to_string();
    let Ok(objects) = objects::open(&url, Absent::Refused) else { return Vec::new() };
    let newest = Manifests::new(&*objects).newest().unwrap();
    newest.map(|newest| newest.manifest.partitions).unwrap_or_default()
}

/// Another topic of the same name, with `log` in it.
fn make_anew(topic: &str, log: &[Vec<(Record, Record)>]) {
    let gone = wait_for(admin(shared_kafka()).delete_topics(&[topic], &AdminOptions::new()));
    assert!(gone.unwrap().iter().all(Result::is_ok));
    let partitions = u32::try_from(log.len()).unwrap();
    until("the topic to be made anew", || {
        create_topic(&run::kafka(), topic, partitions, &[]).unwrap_or(false)
    });
    write(topic, log);
}

#[test]
fn a_topic_made_anew_between_two_runs_is_refused_until_that_is_accepted() {
    let job = Checkpointed::new(&traffic(41, 2_000));
    let read = job.mark(0).read;
    // Longer than the one that is gone: its offsets alone say nothing.
    let other = traffic(42, 4_000);
    make_anew(&job.topic, &other);
    job.is_refused(&[
        "the source \"transactions\" cannot go on".to_owned(),
        format!(
            "{}[0]: it was read up to offset {read}, holds 0 up to {}",
            job.topic,
            other[0].len()
        ),
        "the topic's id was ".to_owned(),
        "and 3 more partitions".to_owned(),
        "--accept-changed-topic transactions".to_owned(),
    ]);
    let said = job.goes_on(&ACCEPT);
    assert!(said.contains("which is accepted"), "{said}");
    assert_eq!(job.mark(0).read, other[0].len() as u64);
    // It is the one that the checkpoint knows now.
    let said = job.goes_on(&[]);
    assert!(!said.contains("accepted: "), "{said}");
}

#[test]
fn records_that_are_removed_before_they_were_read_are_named_and_may_be_given_up() {
    let job = Checkpointed::new(&traffic(43, 2_000));
    let mark = job.mark(2);
    write(&job.topic, &traffic(44, 2_000));
    let begins = mark.read + 5;
    job.remove_before(2, begins);
    job.is_refused(&[
        format!("{}[2]: it was read up to offset {}, holds {begins} up to", job.topic, mark.read),
        format!("{} offsets were removed", begins - mark.reread),
        "--accept-changed-topic transactions".to_owned(),
    ]);
    let said = job.goes_on(&ACCEPT);
    assert!(said.contains("which is accepted"), "{said}");
    job.goes_on(&[]);
}

#[test]
fn a_last_record_that_retention_has_removed_cannot_be_verified_and_is_no_mismatch() {
    let mut log = traffic(45, 2_000);
    // One falls silent, and the others go on: it is idle, and nothing of it is read again.
    log[1].truncate(20);
    let mut rest: Vec<Vec<_>> = log.iter_mut().map(|of| of.split_off(of.len().min(200))).collect();
    rest.iter_mut().for_each(|of| of.reverse());
    let text = std::fs::read_to_string("jobs/fraud.toml").unwrap();
    let impatient = text.replace("idle_after = \"30s\"", "idle_after = \"200ms\"");
    assert_ne!(impatient, text);
    let job = Checkpointed::with_job(&log, impatient, |topic, marks| {
        let next = rest.iter_mut().map(|of| of.pop().into_iter().collect());
        write(topic, &next.collect::<Vec<_>>());
        marks.iter().any(|mark| mark.partition == 1 && mark.read == 20 && mark.reread == 20)
    });
    job.remove_before(1, 20);
    let said = job.goes_on(&[]);
    assert!(said.contains("unverifiable"), "{said}");
}

#[test]
fn the_last_record_that_was_read_tells_a_log_from_another_one_of_its_length() {
    let config = run::kafka();
    let topic = "changed-topic-records";
    assert!(create_topic(&config, topic, 1, &[]).unwrap());
    let values = ["a", "b", "c", "d"];
    produce(&config, topic, values.map(|value| (0, None::<&str>, Some(value)))).unwrap();
    let open = |known: KnownPartition, accept_changed| {
        let source = "clicks".to_owned();
        let partitions = BTreeMap::from([(0, known)]);
        // Brokers without ids leave nothing but the records.
        let known = KnownTopic { source, is_table: false, id: None, partitions, accept_changed };
        let offsets = BTreeMap::new();
        let (topic, headers) = (topic.to_owned(), Vec::new());
        let wanted =
            SourceTopic { source: 0, topic, start: Start::Earliest, headers, offsets, known };
        let opened = KafkaSource::open(
            &config,
            vec![wanted],
            Shape::default(),
            &KafkaStatus::new(),
            &|| true,
        );
        opened.map(drop).map_err(|error| error.to_string())
    };
    let known = |read: u64, value: &str, timestamp| {
        let check =
            RecordCheck { offset: read - 1, timestamp, checksum: stable_hash(value.as_bytes()) };
        KnownPartition { reread: read, read, last: Some(check), wanted: None }
    };
    let timestamp = {
        let mut found = None;
        // What is told of a mismatch names the time that is there.
        let told = open(known(3, "x", None), false).unwrap_err();
        if let Some((_, rest)) = told.split_once("(timestamp ") {
            found = rest.split(',').next().and_then(|ms| ms.parse().ok());
        }
        for part in ["\"clicks\"", "[0]", "up to offset 3", "0 up to 4", "offset 2 is another one"]
        {
            assert!(told.contains(part), "{part} is missing in: {told}");
        }
        found
    };
    assert!(timestamp.is_some());
    assert_eq!(open(known(3, "c", timestamp), false), Ok(()));
    assert!(open(known(3, "c", timestamp.map(|ms: u64| ms + 1)), false).is_err(), "another time");
    assert_eq!(open(known(3, "x", timestamp), true), Ok(()));
    let told = open(known(6, "c", timestamp), false).unwrap_err();
    assert!(told.contains("up to offset 6, holds 0 up to 4: the topic was"), "{told}");
}

#[test]
fn a_flag_that_names_no_source_is_refused_before_anything_is_opened() {
    let output = run::command().args(["run", "fraud", ACCEPT[0], "payments"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("\"payments\"") && said.contains("\"transactions\""), "{said}");
}
