//! How each server of a Redis Cluster is, as a job says that writes to it.

use super::cluster::Servers;
use crate::folder::Folder;
use crate::run::{Process, expected, hashes, kafka, settings, topic, traffic, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The samples of a metric by the server that they are of.
fn by_node(metrics: &str, name: &str) -> BTreeMap<String, f64> {
    let begins = format!("{name}{{node=\"");
    let sample = |line: &str| {
        let (node, value) = line.strip_prefix(&begins)?.split_once("\"} ")?;
        Some((node.to_owned(), value.parse().unwrap()))
    };
    metrics.lines().filter_map(sample).collect()
}

/// The servers that `/health` has an entry of, each of which is down.
fn in_health(job: &Process) -> BTreeSet<String> {
    let (code, health) = job.json("/health");
    assert_eq!(code, 200, "{health}");
    let entries = health["components"].as_array().unwrap().iter().filter_map(|component| {
        let node = component["name"].as_str()?.strip_prefix("online (redis) at ")?;
        assert_eq!(component["state"], Value::from("down"), "{component}");
        assert!(!component["reason"].as_str().unwrap().is_empty(), "{component}");
        Some(node.to_owned())
    });
    entries.collect()
}

/// Those that `/metrics` says are down, of all that it shows.
fn in_metrics(job: &Process) -> (BTreeSet<String>, BTreeSet<String>) {
    let (_, metrics) = job.get("/metrics").unwrap();
    let up = by_node(&metrics, "tidemark_online_node_up");
    let down = up.iter().filter(|(_, up)| **up == 0.0).map(|(node, _)| node.clone());
    (down.collect(), up.into_keys().collect())
}

#[test]
fn of_three_servers_the_one_that_is_killed_is_down_by_itself_and_comes_back() {
    let log = traffic(71, 2_000);
    let (topic, mut servers) = (topic(&log), Servers::with_replicas(0));
    let folder = Folder::new("nodes");
    let file = settings(folder.path(), "");
    let (single, seed) = ("[online.redis]\n", servers.seed());
    let cluster = format!("{single}mode = \"cluster\"\naddresses = \"{seed}\"\n");
    let text = std::fs::read_to_string(&file).unwrap().replace(single, &cluster);
    std::fs::write(&file, text).unwrap();
    let brokers = kafka().bootstrap_servers;
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", topic.as_str()),
        ("PARALLELISM", "2"),
    ];
    let wanted: BTreeMap<Vec<u8>, _> =
        hashes(&expected(&log)).into_iter().map(|(key, row)| (key.into_bytes(), row)).collect();
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    until("the rows to be there", || servers.dump() == wanted);

    let all: BTreeSet<_> = servers.addresses().into_iter().collect();
    let memory = || {
        let metrics = job.get("/metrics").unwrap().1;
        let used = by_node(&metrics, "tidemark_online_node_memory_usage_bytes");
        let evicted = by_node(&metrics, "tidemark_online_node_evicted_keys");
        assert!(evicted.values().all(|keys| *keys == 0.0), "{evicted:?}");
        // What is said of the whole is said without a label, as of a single server.
        assert!(metrics.lines().any(|line| line == "redis_circuit_breaker_status 0"), "{metrics}");
        assert!(metrics.contains("\nredis_memory_usage_bytes "), "{metrics}");
        used.into_iter().filter(|(_, bytes)| *bytes > 0.0).map(|(node, _)| node).collect()
    };
    until("the memory of each to be known", || {
        let known: BTreeSet<String> = memory();
        known == all
    });
    assert_eq!(
        (in_health(&job), in_metrics(&job)),
        (BTreeSet::new(), (BTreeSet::new(), all.clone()))
    );

    let killed = BTreeSet::from([servers.addresses().swap_remove(1)]);
    servers.kill(1);
    until("exactly that one to be down", || {
        let (health, (metrics, shown)) = (in_health(&job), in_metrics(&job));
        assert!(health.is_subset(&killed) && metrics.is_subset(&killed), "{health:?} {metrics:?}");
        assert_eq!(shown, all);
        health == killed && metrics == killed
    });
    let breaker =
        || by_node(&job.get("/metrics").unwrap().1, "tidemark_online_node_breaker_status");
    until("its breaker to be open", || breaker().values().any(|state| *state > 0.0));
    let open: BTreeSet<_> =
        breaker().into_iter().filter(|(_, state)| *state > 0.0).map(|(node, _)| node).collect();
    assert!(open.is_subset(&killed), "{open:?}");

    servers.start_again(1);
    until("it to be there again", || {
        in_health(&job).is_empty() && in_metrics(&job) == (BTreeSet::new(), all.clone())
    });
    until("its rows to be there again", || servers.dump() == wanted);
    job.stop("TERM");
}
