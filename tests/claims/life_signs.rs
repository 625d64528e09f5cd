//! Signs of life: what systemd and `tidemark up` hear of a process, and that one that stands still is
//! started again. One worker alone is made to stand still, by the means of a debugger.

use crate::folder::Folder;
use crate::redis_server::{Redis, free_port};
use crate::run::{self, Process, command, kafka, settings, until};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Stops the thread of the process until its own standard input ends, or the process does.
const HOLD: &str = "
import ctypes, os, select, sys
process = sys.argv[1]
for thread in os.listdir(f'/proc/{process}/task'):
    if open(f'/proc/{process}/task/{thread}/comm').read().startswith('timely:work'):
        break
else:
    sys.exit('it has no worker')
thread = int(thread)
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
SEIZE, INTERRUPT, ANY = 0x4206, 0x4207, 0x40000000
for request in (SEIZE, INTERRUPT):
    if ptrace(request, thread, None, None):
        sys.exit(os.strerror(ctypes.get_errno()))
print('held', flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    try:
        of, status = os.waitpid(thread, os.WNOHANG | ANY)
    except ChildProcessError:
        break
    if of and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
        break
";

/// A worker that stands still until this is dropped.
struct HeldWorker(Child);

impl HeldWorker {
    fn of(process: &str) -> HeldWorker {
        let mut child = Command::new("python3")
            .args(["-c", HOLD, process])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        HeldWorker(child)
    }
}

impl Drop for HeldWorker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A supervisor that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What systemd would hear.
struct Heard {
    socket: UnixDatagram,
    all: String,
}

impl Heard {
    fn at(path: &str) -> Heard {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Heard { socket, all: String::new() }
    }

    /// What was heard since this was asked last.
    fn lately(&mut self) -> String {
        let (mut buffer, before) = ([0; 256], self.all.len());
        while let Ok(count) = self.socket.recv(&mut buffer) {
            self.all += std::str::from_utf8(&buffer[..count]).unwrap();
        }
        self.all[before..].to_owned()
    }

    fn until(&mut self, sign: &str) {
        until(sign, || self.lately().contains(sign));
    }
}

/// A topic with something in it, and what a job of it is started with.
struct Place {
    folder: Folder,
    topic: String,
    redis: Redis,
    heard: Heard,
}

impl Place {
    fn new(topic: &str, more: &str) -> Place {
        let folder = Folder::new("signs");
        settings(folder.path(), &format!("[http]\nstall_after = \"2s\"\n{more}"));
        let mut generate = command();
        generate.args(["generate", "--topic", topic, "--events", "500", "--partitions", "2"]);
        generate.env("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers);
        assert!(generate.output().unwrap().status.success());
        let heard = Heard::at(&folder.file("signs"));
        Place { folder, topic: topic.to_owned(), redis: Redis::start(&[]), heard }
    }

    fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers),
            ("KAFKA_TOPIC", self.topic.clone()),
            ("REDIS_HOST", "127.0.0.1".to_owned()),
            ("REDIS_PORT", self.redis.port.to_string()),
            ("NOTIFY_SOCKET", self.folder.file("signs")),
        ]
    }
}

#[test]
fn a_process_gives_signs_of_life_until_a_worker_stands_still_and_everybody_names_the_worker() {
    let mut place = Place::new("signs-of-life", "");
    let variables = place.variables();
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut job = Process::start(place.folder.path(), "fraud", &variables);
    place.heard.until("READY=1");
    job.until_ready();
    place.heard.until("WATCHDOG=1");
    let held = HeldWorker::of(&job.id().to_string());
    until("the process to be stalled", || job.get("/health").is_some_and(|(code, _)| code == 503));
    let overview: Value = serde_json::from_str(&job.get("/overview").unwrap().1).unwrap();
    let sentence = overview["condition"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("Worker 0 stands still"), "{sentence}");
    let url = format!("http://127.0.0.1:{}", job.port());
    let top = command().args(["top", "--once", &url]).output().unwrap();
    let top = String::from_utf8(top.stdout).unwrap();
    assert!(top.contains("Worker 0 stands still"), "{top}");
    let health = command().args(["health", "--address", &url[7..]]).output().unwrap();
    assert_eq!(health.status.code(), Some(3), "{health:?}");
    // A sign that was on its way has come.
    std::thread::sleep(Duration::from_secs(1));
    place.heard.lately();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(place.heard.lately(), "", "it gives signs of life while a worker stands still");
    drop(held);
    place.heard.until("WATCHDOG=1");
    until("the process to be well", || job.get("/health").is_some_and(|(code, _)| code == 200));
    job.stop("TERM");
    place.heard.until("STOPPING=1");
}

#[test]
fn a_process_whose_worker_stands_still_is_started_again_by_its_supervisor_which_lives_all_the_while()
 {
    let port = free_port();
    let mut place = Place::new("signs-of-a-child", "");
    let path = place.folder.path().join("cluster.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[http]", &format!("[http]\nport = {port}"))).unwrap();
    let log = place.folder.path().join("log");
    let up = command()
        .args(["up", "fraud", "--cluster"])
        .arg(&path)
        .envs(place.variables())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut up = Started(up);
    let said = || std::fs::read_to_string(&log).unwrap();
    let started = || -> Vec<String> {
        let text = said();
        let lines = text.lines().filter_map(|line| line.split_once("started process=0 pid="));
        lines.map(|(_, pid)| pid.trim().to_owned()).collect()
    };
    let is_ready = || run::get(port, "/ready").is_some_and(|(code, _)| code == 200);
    until("the job to be ready", is_ready);
    let held = HeldWorker::of(&started()[0]);
    until("the process to be started again", || started().len() == 2);
    assert!(said().contains("no sign of life"), "{}", said());
    until("the job to be ready again", is_ready);
    drop(held);
    place.heard.lately();
    place.heard.until("WATCHDOG=1");
    let pid = up.0.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let mut ended = None;
    until("the supervisor to end", || {
        ended = up.0.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0), "{}", said());
    place.heard.lately();
    // Of its processes nobody else hears.
    assert_eq!(place.heard.all.matches("READY=1").count(), 1, "{}", place.heard.all);
    assert_eq!(place.heard.all.matches("STOPPING=1").count(), 1, "{}", place.heard.all);
}
