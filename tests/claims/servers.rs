//! Real servers, each started by its script and ended with the test, or with the process.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

/// A running server.
pub struct Server {
    script: String,
    values: BTreeMap<String, String>,
}

impl Server {
    /// Starts `scripts/<name> start <arguments>`. A server that does not start fails the test.
    pub fn start(name: &str, arguments: &[&str]) -> Server {
        let script = format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"));
        let until = std::process::id().to_string();
        let values = run(&script, &[&["start", "--until", &until], arguments].concat());
        Server { script, values }
    }

    /// A value that the script printed: `BOOTSTRAP`, `URL`, `DIR`..
    pub fn value(&self, name: &str) -> &str {
        &self.values[name]
    }

    /// Stops it, as a crash would when `hard`. Its data stay.
    pub fn stop(&self, hard: bool) {
        run(&self.script, &[&["stop", "--dir", self.value("DIR")], hard_flag(hard)].concat());
    }

    /// Starts it again, on the same port and data; stops it before if it runs.
    pub fn restart(&self, hard: bool) {
        run(&self.script, &[&["restart", "--dir", self.value("DIR")], hard_flag(hard)].concat());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop = ["stop", "--dir", self.value("DIR"), "--hard"];
        let _ = Command::new(&self.script).args(stop).status();
    }
}

fn hard_flag(hard: bool) -> &'static [&'static str] {
    if hard { &["--hard"] } else { &[] }
}

fn run(script: &str, arguments: &[&str]) -> BTreeMap<String, String> {
    let output = Command::new(script).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("could not run {script}: {error}"));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "`{script} {}` failed; run `scripts/setup` for what is missing here\n{err}{out}",
        arguments.join(" ")
    );
    let lines = out.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The Kafka broker that tests share which leave it running. It ends with the process.
pub fn shared_kafka() -> &'static Server {
    static KAFKA: OnceLock<Server> = OnceLock::new();
    KAFKA.get_or_init(|| Server::start("kafka", &[]))
}
