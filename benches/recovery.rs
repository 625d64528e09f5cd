//! What does a run pay for its checkpoints, and what does it cost to go on from one? Workload W1 of the
//! job file beside this one, read from a file by `tidemark run` with two workers.
//!
//! `cargo bench --bench recovery [-- QUESTION..]` with QUESTION of: cost held. Every figure is CPU time
//! (user + system) of a process of its own:
//! - `cost`: runs with and without `[state]`, in turn, once with sealed rows counted as the run's own
//!   work and once without any; each the median of [`ROUNDS`]. A run with fewer than [`CUTS_MIN`]
//!   checkpoints does not count;
//! - `held`: starts that find everything read, with [`HELD`] rows in the longest window.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/machine.rs"]
mod machine;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tidemark::generator::{Options, Profile, write_files};

const EVENTS: u64 = 4_000_000;
const CARDS: u32 = 100_000;
const ROUNDS: usize = 3;
/// Between two checkpoints: short, so that there are enough of them in a run of seconds.
const INTERVAL: &str = "300ms";
const CUTS_MIN: u64 = 10;
/// CPU with checkpoints / without: of a run with sealed rows, and of one that has to keep what it
/// would have sealed.
const COST_MAX: f64 = 1.05;
const SEAL_COST_MAX: f64 = 1.10 * COST_MAX;
/// Rows that a checkpoint holds when a job goes on from it.
const HELD: [u64; 2] = [2_000_000, 20_000_000];
const RESTORE_S_MAX: f64 = 0.6;
/// Ticks of `/proc` a second.
const TICKS: f64 = 100.0;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let ask = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    println!("machine: {}", machine::machine());
    if ask("cost") {
        let folder = Scratch::new();
        folder.events(EVENTS);
        cost(&folder, "with sealed rows", "[sealed]\npath = \"sealed.jsonl\"\n", COST_MAX);
        cost(&folder, "without sealed rows", "", SEAL_COST_MAX);
    }
    if ask("held") {
        HELD.into_iter().for_each(held);
    }
}

/// A folder of inputs and outputs, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!("tidemark-recovery-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/w1.toml");
        let job = std::fs::read_to_string(job).unwrap();
        let on_a_file = job.replace("topic = \"transactions\"", "files = [\"events.jsonl\"]");
        assert_ne!(job, on_a_file);
        std::fs::write(path.join("w1.toml"), on_a_file).unwrap();
        Scratch(path)
    }

    /// Events of one day, so that the longest window holds all of them.
    fn events(&self, events: u64) {
        let profile = Profile::W1;
        let options =
            Options { profile, events, seed: 7, cards: CARDS, hours: 23, ..Options::default() };
        write_files(&options, &self.0.join("events.jsonl"), &mut |_| {}).unwrap();
    }

    fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.0.join("state"));
        let _ = std::fs::remove_file(self.0.join("sealed.jsonl"));
        let _ = std::fs::remove_file(self.0.join("dead.jsonl"));
    }

    /// CPU seconds of a run to the end of the file.
    fn run(&self, settings: &str) -> f64 {
        let cluster = format!(
            "[online]\nkind = \"embedded\"\n[http]\nport = 0\n[dead_letters]\npath = \"dead.jsonl\"\n{settings}"
        );
        std::fs::write(self.0.join("cluster.toml"), cluster).unwrap();
        let before = cpu_of_children();
        let log = self.0.join("log");
        let status = Command::new(env!("CARGO_BIN_EXE_tidemark"))
            .args(["run", "w1.toml", "--cluster", "cluster.toml", "--workers", "2"])
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{}", std::fs::read_to_string(log).unwrap());
        cpu_of_children() - before
    }

    /// How many manifests the state has had.
    fn manifests(&self) -> u64 {
        let listed = std::fs::read_dir(self.0.join("state/manifests")).unwrap();
        let number = |name: std::ffi::OsString| name.to_str()?.parse().ok();
        listed.filter_map(|entry| number(entry.unwrap().file_name())).max().unwrap_or(0)
    }

    /// Bytes of the objects in a folder of the state.
    fn bytes(&self, folder: &str) -> u64 {
        let Ok(listed) = std::fs::read_dir(self.0.join("state").join(folder)) else { return 0 };
        listed.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn state(interval: &str) -> String {
    format!("[state]\nurl = \"state\"\ncheckpoint_interval = \"{interval}\"\n")
}

fn cost(folder: &Scratch, what: &str, settings: &str, bar: f64) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        folder.forget();
        without.push(folder.run(settings));
        folder.forget();
        with.push(folder.run(&format!("{settings}{}", state(INTERVAL))));
        let cuts = folder.manifests();
        assert!(cuts >= CUTS_MIN, "{cuts} checkpoints are too few to say what one costs");
    }
    let (without, with) = (median(without), median(with));
    let ns = |seconds: f64| seconds * 1e9 / EVENTS as f64;
    println!(
        "{what}: {:.0} ns CPU an event with checkpoints, {:.0} without; {:.3} times (bar {bar:.3})",
        ns(with),
        ns(without),
        with / without
    );
    let segments = folder.bytes("segments");
    println!(
        "  the last run: {} manifests, {:.1} B of segments an event, {:.1} MB of states",
        folder.manifests(),
        segments as f64 / EVENTS as f64,
        folder.bytes("states") as f64 / 1e6
    );
}

/// Starts twice on a state that holds all rows: from segments alone, and nothing is left to be read.
fn held(rows: u64) {
    let folder = Scratch::new();
    folder.events(rows);
    let settings = state("1s");
    folder.run(&settings);
    let all = |_| {
        let (began, cpu) = (Instant::now(), folder.run(&settings));
        (cpu, began.elapsed())
    };
    let runs: Vec<(f64, Duration)> = (0..ROUNDS).map(all).collect();
    let wall = runs.iter().map(|run| run.1).min().unwrap_or_default();
    let cpu = median(runs.iter().map(|run| run.0).collect());
    let million = cpu * 1e6 / rows as f64;
    println!(
        "a start with {rows} rows held: {cpu:.2} CPU s, {million:.2} a million rows (bar {RESTORE_S_MAX}), {:.1} s at best; {:.0} MB of state",
        wall.as_secs_f64(),
        (folder.bytes("segments") + folder.bytes("states")) as f64 / 1e6
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// CPU seconds of all processes that were started here and have ended.
fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    // User and system time of children that were waited for.
    let ticks = behind_name.split_whitespace().skip(13).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}
