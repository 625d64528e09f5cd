//! A job that begins in the middle of its topic: whoever asks for its features is told which views have
//! not seen all that their windows reach back to, by the job itself and from Redis, until they have.

use crate::folder::Folder;
use crate::memory::Record;
use crate::redis_server::{Redis, free_port};
use crate::run::{Process, kafka, settings, topic, traffic, until, write};
use crate::serving::{FromRedis, ask, is_ready};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// Cards with a view of a short window and one of a long one, from the end of the topic on.
fn job() -> String {
    let fraud = std::fs::read_to_string("jobs/fraud.toml").unwrap();
    let source = &fraud[fraud.find("[sources.transactions]").unwrap()..];
    let source = &source[..source.find("[sources.transactions.define]").unwrap()];
    let source = source.replace("start = \"earliest\"", "start = \"latest\"\nmax_ahead = \"1m\"");
    let view = |name: &str, window: &str| {
        format!(
            "[views.{name}]\nentity = \"card\"\nsource = \"transactions\"\n[views.{name}.features]\n\
             {name}_n = {{ aggregate = \"count\", window = \"{window}\" }}\n"
        )
    };
    let views = [view("short", "10m"), view("long", "24h")].concat();
    format!("[job]\nname = \"begun\"\n{source}\n[entities.card]\nkey = \"card_id\"\n{views}")
}

/// So much of each partition's records, in thousandths.
fn part(log: &[Vec<(Record, Record)>], of: Range<usize>) -> Vec<Vec<(Record, Record)>> {
    let of = |records: &Vec<(Record, Record)>| {
        let at = |thousandths| records.len() * thousandths / 1_000;
        records[at(of.start)..at(of.end)].to_vec()
    };
    log.iter().map(of).collect()
}

/// The cards of these records, the most frequent one first.
fn cards(log: &[Vec<(Record, Record)>]) -> Vec<String> {
    let mut counts = BTreeMap::<&[u8], usize>::new();
    for (key, _) in log.iter().flatten() {
        *counts.entry(key).or_default() += 1;
    }
    let mut cards: Vec<_> = counts.into_iter().collect();
    cards.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    cards.into_iter().map(|(card, _)| String::from_utf8(card.to_vec()).unwrap()).collect()
}

/// What is told of a card and of one that nobody knows: by feature values and statuses, and which views
/// are incomplete.
fn told(port: u16, card: &str) -> (Value, Value, Value) {
    let question = json!({
        "features": ["short:short_n", "long:long_n"], "entities": {"card_id": [card, "nobody"]},
    });
    let (code, answer) = ask(port, &question);
    assert_eq!(code, 200, "{answer}");
    let of =
        |at: usize| json!([answer["results"][at]["values"], answer["results"][at]["statuses"]]);
    (of(1), of(2), answer["metadata"]["incomplete"].clone())
}

#[test]
fn views_that_have_not_seen_their_whole_windows_are_told_until_they_have() {
    let log = traffic(67, 3_000);
    let topic = topic(&part(&log, 0..400));
    let (redis, folder) = (Redis::start(&[]), Folder::new("incomplete"));
    let in_job = free_port();
    let serve = format!(
        "[serve]\nenabled = true\nport = {in_job}\nbehind_max = \"36500d\"\nstale_after = \"1m\"\n"
    );
    let hiding = settings(folder.path(), &format!("{serve}incomplete = \"null\"\n"));
    let hiding = std::fs::read_to_string(hiding).unwrap();
    let cluster = settings(folder.path(), &serve);
    let job_file = folder.write("begun.toml", job());
    let (brokers, url) = (kafka().bootstrap_servers, format!("redis://127.0.0.1:{}", redis.port));
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", topic.as_str()),
        ("REDIS_URL", url.as_str()),
        ("PARALLELISM", "2"),
    ];
    let mut job = Process::start(folder.path(), &folder.file("begun.toml"), &variables);
    job.until_ready();
    let server = FromRedis::of(&job_file, &cluster, &url);
    let hiding = FromRedis::of(&job_file, &folder.write("hiding.toml", hiding), &url);

    write(&topic, &part(&log, 400..412));
    let ports = [in_job, server.port, hiding.port];
    until("rows to be current", || ports.iter().all(|port| is_ready(*port)));
    let (first, later) = (cards(&part(&log, 400..412)), cards(&part(&log, 412..1_000)));
    let card = &later[0];
    // As the job itself says of its rows.
    let from = |view: &str| {
        first.iter().find_map(|card| {
            let (code, row) = job.json(&format!("/features/{view}/{card}"));
            (code == 200).then(|| row["complete_from"].clone())
        })
    };
    let both = || json!({"long": from("long"), "short": from("short")});
    for port in ports {
        until("both views to be incomplete, until when is known", || {
            let incomplete = told(port, card).2;
            incomplete == both() && incomplete["short"].is_u64()
        });
    }
    let nulls = json!([[null, null], ["NULL_VALUE", "NULL_VALUE"]]);
    assert_eq!((&told(hiding.port, card).0, &told(hiding.port, card).1), (&nulls, &nulls));

    write(&topic, &part(&log, 412..1_000));
    let long = json!({"long": from("long")});
    assert!(long["long"].is_u64(), "{long}");
    for port in ports {
        until("only the long window to be incomplete", || told(port, card).2 == long);
        let (short, values, _) = told(port, card);
        assert_eq!([&short[0][1], &short[1][1]], [&json!(0), &json!("NOT_FOUND")], "{short}");
        if port == hiding.port {
            assert_eq!(values, nulls);
        } else {
            until("the card to be there", || told(port, card).1[1][0] == json!("PRESENT"));
        }
    }
    job.stop("TERM");
    assert_eq!(told(server.port, card).2, long, "what a job has left is no more whole than it was");
}
