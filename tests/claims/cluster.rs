//! A job in several processes under `tidemark up`, on a real broker and a real Redis: what it seals and
//! shows is what one worker does, also when processes are killed, stand still, and come back in other
//! numbers.

mod secured;
mod served;

use crate::changed_job::{job, newest};
use crate::folder::Folder;
use crate::memory::{self, Record};
use crate::redis_server::{Redis, free_ports};
use crate::run::{self, command, hashes, settings, topic, traffic, until, until_stored, write};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// What a cluster lives in: a topic that grows, a Redis, a folder with settings and state.
struct World {
    log: Vec<Vec<(Record, Record)>>,
    topic: String,
    redis: Redis,
    folder: Folder,
    http: u16,
    mesh: u16,
}

/// A running `tidemark up`.
struct Up {
    child: Child,
    log: PathBuf,
}

impl World {
    /// With the first of `parts` parts of `events` events in the topic.
    fn new(seed: u64, events: u64, parts: usize) -> World {
        let log = traffic(seed, events);
        let topic = topic(&part(&log, 0, parts));
        let first = free_ports(8);
        let (redis, folder) = (Redis::start(&[]), Folder::new("cluster"));
        World { log, topic, redis, folder, http: first, mesh: first + 4 }
    }

    /// Which events make a value is told by whichever process is asked.
    fn explains_to_any(&self, processes: u16) {
        let mut held = 0;
        for card in 0..12 {
            let asked =
                format!("/explain/transaction_stats_5m?id=card_{card:07}&feature=txn_count_24h");
            let why = |process| {
                let (code, body) = self.get(process, &asked).unwrap();
                assert_eq!(code, 200, "{body}");
                serde_json::from_str::<serde_json::Value>(&body).unwrap()
            };
            let first = why(0);
            assert_eq!(first["agrees"], true, "{first}");
            held += first["events"].as_u64().unwrap();
            let features = |found: &serde_json::Value| found["features"].clone();
            (1..processes)
                .for_each(|at| assert_eq!(features(&why(at)), features(&first), "{card}"));
        }
        assert!(held > 50, "{held}");
    }

    fn write(&self, at: usize, parts: usize) {
        write(&self.topic, &part(&self.log, at, parts));
    }

    fn settings(&self, processes: u16, workers: usize, more: &str) {
        let file = |name| self.folder.file(name);
        let (sealed, state) = (file("sealed.jsonl"), file("state"));
        let mut text = format!(
            "in_flight_bytes = \"1MiB\"\n[sealed]\npath = {sealed:?}\n[http]\nport = {}\n[state]\n\
             url = {state:?}\ncheckpoint_interval = \"200ms\"\nsnapshot_interval = \"1s\"\n[cluster]\n\
             timeout = \"2s\"\n{more}",
            self.http
        );
        if processes > 1 {
            let addresses = (0..processes).map(|at| format!("127.0.0.1:{}", self.mesh + at));
            let addresses = addresses.collect::<Vec<_>>().join(",");
            let _ = writeln!(text, "processes = \"{addresses}\"");
        }
        let path = settings(self.folder.path(), "");
        let before = std::fs::read_to_string(&path).unwrap();
        // The first section of the settings of every test is that of limits.
        let limits = before.replacen("[limits]\n", "", 1);
        let at = text.find("[sealed]").unwrap();
        let (own, sections) = text.split_at(at);
        std::fs::write(path, format!("workers = {workers}\n[limits]\n{own}{limits}\n{sections}"))
            .unwrap();
    }

    fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("KAFKA_BOOTSTRAP_SERVERS", run::kafka().bootstrap_servers),
            ("REDIS_HOST", "127.0.0.1".to_owned()),
            ("REDIS_PORT", self.redis.port.to_string()),
        ]
    }

    fn start(&self) -> Up {
        self.start_job("fraud", &[("KAFKA_TOPIC", &self.topic)])
    }

    fn start_job(&self, job: &str, variables: &[(&str, &str)]) -> Up {
        self.start_with(job, &[], variables)
    }

    fn start_with(&self, job: &str, more: &[&str], variables: &[(&str, &str)]) -> Up {
        let log = self.folder.path().join("up.log");
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = command()
            .args(["up", job, "--cluster"])
            .arg(self.folder.path().join("cluster.toml"))
            .args(more)
            .envs(self.variables())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Up { child, log }
    }

    /// Code and body of process `process`.
    fn get(&self, process: u16, path: &str) -> Option<(u16, String)> {
        run::get(self.http + process, path)
    }

    fn until_ready(&self, up: &mut Up, processes: u16) {
        until("all processes to be ready", || {
            up.is_running();
            let ready = |process| self.get(process, "/ready").is_some_and(|(code, _)| code == 200);
            (0..processes).all(ready)
        });
    }

    /// Whoever is asked names all processes, and a terminal that knows one of them shows all.
    fn shows_all_by_one_address(&self, processes: u16) {
        let last = processes - 1;
        let (code, text) = self.get(last, "/overview").unwrap();
        let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code, 200, "{text}");
        let of = seen["processes"].as_array().unwrap();
        let own: Vec<_> = of.iter().map(|process| process["own"] == true).collect();
        assert_eq!(own, (0..processes).map(|at| at == last).collect::<Vec<_>>());
        let url = format!("127.0.0.1:{}", self.http + last);
        let output = command().args(["top", "--once", &url]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for process in 0..processes {
            assert!(text.contains(&format!("process {process} of {processes}\n")), "{text}");
        }
    }

    /// Sealed rows and dead letters, once the job has ended in order.
    fn holds(&self, expected: &memory::Output, up: &Up) {
        let sealed = std::fs::read_to_string(self.folder.file("sealed.jsonl")).unwrap();
        assert!(expected.sealed.starts_with(&sealed), "the sealed rows are others\n{}", up.text());
        assert!(sealed.len() * 10 > expected.sealed.len() * 9, "{} bytes", sealed.len());
        let letters = std::fs::read_to_string(self.folder.file("dead.jsonl")).unwrap();
        assert_eq!(letters.lines().count(), expected.dead.len());
        let each: BTreeSet<_> = letters.lines().collect();
        assert_eq!(each.len(), expected.dead.len(), "a letter is there twice");
    }
}

fn part(log: &[Vec<(Record, Record)>], at: usize, parts: usize) -> Vec<Vec<(Record, Record)>> {
    let of = |records: &Vec<(Record, Record)>| {
        records[records.len() * at / parts..records.len() * (at + 1) / parts].to_vec()
    };
    log.iter().map(of).collect()
}

impl Up {
    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn is_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the supervisor ended with {status}\n{}", self.text());
        }
    }

    /// The system's numbers of process `process`, the newest last.
    fn pids(&self, process: u16) -> Vec<String> {
        let is = format!("started process={process} pid=");
        let text = self.text();
        text.lines().filter_map(|line| Some(line.split_once(&is)?.1.to_owned())).collect()
    }

    /// What the newest process `process` was started with.
    fn arguments(&self, process: u16) -> String {
        let pid = self.pids(process).pop().unwrap();
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().replace('\0', " ")
    }

    fn signal(&self, process: u16, signal: &str) {
        let pid = self.pids(process).pop().unwrap();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Waits until process `process` was started again after `before` starts.
    fn until_again(&mut self, process: u16, before: usize) {
        until("the processes to start again", || {
            self.is_running();
            self.pids(process).len() > before
        });
    }

    fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the supervisor to end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        assert_eq!(self.wait().code(), Some(0), "{}", self.text());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Its processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_and_four_processes_seal_the_bytes_of_one_worker_and_any_of_them_answers_for_every_entity() {
    for (processes, workers) in [(2, 1), (4, 1), (2, 2)] {
        let world = World::new(41, 12_000, 1);
        let expected = run::expected(&world.log);
        world.settings(processes, workers, "");
        let mut up = world.start();
        world.until_ready(&mut up, processes);
        until_stored(&world.redis, &hashes(&expected));
        world.shows_all_by_one_address(processes);
        let ids: Vec<_> =
            expected.live.keys().filter(|name| name.starts_with("transaction_stats_5m/")).collect();
        assert!(ids.len() > 100);
        for name in ids.into_iter().take(60) {
            let (view, id) = name.split_once('/').unwrap();
            let features = |process| {
                let (code, body) = world.get(process, &format!("/features/{view}/{id}")).unwrap();
                assert_eq!(code, 200, "{body}");
                serde_json::from_str::<serde_json::Value>(&body).unwrap()["features"].take()
            };
            let first = features(0);
            (1..processes).for_each(|process| assert_eq!(features(process), first, "{name}"));
        }
        let (code, _) = world.get(1, "/features/transaction_stats_5m/nobody").unwrap();
        assert_eq!(code, 404);
        world.explains_to_any(processes);
        up.stop();
        world.holds(&expected, &up);
    }
}

#[test]
fn processes_that_are_killed_or_stand_still_or_are_others_lose_nothing_and_count_nothing_twice() {
    let parts = 6;
    let world = World::new(42, 24_000, parts);
    let expected = run::expected(&world.log);
    world.settings(2, 1, "failures_max = 100\n");
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    // Killed while they read.
    for (at, process) in [(1, 1), (2, 0)] {
        let before = up.pids(process).len();
        world.write(at, parts);
        up.signal(process, "KILL");
        up.until_again(process, before);
        world.until_ready(&mut up, 2);
    }
    // One that stands still is lost to the other, and ends with it.
    let before = up.pids(0).len();
    world.write(3, parts);
    up.signal(1, "STOP");
    up.until_again(0, before);
    world.until_ready(&mut up, 2);
    assert!(up.text().contains("nothing was heard of it for 2s"), "{}", up.text());
    // A signal to any of them ends all in order.
    up.signal(1, "TERM");
    assert_eq!(up.wait().code(), Some(0), "{}", up.text());
    for (processes, workers, at) in [(4, 1, 4), (1, 2, 5)] {
        world.settings(processes, workers, "failures_max = 100\n");
        up = world.start();
        world.write(at, parts);
        world.until_ready(&mut up, processes);
        if at + 1 == parts {
            until_stored(&world.redis, &hashes(&expected));
        }
        up.stop();
    }
    world.holds(&expected, &up);
}

#[test]
fn an_entity_whose_process_does_not_answer_is_503_and_never_missing() {
    let world = World::new(43, 4_000, 1);
    world.settings(2, 1, "");
    let text = std::fs::read_to_string(world.folder.file("cluster.toml")).unwrap();
    std::fs::write(
        world.folder.file("cluster.toml"),
        text.replace("timeout = \"2s\"", "timeout = \"5m\""),
    )
    .unwrap();
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    up.signal(1, "STOP");
    let codes: BTreeSet<u16> = (0..30)
        .map(|at| world.get(0, &format!("/features/transaction_stats_5m/nobody-{at}")).unwrap().0)
        .collect();
    up.signal(1, "CONT");
    assert_eq!(codes, BTreeSet::from([404, 503]));
    up.stop();
}

#[test]
fn a_second_supervisor_is_refused_and_one_whose_processes_fail_again_and_again_gives_up() {
    let world = World::new(44, 400, 1);
    world.settings(2, 1, "failures_max = 2\n");
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    let mut second = world.start();
    assert_eq!(second.wait().code(), Some(1), "{}", second.text());
    assert!(second.text().contains("is supervised already"), "{}", second.text());
    for _ in 0..2 {
        let before = up.pids(0).len();
        up.signal(0, "KILL");
        until("the processes to start again, or not", || {
            up.pids(0).len() > before || up.child.try_wait().unwrap().is_some()
        });
    }
    assert_eq!(up.wait().code(), Some(1), "{}", up.text());
    assert!(up.text().contains("they are not started again"), "{}", up.text());
}

#[test]
fn settings_that_change_under_a_supervisor_are_those_of_all_processes_once_one_is_lost() {
    let world = World::new(48, 400, 1);
    let (file, saved) = (world.folder.file("cluster.toml"), world.folder.file("saved.toml"));
    world.settings(3, 1, "");
    std::fs::rename(&file, &saved).unwrap();
    world.settings(2, 1, "");
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    // Half of it.
    std::fs::write(&file, "[cluster]\nprocesses = ").unwrap();
    up.signal(1, "KILL");
    until("the supervisor to wait for settings that can be used", || {
        up.is_running();
        up.text().contains("waiting until they can")
    });
    std::fs::rename(&saved, &file).unwrap();
    world.until_ready(&mut up, 3);
    assert!(up.text().contains("they start with the new ones"), "{}", up.text());
    up.stop();
}

#[test]
fn a_supervisor_that_is_asked_to_stop_while_a_process_stands_still_ends_and_says_so() {
    let world = World::new(45, 400, 1);
    world.settings(2, 1, "");
    let file = world.folder.file("cluster.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("[limits]", "[limits]\nshutdown = \"1s\"", 1)).unwrap();
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    up.signal(1, "STOP");
    let pid = up.child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(up.wait().code(), Some(1), "{}", up.text());
    assert!(up.text().contains("asked to end in order; the next start"), "{}", up.text());
}

#[test]
fn a_job_of_a_topic_and_of_files_is_ready_in_two_processes() {
    let world = World::new(46, 400, 1);
    world.settings(2, 1, "");
    let file = world.folder.file("visits.jsonl");
    std::fs::write(&file, "{\"who\": \"a\", \"t\": 1704067200}\n").unwrap();
    let shipped = include_str!("../../jobs/fraud.toml");
    let (sources, views) = shipped.split_at(shipped.find("[entities").unwrap());
    let job = format!(
        "{sources}[sources.visits]\nfiles = [{file:?}]\ntime = {{ field = \"t\", unit = \"s\" }}\n\
         out_of_orderness = \"1s\"\n[sources.visits.fields]\nwho = \"string\"\n{views}[entities.visitor]\n\
         keys = {{ visits = \"who\" }}\n[views.visits]\nentity = \"visitor\"\nsource = \"visits\"\n\
         [views.visits.features]\nn = {{ aggregate = \"count\", window = \"1m\" }}\n"
    );
    let job = job.replacen("topic = \"transactions\"", &format!("topic = {:?}", world.topic), 1);
    world.folder.write("job.toml", &job);
    let mut up = world.start_job(&world.folder.file("job.toml"), &[]);
    world.until_ready(&mut up, 2);
    up.stop();
}

#[test]
fn settings_that_make_no_cluster_are_refused_before_anything_starts() {
    let folder = Folder::new("cluster-settings");
    let refused = |text: &str, arguments: &[&str], what: &str| {
        folder.write("cluster.toml", text);
        let output = command().current_dir(folder.path()).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(what), "{said}");
    };
    let two = "[cluster]\nprocesses = \"127.0.0.1:1,127.0.0.1:2\"\n";
    refused(two, &["up", "fraud"], "need \"url\" in [state]");
    let hosts = "[cluster]\nprocesses = \"a:1,b:1\"\n[state]\nurl = \"state\"\n";
    refused(hosts, &["check", "fraud", "--cluster", "cluster.toml"], "\"insecure = true\"");
    let whole = format!("{two}[state]\nurl = \"state\"\n");
    refused(&whole, &["run", "fraud"], "`tidemark up` starts all of this host");
    refused(&whole, &["run", "fraud", "--process", "2"], "there is no process 2");
    assert!(!Path::new(&folder.file("state")).exists());
}

#[test]
fn cards_are_forgotten_whichever_process_is_asked_and_stay_so_when_one_is_killed() {
    let world = World::new(45, 12_000, 1);
    let mut expected = hashes(&run::expected(&world.log));
    world.settings(2, 1, "failures_max = 100\n");
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    until_stored(&world.redis, &expected);
    let ids: BTreeSet<String> = expected
        .keys()
        .filter_map(|key| key.strip_prefix("features:card:")?.split(':').next())
        .map(str::to_owned)
        .take(24)
        .collect();
    assert!(ids.len() > 4);
    let http =
        world.folder.write("ids.txt", ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    // Of some the other process is asked whose they are.
    let forget = command()
        .args(["forget", "card", "--http", &format!("127.0.0.1:{}", world.http + 1), "--ids"])
        .arg(http)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&forget.stdout) + String::from_utf8_lossy(&forget.stderr);
    assert_eq!(forget.status.code(), Some(0), "{said}\n{}", up.text());
    let of = |key: &str| {
        key.strip_prefix("features:card:").and_then(|key| key.split(':').next().map(str::to_owned))
    };
    expected.retain(|key, _| of(key).is_none_or(|id| !ids.contains(&id)));
    until_stored(&world.redis, &expected);
    let before = up.pids(0).len();
    up.signal(1, "KILL");
    up.until_again(0, before);
    world.until_ready(&mut up, 2);
    until_stored(&world.redis, &expected);
    for (at, id) in ids.iter().enumerate() {
        let (code, body) =
            world.get(at as u16 % 2, &format!("/features/transaction_stats_5m/{id}")).unwrap();
        assert_eq!(code, 404, "{body}");
    }
    up.stop();
}

#[test]
fn what_a_start_of_a_cluster_accepts_no_later_one_does_and_without_it_none_is_tried_again() {
    let world = World::new(46, 2_000, 2);
    world.settings(2, 1, "failures_max = 100\n");
    let topic = [("KAFKA_TOPIC", world.topic.as_str())];
    let start = |features: &str, more: &[&str]| {
        let path = world.folder.write("job.toml", job(features));
        world.start_with(&path.display().to_string(), more, &topic)
    };
    let mut up = start("", &[]);
    world.until_ready(&mut up, 2);
    up.stop();
    let starts = up.pids(0).len();
    let added = "countries = { aggregate = \"distinct\", of = \"country\", window = \"30d\" }\n";
    let mut up = start(added, &[]);
    assert_eq!(up.wait().code(), Some(2), "{}", up.text());
    assert!(up.text().contains("--start-empty card"), "{}", up.text());
    let mut up = start(added, &["--start-empty", "cards"]);
    assert_eq!(up.wait().code(), Some(2), "{}", up.text());
    assert!(up.text().contains("name one of: \"card\""), "{}", up.text());
    let mut up = start(added, &["--accept-changed-topic", "levels"]);
    assert_eq!(up.wait().code(), Some(2), "{}", up.text());
    assert_eq!(up.pids(0).len(), starts + 3, "each was tried once: {}", up.text());

    let mut up = start(added, &["--start-empty", "card"]);
    world.until_ready(&mut up, 2);
    assert!(up.arguments(0).contains("--start-empty=card"), "{}", up.arguments(0));
    world.write(1, 2);
    until("a checkpoint that says so", || {
        up.is_running();
        newest(world.folder.path()).is_some_and(|manifest| !manifest.lacking.is_empty())
    });
    let before = up.pids(0).len();
    up.signal(1, "KILL");
    up.until_again(0, before);
    world.until_ready(&mut up, 2);
    assert!(!up.arguments(0).contains("--start-empty"), "{}", up.arguments(0));
    up.stop();
}
