//! A view whose keys live shorter than a job may be silent: it is told for as long as they live.

use crate::folder::Folder;
use crate::redis_server::Redis;
use crate::run::{Process, expected, kafka, settings, topic, traffic, until};
use crate::serving::{FromRedis, ask, request};
use serde_json::{Value, json};

/// Of a view with such keys and of another one the statuses of a card's value and of one that nobody
/// knows, and the whole answer.
fn told(port: u16, card: &str) -> (Value, Value, Value) {
    let question = json!({
        "features": ["transaction_stats_5m:txn_count_24h", "card_fraud_indicators:fail_60s"],
        "entities": {"card_id": [card, "nobody"]},
    });
    let (code, answer) = ask(port, &question);
    assert_eq!(code, 200, "{answer}");
    (answer["results"][1]["statuses"].clone(), answer["results"][2]["statuses"].clone(), answer)
}

#[test]
fn a_view_whose_keys_live_shorter_than_its_job_may_be_silent_is_told_for_as_long_as_they_live() {
    let log = traffic(71, 2_000);
    let (output, topic) = (expected(&log), topic(&log));
    let mut cards =
        output.live.keys().filter_map(|name| name.strip_prefix("card_fraud_indicators/"));
    let both = |card: &&str| output.live.contains_key(&format!("transaction_stats_5m/{card}"));
    let card = cards.find(both).unwrap();
    let (redis, folder) = (Redis::start(&[]), Folder::new("short-lived"));
    let more = "[serve]\nstale_after = \"1h\"\nbehind_max = \"36500d\"\n";
    let cluster = settings(folder.path(), more);
    let fraud = std::fs::read_to_string("jobs/fraud.toml").unwrap();
    let (first, ttl) = (fraud.find("[views.transaction_stats_5m]").unwrap(), "ttl = \"2d\"");
    let short = fraud[first..].replacen(ttl, "ttl = \"4s\"", 1);
    let job_file = folder.write("fraud.toml", [&fraud[..first], &short].concat());
    let (brokers, url) = (kafka().bootstrap_servers, format!("redis://127.0.0.1:{}", redis.port));
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", topic.as_str()),
        ("REDIS_URL", url.as_str()),
    ];
    let mut job = Process::start(folder.path(), &folder.file("fraud.toml"), &variables);
    job.until_ready();
    let server = FromRedis::of(&job_file, &cluster, &url);
    until("the server", || request(server.port, "GET /health", "").is_some());
    let current = json!(["PRESENT", "NOT_FOUND"]);
    let is_current = || {
        let (short, long, _) = told(server.port, card);
        [short, long].iter().all(|statuses| *statuses == current)
    };
    until("rows of both views", is_current);
    job.signal("STOP");
    // Half of their life may have gone by since they were refreshed.
    until("a missing row to be one that may have expired", || {
        told(server.port, card).0[1] == json!("OUTSIDE_MAX_AGE")
    });
    let outside = json!(["OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]);
    until("the keys to be gone", || told(server.port, card).0 == outside);
    let (_, long, answer) = told(server.port, card);
    assert_eq!(long, current, "the other view is told for as long as the job may be silent");
    assert_eq!(answer["results"][1]["values"], json!([null, null]));
    assert_eq!(answer["metadata"].get("stale"), None, "{answer}");
    job.signal("CONT");
    until("rows to be written again", is_current);
}
