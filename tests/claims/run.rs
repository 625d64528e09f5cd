//! `tidemark run` and `tidemark get`, as the binary, against a real broker and a real Redis.

use crate::folder::Folder;
use crate::memory::{self, Record, Run};
use crate::redis_server::{Redis, free_port};
use crate::servers::shared_kafka;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tidemark::generator::{Generator, Options};
use tidemark::kafka::{KafkaConfig, create_topic, produce};
use tidemark_operators::plan::Plan;

/// Far more than anything here takes; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(180);

const PARTITIONS: u32 = 4;

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn fraud() -> Arc<Plan> {
    tidemark::job_file::load("fraud").unwrap().plan
}

/// Some traffic, by partition: keys and values.
pub fn traffic(seed: u64, events: u64) -> Vec<Vec<(Record, Record)>> {
    let options = Options {
        events,
        seed,
        partitions: PARTITIONS,
        cards: 300,
        hours: 6,
        late: 0.02,
        malformed: 0.01,
        ..Options::default()
    };
    generated(options)
}

/// What the generator makes, by partition: keys and values.
pub fn generated(options: Options) -> Vec<Vec<(Record, Record)>> {
    let mut log = vec![Vec::new(); options.partitions as usize];
    let mut generator = Generator::new(options).unwrap();
    while let Some(record) = generator.next() {
        log[record.partition as usize].push((record.key.to_vec(), record.line.to_vec()));
    }
    log
}

/// A half of a log.
pub fn half(log: &[Vec<(Record, Record)>], which: usize) -> Vec<Vec<(Record, Record)>> {
    let of = |records: &Vec<(Record, Record)>| {
        let (first, second) = records.split_at(records.len() / 2);
        if which == 0 { first.to_vec() } else { second.to_vec() }
    };
    log.iter().map(of).collect()
}

/// What the job computes from it, in memory.
pub fn expected(log: &[Vec<(Record, Record)>]) -> memory::Output {
    let values = |records: &Vec<(Record, Record)>| records.iter().map(|r| r.1.clone()).collect();
    memory::replay(&fraud(), &log.iter().map(values).collect(), &Run::default())
}

pub fn kafka() -> KafkaConfig {
    KafkaConfig {
        bootstrap_servers: shared_kafka().value("BOOTSTRAP").to_owned(),
        ..KafkaConfig::default()
    }
}

/// A topic that no other test uses, with `log` in it.
pub fn topic(log: &[Vec<(Record, Record)>]) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let topic = format!("run-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    assert!(create_topic(&kafka(), &topic, PARTITIONS, &[]).unwrap());
    write(&topic, log);
    topic
}

pub fn write(topic: &str, log: &[Vec<(Record, Record)>]) {
    let records = (0..).zip(log).flat_map(|(partition, records)| {
        records.iter().map(move |(key, value)| (partition, Some(key), Some(value)))
    });
    produce(&kafka(), topic, records).unwrap();
}

/// The settings of a test: the clock does not go on in silence while a test looks.
pub fn settings(folder: &Path, more: &str) -> PathBuf {
    let dead = folder.join("dead.jsonl").display().to_string();
    let text = format!(
        "[limits]\nlive_idle = \"1m\"\n[health]\nclock_behind = \"3650d\"\n\
         [online.redis]\nprobe_interval = \"100ms\"\nbackoff_max = \"200ms\"\n[dead_letters]\npath = {dead:?}\n{more}"
    );
    let path = folder.join("cluster.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Sees that the job `fraud` is refused under these settings, and what is said of them.
pub fn refuses(folder: &Folder, settings: &str, what: &str) {
    folder.write("cluster.toml", settings);
    let run = ["run", "fraud", "--cluster", "cluster.toml"];
    let output = command().current_dir(folder.path()).args(run).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(what), "{said}");
}

/// Variables of this process that would change what a test means.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    for (name, _) in tidemark::config::VARIABLES {
        command.env_remove(name);
    }
    command
}

/// A running `tidemark run`. Killed with the test.
pub struct Process {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Process {
    pub fn start(folder: &Path, job: &str, variables: &[(&str, &str)]) -> Process {
        Self::start_with(folder, job, variables, &[])
    }

    pub fn start_with(
        folder: &Path,
        job: &str,
        variables: &[(&str, &str)],
        more: &[&str],
    ) -> Process {
        Self::start_by(command(), folder, job, variables, more)
    }

    /// Starts it as what `program` runs with the arguments that follow.
    pub fn start_by(
        mut program: Command,
        folder: &Path,
        job: &str,
        variables: &[(&str, &str)],
        more: &[&str],
    ) -> Process {
        let (port, log) = (free_port(), folder.join("log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = program
            .args(["run", job, "--cluster"])
            .arg(folder.join("cluster.toml"))
            .args(more)
            .env("HEALTH_CHECK_PORT", port.to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Process { child, port, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers HTTP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Code and body; `None` while nobody answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.port, path)
    }

    pub fn json(&self, path: &str) -> (u16, Value) {
        let (code, body) = self.get(path).expect("an answer");
        (code, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}")))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn until_ready(&mut self) {
        until("the job to be ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the job ended with {status}\n{}", self.log());
            }
            self.get("/ready").is_some_and(|(code, _)| code == 200)
        });
    }

    /// Waits until it is ready or has ended, and says whether it is ready.
    pub fn gets_ready(&mut self) -> bool {
        let mut ready = false;
        until("the job to be ready or to end", || {
            ready = self.get("/ready").is_some_and(|(code, _)| code == 200);
            ready || self.child.try_wait().unwrap().is_some()
        });
        ready
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the job to end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// Ends it as a power cut would.
    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Asks it to stop and sees that it ends well.
    pub fn stop(&mut self, signal: &str) {
        self.signal(signal);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        assert!(self.log().contains("stopped: "), "{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Code and body of what answers on `port`; `None` while nobody does.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Redis' hashes: fields and texts by key.
pub type Hashes = BTreeMap<String, BTreeMap<String, String>>;

/// The members of a JSON object as texts. Numbers keep their digits.
fn texts(json: &str) -> BTreeMap<String, Option<String>> {
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap();
    let text = |value: &str| match value {
        "null" => None,
        quoted if quoted.starts_with('"') => Some(serde_json::from_str(quoted).unwrap()),
        plain => Some(plain.to_owned()),
    };
    members.into_iter().map(|(name, value)| (name, text(value.get()))).collect()
}

/// The features of an answer over HTTP.
fn features(answer: &str) -> BTreeMap<String, Option<String>> {
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(answer).unwrap();
    texts(members["features"].get())
}

/// What `tidemark get` printed.
fn table(output: &Output) -> BTreeMap<String, Option<String>> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let cells = lines.map(|line| line.split_once(' ').unwrap());
    let value = |text: &str| (text != "null").then(|| text.to_owned());
    cells.map(|(name, text)| (name.to_owned(), value(text.trim_start()))).collect()
}

/// What Redis must hold, from rows in memory: nulls have no field, and rows of nulls no key.
pub fn hashes(output: &memory::Output) -> Hashes {
    hashes_of(&fraud(), output)
}

/// The same of the job `plan`.
pub fn hashes_of(plan: &Plan, output: &memory::Output) -> Hashes {
    let entity = |name: &str| {
        let view = (0..plan.views.len()).find(|at| plan.view(*at).unwrap().name == name).unwrap();
        plan.entities[plan.views[view].entity].name.clone()
    };
    let mut hashes = Hashes::new();
    for (name, json) in &output.live {
        let (view, id) = name.split_once('/').unwrap();
        let fields: BTreeMap<_, _> =
            texts(json).into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
        if !fields.is_empty() {
            hashes.insert(format!("features:{}:{id}:{view}", entity(view)), fields);
        }
    }
    hashes
}

pub fn stored(redis: &Redis) -> Hashes {
    let mut client = redis.client();
    let keys: Vec<String> = redis::cmd("KEYS").arg("features:*").query(&mut client).unwrap();
    if keys.is_empty() {
        return Hashes::new();
    }
    let mut pipe = redis::pipe();
    for key in &keys {
        pipe.cmd("HGETALL").arg(key);
    }
    let rows: Vec<BTreeMap<String, String>> = pipe.query(&mut client).unwrap();
    keys.into_iter().zip(rows).collect()
}

/// How many rows differ, and one of them.
pub fn difference(stored: &Hashes, expected: &Hashes) -> Option<String> {
    let keys: BTreeSet<_> = stored.keys().chain(expected.keys()).collect();
    let differ = keys.into_iter().filter(|key| stored.get(*key) != expected.get(*key));
    let differ: Vec<_> = differ.collect();
    let first = differ.first()?;
    let (count, is, should) = (differ.len(), stored.get(*first), expected.get(*first));
    Some(format!("{count} rows differ; {first} is\n{is:?} and not\n{should:?}"))
}

/// Waits until Redis holds exactly these, and says which differ when it never does.
pub fn until_stored(redis: &Redis, hashes: &Hashes) {
    let start = Instant::now();
    while let Some(difference) = difference(&stored(redis), hashes) {
        // Before values begin to decay.
        assert!(start.elapsed() < Duration::from_secs(50), "{difference}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All dead letters of a topic: partition, offset, reason and value.
pub fn dead_letters(topic: &str, count: usize) -> BTreeSet<(u32, u64, String, Vec<u8>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", shared_kafka().value("BOOTSTRAP"))
        .set("group.id", "claims-run")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition as i32, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut letters = BTreeSet::new();
    until("the dead letters", || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let headers: HashMap<String, String> = message
                .headers()
                .unwrap()
                .iter()
                .map(|h| (h.key.to_owned(), String::from_utf8_lossy(h.value.unwrap()).into_owned()))
                .collect();
            letters.insert((
                headers["partition"].parse().unwrap(),
                headers["offset"].parse().unwrap(),
                headers["reason"].clone(),
                message.payload().unwrap_or_default().to_vec(),
            ));
        }
        letters.len() >= count
    });
    letters
}

pub fn component<'h>(health: &'h Value, kind: &str) -> &'h Value {
    let components = health["components"].as_array().unwrap();
    components.iter().find(|component| component["kind"] == kind).unwrap()
}

#[test]
fn a_job_on_a_topic_leaves_in_redis_what_a_replay_computes() {
    let log = traffic(11, 20_000);
    let output = expected(&log);
    let topic = topic(&log);
    let redis = Redis::start(&[]);
    let folder = Folder::new("run");
    settings(folder.path(), "kind = \"kafka\"\n");
    let (brokers, port) = (kafka().bootstrap_servers, redis.port.to_string());
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", &topic),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("PARALLELISM", "2"),
    ];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    let hashes = hashes(&output);
    assert!(hashes.keys().any(|key| key.starts_with("features:card:")));
    until_stored(&redis, &hashes);

    let (code, health) = job.json("/health");
    assert_eq!((code, health["status"].as_str()), (200, Some("ok")), "{health}");
    assert_eq!(health["job"], "fraud");
    let (code, ready) = job.json("/ready");
    assert_eq!((code, ready["ready"].as_bool()), (200, Some(true)));
    let partitions = ready["partitions"].as_array().unwrap();
    for (partition, records) in partitions.iter().zip(&log) {
        assert_eq!(partition["end_at_start"], records.len(), "{partition}");
        assert_eq!(partition["next_offset"], records.len(), "{partition}");
    }
    assert_eq!(partitions.len(), log.len());
    metrics_add_up(&job.get("/metrics").unwrap().1, &output);
    rows_read_the_same_everywhere(&job, folder.path(), &variables, &hashes);

    let dead = dead_letters(&format!("{topic}.dlq"), output.dead.len());
    let expected = output.dead.iter().map(|letter| {
        let value = letter.value.clone().unwrap_or_default();
        (letter.partition.partition, letter.offset, letter.reason.name().to_owned(), value)
    });
    assert_eq!(dead, expected.collect());
    job.stop("TERM");
    assert_eq!(difference(&stored(&redis), &hashes), None, "stopping takes nothing away");
}

fn metrics_add_up(metrics: &str, output: &memory::Output) {
    let sum = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let values: Vec<f64> =
            lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no {name} in\n{metrics}");
        values.iter().sum()
    };
    let [accepted, late, future, malformed] = output.verdicts;
    let read = accepted + late + future + malformed;
    for (name, value) in [
        ("stream_events_processed_total", read),
        ("transactions_processed_total", accepted),
        ("transactions_failed_total", future + malformed),
        ("tidemark_dead_letters_total", late + future + malformed),
        ("kafka_total_consumer_lag", 0),
        ("redis_circuit_breaker_status", 0),
        ("tidemark_ready", 1),
        ("tidemark_online_up", 1),
        ("tidemark_kafka_up", 1),
    ] {
        assert!((sum(name) - value as f64).abs() < 0.5, "{name} is {} not {value}", sum(name));
    }
    for name in [
        "stream_features_computed_total",
        "stream_processing_latency_seconds_count",
        "redis_writes_total",
        "redis_pipeline_operations_total",
        "redis_memory_usage_bytes",
        "kafka_consumer_lag",
        "sliding_window_size",
        "process_resident_memory_bytes",
    ] {
        sum(name);
    }
}

/// A row over HTTP and by `tidemark get` is the hash in Redis.
fn rows_read_the_same_everywhere(
    job: &Process,
    folder: &Path,
    variables: &[(&str, &str)],
    hashes: &Hashes,
) {
    let view = "transaction_stats_5m";
    let cards = hashes.iter().filter(|(key, _)| key.ends_with(&format!(":{view}")));
    for (key, fields) in cards.take(5) {
        let id = key.split(':').nth(2).unwrap();
        let (code, row) = job.get(&format!("/features/{view}/{id}")).unwrap();
        assert_eq!(code, 200);
        let answer: Value = serde_json::from_str(&row).unwrap();
        assert_eq!(answer["entity_id"], id);
        assert_eq!(answer["complete_from"], Value::Null, "the whole topic was read");
        let shown = table(&got(folder, variables, &["fraud", view, id]));
        assert_eq!(shown, features(&row), "{key}");
        let json = got(folder, variables, &["fraud", view, id, "--format", "json"]);
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&json["view"], &json["id"]), (&Value::from(view), &Value::from(id)));
        assert_eq!(json["features"], answer["features"], "with the types of HTTP");
        let held = shown.into_iter().filter_map(|(name, text)| Some((name, text?)));
        assert_eq!(held.collect::<BTreeMap<_, _>>(), *fields, "{key}");
    }
    let missing = got(folder, variables, &["fraud", view, "card_of_nobody"]);
    assert_eq!(missing.status.code(), Some(3), "the store answered: there is none");
    let text = String::from_utf8(missing.stderr).unwrap();
    assert!(text.contains("no row for \"card_of_nobody\""), "{text}");
    assert!(text.contains("hint: a missing row reads as the empty values"), "{text}");
}

fn got(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let variables = variables.iter().copied();
    let cluster = folder.join("cluster.toml");
    command()
        .arg("get")
        .args(arguments)
        .arg("--cluster")
        .arg(cluster)
        .envs(variables)
        .output()
        .unwrap()
}

#[test]
fn neither_redis_nor_the_job_loses_a_row_for_good_by_being_killed() {
    let log = traffic(12, 5_000);
    let hashes = hashes(&expected(&log));
    let topic = topic(&log);
    let mut redis = Redis::start(&[]);
    let folder = Folder::new("run");
    settings(folder.path(), "");
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    let brokers = kafka().bootstrap_servers;
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", &topic),
        ("REDIS_URL", &url),
    ];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    until_stored(&redis, &hashes);
    job.signal("KILL");
    job.wait();

    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    until_stored(&redis, &hashes);
    redis.kill();
    until("health to say so", || {
        let (code, health) = job.json("/health");
        let degraded =
            health["status"] == "degraded" && component(&health, "sink")["state"] == "down";
        assert!(code == 200, "a store that is down is no reason to restart the job");
        degraded
    });
    redis.start_again(&[]);
    until("health to be good", || job.json("/health").1["status"] == "ok");
    // It came back empty.
    until_stored(&redis, &hashes);
    job.stop("INT");
}

#[test]
fn a_second_job_with_a_view_of_one_that_lives_stops_at_its_start_and_names_both() {
    let redis = Redis::start(&[]);
    let (first, second) = (Folder::new("run"), Folder::new("run"));
    let renamed = tidemark_jobs::FRAUD.replace("name = \"fraud\"", "name = \"shadow\"");
    assert_ne!(renamed, tidemark_jobs::FRAUD);
    let job = second.path().join("shadow.toml");
    std::fs::write(&job, renamed).unwrap();
    settings(first.path(), "");
    settings(second.path(), "");
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    // Views are claimed before anything is read: no broker is needed for it.
    let nobody = format!("127.0.0.1:{}", free_port());
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", nobody.as_str()), ("REDIS_URL", &url)];
    let mut living = Process::start(first.path(), "fraud", &variables);
    let beats = || -> Hashes {
        let mut client = redis.client();
        let beats = redis::cmd("HGETALL").arg("tidemark:fraud").query(&mut client).unwrap();
        Hashes::from([("fraud".to_owned(), beats)])
    };
    until("the first job's heartbeat", || !beats()["fraud"].is_empty());
    let mut refused = Process::start(second.path(), &job.display().to_string(), &variables);
    assert_eq!(refused.wait().code(), Some(1), "{}", refused.log());
    let log = refused.log();
    assert!(
        log.contains("for job 'shadow'") && log.contains("job 'fraud', which is alive"),
        "{log}"
    );
    living.stop("TERM");
    assert!(beats()["fraud"]["w0"].contains("state=stopped"), "{:?}", beats());
    // Once that one has ended there is nothing to wait for.
    let mut after = Process::start(second.path(), &job.display().to_string(), &variables);
    until("the second job to have the views", || {
        let mut client = redis.client();
        let views: BTreeMap<String, String> =
            redis::cmd("HGETALL").arg("tidemark:views").query(&mut client).unwrap();
        views.values().all(|job| job == "shadow")
    });
    after.stop("TERM");
}

#[test]
fn rows_of_the_embedded_store_are_asked_of_the_running_job() {
    let log = traffic(13, 2_000);
    let output = expected(&log);
    let topic = topic(&log);
    let folder = Folder::new("run");
    settings(folder.path(), "[online]\nkind = \"embedded\"\n");
    let brokers = kafka().bootstrap_servers;
    let variables =
        [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", topic.as_str())];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    let (name, json) = output.live.iter().next().unwrap();
    let (view, id) = name.split_once('/').unwrap();
    let port = job.port.to_string();
    let asking = [("HEALTH_CHECK_PORT", port.as_str())];
    let shown = got(folder.path(), &asking, &["fraud", view, id]);
    assert_eq!(table(&shown), texts(json));
    job.stop("TERM");
    let nobody = got(folder.path(), &asking, &["fraud", view, id]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("or `tidemark run JOB`"));
}

#[test]
fn a_redis_that_takes_connections_and_says_nothing_in_tls_keeps_nobody() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://127.0.0.1:{}", mute.local_addr().unwrap().port());
    let folder = Folder::new("run");
    let state = folder.file("state");
    // With state, and without.
    for more in [format!("[state]\nurl = {state:?}\n"), String::new()] {
        settings(folder.path(), &more);
        let nobody = format!("127.0.0.1:{}", free_port());
        let variables = [("KAFKA_BOOTSTRAP_SERVERS", nobody.as_str()), ("REDIS_URL", url.as_str())];
        let mut job = Process::start(folder.path(), "fraud", &variables);
        until("health to say so", || {
            job.get("/health")
                .is_some_and(|(_, body)| body.contains("the TLS handshake has not ended"))
        });
        job.signal("TERM");
        assert_eq!(job.wait().code(), Some(0), "{}", job.log());
        let asked = got(folder.path(), &variables, &["fraud", "transaction_stats_5m", "a"]);
        assert_eq!(asked.status.code(), Some(1), "{asked:?}");
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(said.contains("the TLS handshake has not ended"), "{said}");
    }
}

#[test]
fn a_job_without_brokers_answers_http_waits_and_can_be_stopped() {
    let folder = Folder::new("run");
    settings(folder.path(), "[online]\nkind = \"embedded\"\n");
    let nobody = format!("127.0.0.1:{}", free_port());
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", nobody.as_str())];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    until("health to say so", || {
        let Some((code, body)) = job.get("/health") else { return false };
        assert_eq!(code, 200, "waiting is not stalling: {body}");
        body.contains("\"degraded\"")
    });
    let (code, ready) = job.json("/ready");
    assert_eq!(code, 503);
    assert!(ready["reason"].as_str().unwrap().contains("brokers"), "{ready}");
    job.stop("TERM");
}

/// The fraud job with files in place of its topic.
pub fn over_files(folder: &Path, log: &[Vec<(Record, Record)>]) -> PathBuf {
    let mut files = Vec::new();
    for (partition, records) in log.iter().enumerate() {
        let path = folder.join(format!("part-{partition}.jsonl"));
        let lines = records.iter().flat_map(|(_, value)| [value.as_slice(), b"\n"].concat());
        std::fs::write(&path, lines.collect::<Vec<u8>>()).unwrap();
        files.push(format!("{:?}", path.display().to_string()));
    }
    let line = |line: &str| match line {
        line if line.starts_with("topic = ") => format!("files = [{}]\n", files.join(", ")),
        line if line.starts_with("start = ") => String::new(),
        line => format!("{line}\n"),
    };
    let job: String = tidemark_jobs::FRAUD.lines().map(line).collect();
    let path = folder.join("job.toml");
    std::fs::write(&path, job).unwrap();
    path
}

#[test]
fn a_job_over_files_ends_by_itself_with_every_row_written() {
    let log = traffic(14, 5_000);
    // Lines cannot hold what a topic's records can: line ends.
    let clean = |(_, value): &(Record, Record)| !value.contains(&b'\n') && !value.is_empty();
    let log: Vec<Vec<_>> =
        log.into_iter().map(|records| records.into_iter().filter(clean).collect()).collect();
    let output = expected(&log);
    let redis = Redis::start(&[]);
    let folder = Folder::new("run");
    let sealed = folder.path().join("sealed.jsonl");
    settings(folder.path(), &format!("[sealed]\npath = {:?}\n", sealed.display().to_string()));
    let job = over_files(folder.path(), &log);
    let port = redis.port.to_string();
    let variables = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", port.as_str())];
    let mut job = Process::start(folder.path(), &job.display().to_string(), &variables);
    assert_eq!(job.wait().code(), Some(0), "{}", job.log());
    assert!(job.log().contains("ended, all is read"), "{}", job.log());
    assert_eq!(difference(&stored(&redis), &hashes(&output)), None);
    let dead = std::fs::read_to_string(folder.path().join("dead.jsonl")).unwrap();
    assert_eq!(dead.lines().count(), output.dead.len());
    assert_eq!(std::fs::read_to_string(sealed).unwrap(), output.sealed);
}

#[test]
fn rows_that_cannot_be_written_at_the_end_fail_the_job() {
    let log = traffic(15, 200);
    let redis = Redis::planned();
    let folder = Folder::new("run");
    settings(folder.path(), "");
    let text = std::fs::read_to_string(folder.path().join("cluster.toml")).unwrap();
    let text = text.replace("[limits]\n", "[limits]\nshutdown = \"1s\"\n");
    std::fs::write(folder.path().join("cluster.toml"), text).unwrap();
    let job = over_files(folder.path(), &log);
    let port = redis.port.to_string();
    let variables = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", port.as_str())];
    let mut job = Process::start(folder.path(), &job.display().to_string(), &variables);
    assert_eq!(job.wait().code(), Some(1), "{}", job.log());
    let said = job.log();
    assert!(said.contains("were not written to Redis before the deadline"), "{said}");
    assert!(said.contains("hint: check that Redis is up"), "{said}");
}

/// Runs `tidemark` to its end: its code and what it said.
fn ended(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = command().args(arguments).envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn wrong_input_is_refused_with_exit_code_2_before_anything_starts() {
    let folder = Folder::new("run");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cluster = write("cluster.toml", "[online]\nkid = \"redis\"\n");
    let empty = write("empty.toml", "");
    let job = write("job.toml", "[job]\nname = \"x\"\n[sorces.a]\n");
    let refused = |arguments: &[&str], variables: &[(&str, &str)], parts: &[&str]| {
        let (code, said) = ended(arguments, variables);
        assert_eq!(code, Some(2), "{said}");
        for part in parts {
            assert!(said.contains(part), "no {part} in\n{said}");
        }
    };
    let here = ["--cluster", empty.as_str()];
    refused(
        &["run", "no/job.toml", here[0], here[1]],
        &[],
        &["cannot read the job file \"no/job.toml\""],
    );
    refused(
        &["run", "fruad", here[0], here[1]],
        &[],
        &["unknown job \"fruad\"", "did you mean \"fraud\"?"],
    );
    refused(&["run", &job, here[0], here[1]], &[], &["job.toml:3:", "did you mean \"sources\"?"]);
    refused(
        &["run", "fraud", "--cluster", &cluster],
        &[],
        &["cluster.toml:2:1: unknown key \"kid\"", "did you mean \"kind\"?"],
    );
    refused(
        &["run", "fraud", "--cluster", "no.toml"],
        &[],
        &["cannot read the settings \"no.toml\""],
    );
    refused(
        &["run", "fraud", here[0], here[1]],
        &[("PARALLELISM", "many")],
        &["environment: \"PARALLELISM\" must be a whole number from 1 to 256, not \"many\""],
    );
    let kafka = write("kafka.toml", "[kafka.settings]\nfetch.min.byte = \"1\"\n");
    refused(&["run", "fraud", "--cluster", &kafka], &[], &["'fetch.min.byte'"]);
    refused(
        &["get", "fraud", "transaction_stats_5n", "a", here[0], here[1]],
        &[],
        &["has no view \"transaction_stats_5n\"", "did you mean \"transaction_stats_5m\"?"],
    );
}

#[test]
fn what_is_missing_outside_ends_the_job_with_exit_code_1() {
    let folder = Folder::new("run");
    settings(folder.path(), "[online]\nkind = \"embedded\"\n");
    let cluster = folder.path().join("cluster.toml").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = ended(&["run", "fraud", "--cluster", &cluster, "--port", &port], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("port {port} is in use")), "{said}");

    let job = over_files(folder.path(), &[Vec::new()]);
    std::fs::remove_file(folder.path().join("part-0.jsonl")).unwrap();
    let job = job.display().to_string();
    let (code, said) = ended(&["run", &job, "--cluster", &cluster, "--port", "0"], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot open file") && said.contains("part-0.jsonl"), "{said}");
}
