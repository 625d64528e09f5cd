//! What is asked of a job, and changed of it, while it runs.

use crate::folder::Folder;
use crate::redis_server::free_port;
use crate::run::{Process, command, kafka, settings, topic, traffic, until};
use crate::serving::request;
use serde_json::{Value, json};
use std::process::Output;

/// A job whose rows are in its memory, on a topic of its own.
fn job(folder: &Folder, topic: &str) -> Process {
    settings(folder.path(), "[online]\nkind = \"embedded\"\n");
    // Both are about [online].
    let path = folder.path().join("cluster.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text =
        text.replace("[online.redis]\nprobe_interval = \"100ms\"\nbackoff_max = \"200ms\"\n", "");
    std::fs::write(&path, text).unwrap();
    let brokers = kafka().bootstrap_servers;
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", topic)];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    job
}

fn tidemark(words: &[&str], folder: &Folder, topic: &str) -> Output {
    command()
        .args(words)
        .current_dir(folder.path())
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers)
        .env("KAFKA_TOPIC", topic)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let both =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    both.concat()
}

#[test]
fn the_log_level_changes_while_a_job_runs_and_no_page_of_a_browser_changes_it() {
    let (folder, topic) = (Folder::new("running"), topic(&traffic(71, 400)));
    let mut job = job(&folder, &topic);
    let post = |head: &str, level: &str| request(job.port(), &format!("POST /log{head}"), level);
    assert_eq!(job.json("/log").1, json!({"level": "info"}));
    assert!(!job.log().contains("DEBUG"), "{}", job.log());
    let (code, answer) = post("", "info,tidemark=debug\n").unwrap();
    assert_eq!((code, &answer["before"]), (200, &json!("info")), "{answer}");
    let file = folder.file("cluster.toml");
    let at = format!("127.0.0.1:{}", job.port());
    let words = ["check", "fraud", "--cluster", &file, "--running", &at];
    let other = tidemark(&words, &folder, &topic);
    let level = "log.level: runs with info,tidemark=debug, here it is info";
    assert!(said(&other).contains(level), "{}", said(&other));
    let (code, answer) = post("", "loud").unwrap();
    assert_eq!(code, 400, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("cannot read the log level"), "{answer}");
    assert_eq!(post("", &"x".repeat(5_000)).unwrap().0, 413);
    assert_eq!(
        job.json("/log").1,
        json!({"level": "info,tidemark=debug"}),
        "what is refused changes nothing"
    );
    assert!(job.log().contains("the log level is another one"), "{}", job.log());
    // A page that somebody has open may send a POST from anywhere.
    let head = "POST /log HTTP/1.1\r\nOrigin: https://elsewhere.example\r\nX:";
    assert_eq!(request(job.port(), head, "trace").unwrap().0, 403);
    for level in ["debug", "info"] {
        job.signal("USR1");
        until("the level to change", || job.json("/log").1 == json!({ "level": level }));
    }
    job.stop("TERM");
}

#[test]
fn a_file_that_is_not_what_runs_is_told_by_key_and_secrets_by_nobody() {
    let (folder, topic) = (Folder::new("running"), topic(&traffic(72, 400)));
    let mut job = job(&folder, &topic);
    let at = format!("127.0.0.1:{}", job.port());
    let check = |more: &[&str]| {
        let words = ["check", "fraud", "--cluster", "cluster.toml", "--running", &at];
        tidemark(&[&words, more].concat(), &folder, &topic)
    };
    let same = check(&[]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    assert!(said(&same).contains("runs just that"), "{}", said(&same));
    let path = folder.path().join("cluster.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = format!(
        "workers = 3\n{text}[registry]\nurl = \"http://a\"\npassword = \"hunter2\"\nuser = \"u\"\n"
    );
    std::fs::write(&path, text).unwrap();
    let other = check(&["--format", "json"]);
    assert_eq!(other.status.code(), Some(3), "{}", said(&other));
    let document: Value = serde_json::from_slice(&other.stdout).unwrap();
    let keys: Vec<_> =
        document["differs"].as_array().unwrap().iter().map(|it| it["key"].clone()).collect();
    assert_eq!(
        keys,
        ["registry.password", "registry.url", "registry.user", "workers"],
        "{document}"
    );
    assert!(!said(&other).contains("hunter2"));
    let words = ["check", "behavior", "--cluster", "cluster.toml", "--running", &at];
    let another = command().args(words).current_dir(folder.path()).output().unwrap();
    assert_eq!(another.status.code(), Some(3));
    assert!(said(&another).contains("job.name: runs with fraud, here it is behavior"));
    job.stop("TERM");
    let gone = check(&[]);
    assert_eq!(gone.status.code(), Some(1), "{}", said(&gone));
    assert!(said(&gone).contains("cannot ask the job at"), "{}", said(&gone));
}

#[test]
fn health_says_by_its_exit_code_whether_a_process_runs_has_caught_up_or_is_none() {
    let (folder, topic) = (Folder::new("running"), topic(&traffic(73, 400)));
    let mut job = job(&folder, &topic);
    let at = format!("127.0.0.1:{}", job.port());
    let health = |more: &[&str]| {
        let words = ["health", "--timeout", "2s", "--address", &at];
        tidemark(&[&words, more].concat(), &folder, &topic)
    };
    // Its own process is asked, whatever is to be asked for others.
    let proxied = command()
        .args(["health", "--address", &at])
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(proxied.status.code(), Some(0), "{}", said(&proxied));
    for (more, line) in [(&[][..], "\n"), (&["--ready"][..], "ok\n")] {
        let output = health(more);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).ends_with(line), "{}", said(&output));
    }
    job.signal("STOP");
    let still = health(&[]);
    assert_eq!(still.status.code(), Some(1), "{}", said(&still));
    assert!(said(&still).contains("within 2s"), "{}", said(&still));
    job.signal("CONT");
    job.stop("TERM");
    assert_eq!(health(&[]).status.code(), Some(1));
    // A job that waits for its brokers is well, and not ready.
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")];
    let waiting = Process::start(folder.path(), "fraud", &variables);
    let at = format!("127.0.0.1:{}", waiting.port());
    until("the job to answer", || waiting.get("/health").is_some());
    let asked =
        |more: &[&str]| tidemark(&[&["health", "--address", &at], more].concat(), &folder, &topic);
    assert_eq!(asked(&[]).status.code(), Some(0));
    let output = asked(&["--ready"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let nobody = format!("127.0.0.1:{}", free_port());
    let output = tidemark(&["health", "--address", &nobody], &folder, &topic);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("look whether the process runs"), "{}", said(&output));
}
