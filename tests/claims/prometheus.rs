//! The dashboard and the alert rules in `scripts`, run by a real Prometheus over a running job.

use crate::folder::Folder;
use crate::redis_server::{Redis, free_port};
use crate::run::{self, Process, command, kafka, until};
use crate::serving::request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use tidemark::metrics::{PROCESS_SERIES_MAX, WORKER_SERIES_MAX};

const DASHBOARD: &str = include_str!("../../scripts/grafana/tidemark.json");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/prometheus/alerts.yml");

/// Whether these are met says something of the machine, and nothing of the job.
pub const OF_THE_MACHINE: [&str; 4] =
    ["TidemarkSlow", "TidemarkWorkerBusy", "TidemarkDiskFull", "TidemarkMemory"];

/// A child that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Prometheus that scrapes once a second.
pub struct Prometheus {
    port: u16,
    _child: Ended,
    _folder: Folder,
}

impl Prometheus {
    pub fn start(targets: [(&str, u16); 2]) -> Prometheus {
        let (port, folder) = (free_port(), Folder::new("prometheus"));
        let mut config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{RULES}']\n\
             scrape_configs:\n"
        );
        for (job, port) in targets {
            config += &format!(
                "  - job_name: {job}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            );
        }
        folder.write("prometheus.yml", config);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.file("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", folder.file("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start prometheus ({e}); run scripts/setup first"));
        Prometheus { port, _child: Ended(child), _folder: folder }
    }

    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(url).query_pairs(query.iter().copied()).call().ok()?;
        let text = answer.body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).ok()
    }

    /// The series that a query gives now, and their values.
    pub fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let answer = self.ask("query", &[("query", query)]).expect("an answer");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        let value = |one: &Value| one["value"][1].as_str().unwrap().parse().unwrap();
        series.iter().map(|one| (one["metric"].clone(), value(one))).collect()
    }

    /// The rules: names and expressions, once all have been evaluated. Each is without an error.
    pub fn rules(&self) -> Vec<(String, String)> {
        let mut rules = Vec::new();
        until("the rules to be evaluated", || {
            let Some(answer) = self.ask("rules", &[]) else { return false };
            rules = answer["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
            !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown")
        });
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
        for rule in &rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
        rules.iter().map(|rule| (text(rule, "name"), text(rule, "query"))).collect()
    }
}

/// The queries of all panels, by title, with every variable as its "All".
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().unwrap();
            let expr = expr.replace("$__rate_interval", "1m");
            let expr = expr.replace("$job", ".+").replace("$instance", ".+");
            assert!(!expr.contains('$'), "{title}: a variable that is not known: {expr}");
            found.push((title.to_owned(), expr));
        }
    }
    found
}

/// Names of metrics in a query.
fn named(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let prefixes = ["tidemark_", "stream_", "kafka_", "redis_", "process_", "transactions_"];
    let more = ["feast_", "sliding_"];
    let is_metric = |word: &&str| prefixes.iter().chain(&more).any(|p| word.starts_with(p));
    // The alternatives of a name by a pattern are each a name's end.
    words.filter(is_metric).filter(|word| *word != "tidemark_").map(str::to_owned).collect()
}

/// Live traffic of the job `fraud`, until it is dropped.
fn traffic(topic: &str, more: &[&str]) -> Ended {
    let child = command()
        .args(["generate", "--profile", "fraud", "--topic", topic, "--rate", "300"])
        .args(["--partitions", "4", "--cards", "500"])
        .args(more)
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Ended(child)
}

fn job(folder: &Folder, job: &str, topic: &str, redis: &Redis, serving: u16) -> Process {
    let file = |name| folder.file(name);
    let (dead, sealed, state) = (file("dead.jsonl"), file("sealed.jsonl"), file("state"));
    let text = format!(
        "workers = 2\n[dead_letters]\npath = {dead:?}\n[sealed]\npath = {sealed:?}\n[state]\n\
         url = {state:?}\ncheckpoint_interval = \"500ms\"\n[online.redis]\nprobe_interval = \
         \"200ms\"\nbackoff_max = \"200ms\"\n[serve]\nenabled = true\nport = {serving}\n"
    );
    folder.write("cluster.toml", text);
    start(folder, job, topic, redis)
}

/// A job with the cluster file of its folder.
fn start(folder: &Folder, job: &str, topic: &str, redis: &Redis) -> Process {
    let (brokers, port) = (kafka().bootstrap_servers, redis.port.to_string());
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
        ("KAFKA_TOPIC", topic),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
    ];
    Process::start(folder.path(), job, &variables)
}

/// Every panel has data, and names nothing that is not exposed.
fn drawn(prometheus: &Prometheus, exposed: &BTreeSet<String>) {
    let panels = panels();
    assert!(panels.len() > 60, "{}", panels.len());
    for (title, query) in panels {
        for metric in named(&query) {
            assert!(exposed.contains(&metric), "{title} names {metric}, which nothing exposes");
        }
        let mut last = Vec::new();
        let has_data = || {
            last = prometheus.query(&query);
            last.iter().any(|(_, value)| value.is_finite())
        };
        until(&format!("data of the panel \"{title}\": {query}"), has_data);
    }
}

/// The series of an exposition: what stands before their values.
fn series(text: &str) -> impl Iterator<Item = &str> {
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0)
}

#[test]
fn a_worker_has_at_most_300_series_in_every_shipped_job_however_many_partitions_it_reads() {
    let redis = Redis::start(&[]);
    for shipped in ["fraud", "behavior", "personalization"] {
        let (folder, topic) = (Folder::new("series"), format!("series-{shipped}"));
        let mut generate = command();
        generate.args(["generate", "--profile", shipped, "--topic", &topic, "--events", "3000"]);
        generate.args(["--partitions", "32", "--late", "0.05", "--malformed", "0.05"]);
        generate.env("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers);
        assert!(generate.output().unwrap().status.success());
        let mut job = job(&folder, shipped, &topic, &redis, free_port());
        job.until_ready();
        let mut text = String::new();
        until("operators to be watched, a row to be written and a checkpoint", || {
            text = job.get("/metrics").unwrap().1;
            let of_all = ["tidemark_operator_busy_seconds_total{", "tidemark_checkpoint_age"];
            let written = !text.contains("\nredis_writes_total 0\n");
            written && of_all.iter().all(|name| text.contains(name))
        });
        let per_partition = series(&text).filter(|series| series.contains("partition=")).count();
        assert_eq!(per_partition, 32, "the lag of each: {text}");
        for worker in ["worker=\"0\"", "worker=\"1\""] {
            let count = series(&text).filter(|series| series.contains(worker)).count();
            let bounds = 100..=WORKER_SERIES_MAX;
            assert!(bounds.contains(&count), "{count} of {worker} of {shipped}: {text}");
        }
        let of_process = series(&text).filter(|series| !series.contains("worker=")).count();
        let bounds = 50..=PROCESS_SERIES_MAX + per_partition;
        assert!(bounds.contains(&of_process), "{of_process} of {shipped}: {text}");
    }
}

#[test]
fn a_worker_says_what_its_operators_do_and_nothing_where_it_is_not_watched() {
    let (folder, topic, serving) = (Folder::new("prometheus"), "prometheus-load", free_port());
    let redis = Redis::start(&[]);
    let _traffic = traffic(topic, &[]);
    let mut watched = job(&folder, "fraud", topic, &redis, serving);
    watched.until_ready();
    let value = |key: &str| {
        let text = watched.get("/metrics").unwrap().1;
        let values = text.lines().find_map(|line| line.strip_prefix(key));
        values.and_then(|text| text.trim().parse::<f64>().ok())
    };
    for key in [
        "tidemark_operator_busy_seconds_total{operator=\"Source\",worker=\"0\"}",
        "tidemark_operator_sent_total{operator=\"Source\",worker=\"0\"}",
        "tidemark_worker_parked_seconds_total{worker=\"0\"}",
        "tidemark_progress_updates_total{worker=\"0\"}",
    ] {
        until(key, || value(key).is_some_and(|value| value > 0.0));
    }
    watched.stop("TERM");
    let path = folder.path().join("cluster.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}[http]\noperator_metrics = false\n")).unwrap();
    let mut unwatched = start(&folder, "fraud", topic, &redis);
    unwatched.until_ready();
    let text = unwatched.get("/metrics").unwrap().1;
    let names = ["tidemark_operator_", "tidemark_progress_", "tidemark_worker_parked_"];
    let of_load = |line: &&str| names.iter().any(|name| line.starts_with(name));
    assert_eq!(series(&text).find(of_load), None);
}

#[test]
fn every_panel_has_data_of_a_running_job_and_alerts_are_silent_until_there_is_a_fault() {
    let (folder, topic, serving) = (Folder::new("prometheus"), "prometheus-tx", free_port());
    let mut redis = Redis::start(&["--maxmemory", "1gb"]);
    let _traffic = traffic(topic, &[]);
    let mut job = job(&folder, "fraud", topic, &redis, serving);
    job.until_ready();
    let prometheus = Prometheus::start([("tidemark", job.port()), ("tidemark-serving", serving)]);
    let rules = prometheus.rules();
    assert!(rules.len() > 25, "{rules:?}");
    until("enough scrapes", || {
        prometheus.query("count_over_time(tidemark_ready[1m]) > 5").len() == 1
            && prometheus.query("up == 1").len() == 2
    });
    for (name, query) in &rules {
        let met = prometheus.query(query);
        let silent = met.is_empty() || OF_THE_MACHINE.contains(&name.as_str());
        assert!(silent, "{name} fires on a healthy job: {met:?}");
    }
    let damaged = traffic(topic, &["--late", "0.05", "--malformed", "0.2", "--seed", "2"]);
    let question = json!({
        "feature_service": "fraud_detection", "entities": {"card_id": ["card_0000001"]},
    });
    until("the feature server to answer", || {
        request(serving, "POST /get-online-features", &question.to_string())
            .is_some_and(|(code, _)| code == 200)
    });
    let mut text = String::new();
    until("health to find a reason", || {
        text = job.get("/metrics").unwrap().1 + &run::get(serving, "/metrics").unwrap().1;
        text.contains("tidemark_degraded{")
    });
    let exposed = text.lines().filter_map(|line| line.split(['{', ' ']).next());
    let exposed: BTreeSet<String> = exposed.map(str::to_owned).collect();
    until("late records", || {
        !prometheus
            .query("increase(tidemark_dead_letters_total{reason=\"late\"}[1m]) > 0")
            .is_empty()
    });
    drawn(&prometheus, &exposed);
    let fires = |name: &str| {
        let (_, query) = rules.iter().find(|(rule, _)| rule == name).unwrap();
        until(&format!("{name} to fire"), || !prometheus.query(query).is_empty());
    };
    fires("TidemarkTransactionsFail");
    drop(damaged);
    redis.kill();
    fires("TidemarkStoreDown");
    job.kill();
    fires("TidemarkDown");
}
