//! Real servers, each started by its script and ended with the bench, however that ends.

use std::collections::BTreeMap;
use std::process::Command;

/// A running server.
pub struct Server {
    script: String,
    values: BTreeMap<String, String>,
}

impl Server {
    /// `scripts/<name> start`.
    pub fn start(name: &str) -> Server {
        let script = format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"));
        let until = std::process::id().to_string();
        let output = Command::new(&script).args(["start", "--until", &until]).output();
        let output = output.unwrap_or_else(|error| panic!("could not run {script}: {error}"));
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "`{script} start` failed; run `scripts/setup` for what is missing here\n{}{out}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = out.lines().filter_map(|line| line.split_once('='));
        let values = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Server { script, values }
    }

    /// A value that the script printed: `BOOTSTRAP`, `URL`, `PID`..
    pub fn value(&self, name: &str) -> &str {
        &self.values[name]
    }

    /// User and system CPU time so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.value("PID"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop = ["stop", "--dir", self.value("DIR"), "--hard"];
        let _ = Command::new(&self.script).args(stop).status();
    }
}

/// What the process `pid` has used, in seconds; 0 when there is none.
pub fn cpu_seconds(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command name, in parentheses, may hold spaces; user and system time are fields 14 and 15,
    // in hundredths of a second (the unit Linux uses towards programs, whatever its own tick).
    let after_name = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
