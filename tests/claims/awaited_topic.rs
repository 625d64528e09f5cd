//! A topic that is not there when the job starts: it is waited for, everybody who looks says which, and
//! all of it is read that is written from then on.

use crate::folder::Folder;
use crate::redis_server::Redis;
use crate::run::{Process, kafka, settings, until};
use tidemark::kafka::{create_topic, produce};

/// A job that wants only what is written from its start on.
const JOB: &str = "\
[job]
name = \"awaiting\"
[sources.payments]
topic = \"awaited-payments\"
start = \"latest\"
time = { field = \"at\", unit = \"ms\" }
out_of_orderness = \"1s\"
idle_after = \"3s\"
[sources.payments.fields]
card = \"string\"
[entities.card]
key = \"card\"
[views.spent]
entity = \"card\"
source = \"payments\"
[views.spent.features]
payments_1h = { aggregate = \"count\", window = \"1h\" }
";

#[test]
fn a_topic_that_is_not_there_is_waited_for_and_named_with_the_one_it_resembles_and_then_read_whole()
{
    let (folder, redis) = (Folder::new("awaited"), Redis::start(&[]));
    assert!(create_topic(&kafka(), "awaited-payment", 1, &[]).unwrap());
    settings(folder.path(), "");
    folder.write("awaiting.toml", JOB);
    let (brokers, port) = (kafka().bootstrap_servers, redis.port.to_string());
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
    ];
    let mut job = Process::start(folder.path(), &folder.file("awaiting.toml"), &variables);
    let waits = "topic 'awaited-payments' does not exist, and is waited for";
    let near = "did you mean 'awaited-payment'?";
    until("the topic to be missed", || {
        job.get("/ready").is_some_and(|(code, text)| code == 503 && text.contains(waits))
    });
    let (code, health) = job.json("/health");
    assert_eq!((code, &health["status"]), (200, &"degraded".into()), "{health}");
    assert!(health.to_string().contains(near), "{health}");
    let overview = job.json("/overview").1;
    let sentence = "The topic 'awaited-payments' does not exist.";
    assert_eq!(overview["condition"]["sentence"], sentence, "{overview}");
    let log = job.log();
    assert!(log.contains(waits) && log.contains(near), "{log}");

    assert!(create_topic(&kafka(), "awaited-payments", 2, &[]).unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let value = format!("{{\"card\": \"c\", \"at\": {}}}", now.as_millis()).into_bytes();
    let records = (0..50).map(|n| (n % 2, None::<&Vec<u8>>, Some(&value)));
    produce(&kafka(), "awaited-payments", records).unwrap();
    until("all of it to be read", || {
        let metrics = job.get("/metrics").unwrap().1;
        let events =
            metrics.lines().filter_map(|line| line.strip_prefix("transactions_processed_total{"));
        let counts = events.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        counts.sum::<u64>() == 50
    });
    job.until_ready();
    job.stop("TERM");
}
