//! The servers that are compared: the job's own, `tidemark serve` and `feast serve`.

use crate::cpu;
use crate::job::Job;
use crate::load::{self, Client, Load};
use crate::servers::Server;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(120);

/// A free port.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that is asked.
pub struct FeatureServer {
    pub port: u16,
    pid: u32,
    /// The thread that answers, where the process does other things too.
    thread: Option<&'static str>,
    /// What is ended with it.
    child: Option<Child>,
}

/// What questions cost it.
pub struct Cost {
    pub load: Load,
    /// CPU of the server for a request, in us.
    pub cpu: f64,
}

impl FeatureServer {
    /// Of a running job, from its memory.
    pub fn of_job(job: &Job, port: u16) -> FeatureServer {
        FeatureServer { port, pid: job.pid(), thread: Some("serve"), child: None }
    }

    /// `tidemark serve`, from Redis.
    pub fn from_redis(file: &str, job: &Job, redis: &Server) -> FeatureServer {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        command.arg("serve").arg(file).arg("--port").arg(port.to_string());
        command.arg("--cluster").arg(job.folder.join("cluster.toml"));
        command.env("REDIS_URL", redis.value("URL"));
        FeatureServer::started(command, port)
    }

    /// `feast serve` on the same Redis, from a repository written for it.
    pub fn feast(file: &str, job: &Job, redis: &Server) -> FeatureServer {
        let repo = job.folder.join("repo");
        let mut written = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        written.arg("feast").arg(file).arg(&repo);
        written.arg("--cluster").arg(job.folder.join("cluster.toml"));
        written.env("REDIS_URL", redis.value("URL")).stdout(Stdio::null());
        assert!(written.status().unwrap().success());
        let stock = |arguments: &[&str]| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/feast");
            let mut command = Command::new(script);
            command.arg("run").args(arguments).current_dir(&repo).stderr(Stdio::null());
            command.stdout(Stdio::null()).env("FEAST_USAGE", "False");
            command
        };
        assert!(stock(&["apply"]).status().unwrap().success(), "feast apply failed");
        let port = free_port();
        // It would start its only worker again every thousand questions.
        let port_text = port.to_string();
        let words = ["serve", "--port", &port_text, "--no-access-log", "--max-requests", "0"];
        FeatureServer::started(stock(&words), port)
    }

    fn started(mut command: Command, port: u16) -> FeatureServer {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < START_MAX, "nothing listens on port {port}");
            std::thread::sleep(Duration::from_millis(50));
        }
        FeatureServer { port, pid: child.id(), thread: None, child: Some(child) }
    }

    /// Waits until a question is answered with values that are there.
    pub fn until_present(&self, request: &[u8]) {
        let began = Instant::now();
        loop {
            let mut client = Client::open(self.port);
            let text = String::from_utf8_lossy(client.ask(request)).into_owned();
            if text.contains("PRESENT") && !text.contains("OUTSIDE_MAX_AGE") {
                return;
            }
            assert!(began.elapsed() < START_MAX, "{text}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it costs to answer `requests` for so long.
    pub fn cost(&self, requests: &[Vec<u8>], clients: usize, length: Duration) -> Cost {
        let before = self.cpu();
        let load = load::ask(self.port, requests, clients, length);
        Cost { cpu: (self.cpu() - before) / load.count(), load }
    }

    fn cpu(&self) -> f64 {
        match self.thread {
            Some(name) => cpu::of_thread(self.pid, name),
            None => cpu::of_tree(self.pid),
        }
    }
}

impl Drop for FeatureServer {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // Feast's workers end when it is asked to; killed, it would leave them.
        let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
        let _ = child.wait();
    }
}
