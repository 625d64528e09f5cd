//! `/health` of a real job: what degrades it although every part works, and what does not.

use crate::folder::Folder;
use crate::memory::Record;
use crate::redis_server::Redis;
use crate::run::{Process, component, kafka, traffic, until};
use std::path::Path;
use tidemark::kafka::{create_topic, produce};

/// Settings under which limits are passed within seconds. Event times are of long ago.
fn settings(folder: &Path, health: &str) {
    let dead = folder.join("dead.jsonl").display().to_string();
    let text = format!(
        "[limits]\nlive_idle = \"1m\"\n[online.redis]\nresponse_timeout = \"1m\"\n\
         [dead_letters]\npath = {dead:?}\n[health]\nclock_behind = \"3650d\"\n{health}"
    );
    std::fs::write(folder.join("cluster.toml"), text).unwrap();
}

fn write(topic: &str, log: &[Vec<(Record, Record)>]) {
    let records = (0..).zip(log).flat_map(|(partition, records)| {
        records.iter().map(move |(key, value)| (partition, Some(key), Some(value)))
    });
    produce(&kafka(), topic, records).unwrap();
}

/// So many records that are no events.
fn refused(count: usize) -> Vec<Vec<(Record, Record)>> {
    vec![vec![(b"key".to_vec(), b"not an event".to_vec()); count]]
}

fn topic(name: &str, log: &[Vec<(Record, Record)>]) {
    assert!(create_topic(&kafka(), name, 4, &[]).unwrap());
    write(name, log);
}

#[test]
fn a_share_of_refused_records_degrades_a_job_and_what_it_read_while_catching_up_does_not() {
    let name = "health-refused";
    topic(name, &traffic(31, 2_000));
    write(name, &refused(3_000));
    let folder = Folder::new("health");
    settings(folder.path(), "refused_over = \"10s\"\n[online]\nkind = \"embedded\"\n");
    let brokers = kafka().bootstrap_servers;
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", name)];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    let (_, health) = job.json("/health");
    assert_eq!(health["status"], "ok", "{health}");
    let metrics = job.get("/metrics").unwrap().1;
    let malformed = metrics.lines().find(|line| line.contains("reason=\"malformed\"")).unwrap();
    let malformed: f64 = malformed.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(malformed >= 3_000.0, "more than half of all records are refused: {malformed}");
    assert!(!metrics.contains("tidemark_degraded"), "{metrics}");

    write(name, &refused(200));
    until("health to say so", || job.json("/health").1["status"] == "degraded");
    let (code, health) = job.json("/health");
    assert_eq!(code, 200, "{health}");
    for kind in ["job", "source"] {
        let component = component(&health, kind);
        let reason = component["reason"].as_str().unwrap();
        assert_eq!(component["state"], "degraded", "{health}");
        assert!(reason.contains("more than refused_share (5.0 %), most of them malformed"));
    }
    let metrics = job.get("/metrics").unwrap().1;
    for line in [
        "tidemark_degraded{component=\"transactions\",reason=\"refused_share\"} 1",
        "tidemark_degraded{component=\"fraud\",reason=\"refused_share\"} 1",
        "tidemark_source_refused_ratio{source=\"transactions\"} 1",
        "tidemark_refused_ratio 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line} in\n{metrics}");
    }
    until("it to be over", || job.json("/health").1["status"] == "ok");
    until("the log to say so", || job.log().contains("this is over"));
    let log = job.log();
    let warned = |line: &&str| line.contains("WARN") && line.contains("refused_share");
    let warnings: Vec<_> = log.lines().filter(warned).collect();
    assert_eq!(warnings.len(), 2, "one of the source, one of the job:\n{log}");
    job.stop("TERM");
}

#[test]
fn rows_that_wait_for_a_store_that_hangs_degrade_it() {
    let name = "health-pending";
    let log = traffic(32, 4_000);
    let half = |from: usize, to: usize| {
        let part = |records: &Vec<(Record, Record)>| {
            let at = |of: usize| records.len() * of / 2;
            records[at(from)..at(to)].to_vec()
        };
        log.iter().map(part).collect::<Vec<_>>()
    };
    topic(name, &half(0, 1));
    let redis = Redis::start(&[]);
    let folder = Folder::new("health");
    settings(folder.path(), "pending_after = \"1500ms\"\n");
    let (brokers, port) = (kafka().bootstrap_servers, redis.port.to_string());
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", name),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
    ];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    until("what it caught up with to be written", || {
        job.get("/metrics").unwrap().1.lines().any(|l| l == "tidemark_online_rows_pending 0")
    });
    redis.signal("STOP");
    write(name, &half(1, 2));
    until("health to say so", || {
        let (_, health) = job.json("/health");
        let sink = component(&health, "sink");
        assert_ne!(sink["state"], "down", "{health}");
        sink["state"] == "degraded"
    });
    let (_, health) = job.json("/health");
    let reason = component(&health, "sink")["reason"].as_str().unwrap();
    assert!(reason.contains("longer than pending_after (1s500ms)"), "{reason}");
    let metrics = job.get("/metrics").unwrap().1;
    let line = "tidemark_degraded{component=\"online (redis)\",reason=\"pending_after\"} 1";
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
    redis.signal("CONT");
    until("health to be good", || job.json("/health").1["status"] == "ok");
    job.stop("TERM");
}
