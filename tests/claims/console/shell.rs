//! One shell that runs the commands of a page.

use crate::folder::Folder;
use crate::redis_server::free_ports;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command as Process, Stdio};

/// How long all commands of a page may take. Only a hang reaches it.
const SECONDS_MAX: &str = "300";

/// Begins the line after which a command's output stands, and that after which its exit code does.
const BEGIN: &str = "@@@ begin";
const END: &str = "@@@ end";

/// What of the repository the commands find in their folder.
const FOUND: [&str; 3] = ["scripts", "jobs", "cluster.toml"];

/// A command of a page.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its line in the page.
    pub line: usize,
    pub text: String,
    /// What the page says that it prints.
    pub printed: Vec<String>,
}

impl Command {
    pub fn new(line: usize, text: &str) -> Command {
        Command { line, text: text.to_owned(), printed: Vec::new() }
    }

    /// The check of a job that a page shows.
    pub fn check(line: usize, file: &str) -> Command {
        let text = format!("tidemark check {file}");
        Command { line, text, printed: vec!["...".to_owned()] }
    }
}

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub printed: String,
    pub succeeded: bool,
}

/// A port in pages, and the free one that stands for it.
struct Port {
    shown: &'static str,
    used: String,
}

/// What a page may name: of Kafka, Redis and PostgreSQL, of the processes of a cluster, of their HTTP, which stand one
/// after the other, and of the feature server.
const SHOWN: [&str; 12] = [
    "9092", "6379", "5432", "7101", "7102", "7103", "7104", "8088", "8089", "8090", "8091", "6566",
];

/// A shell, and what it is to do.
pub struct Shell {
    folder: Folder,
    ports: Vec<Port>,
    script: String,
}

impl Shell {
    pub fn new() -> Shell {
        let folder = Folder::new("console");
        for name in FOUND {
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            symlink(there, folder.path().join(name)).unwrap();
        }
        let port = |(shown, used): (&'static str, u16)| Port { shown, used: used.to_string() };
        let ports: Vec<Port> = SHOWN
            .into_iter()
            .zip(free_ports(u16::try_from(SHOWN.len()).unwrap())..)
            .map(port)
            .collect();
        let used = |shown: &str| &ports.iter().find(|port| port.shown == shown).unwrap().used;
        let (kafka, redis, http) = (used("9092"), used("6379"), used("8088"));
        let script = format!(
            "export KAFKA_BOOTSTRAP_SERVERS=localhost:{} REDIS_URL=redis://localhost:{}\n\
             export HEALTH_CHECK_PORT={}\n\
             redis-cli() {{ command redis-cli -p {} \"$@\"; }}\n\
             trap 'for job in $(jobs -p); do kill -9 $job; done 2>/dev/null' EXIT\n",
            kafka, redis, http, redis
        );
        Shell { folder, ports, script }
    }

    /// The command as it is run: with free ports, folders of this page alone, and servers that end
    /// with it.
    fn adapted(&self, text: &str) -> String {
        let mut text = text.replace("/tmp/", &self.folder.file(""));
        for Port { shown, used } in &self.ports {
            for before in [":", "--port ", "--serve "] {
                text = text.replace(&format!("{before}{shown}"), &format!("{before}{used}"));
            }
        }
        for server in ["kafka", "redis", "postgres"] {
            let start = format!("scripts/{server} start");
            text = text.replace(&start, &format!("{start} --until $$"));
        }
        text
    }

    /// What was printed, as the page would show it.
    fn shown(&self, text: &str) -> String {
        let mut text = text.replace(&self.folder.file(""), "/tmp/");
        for Port { shown, used } in &self.ports {
            text = text.replace(&format!(":{used}"), &format!(":{shown}"));
        }
        text
    }

    /// Adds a command.
    pub fn run(&mut self, command: &Command) {
        let text = self.adapted(&command.text);
        let _ = write!(self.script, "echo '{BEGIN}'\n{text}\nprintf '\\n{END} %s\\n' $?\n");
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, text: &str) {
        let text = self.adapted(text);
        let _ = write!(self.script, "cat >{name} <<'@@@'\n{text}@@@\n");
    }

    /// Runs all of it.
    pub fn outcomes(self) -> Vec<Outcome> {
        self.folder.write("page.sh", format!("exec 2>&1\n{}", self.script));
        let program = Path::new(env!("CARGO_BIN_EXE_tidemark")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        // The home is the page's own, but what servers are fetched into is everybody's.
        let cache = std::env::var("XDG_CACHE_HOME")
            .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap_or_default()));
        let output = Process::new("timeout")
            .args(["-k", "5", SECONDS_MAX, "bash", "page.sh"])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", program.display()))
            .env("LC_ALL", "C.UTF-8")
            .env("XDG_CACHE_HOME", cache)
            .env("HOME", self.folder.path())
            .env_remove("LOG_LEVEL")
            .env_remove("PARALLELISM")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = self.shown(&String::from_utf8(output.stdout).unwrap());
        let begin = format!("{BEGIN}\n");
        let pieces = text.split(&begin).skip(1);
        let outcome = |piece: &str| {
            let (printed, code) = piece.split_once(&format!("\n{END} "))?;
            Some(Outcome { printed: printed.to_owned(), succeeded: code.trim() == "0" })
        };
        pieces.map_while(outcome).collect()
    }
}
