//! A feature server with several sources: what answers when the first of them does not, and that nobody is
//! kept waiting by clients that are slow.

use crate::folder::Folder;
use crate::redis_server::{Redis, free_port};
use crate::run::{Process, expected, kafka, settings, topic, traffic, until};
use crate::serving::{FromRedis, ask, is_ready, request};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a source may take at most in these tests, where none of them is waited for that long.
const LONG: Duration = Duration::from_secs(30);

/// A running job that serves from Redis and, behind it, from its memory; a replica of that Redis; and a
/// server that reads both.
struct Hybrid {
    redis: Redis,
    replica: Redis,
    job: Process,
    in_job: u16,
    server: FromRedis,
    card: String,
    _folder: Folder,
}

impl Hybrid {
    fn start(seed: u64, stale_after: &str) -> Hybrid {
        let log = traffic(seed, 2_000);
        let (output, topic) = (expected(&log), topic(&log));
        let (redis, folder) = (Redis::start(&[]), Folder::new("hybrid"));
        let port = redis.port.to_string();
        let follows = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
        let (replica, in_job) = (Redis::start(&follows), free_port());
        let serve = |sources: &str| {
            format!(
                "[serve]\nenabled = true\nport = {in_job}\nstale_after = {stale_after:?}\nbehind_max = \"36500d\"\n\
                 answer_timeout = \"1m\"\nsources = {sources:?}\n"
            )
        };
        settings(folder.path(), &serve("redis 200ms, engine"));
        let (brokers, url) = (kafka().bootstrap_servers, format!("redis://127.0.0.1:{port}"));
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
            ("KAFKA_TOPIC", topic.as_str()),
            ("REDIS_URL", url.as_str()),
        ];
        let mut job = Process::start(folder.path(), "fraud", &variables);
        job.until_ready();
        settings(
            folder.path(),
            &serve(&format!("engine, redis 200ms, 127.0.0.1:{}", replica.port)),
        );
        let server = FromRedis::start(folder.path(), &url);
        let mut names =
            output.live.keys().filter_map(|name| name.strip_prefix("transaction_stats_5m/"));
        let card = names.next().unwrap().to_owned();
        let hybrid = Hybrid { redis, replica, job, in_job, server, card, _folder: folder };
        until("rows to be current", || is_ready(in_job) && is_ready(hybrid.server.port));
        until("rows to be on the replica", || hybrid.replicated());
        until("no source to be passed over", || {
            [in_job, hybrid.server.port].iter().all(|port| passed_over(*port).is_empty())
        });
        hybrid
    }

    /// Whether the replica has what its primary has.
    fn replicated(&self) -> bool {
        let of = |redis: &Redis| redis::cmd("DBSIZE").query::<u64>(&mut redis.client()).unwrap();
        of(&self.redis) > 0 && of(&self.redis) == of(&self.replica)
    }

    /// Source, status of a value that is there, and who was passed over.
    fn answer(&self, port: u16) -> (String, String, Value) {
        let question = json!({
            "features": ["transaction_stats_5m:txn_count_24h"], "entities": {"card_id": [self.card]}
        });
        let (code, answer) = ask(port, &question);
        assert_eq!(code, 200, "{answer}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let metadata = &answer["metadata"];
        let status = text(&answer["results"][1]["statuses"][0]);
        if status == "PRESENT" {
            assert!(metadata.get("stale").is_none() && metadata["as_of"].is_u64(), "{metadata}");
        } else {
            assert_eq!(answer["results"][1]["values"], json!([null]), "{status}");
        }
        (text(&metadata["source"]), status, metadata["passed_over"].clone())
    }

    /// Does something while both servers are asked, which must go on telling a value before, with and after it.
    fn while_asked(&self, ports: [u16; 2], something: impl FnOnce()) {
        let over = AtomicBool::new(false);
        let answered = [const { AtomicUsize::new(0) }; 2];
        let (over, answered) = (&over, &answered);
        std::thread::scope(|scope| {
            let _over = Over(over);
            for (port, answered) in ports.iter().zip(answered) {
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(self.answer(*port).1, "PRESENT");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let more = |count: usize| {
                let were = answered.each_ref().map(|answered| answered.load(Ordering::Relaxed));
                until("both to be asked", || {
                    let mut now =
                        answered.iter().map(|answered| answered.load(Ordering::Relaxed)).zip(were);
                    now.all(|(now, was)| now >= was + count)
                });
            };
            more(20);
            something();
            more(100);
        });
    }

    /// Source and status, and why it was not Redis.
    fn by(&self, port: u16) -> (String, String, String) {
        let (source, status, passed_over) = self.answer(port);
        (source, status, passed_over["redis"].as_str().unwrap_or_default().to_owned())
    }
}

/// The sources that a server goes by, as it says of itself.
fn passed_over(port: u16) -> Vec<Value> {
    let (_, health) = request(port, "GET /health", "").unwrap();
    let sources = health["sources"].as_array().unwrap().clone();
    sources.into_iter().filter(|source| !source["passed_over"].is_null()).collect()
}

#[test]
fn a_redis_that_is_shut_down_is_passed_over_for_its_replica_until_that_is_too_old() {
    let mut hybrid = Hybrid::start(47, "20s");
    let (in_job, served) = (hybrid.in_job, hybrid.server.port);
    let replica = format!("127.0.0.1:{}", hybrid.replica.port);
    for port in [in_job, served] {
        let present = ("redis".to_owned(), "PRESENT".to_owned(), Value::Null);
        until("Redis to be first", || hybrid.answer(port) == present);
    }
    // One that takes what is sent and says nothing, and then one that is gone. Who asks all along is told a
    // value each time.
    hybrid.while_asked([in_job, served], || hybrid.redis.signal("STOP"));
    for port in [in_job, served] {
        let begun = Instant::now();
        let (source, status, passed_over) = hybrid.answer(port);
        assert!(begun.elapsed() < LONG, "it was waited for");
        assert_eq!(status, "PRESENT");
        assert_eq!(source, if port == in_job { "engine" } else { &replica });
        assert!(passed_over["redis"].is_string(), "{passed_over}");
    }
    hybrid.redis.kill();
    until("the refused connection to be told", || hybrid.by(in_job).2.contains("refused"));
    assert_eq!(hybrid.by(in_job).1, "PRESENT");
    // The replica goes on answering: as of when the primary was there, and for so long as may be.
    until("the replica to be too old", || {
        let (source, status, _) = hybrid.by(served);
        assert_eq!(source, replica);
        status == "OUTSIDE_MAX_AGE"
    });
    assert_eq!(hybrid.by(in_job).1, "PRESENT", "the job itself goes on");
    assert!(!is_ready(served) && is_ready(in_job));
    hybrid.redis.start_again(&[]);
    until("rows to be told from Redis again", || {
        [in_job, served]
            .map(|port| hybrid.by(port))
            .iter()
            .all(|(source, status, _)| source == "redis" && status == "PRESENT")
    });
    hybrid.job.stop("TERM");
}

#[test]
fn a_key_that_is_no_hash_is_invalid_and_no_other_rows_trouble() {
    let hybrid = Hybrid::start(59, "1m");
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("features:card:*:transaction_stats_5m")
        .query(&mut hybrid.redis.client())
        .unwrap();
    let other = keys.iter().filter_map(|key| key.split(':').nth(2)).find(|id| *id != hybrid.card);
    let key = format!("features:card:{}:transaction_stats_5m", hybrid.card);
    redis::cmd("SET").arg(&[&key, "somebody else's"]).exec(&mut hybrid.redis.client()).unwrap();
    let question = json!({
        "features": ["transaction_stats_5m:txn_count_24h"],
        "entities": {"card_id": [hybrid.card, other.unwrap(), "nobody"]},
    });
    let (code, answer) = ask(hybrid.server.port, &question);
    assert_eq!(code, 200, "{answer}");
    let told = &answer["results"][1];
    assert_eq!(told["statuses"], json!(["INVALID", "PRESENT", "NOT_FOUND"]), "{answer}");
    assert_eq!(
        (&told["values"][0], &answer["metadata"]["source"]),
        (&json!(null), &json!("redis"))
    );
}

#[test]
fn of_a_job_that_is_frozen_no_source_tells_a_value() {
    let hybrid = Hybrid::start(53, "3s");
    hybrid.job.signal("STOP");
    until("values to be too old", || hybrid.answer(hybrid.server.port).1 == "OUTSIDE_MAX_AGE");
    let replica = format!("127.0.0.1:{}", hybrid.replica.port);
    until("both to be told", || {
        let (source, status, passed_over) = hybrid.answer(hybrid.server.port);
        assert_eq!(status, "OUTSIDE_MAX_AGE");
        let why = passed_over[&replica].as_str().unwrap_or_default();
        source == "redis" && why.contains("not been heard of")
    });
    hybrid.job.signal("CONT");
    until("values to be current", || hybrid.answer(hybrid.server.port).1 == "PRESENT");
}

#[test]
fn clients_that_are_slow_or_half_open_keep_nobody_waiting() {
    let hybrid = Hybrid::start(59, "1m");
    let over = AtomicBool::new(false);
    let ports = [hybrid.in_job, hybrid.server.port];
    std::thread::scope(|scope| {
        let over = &over;
        let _over = Over(over);
        for port in ports {
            scope.spawn(move || slow_clients(port, over));
        }
        hybrid.while_asked(ports, || {});
    });
}

/// Ends the clients, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More connections than may be open, of five kinds that ask and do not end.
fn slow_clients(port: u16, over: &AtomicBool) {
    let body =
        json!({"features": ["transaction_stats_5m:txn_count_24h"], "entities": {"card_id": ["a"]}});
    let head = format!(
        "POST /get-online-features HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.to_string().len()
    );
    let (half, whole) = (&head[..head.len() / 2], format!("{head}{body}"));
    let begun = ["", half, &head, &whole[..whole.len() - 5], &whole.repeat(50)];
    let mut open: Vec<TcpStream> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if open.len() >= 400 {
            open.drain(..200);
        }
        for text in begun {
            let Ok(mut client) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            client.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            // One that is closed meanwhile is none the less slow.
            let _ = client.write_all(text.as_bytes());
            open.push(client);
        }
    }
}
