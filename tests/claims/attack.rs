//! A fast clock attacks a job on a real broker: the shipped fraud job, and a topic of clicks beside
//! it. By event time alone, where the records' timestamps are right or the broker's own, nobody else
//! is touched. Where the timestamps are as fast as the clock, or nonsense, nothing tells a record's
//! time from its arrival: what stays open then is that partition's own watermark, and nothing more.

use crate::folder::Folder;
use crate::memory::{self, Run};
use crate::redis_server::Redis;
use crate::run::{Process, kafka, settings, until};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemark::kafka::create_topic;

/// How far the attacking clock is ahead.
const AHEAD: u64 = 9 * 60_000;
/// Good events of each partition before the attack, and after each.
const BEFORE: u64 = 60;
const AFTER: u64 = 20;

/// What a topic's records carry as their timestamps.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stamps {
    /// When the producer wrote them; only the event time is fast.
    Written,
    /// When the broker took them.
    Appended,
    /// The event time, whatever it is.
    EventTime,
    /// Seconds where milliseconds are meant.
    Seconds,
}

impl Stamps {
    /// Whether arrivals can be believed.
    fn are_right(self) -> bool {
        matches!(self, Stamps::Written | Stamps::Appended)
    }

    /// The timestamp of a record of time `ts` that is written now.
    fn of(self, ts: u64, now: u64) -> i64 {
        let stamp = match self {
            Stamps::Written | Stamps::Appended => now,
            Stamps::EventTime => ts,
            Stamps::Seconds => now / 1_000,
        };
        i64::try_from(stamp).unwrap()
    }
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A transaction; all of its ids follow from the card's.
fn transaction(card: &str, ts: u64) -> String {
    format!(
        "{{\"timestamp\":{ts},\"card_id\":\"{card}\",\"user_id\":\"u-{card}\",\"amount\":10,\
         \"merchant_id\":\"m-{card}\",\"device_id\":\"d-{card}\",\"status\":\"approved\"}}"
    )
}

const CLICKS: &str = "
[sources.clicks]
topic = \"CLICKS\"
time = \"timestamp\"
out_of_orderness = \"5s\"
idle_after = \"200ms\"

[sources.clicks.fields]
visitor = \"string\"

[entities.visitor]
key = \"visitor\"

[views.visits]
entity = \"visitor\"
source = \"clicks\"

[views.visits.features]
clicks_5m = { aggregate = \"count\", window = \"5m\" }
";

/// A running job, its topics, and what was written to them.
struct Attack {
    stamps: Stamps,
    partitions: u32,
    producer: BaseProducer,
    cards: String,
    clicks: String,
    redis: Redis,
    folder: Folder,
    process: Process,
    /// The good transactions, by partition.
    good: Vec<Vec<Vec<u8>>>,
    /// Of each partition, the good ones that were written after an attack on it.
    after: BTreeMap<u32, u64>,
}

impl Attack {
    fn begin(stamps: Stamps, partitions: u32, idle_after: &str) -> Attack {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = |what| format!("attack-{what}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (cards, clicks) = (name("cards"), name("clicks"));
        let append: &[_] = match stamps {
            Stamps::Appended => &[("message.timestamp.type", "LogAppendTime")],
            _ => &[],
        };
        assert!(create_topic(&kafka(), &cards, partitions, append).unwrap());
        assert!(create_topic(&kafka(), &clicks, 1, append).unwrap());
        let (redis, folder) = (Redis::start(&[]), Folder::new("attack"));
        let sealed = folder.path().join("sealed.jsonl").display().to_string();
        settings(folder.path(), &format!("[sealed]\npath = {sealed:?}\n"));
        let job = folder.path().join("job.toml");
        let shipped = include_str!("../../jobs/fraud.toml");
        let text = shipped.replace("\"transactions\"\nformat", &format!("{cards:?}\nformat"));
        let text = text.replace("idle_after = \"30s\"", &format!("idle_after = \"{idle_after}\""));
        assert!(text.contains(&cards) && text.contains(idle_after));
        std::fs::write(&job, text + &CLICKS.replace("CLICKS", &clicks)).unwrap();
        let brokers = kafka().bootstrap_servers;
        let producer = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let port = redis.port.to_string();
        let mut process = Process::start(
            folder.path(),
            job.to_str().unwrap(),
            &[
                ("KAFKA_BOOTSTRAP_SERVERS", &brokers),
                ("REDIS_HOST", "127.0.0.1"),
                ("REDIS_PORT", &port),
                ("PARALLELISM", "2"),
            ],
        );
        process.until_ready();
        let (good, after) = (vec![Vec::new(); partitions as usize], BTreeMap::new());
        let mut attack = Attack {
            stamps,
            partitions,
            producer,
            cards,
            clicks,
            redis,
            folder,
            process,
            good,
            after,
        };
        let start = now_ms() - 100_000;
        for n in 0..BEFORE {
            (0..partitions).for_each(|partition| attack.pay(partition, start + n * 1_000));
        }
        (0..10).for_each(|n| attack.click("visitor", start + n * 1_000));
        attack.flush();
        attack.until_counted("before the attack");
        until("the visitor's clicks to count", || attack.visits() == Some(10));
        attack
    }

    fn send(&self, topic: &str, partition: u32, ts: u64, payload: &str) {
        let record = BaseRecord::<(), str>::to(topic)
            .partition(i32::try_from(partition).unwrap())
            .payload(payload)
            .timestamp(self.stamps.of(ts, now_ms()));
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn pay(&mut self, partition: u32, ts: u64) {
        let payload = transaction(&format!("good-{partition}"), ts);
        self.send(&self.cards, partition, ts, &payload);
        self.good[partition as usize].push(payload.into_bytes());
    }

    fn click(&self, visitor: &str, ts: u64) {
        let payload = format!("{{\"timestamp\":{ts},\"visitor\":\"{visitor}\"}}");
        self.send(&self.clicks, 0, ts, &payload);
    }

    /// Right events of all partitions; `attacked`: the one that an attack was written to.
    fn go_on(&mut self, attacked: Option<u32>) {
        for _ in 0..AFTER {
            (0..self.partitions).for_each(|partition| self.pay(partition, now_ms()));
        }
        self.flush();
        if let Some(attacked) = attacked {
            *self.after.entry(attacked).or_default() += AFTER;
        }
        self.until_counted("after the attack");
    }

    /// A feature in Redis.
    fn feature(&self, key: &str, field: &str) -> Option<u64> {
        let mut client = self.redis.client();
        redis::cmd("HGET").arg(key).arg(field).query(&mut client).unwrap()
    }

    fn card(&self, card: &str) -> Option<u64> {
        self.feature(&format!("features:card:{card}:transaction_stats_5m"), "txn_count_5m")
    }

    fn visits(&self) -> Option<u64> {
        self.feature("features:visitor:visitor:visits", "clicks_5m")
    }

    /// The events of a good card that must count: all of them, but for what came after an attack on
    /// its own partition under stamps that hide it.
    fn counting(&self, partition: u32) -> u64 {
        let lost = if self.stamps.are_right() { 0 } else { self.lost(partition) };
        self.good[partition as usize].len() as u64 - lost
    }

    fn lost(&self, partition: u32) -> u64 {
        self.after.get(&partition).copied().unwrap_or(0)
    }

    /// Waits until each good card has what it must have, and sees that none ever has less than
    /// before.
    fn until_counted(&self, when: &str) {
        let mut least = vec![0; self.partitions as usize];
        until(&format!("the good cards, {when}, {:?}", self.stamps), || {
            (0..self.partitions).all(|partition| {
                let count = self.card(&format!("good-{partition}")).unwrap_or(0);
                let before = std::mem::replace(&mut least[partition as usize], count);
                assert!(count >= before, "good-{partition} fell from {before} to {count}, {when}");
                count == self.counting(partition)
            })
        });
        if when != "before the attack" {
            assert_eq!(self.visits(), Some(10), "{when}, {:?}", self.stamps);
        }
    }

    /// `count` transactions of a clock that is fast, in partition 0, and waits until they count.
    fn attack(&self, count: u64, in_all: u64) {
        for n in 0..count {
            let ts = now_ms() + AHEAD + n;
            self.send(&self.cards, 0, ts, &transaction("thief", ts));
        }
        self.flush();
        until("the thief's payments to count", || self.card("thief") == Some(in_all));
        self.until_counted("while under attack");
    }

    /// What the job refused, by reason and partition of the cards' topic.
    fn refused(&self) -> BTreeMap<(String, u64), u64> {
        let text = std::fs::read_to_string(self.folder.path().join("dead.jsonl"));
        let mut refused = BTreeMap::new();
        for line in text.unwrap_or_default().lines() {
            let letter: Value = serde_json::from_str(line).unwrap();
            assert_eq!(letter["topic"], self.cards.as_str(), "{letter}");
            let reason = letter["reason"].as_str().unwrap().to_owned();
            *refused.entry((reason, letter["partition"].as_u64().unwrap())).or_default() += 1;
        }
        refused
    }

    /// The sealed rows of good cards, by whole lines.
    fn sealed(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.folder.path().join("sealed.jsonl"));
        let text = text.unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(row).filter(|row| is_good(row)).collect()
    }

    /// Ends the job, and holds the letters and the sealed rows against a run that nobody attacked.
    fn end(mut self) {
        let expected: BTreeMap<_, _> = match self.stamps.are_right() {
            true => BTreeMap::new(),
            false => {
                self.after.iter().map(|(p, n)| (("late".to_owned(), (*p).into()), *n)).collect()
            }
        };
        until("the dead letters", || {
            self.refused().values().sum::<u64>() >= expected.values().sum()
        });
        let views = tidemark::job_file::load("fraud").unwrap().plan.views.len() - 1;
        let before = usize::try_from(BEFORE * u64::from(self.partitions)).unwrap() * views;
        until("what came before the attack to be sealed", || self.sealed().len() >= before);
        self.process.stop("TERM");
        assert_eq!(self.refused(), expected, "{:?}", self.stamps);
        let mut log = self.good.clone();
        for (partition, records) in log.iter_mut().enumerate() {
            let partition = u32::try_from(partition).unwrap();
            records.truncate(usize::try_from(self.counting(partition)).unwrap());
        }
        let plan = tidemark::job_file::load("fraud").unwrap().plan;
        let undisturbed = memory::replay(&plan, &log, &Run::default()).sealed;
        let undisturbed: BTreeSet<_> = undisturbed.lines().map(row).collect();
        let sealed = self.sealed();
        let strange: Vec<_> = sealed.difference(&undisturbed).take(3).collect();
        assert!(strange.is_empty(), "{:?}: not of the undisturbed run: {strange:#?}", self.stamps);
    }
}

/// A sealed row without its place in the log.
fn row(line: &str) -> String {
    let mut row: Value = serde_json::from_str(line).unwrap();
    let members = row.as_object_mut().unwrap();
    members.retain(|name, _| !["source", "partition", "offset"].contains(&name.as_str()));
    row.to_string()
}

fn is_good(row: &str) -> bool {
    row.contains("good-")
}

/// One fast transaction, and then 2,000 of them from one of the producers.
fn one_and_many(stamps: Stamps, partitions: u32) {
    let mut attack = Attack::begin(stamps, partitions, "30s");
    attack.attack(1, 1);
    attack.go_on(Some(0));
    attack.attack(2_000, 2_001);
    attack.go_on(Some(0));
    attack.end();
}

/// While all others are silent for twenty times `idle_after`, one fast transaction each second, or a
/// fast click in another topic.
fn in_a_silence(stamps: Stamps) {
    let mut attack = Attack::begin(stamps, 3, "200ms");
    for n in 1..=4 {
        attack.attack(1, n);
        std::thread::sleep(Duration::from_secs(1));
    }
    attack.go_on(Some(0));
    attack.end();

    let mut attack = Attack::begin(stamps, 2, "200ms");
    let ts = now_ms() + AHEAD;
    attack.click("bot", ts);
    attack.flush();
    let bot = |attack: &Attack| attack.feature("features:visitor:bot:visits", "clicks_5m");
    until("the bot's click to count", || bot(&attack) == Some(1));
    attack.until_counted("after a fast click");
    std::thread::sleep(Duration::from_secs(4));
    attack.go_on(None);
    attack.end();
}

#[test]
fn a_fast_clock_whose_records_say_when_they_were_written_touches_nobody() {
    one_and_many(Stamps::Written, 4);
    one_and_many(Stamps::Written, 1);
    in_a_silence(Stamps::Written);
}

#[test]
fn a_fast_clock_under_the_brokers_own_time_touches_nobody() {
    one_and_many(Stamps::Appended, 4);
    one_and_many(Stamps::Appended, 1);
    in_a_silence(Stamps::Appended);
}

#[test]
fn a_clock_that_is_fast_in_both_stamps_reaches_no_further_than_its_own_partition() {
    one_and_many(Stamps::EventTime, 4);
    one_and_many(Stamps::EventTime, 1);
    in_a_silence(Stamps::EventTime);
}

#[test]
fn a_fast_clock_under_timestamps_in_seconds_reaches_no_further_than_its_own_partition() {
    one_and_many(Stamps::Seconds, 4);
    one_and_many(Stamps::Seconds, 1);
    in_a_silence(Stamps::Seconds);
}
