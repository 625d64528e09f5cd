//! What silence is and is not, and who holds whom, on a real broker: an outage, a transaction that
//! hangs, a partition that has nothing to say; and what of sealed rows a kill leaves in the file.

use crate::folder::Folder;
use crate::redis_server::Redis;
use crate::run::{Process, settings, until};
use crate::servers::{Server, shared_kafka};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemark::kafka::{KafkaConfig, create_topic};

const WITHIN: Duration = Duration::from_secs(60);

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A job that counts the events of cards on a topic of two partitions.
struct Counting {
    topic: String,
    brokers: String,
    redis: Redis,
    folder: Folder,
    process: Process,
}

impl Counting {
    fn begin(broker: &Server, silence: &str) -> Counting {
        Counting::begin_with(broker, silence, "")
    }

    /// The same with other limits, too.
    fn begin_with(broker: &Server, silence: &str, limits: &str) -> Counting {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("holding-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let brokers = broker.value("BOOTSTRAP").to_owned();
        let config = KafkaConfig { bootstrap_servers: brokers.clone(), ..KafkaConfig::default() };
        assert!(create_topic(&config, &topic, 2, &[]).unwrap());
        let (redis, folder) = (Redis::start(&[]), Folder::new("holding"));
        let sealed = folder.path().join("sealed.jsonl").display().to_string();
        let path = settings(folder.path(), &format!("[sealed]\npath = {sealed:?}\n"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replacen("[limits]", &format!("[limits]\n{limits}"), 1)).unwrap();
        let job = folder.path().join("job.toml");
        let text = format!(
            "[job]\nname = \"holding\"\n[sources.t]\ntopic = {topic:?}\ntime = \"ts\"\n\
             out_of_orderness = \"1s\"\n{silence}\n[sources.t.fields]\ncard = \"string\"\n\
             [entities.card]\nkey = \"card\"\n[views.v]\nentity = \"card\"\n[views.v.features]\n\
             c = {{ aggregate = \"count\", window = \"1h\" }}\n"
        );
        std::fs::write(&job, text).unwrap();
        let port = redis.port.to_string();
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ];
        let mut process = Process::start(folder.path(), job.to_str().unwrap(), &variables);
        process.until_ready();
        Counting { topic, brokers, redis, folder, process }
    }

    fn producer(&self, more: &[(&str, &str)]) -> BaseProducer {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &self.brokers);
        for (name, value) in more {
            settings.set(*name, *value);
        }
        settings.create().unwrap()
    }

    /// Writes an event of `card`.
    fn send(&self, producer: &BaseProducer, partition: i32, card: &str, ts: u64) {
        let payload = format!("{{\"ts\":{ts},\"card\":\"{card}\"}}");
        loop {
            let record = BaseRecord::<(), str>::to(&self.topic).partition(partition);
            match producer.send(record.payload(payload.as_str())) {
                Ok(()) => return,
                Err((error, _)) if error.to_string().contains("QueueFull") => {
                    producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }

    fn count(&self, card: &str) -> u64 {
        let mut client = self.redis.client();
        let key = format!("features:card:{card}:v");
        let count: Option<u64> = redis::cmd("HGET").arg(key).arg("c").query(&mut client).unwrap();
        count.unwrap_or(0)
    }

    fn until_counted(&self, card: &str, count: u64) {
        until(&format!("{count} events of {card}"), || self.count(card) == count);
    }

    fn cpu_seconds(&self) -> f64 {
        let (_, metrics) = self.process.get("/metrics").unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
        line.unwrap().parse().unwrap()
    }

    /// What `/overview` says of the partitions, in their order.
    fn partitions(&self) -> Vec<Value> {
        let (_, overview) = self.process.json("/overview");
        overview["partitions"].as_array().unwrap().clone()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The cards of the sealed rows, and whether the last line is whole.
    fn sealed(&self) -> (Vec<String>, bool) {
        let text = std::fs::read_to_string(self.file("sealed.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let card = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap();
            row["entity_id"].as_str().unwrap().to_owned()
        };
        (whole.lines().map(card).collect(), whole.len() == text.len())
    }

    fn letters(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("dead.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn an_outage_of_the_broker_makes_nothing_late_of_a_producer_that_comes_back_later() {
    let broker = Server::start("kafka", &[]);
    let job = Counting::begin(&broker, "idle_after = \"6s\"");
    let (first, second) = (job.producer(&[]), job.producer(&[]));
    let start = now_ms();
    for n in 0..20 {
        job.send(&first, 0, "first", start + n);
        job.send(&second, 1, "second", start + n);
    }
    first.flush(WITHIN).unwrap();
    second.flush(WITHIN).unwrap();
    job.until_counted("first", 20);
    job.until_counted("second", 20);

    broker.stop(true);
    // Longer than silence may last.
    std::thread::sleep(Duration::from_secs(2));
    let used = job.cpu_seconds();
    std::thread::sleep(Duration::from_secs(6));
    // Nobody turns in a circle meanwhile: that would be half of a core.
    let used = job.cpu_seconds() - used;
    assert!(used < 1.2, "{used} s of CPU in 6 s without a broker");
    broker.restart(true);
    job.send(&first, 0, "first", now_ms());
    first.flush(WITHIN).unwrap();
    job.until_counted("first", 21);
    // The other comes back with what it could not write meanwhile.
    std::thread::sleep(Duration::from_secs(2));
    (0..300).for_each(|n| job.send(&second, 1, "second", start + 20 + n));
    second.flush(WITHIN).unwrap();
    job.until_counted("second", 320);
    assert_eq!(job.letters(), Vec::<Value>::new());
}

#[test]
fn a_transaction_that_hangs_holds_the_others_no_longer_than_hold_max() {
    let job = Counting::begin(shared_kafka(), "idle_after = \"500ms\"\nhold_max = \"3s\"");
    let (plain, start) = (job.producer(&[]), now_ms());
    job.send(&plain, 0, "first", start);
    job.send(&plain, 1, "second", start);
    plain.flush(WITHIN).unwrap();
    job.until_counted("second", 1);
    let open = job.producer(&[("transactional.id", &job.topic)]);
    open.init_transactions(WITHIN).unwrap();
    open.begin_transaction().unwrap();
    job.send(&open, 1, "second", start + 1);
    open.flush(WITHIN).unwrap();

    // The other goes on: at once in what is live, and after hold_max in what is sealed.
    let mut sent = 1;
    let mut sealed = 0;
    until("the others to be sealed", || {
        job.send(&plain, 0, "first", now_ms());
        plain.flush(WITHIN).unwrap();
        sent += 1;
        job.until_counted("first", sent);
        sealed = job.sealed().0.len();
        std::thread::sleep(Duration::from_millis(100));
        sealed > 10
    });
    let (_, health) = job.process.json("/health");
    let said = health.to_string();
    assert!(said.contains("partition 1") && said.contains("a transaction is open there"), "{said}");
    let (_, metrics) = job.process.get("/metrics").unwrap();
    let overdue = metrics
        .lines()
        .find(|line| line.starts_with("tidemark_source_overdue{") && !line.ends_with(" 0"));
    assert!(overdue.is_some_and(|line| line.ends_with(" 1")), "{overdue:?}");
    let overdue: Vec<_> = job.partitions().iter().map(|it| it["overdue"] == true).collect();
    assert_eq!(overdue, [false, true]);
    // What it says in the end, behind them, is late, and by the floor that is recorded.
    open.commit_transaction(WITHIN).unwrap();
    until("the late event", || !job.letters().is_empty());
    let letters = job.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((&letters[0]["reason"], &letters[0]["idle_floor"]), (&"late".into(), &true.into()));
    // And it lives again.
    job.send(&plain, 1, "second", now_ms());
    plain.flush(WITHIN).unwrap();
    job.until_counted("second", 2);
}

#[test]
fn live_rows_go_on_while_a_silent_partition_holds_the_seal() {
    let job = Counting::begin(shared_kafka(), "idle_after = \"5m\"");
    let (producer, start) = (job.producer(&[]), now_ms() - 60_000);
    job.send(&producer, 1, "silent", start);
    producer.flush(WITHIN).unwrap();
    job.until_counted("silent", 1);
    let cards = 50;
    for round in 1..=4 {
        for n in 0..10_000 {
            let ts = start + 5_000 + round * 10_000 + n;
            job.send(&producer, 0, &format!("card-{}", n % cards), ts);
        }
        producer.flush(WITHIN).unwrap();
        (0..cards)
            .for_each(|card| job.until_counted(&format!("card-{card}"), round * 10_000 / cards));
        let paused: Vec<_> = job.partitions().iter().map(|it| it["paused"] == true).collect();
        assert_eq!(paused, [false, false]);
    }
    assert_eq!(job.sealed().0, Vec::<String>::new(), "all of it waits for the silent one");
}

#[test]
fn a_flood_ahead_of_a_silent_partition_waits_at_the_limit_of_the_state_and_all_of_it_is_counted() {
    let limits = "state_bytes = \"16MiB\"\nstep_records = 512\n";
    let job = Counting::begin_with(shared_kafka(), "idle_after = \"20s\"", limits);
    let (flood, step) = (150_000, 500);
    let (producer, start) = (job.producer(&[]), now_ms() - (flood + 10) * step);
    job.send(&producer, 1, "silent", start);
    producer.flush(WITHIN).unwrap();
    job.until_counted("silent", 1);
    // Cards that are seen once each: an hour of them fits easily.
    for n in 0..flood {
        job.send(&producer, 0, &format!("a card of its own {n:06}"), start + n * step);
    }
    producer.flush(WITHIN).unwrap();
    let metric = |name: &str| {
        let (_, metrics) = job.process.get("/metrics").unwrap();
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>()
    };
    let read = || metric("stream_events_processed_total{");
    let mut said = String::new();
    until("the state to be at its limit", || {
        said = job.process.json("/health").1.to_string();
        said.contains("limits.state_bytes")
    });
    assert!(said.contains("degraded") && said.contains("of the type card"), "{said}");
    assert!(said.contains("Partition 1 of t is silent, so that nothing leaves"), "{said}");
    let before = read();
    assert!(before < flood as f64, "all of it was read, which is {before} records");
    assert!(metric("tidemark_state_limit_bytes") == f64::from(16 << 20));
    // The others go on without the silent one in the end, and their windows empty.
    until("all of it to be read", || read() == flood as f64 + 1.0);
    assert_eq!(job.letters(), Vec::<Value>::new());
    job.until_counted(&format!("a card of its own {:06}", flood - 1), 1);
    let sealed = || std::fs::read(job.file("sealed.jsonl")).unwrap();
    until("nearly all of it to be sealed", || {
        sealed().iter().filter(|byte| **byte == b'\n').count() as u64 > flood - 10
    });
    until("there to be room", || {
        !job.process.json("/health").1.to_string().contains("limits.state_bytes")
    });
    let held = metric("tidemark_state_bytes{") + metric("tidemark_online_rows_bytes");
    assert!(held < f64::from(16 << 20) * 1.15, "{held} bytes are held");
}

#[test]
fn what_is_sealed_is_in_the_file_while_the_job_runs_and_after_a_kill() {
    let job = Counting::begin(shared_kafka(), "idle_after = \"5m\"");
    let (producer, start) = (job.producer(&[]), now_ms() - 60_000);
    for n in 0..80 {
        job.send(&producer, 0, &format!("sealed-{n}"), start + n);
    }
    job.send(&producer, 0, "open", start + 30_000);
    job.send(&producer, 1, "open", start + 30_000);
    producer.flush(WITHIN).unwrap();
    job.until_counted("open", 2);
    until("the rows in the file of a running job", || job.sealed().0.len() == 80);
    job.process.kill();
    let (cards, whole) = job.sealed();
    assert!(whole, "a kill tears no line that was waited for");
    let expected: BTreeSet<_> = (0..80).map(|n| format!("sealed-{n}")).collect();
    assert_eq!(cards.into_iter().collect::<BTreeSet<_>>(), expected);
}
