//! `tidemark run` as a process, and what it says about itself.

use crate::servers::{Server, cpu_seconds};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a stop may take.
const STOP_MAX: Duration = Duration::from_secs(30);

/// A running job. Killed when dropped.
pub struct Job {
    child: Child,
    port: u16,
    /// Where its `cluster.toml` is.
    pub folder: PathBuf,
}

impl Job {
    /// Runs the job file `file` on `topic`; `publish`: when rows are first written.
    pub fn start(file: &str, publish: &str, kafka: &Server, redis: &Server, topic: &str) -> Job {
        Job::with(file, &format!("[online]\npublish = {publish:?}\n"), kafka, redis, topic)
    }

    /// The same with `settings`, which are lines of `cluster.toml`.
    pub fn with(file: &str, settings: &str, kafka: &Server, redis: &Server, topic: &str) -> Job {
        let folder = std::env::temp_dir().join(format!("tidemark-{topic}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let dead = folder.join("dead.jsonl").display().to_string();
        let cluster = folder.join("cluster.toml");
        let text = format!("{settings}[dead_letters]\npath = {dead:?}\n");
        std::fs::write(&cluster, text).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        for (name, _) in tidemark::config::VARIABLES {
            command.env_remove(name);
        }
        let job = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        command.arg("run").arg(job).arg("--cluster").arg(cluster);
        command.env("HEALTH_CHECK_PORT", port.to_string()).env("KAFKA_TOPIC", topic);
        command.env("KAFKA_BOOTSTRAP_SERVERS", kafka.value("BOOTSTRAP"));
        command.env("REDIS_URL", redis.value("URL"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Job { child: command.spawn().unwrap(), port, folder }
    }

    /// Its metrics; empty while it does not answer yet.
    pub fn scrape(&mut self) -> Scrape {
        if let Some(status) = self.child.try_wait().unwrap() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            panic!("the job ended with {status}\n{log}");
        }
        Scrape(self.get("/metrics").unwrap_or_default())
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(STOP_MAX)).ok()?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    /// User and system CPU time so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.pid().to_string())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and sees that it ends well.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        while began.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "the job ended with {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the job did not stop within {STOP_MAX:?}");
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What `/metrics` said.
pub struct Scrape(pub String);

impl Scrape {
    /// The sum of the samples of `name` that have all of `labels` (`name="value"`).
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.samples(name, labels).map(|(_, value)| value).sum()
    }

    /// Records judged so far.
    pub fn read(&self) -> f64 {
        self.sum("stream_events_processed_total", &[])
    }

    /// Rows that Redis does not have yet.
    pub fn pending(&self) -> f64 {
        self.sum("tidemark_online_rows_pending", &[])
    }

    fn samples<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        self.0.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let held = series.strip_prefix(name)?;
            let whole = held.is_empty() || held.starts_with('{');
            let labelled = labels.iter().all(|label| held.contains(label));
            (whole && labelled).then_some(())?;
            Some((held, value.parse().ok()?))
        })
    }

    /// The upper bound in seconds of the bucket in which a share of what was observed since
    /// `earlier` lies.
    pub fn quantile(&self, earlier: &Scrape, name: &str, label: &str, share: f64) -> Option<f64> {
        let buckets = format!("{name}_bucket");
        let labels = [label];
        let mut counts: Vec<(f64, f64)> = Vec::new();
        for (held, count) in self.samples(&buckets, &labels) {
            let bound = held.split("le=\"").nth(1)?.split('"').next()?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            let before = earlier.samples(&buckets, &labels).find(|(then, _)| *then == held);
            counts.push((bound, count - before.map_or(0.0, |(_, count)| count)));
        }
        counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total = counts.last()?.1;
        counts.iter().find(|(_, count)| total > 0.0 && *count >= total * share).map(|(le, _)| *le)
    }
}
