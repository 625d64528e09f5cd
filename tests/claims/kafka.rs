//! Apache Kafka as a source and as the place of dead letters, against a real broker.

use crate::servers::{Server, shared_kafka};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidemark::kafka::{
    DeadLetterSettings, KafkaConfig, KafkaDeadLetters, KafkaPartitions, KafkaSource, KafkaStatus,
    KnownTopic, SourceTopic, create_topic, produce,
};
use tidemark::source::Waker;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch, Standing};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Start;
use tidemark_operators::shape::Shape;
use tidemark_operators::verdict::Reason;

/// Far more than anything here takes; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(120);

/// Offset, key, value.
type Entry = (u64, Option<Vec<u8>>, Option<Vec<u8>>);
/// Key, value.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

fn config(server: &Server) -> KafkaConfig {
    KafkaConfig {
        bootstrap_servers: server.value("BOOTSTRAP").to_owned(),
        group_id: "claims".to_owned(),
        ..KafkaConfig::default()
    }
}

/// A topic that no other test uses.
fn topic(config: &KafkaConfig, partitions: u32, settings: &[(&str, &str)]) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let topic = format!("topic-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    assert!(create_topic(config, &topic, partitions, settings).unwrap(), "{topic} is new");
    topic
}

fn source(topic: &str, start: Start) -> SourceTopic {
    SourceTopic {
        source: 0,
        topic: topic.to_owned(),
        start,
        headers: Vec::new(),
        offsets: BTreeMap::new(),
        known: KnownTopic::default(),
    }
}

fn ignored() -> Waker {
    Arc::new(|| {})
}

/// A worker's side of a source, as the dataflow would drive it.
struct Worker {
    partitions: KafkaPartitions,
    readers: Vec<Box<dyn PartitionReader>>,
}

impl Worker {
    fn new(source: &KafkaSource, worker: usize) -> Worker {
        let mut partitions = source.partitions(worker, ignored()).unwrap();
        let readers = partitions.appeared();
        Worker { partitions, readers }
    }

    fn ids(&self) -> Vec<PartitionId> {
        self.readers.iter().map(|reader| reader.id()).collect()
    }

    /// Reads one round; returns which partitions are caught up.
    fn read(&mut self, log: &mut BTreeMap<PartitionId, Vec<Entry>>) -> BTreeSet<PartitionId> {
        let mut caught_up = BTreeSet::new();
        self.readers.extend(self.partitions.appeared());
        for reader in &mut self.readers {
            match reader.poll() {
                Poll::Records(batch) => log.entry(reader.id()).or_default().extend(entries(&batch)),
                Poll::Pending(Standing::AtEnd) => {
                    caught_up.insert(reader.id());
                }
                Poll::Pending(_) => {}
                Poll::Ended => panic!("a topic does not end"),
                Poll::Failed(error) => panic!("{error}"),
            }
        }
        caught_up
    }

    /// Reads until all its partitions are caught up.
    fn read_all(&mut self) -> BTreeMap<PartitionId, Vec<Entry>> {
        let mut log = BTreeMap::new();
        until("the end of the topic", || {
            let caught_up = self.read(&mut log);
            caught_up.len() == self.readers.len()
        });
        log
    }
}

fn entries(batch: &RawBatch) -> Vec<Entry> {
    assert!(!batch.records.is_empty(), "a batch has a record");
    let entry = |record: &tidemark_operators::ingest::reader::RawRecord| {
        let value = record.value.as_ref().map(|_| batch.value(record).to_vec());
        (record.offset, batch.key(record).map(<[u8]>::to_vec), value)
    };
    batch.records.iter().map(entry).collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open(
    config: &KafkaConfig,
    wanted: SourceTopic,
    workers: usize,
) -> (KafkaSource, Arc<KafkaStatus>) {
    let status = KafkaStatus::new();
    let source =
        KafkaSource::open(config, vec![wanted], Shape::one_process(workers), &status, &|| true)
            .unwrap();
    (source, status)
}

/// Record `n`: every kind of key and value, null and empty included.
fn record(n: u64) -> Pair {
    let key = match n % 3 {
        0 => None,
        1 => Some(Vec::new()),
        _ => Some(format!("key {n}").into_bytes()),
    };
    let value = match n % 5 {
        0 => None,
        1 => Some(Vec::new()),
        _ => Some(format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(200)).into_bytes()),
    };
    (key, value)
}

/// Writes `range` over `partitions`, and returns what each partition must then hold.
fn write(
    config: &KafkaConfig,
    topic: &str,
    partitions: u32,
    range: std::ops::Range<u64>,
) -> BTreeMap<u32, Vec<Pair>> {
    let mut expected: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    let records: Vec<_> = range
        .clone()
        .map(|n| {
            // Unequal shares.
            let partition = u32::try_from(n * n % u64::from(partitions)).unwrap();
            let (key, value) = record(n);
            expected.entry(partition).or_default().push((key.clone(), value.clone()));
            (partition, key, value)
        })
        .collect();
    assert_eq!(produce(config, topic, records).unwrap(), range.end - range.start);
    expected
}

fn native(server: &Server) -> ClientConfig {
    let mut native = ClientConfig::new();
    native.set("bootstrap.servers", server.value("BOOTSTRAP"));
    native
}

pub fn admin(server: &Server) -> AdminClient<DefaultClientContext> {
    native(server).create().unwrap()
}

pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
fn two_workers_read_every_record_of_a_topic_once_through_small_queues() {
    let mut config = config(shared_kafka());
    // Smaller than a fetch: partitions are held back all the time.
    config.limits.partition_queue_bytes_max = 20_000;
    config.limits.batch_records_max = 70;
    let topic = topic(&config, 4, &[]);
    let expected = write(&config, &topic, 4, 0..20_000);
    let (source, status) = open(&config, source(&topic, Start::Earliest), 2);
    assert!(!status.caught_up());

    let woken = Arc::new(AtomicU64::new(0));
    let mut workers: Vec<_> = (0..2)
        .map(|worker| {
            let woken = Arc::clone(&woken);
            let waker: Waker = Arc::new(move || {
                woken.fetch_add(1, Ordering::Relaxed);
            });
            let mut partitions = source.partitions(worker, waker).unwrap();
            let readers = partitions.appeared();
            assert!(
                partitions.may_grow()
                    && readers.iter().all(|reader| reader.found_later().is_none())
            );
            Worker { partitions, readers }
        })
        .collect();
    let ids = |partitions: &[u32]| -> Vec<_> {
        partitions.iter().map(|p| PartitionId { source: 0, partition: *p }).collect()
    };
    assert_eq!(workers[0].ids(), ids(&[0, 2]));
    assert_eq!(workers[1].ids(), ids(&[1, 3]));

    let mut log = BTreeMap::new();
    until("the end of the topic", || {
        let mut at_end = 0;
        for worker in &mut workers {
            for id in worker.read(&mut log) {
                let held = expected.get(&id.partition).map_or(0, Vec::len);
                let read = log.get(&id).map_or(0, Vec::len);
                assert_eq!(read, held, "caught up before the end of {id:?}");
                at_end += 1;
            }
        }
        at_end == 4
    });
    for (partition, expected) in expected {
        let read = &log[&PartitionId { source: 0, partition }];
        assert!(read.iter().zip(0..).all(|((offset, _, _), n)| *offset == n));
        let read: Vec<_> = read.iter().map(|(_, k, v)| (k.clone(), v.clone())).collect();
        assert!(read == expected, "partition {partition} differs");
    }
    assert!(status.caught_up());
    assert_eq!(status.total_lag(), 0);
    assert_eq!(status.partitions().len(), 4);
    assert_eq!(status.partitions()[1].position, status.partitions()[1].high_watermark);
    assert_eq!(status.error(), None);
    assert!(woken.load(Ordering::Relaxed) > 0);
}

#[test]
fn reading_starts_where_the_job_says() {
    let server = shared_kafka();
    let config = config(server);
    let topic = topic(&config, 1, &[]);
    let producer: BaseProducer = native(server).create().unwrap();
    let now = now_ms();
    // Ten records, one a minute, the last one now.
    for n in 0..10_u64 {
        let at = i64::try_from(now - (9 - n) * 60_000).unwrap();
        let payload = n.to_string();
        let record = BaseRecord::<(), str>::to(&topic).payload(payload.as_str()).timestamp(at);
        producer.send(record).unwrap();
    }
    producer.flush(DEADLINE).unwrap();

    let first = |wanted: SourceTopic| {
        let (source, status) = open(&config, wanted, 1);
        let position = status.partitions()[0].position;
        let log = Worker::new(&source, 0).read_all();
        let read = log.values().flatten().count() as u64;
        assert_eq!(position + read, 10);
        assert!(status.caught_up());
        position
    };
    assert_eq!(first(source(&topic, Start::Earliest)), 0);
    assert_eq!(first(source(&topic, Start::Latest)), 10);
    assert_eq!(first(source(&topic, Start::At(now - 3 * 60_000))), 6);
    assert_eq!(first(source(&topic, Start::At(now - 3 * 60_000 + 1))), 7);
    assert_eq!(first(source(&topic, Start::At(now + 3_600_000))), 10);
    assert_eq!(first(source(&topic, Start::Ago(150_000))), 7);
    let offsets = BTreeMap::from([(0, 4)]);
    assert_eq!(first(SourceTopic { offsets, ..source(&topic, Start::Latest) }), 4);
}

#[test]
fn only_a_time_given_by_the_broker_is_passed_on() {
    let config = config(shared_kafka());
    let theirs = topic(&config, 1, &[]);
    let brokers = topic(&config, 1, &[("message.timestamp.type", "LogAppendTime")]);
    let before = now_ms();
    for (topic, appended) in [(&theirs, false), (&brokers, true)] {
        write(&config, topic, 1, 0..3);
        let (source, _) = open(&config, source(topic, Start::Earliest), 1);
        let mut worker = Worker::new(&source, 0);
        let mut seen = 0;
        until("three records", || {
            if let Poll::Records(batch) = worker.readers[0].poll() {
                assert!(batch.read_at.is_some_and(|at| at >= before));
                for record in &batch.records {
                    assert!(record.timestamp.is_some_and(|at| at >= before));
                    assert_eq!(record.broker_time, appended);
                    seen += 1;
                }
            }
            seen == 3
        });
    }
}

#[test]
fn partitions_added_later_are_found_and_read_from_their_beginning() {
    let server = shared_kafka();
    let mut config = config(server);
    config.limits.discovery_interval = Duration::from_millis(200);
    let topic = topic(&config, 1, &[]);
    write(&config, &topic, 1, 0..10);
    let (source, status) = open(&config, source(&topic, Start::Latest), 2);
    let mut workers = [Worker::new(&source, 0), Worker::new(&source, 1)];
    assert_eq!((workers[0].readers.len(), workers[1].readers.len()), (1, 0));

    let more = NewPartitions::new(&topic, 3);
    let made = wait_for(admin(server).create_partitions([&more], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let expected = write(&config, &topic, 3, 10..1_000);
    let mut log = BTreeMap::new();
    until("the new partitions", || {
        let at_end: usize = workers.iter_mut().map(|worker| worker.read(&mut log).len()).sum();
        let read: usize = log.values().map(Vec::len).sum();
        at_end == 3 && read == expected.values().map(Vec::len).sum::<usize>()
    });
    assert_eq!((workers[0].readers.len(), workers[1].readers.len()), (2, 1));
    assert!(workers[0].readers[0].found_later().is_none());
    assert!(workers[0].readers[1].found_later().is_some());
    assert!(workers[1].readers[0].found_later().is_some());
    assert_eq!(workers[1].readers[0].id().partition, 1, "the second of three");
    assert!(status.caught_up());

    // A reader that is dropped is not read on, and the others are.
    workers[0].readers.truncate(1);
    write(&config, &topic, 1, 0..5);
    until("five more records", || {
        workers[0].read(&mut log);
        log[&PartitionId { source: 0, partition: 0 }].len() == expected[&0].len() + 5
    });
}

#[test]
fn a_broker_restart_loses_and_repeats_nothing_and_is_not_the_end_of_the_log() {
    let server = Server::start("kafka", &[]);
    let mut config = config(&server);
    config.limits.partition_queue_bytes_max = 100_000;
    let topic = topic(&config, 2, &[]);
    let mut expected = write(&config, &topic, 2, 0..40_000);
    let (source, status) = open(&config, source(&topic, Start::Earliest), 1);
    let mut worker = Worker::new(&source, 0);
    let mut log = BTreeMap::new();
    let read = |log: &BTreeMap<_, Vec<Entry>>| log.values().map(Vec::len).sum::<usize>();
    until("a quarter", || {
        worker.read(&mut log);
        read(&log) > 10_000
    });

    server.stop(true);
    until("an error", || {
        worker.read(&mut log);
        status.error().is_some()
    });
    assert!(worker.read(&mut log).is_empty(), "a broker that is down is not the end of the log");

    server.restart(false);
    for (partition, more) in write(&config, &topic, 2, 40_000..50_000) {
        expected.get_mut(&partition).unwrap().extend(more);
    }
    until("everything, and health", || {
        worker.read(&mut log).len() == 2 && read(&log) == 50_000 && status.error().is_none()
    });
    for (partition, expected) in expected {
        let read = &log[&PartitionId { source: 0, partition }];
        assert!(read.iter().zip(0..).all(|((offset, _, _), n)| *offset == n));
        let read: Vec<_> = read.iter().map(|(_, k, v)| (k.clone(), v.clone())).collect();
        assert!(read == expected, "partition {partition} differs");
    }

    // Caught up, then down: no longer caught up, although no record came.
    server.stop(false);
    until("the brokers to be missed", || worker.read(&mut log).is_empty());
    assert_eq!(read(&log), 50_000);
}

#[test]
fn an_offset_that_retention_has_removed_stops_the_job_and_names_partition_and_offsets() {
    let server = shared_kafka();
    let config = config(server);
    let topic = topic(&config, 2, &[]);
    let records = (0..10).map(|n| (1_u32, None::<&str>, Some(n.to_string())));
    produce(&config, &topic, records).unwrap();
    let mut upto = TopicPartitionList::new();
    upto.add_partition_offset(&topic, 1, Offset::Offset(5)).unwrap();
    wait_for(admin(server).delete_records(&upto, &AdminOptions::new())).unwrap();

    let offsets = BTreeMap::from([(1, 2)]);
    let wanted = SourceTopic { offsets, ..source(&topic, Start::Earliest) };
    let (source, _) = open(&config, wanted, 1);
    let mut worker = Worker::new(&source, 0);
    let mut failed = String::new();
    until("the failure", || {
        match worker.readers[1].poll() {
            Poll::Failed(error) => failed = error,
            other => assert!(matches!(other, Poll::Pending(Standing::Behind)), "{other:?}"),
        }
        !failed.is_empty()
    });
    for part in [&format!("{topic}[1]"), "offset 2", "5 up to 10", "earliest"] {
        assert!(failed.contains(part), "{part} is missing in: {failed}");
    }
    assert_eq!(worker.readers[1].describe(), format!("{topic}[1]"));
}

#[test]
fn a_topic_made_anew_with_more_records_stops_the_job_and_says_so() {
    let server = shared_kafka();
    let mut config = config(server);
    config.limits.discovery_interval = Duration::from_millis(100);
    let topic = topic(&config, 1, &[]);
    write(&config, &topic, 1, 0..100);
    let (opened, _) = open(&config, source(&topic, Start::Earliest), 1);
    let mut worker = Worker::new(&opened, 0);
    assert_eq!(worker.read_all().values().flatten().count(), 100);

    let gone = wait_for(admin(server).delete_topics(&[&topic], &AdminOptions::new())).unwrap();
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    until("the topic to be made anew", || create_topic(&config, &topic, 1, &[]).unwrap_or(false));
    write(&config, &topic, 1, 0..500);
    let mut failed = String::new();
    until("the failure", || {
        if let Poll::Failed(error) = worker.readers[0].poll() {
            failed = error;
        }
        !failed.is_empty()
    });
    for part in [topic.as_str(), "made anew", "its id was", "start the job again"] {
        assert!(failed.contains(part), "{part} is missing in: {failed}");
    }
}

#[test]
fn what_an_open_transaction_withholds_is_lag_and_not_the_end_of_the_log() {
    let server = shared_kafka();
    let config = config(server);
    let topic = topic(&config, 1, &[]);
    write(&config, &topic, 1, 0..10);
    let (opened, status) = open(&config, source(&topic, Start::Earliest), 1);
    let mut worker = Worker::new(&opened, 0);
    assert_eq!(worker.read_all().values().flatten().count(), 10);

    let mut settings = native(server);
    let producer: BaseProducer = settings.set("transactional.id", &topic).create().unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    producer.begin_transaction().unwrap();
    for n in 0..5 {
        let payload = format!("open {n}");
        producer.send(BaseRecord::<(), str>::to(&topic).payload(payload.as_str())).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    // Behind the open transaction: not of it, and withheld with it.
    write(&config, &topic, 1, 0..7);
    until("the open transaction to be seen", || {
        let standing = worker.readers[0].poll();
        assert!(!matches!(standing, Poll::Records(_)), "it is not committed");
        matches!(standing, Poll::Pending(Standing::BeforeTransaction))
            && status.partitions()[0].unstable == 12
    });
    assert_eq!(status.total_lag(), 12);

    producer.commit_transaction(DEADLINE).unwrap();
    let mut log = BTreeMap::new();
    until("the end of the topic", || {
        let at_end = worker.read(&mut log).len() == 1;
        let read = log.values().map(Vec::len).sum::<usize>();
        assert!(!at_end || read == 12, "at the end after {read} of 12 records");
        at_end
    });
    assert_eq!((status.total_lag(), status.partitions()[0].unstable), (0, 0));
}

#[test]
fn a_topic_that_does_not_exist_is_waited_for_and_not_made() {
    let server = shared_kafka();
    let config = config(server);
    let status = KafkaStatus::new();
    let told = || status.error().is_none_or(|error| !error.contains("and is waited for"));
    let wanted = vec![source("no-such-topic", Start::Earliest)];
    let error = KafkaSource::open(&config, wanted, Shape::default(), &status, &told)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("'no-such-topic'") && error.contains(server.value("BOOTSTRAP")),
        "{error}"
    );
    let all: BaseConsumer = native(server).create().unwrap();
    let all = all.fetch_metadata(None, DEADLINE).unwrap();
    assert!(all.topics().iter().all(|topic| topic.name() != "no-such-topic"));
}

#[test]
fn brokers_that_cannot_be_reached_are_reported_while_the_source_keeps_trying() {
    let config = KafkaConfig { bootstrap_servers: "127.0.0.1:1".into(), ..KafkaConfig::default() };
    let status = KafkaStatus::new();
    let told = || status.error().is_none_or(|error| !error.contains("127.0.0.1:1"));
    let wanted = vec![source("any", Start::Earliest)];
    let error = KafkaSource::open(&config, wanted, Shape::default(), &status, &told)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("stopped while waiting") && error.contains("127.0.0.1:1"), "{error}");
    assert!(!status.caught_up());
}

#[test]
fn tls_and_sasl_settings_pass_through_and_a_wrong_password_is_named_without_being_shown() {
    let server = Server::start("kafka", &["--secure", "ann:hunter2"]);
    let settings = |password: &str| {
        let settings = [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "ann"),
            ("sasl.password", password),
            ("ssl.ca.location", server.value("CA")),
        ];
        settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    };
    let right = KafkaConfig { settings: settings("hunter2"), ..config(&server) };
    let topic = topic(&right, 1, &[]);
    write(&right, &topic, 1, 0..100);
    let (opened, status) = open(&right, source(&topic, Start::Earliest), 1);
    let mut worker = Worker::new(&opened, 0);
    assert_eq!(worker.read_all().values().flatten().count(), 100);
    assert_eq!(status.error(), None);
    assert!(opened.close(DEADLINE), "the threads end");

    let wrong = KafkaConfig { settings: settings("hunter3"), ..config(&server) };
    let status = KafkaStatus::new();
    let named = || status.error().is_some_and(|error| error.contains("uthentication failed"));
    let wanted = vec![source(&topic, Start::Earliest)];
    let error =
        KafkaSource::open(&wrong, wanted, Shape::default(), &status, &|| !named()).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("uthentication failed") && !error.contains("hunter3"), "{error}");
}

fn letter(topic: &str, partition: u32, offset: u64) -> DeadLetter {
    DeadLetter {
        source: "transactions".into(),
        topic: Some(topic.to_owned()),
        partition: PartitionId { source: 0, partition },
        offset,
        key: Some(b"card \xff\x00".to_vec()),
        value: Some(b"{\"amount\":\xc3\x28}".to_vec()),
        reason: Reason::Late,
        event_time: Some(1_700_000_000_000),
        field_time: Some(1_700_000_060_000),
        arrival: Some(1_699_999_995_000),
        watermark: 1_700_000_005_000,
        late_by: Some(5_000),
        idle_floor: true,
        error: None,
    }
}

/// All of a topic: partition, key, value, headers; in order within a partition.
type Written = (i32, Option<Vec<u8>>, Option<Vec<u8>>, BTreeMap<String, String>);

fn read_topic(server: &Server, topic: &str, count: usize) -> Vec<Written> {
    let consumer: BaseConsumer = native(server).set("group.id", "claims-dlq").create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let mut all = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        all.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut read = Vec::new();
    until("the dead letters", || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let headers = message.headers().unwrap().iter().map(|header| {
                let value = header.value.map(|text| String::from_utf8(text.to_vec()).unwrap());
                (header.key.to_owned(), value.unwrap())
            });
            let (key, value) = (message.key().map(<[u8]>::to_vec), message.payload());
            let value = value.map(<[u8]>::to_vec);
            read.push((message.partition(), key, value, headers.collect()));
        }
        read.len() >= count
    });
    assert!(consumer.poll(Duration::from_millis(500)).is_none_or(|more| more.is_err()), "too many");
    read
}

#[test]
fn a_dead_letter_keeps_key_and_value_untouched_and_says_the_rest_in_headers() {
    let server = shared_kafka();
    let config = config(server);
    let topic = topic(&config, 3, &[]);
    let letters = KafkaDeadLetters::open(&config, DeadLetterSettings::default()).unwrap();
    let mut sink = letters.sink(ignored());
    assert!(sink.has_room());
    sink.push(letter(&topic, 2, 41));
    let error = Some("field 'amount' is missing".to_owned());
    let (reason, late_by) = (Reason::Malformed, None);
    let (event_time, field_time, arrival) = (None, None, None);
    let bare = letter(&topic, 2, 42);
    sink.push(DeadLetter {
        key: None,
        value: None,
        error,
        reason,
        late_by,
        event_time,
        field_time,
        arrival,
        ..bare
    });
    // Larger than brokers take by default.
    let large = vec![b'x'; 10 << 20];
    sink.push(DeadLetter { value: Some(large.clone()), ..letter(&topic, 0, 7) });
    assert_eq!(letters.finish(DEADLINE).unwrap(), 3);

    let dlq = format!("{topic}.dlq");
    let read = read_topic(server, &dlq, 3);
    let of = |partition| read.iter().filter(move |(p, ..)| *p == partition).collect::<Vec<_>>();
    let second = of(2);
    let (_, key, value, headers) = second[0];
    assert_eq!(key.as_deref(), Some(b"card \xff\x00".as_slice()));
    assert_eq!(value.as_deref(), Some(b"{\"amount\":\xc3\x28}".as_slice()));
    let expected = [
        ("reason", "late"),
        ("source", "transactions"),
        ("topic", &topic),
        ("partition", "2"),
        ("offset", "41"),
        ("event_time", "1700000000000"),
        ("field_time", "1700000060000"),
        ("arrival", "1699999995000"),
        ("watermark", "1700000005000"),
        ("late_by_ms", "5000"),
        ("idle_floor", "true"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    assert_eq!(*headers, expected);
    let (_, key, value, headers) = second[1];
    assert_eq!((key, value), (&None, &None));
    assert_eq!(headers["error"], "field 'amount' is missing");
    assert!(!headers.contains_key("late_by_ms") && !headers.contains_key("event_time"));
    assert!(of(0)[0].2.as_ref() == Some(&large));
}

#[test]
fn dead_letters_wait_for_a_broker_that_is_down_and_hold_the_sources_meanwhile() {
    let server = Server::start("kafka", &[]);
    let config = config(&server);
    let topic = topic(&config, 1, &[]);
    let settings = DeadLetterSettings { letters_max: 50, ..DeadLetterSettings::default() };
    let letters = KafkaDeadLetters::open(&config, settings).unwrap();
    let woken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&woken);
    let mut sink = letters.sink(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    sink.push(letter(&topic, 0, 0));
    until("the first letter", || letters.status().delivered == 1);

    server.stop(true);
    for offset in 1..60 {
        sink.push(letter(&topic, 0, offset));
    }
    assert!(!sink.has_room());
    until("an error", || letters.status().error.is_some());
    assert!(letters.status().full);
    server.restart(false);
    until("room", || woken.load(Ordering::Relaxed) > 0 && sink.has_room());
    assert_eq!(letters.finish(DEADLINE).unwrap(), 60);
    let read = read_topic(&server, &format!("{topic}.dlq"), 60);
    let offsets: Vec<_> = read.iter().map(|(.., headers)| headers["offset"].clone()).collect();
    let expected: Vec<_> = (0..60).map(|offset| offset.to_string()).collect();
    assert_eq!(offsets, expected, "each once, in order");
}

#[test]
fn dead_letters_that_cannot_be_written_are_counted_when_time_is_up() {
    let config = KafkaConfig { bootstrap_servers: "127.0.0.1:1".into(), ..KafkaConfig::default() };
    let letters = KafkaDeadLetters::open(&config, DeadLetterSettings::default()).unwrap();
    letters.sink(ignored()).push(letter("t", 0, 0));
    let error = letters.finish(Duration::from_millis(300)).unwrap_err().to_string();
    assert!(error.starts_with("1 dead letters") && error.contains("127.0.0.1:1"), "{error}");
}
