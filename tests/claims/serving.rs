//! The feature server beside a real job, and one that reads what the job keeps in a real Redis.

use crate::folder::Folder;
use crate::online::cluster::Servers;
use crate::redis_server::{Redis, free_port};
use crate::run::{Process, command, expected, hashes, kafka, settings, topic, traffic, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

/// A server from Redis. Killed with the test.
pub struct FromRedis {
    child: Child,
    pub port: u16,
}

impl FromRedis {
    pub fn start(folder: &Path, url: &str) -> FromRedis {
        FromRedis::of(Path::new("fraud"), &folder.join("cluster.toml"), url)
    }

    /// Of a job, by its file, under these settings.
    pub fn of(job: &Path, settings: &Path, url: &str) -> FromRedis {
        let port = free_port();
        let child = command()
            .arg("serve")
            .arg(job)
            .args(["--port", &port.to_string(), "--cluster"])
            .arg(settings)
            .env("REDIS_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        FromRedis { child, port }
    }
}

impl Drop for FromRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Code and body; `None` while nobody answers.
pub fn request(port: u16, head: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

pub fn ask(port: u16, question: &Value) -> (u16, Value) {
    request(port, "POST /get-online-features", &question.to_string()).expect("an answer")
}

pub fn is_ready(port: u16) -> bool {
    request(port, "GET /ready", "").is_some_and(|(code, _)| code == 200)
}

/// The statuses of one value of a card that has a row.
fn statuses(port: u16, card: &str) -> Value {
    let question = json!({"features": ["transaction_stats_5m:txn_count_24h"], "entities": {"card_id": [card]}});
    let (code, answer) = ask(port, &question);
    assert_eq!(code, 200, "{answer}");
    answer["results"][1]["statuses"].clone()
}

/// What `tidemark validate` says with these words: its exit code, and what it prints.
fn validated(folder: &Path, variables: &[(&str, &str)], more: &[&str]) -> (Option<i32>, String) {
    let output = command()
        .args(["validate", "fraud", "--cluster"])
        .arg(folder.join("cluster.toml"))
        .args(more)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}

/// The variables of a job on two workers.
fn variables(redis: &Redis, topic: &str) -> [(&'static str, String); 4] {
    [
        ("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers),
        ("KAFKA_TOPIC", topic.to_owned()),
        ("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port)),
        ("PARALLELISM", "2".to_owned()),
    ]
}

/// Starts `fraud` with a feature server, under these settings of it, and another server from its Redis. Both have
/// current rows then; gives the job with the port of its own.
fn served(
    folder: &Folder,
    variables: &[(&'static str, String); 4],
    serve: &str,
) -> (Process, u16, FromRedis) {
    let in_job = free_port();
    settings(folder.path(), &format!("[serve]\nenabled = true\nport = {in_job}\n{serve}"));
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    let [_, _, (_, url), _] = variables;
    let server = FromRedis::start(folder.path(), url);
    until("rows to be current", || is_ready(in_job) && is_ready(server.port));
    (job, in_job, server)
}

#[test]
fn servers_tell_what_the_job_computes_and_nothing_when_nobody_keeps_it_current() {
    let log = traffic(41, 3_000);
    let output = expected(&log);
    let topic = topic(&log);
    let redis = Redis::start(&[]);
    let folder = Folder::new("serving");
    let variables = variables(&redis, &topic);
    let (mut job, in_job, server) =
        served(&folder, &variables, "stale_after = \"3s\"\nbehind_max = \"36500d\"\n");

    let mut rows: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for (name, features) in &output.live {
        let (view, id) = name.split_once('/').unwrap();
        rows.entry(view).or_default().insert(id, serde_json::from_str(features).unwrap());
    }
    let plan = tidemark::job_file::load("fraud").unwrap().plan;
    let keys = [
        ("card", "card_id"),
        ("user", "user_id"),
        ("merchant", "merchant_id"),
        ("device", "device_id"),
        ("ip", "ip_address"),
    ];
    let mut compared = 0;
    for (at, index) in plan.views.iter().enumerate() {
        let (view, entity) = (plan.view(at).unwrap(), &plan.entities[index.entity].name);
        let key = keys.iter().find(|(name, _)| name == entity).unwrap().1;
        let held: Vec<_> = rows[view.name.as_str()].iter().take(1_000).collect();
        assert!(held.len() > 50, "{}", view.name);
        let ids: Vec<&str> = held.iter().map(|(id, _)| **id).collect();
        let refs: Vec<_> =
            view.features.iter().map(|it| format!("{}:{}", view.name, it.name)).collect();
        let question = json!({"features": refs, "entities": {key: ids}});
        for port in [in_job, server.port] {
            let (code, answer) = ask(port, &question);
            assert_eq!(code, 200, "{answer}");
            assert_eq!(answer["results"][0]["values"], json!(ids));
            for (column, feature) in view.features.iter().enumerate() {
                let told = &answer["results"][column + 1];
                let wanted: Vec<_> =
                    held.iter().map(|(_, row)| row[feature.name.as_str()].clone()).collect();
                assert_eq!(told["values"], json!(wanted), "{}:{}", view.name, feature.name);
                compared += wanted.len();
            }
        }
    }
    assert!(compared > 20_000, "{compared}");

    let card = *rows["transaction_stats_5m"].keys().next().unwrap();
    assert_eq!(statuses(server.port, card), json!(["PRESENT"]));
    assert_eq!(statuses(server.port, "nobody"), json!(["NOT_FOUND"]));
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let validate = |more: &[&str]| validated(folder.path(), &variables, more);
    let (code, all) = validate(&[]);
    assert_eq!(code, Some(0), "{all}");
    for what in ["redis", "heartbeat", "view transaction_stats_5m", &format!("topic {topic}")] {
        assert!(all.contains(&format!("ok      {what}")), "{what}:\n{all}");
    }
    let of = ["--freshness", "--entity-type", "card", "--entity-id"];
    let (code, fresh) = validate(&[&of[..], &[card]].concat());
    assert!(code == Some(0) && fresh.contains(" rows that were looked at"), "{fresh}");
    let (code, unknown) = validate(&["--entity-type", "cart", "--entity-id", "c"]);
    assert!(code == Some(2) && unknown.contains("did you mean \"card\""), "{unknown}");
    // A job that stands still.
    job.signal("STOP");
    until("values to be too old", || statuses(server.port, card) == json!(["OUTSIDE_MAX_AGE"]));
    let (code, old) = validate(&["--freshness"]);
    assert!(code == Some(3) && old.contains("FAILED  freshness: 0 of "), "{old}");
    job.signal("CONT");
    until("values to be current", || statuses(server.port, card) == json!(["PRESENT"]));
    // A Redis that lost everything: a missing row means nothing until all are there again.
    job.signal("STOP");
    redis::cmd("FLUSHALL").exec(&mut redis.client()).unwrap();
    assert_eq!(statuses(server.port, "nobody"), json!(["OUTSIDE_MAX_AGE"]));
    job.signal("CONT");
    until("rows to be there again", || statuses(server.port, card) == json!(["PRESENT"]));
    // A Redis that does not answer.
    redis.signal("STOP");
    let question = json!({"features": ["transaction_stats_5m:txn_count_24h"], "entities": {"card_id": [card]}});
    let (code, why) = ask(server.port, &question);
    assert_eq!(code, 503, "{why}");
    assert_eq!(statuses(in_job, card), json!(["PRESENT"]), "the job's own server needs no Redis");
    redis.signal("CONT");
    until("Redis to answer", || ask(server.port, &question).0 == 200);
    job.stop("TERM");
}

#[test]
fn rows_on_a_cluster_are_served_shown_and_validated_as_those_on_one_server() {
    let log = traffic(43, 3_000);
    let output = expected(&log);
    let (topic, servers, folder) = (topic(&log), Servers::start(), Folder::new("serving"));
    let state = folder.file("state");
    let file = settings(
        folder.path(),
        &format!(
            "[state]\nurl = {state:?}\n[serve]\nstale_after = \"3s\"\nbehind_max = \"36500d\"\n"
        ),
    );
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
        hashes(&output).into_iter().map(|(key, row)| (key.into_bytes(), row)).collect();
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    until("the rows to be there", || servers.dump() == wanted);
    let server = FromRedis::start(folder.path(), "redis://nobody");
    until("rows to be current", || is_ready(server.port));
    let names = output.live.keys().filter_map(|name| name.strip_prefix("transaction_stats_5m/"));
    let cards: Vec<&str> = names.take(200).collect();
    for card in &cards {
        assert_eq!(statuses(server.port, card), json!(["PRESENT"]));
    }
    assert_eq!(statuses(server.port, "nobody"), json!(["NOT_FOUND"]));
    let (code, all) = validated(folder.path(), &variables, &[]);
    assert!(code == Some(0) && all.matches("ok      redis 127.0.0.1:").count() == 3, "{all}");
    let got = command()
        .args(["get", "fraud", "transaction_stats_5m", cards[0], "--cluster"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    // Another process goes on from the state, and takes every server over.
    job.stop("TERM");
    let mut next = Process::start(folder.path(), "fraud", &variables);
    next.until_ready();
    until("rows to be current", || is_ready(server.port));
    assert!(servers.dump() == wanted, "as they were");
    next.stop("TERM");
}

#[test]
fn a_question_with_positions_is_told_what_the_job_says_of_each_row_and_by_redis_it_is_refused() {
    let log = traffic(61, 2_000);
    let (output, topic) = (expected(&log), topic(&log));
    let (redis, folder) = (Redis::start(&[]), Folder::new("serving"));
    let serve = "behind_max = \"36500d\"\nsources = \"redis, engine\"\n";
    let (mut job, in_job, server) = served(&folder, &variables(&redis, &topic), serve);
    let names = output.live.keys().filter_map(|name| name.strip_prefix("transaction_stats_5m/"));
    let cards: Vec<&str> = names.take(50).chain(["nobody"]).collect();
    let question = json!({
        "features": ["transaction_stats_5m:txn_count_24h"],
        "entities": {"card_id": cards}, "positions": true,
    });
    let (code, answer) = ask(in_job, &question);
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["metadata"]["source"], json!("engine"));
    let told = answer["metadata"]["positions"]["card"].as_array().unwrap();
    assert_eq!(told.len(), cards.len());
    for (card, told) in cards.iter().zip(told) {
        let path = format!("/features/transaction_stats_5m?id={card}&positions=true");
        let (code, row) = job.json(&path);
        assert_eq!(code, if *card == "nobody" { 404 } else { 200 }, "{row}");
        // Nothing more comes, so it is the same but for the clock, which goes on.
        assert_eq!(told["positions"], row["positions"], "{card}");
        assert!(told["positions"]["transactions"].is_object(), "{told}");
        assert!(told["as_of"].as_u64() <= row["as_of"].as_u64(), "{told} {row}");
    }
    let (code, why) = ask(server.port, &question);
    assert_eq!((code, &why["detail"][0]["loc"]), (422, &json!(["body", "positions"])), "{why}");
    job.stop("TERM");
}

#[test]
fn validate_names_what_is_wrong_with_redis_the_topic_and_the_rows() {
    let folder = Folder::new("validated");
    settings(folder.path(), "");
    let said = |redis: &Redis| {
        let variables = variables(redis, "nobody-has-made-this-topic");
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (code, said) = validated(folder.path(), &variables, &[]);
        assert_eq!(code, Some(3), "{said}");
        said
    };
    let empty = Redis::start(&[]);
    let all = said(&empty);
    for what in [
        "heartbeat: ",
        "view transaction_stats_5m: no row was found",
        "topic nobody-has-made-this-topic: ",
    ] {
        assert!(all.contains(&format!("FAILED  {what}")), "{what}:\n{all}");
    }
    assert!(all.contains(&format!("ok      redis 127.0.0.1:{}: primary", empty.port)), "{all}");
    let primary = empty.port.to_string();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &primary]);
    assert!(said(&replica).contains("it is a replica"));
    for (policy, what) in
        [("noeviction", "bytes of memory are in use"), ("allkeys-lru", "it has evicted")]
    {
        let full = Redis::start(&["--maxmemory", "3mb", "--maxmemory-policy", policy]);
        let mut client = full.client();
        // Until there is no room, or some went to make it.
        for key in 0..4_000 {
            let text = "x".repeat(1_000);
            let _ = redis::cmd("SET").arg(key).arg(text).exec(&mut client);
        }
        let all = said(&full);
        assert!(all.contains("FAILED  redis") && all.contains(what), "{policy}:\n{all}");
    }
}
