//! What do events cost that leave memory? A job with short windows and one of a day, replayed from a file with
//! one worker: once with all events in memory, once with those older than ten minutes on disk.
//!
//! `cargo bench --bench cold [-- EVENTS]`. Figures are of processes of their own, in turn: the most memory
//! that was resident, and CPU time (user + system, of the thread that writes and reads, too). The rows of
//! both are counted, and none is written.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/machine.rs"]
mod machine;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tidemark::generator::{Options, Profile, write_files};

const EVENTS: u64 = 20_000_000;
const CARDS: u32 = 100_000;
/// Longer than the longest window, so that a third of the events leave it.
const HOURS: u32 = 36;
const ROUNDS: usize = 3;
const HOT_WINDOW: &str = "10m";
/// Memory with and without.
const MEMORY_MAX: f64 = 1.0 / 3.0;
/// CPU with and without.
const CPU_MAX: f64 = 1.1;
/// Ticks of `/proc` a second.
const TICKS: f64 = 100.0;

/// The windows of W1, but that over a day only sums are kept: the events themselves are most of the memory.
const JOB: &str = r#"
[job]
name = "cold"
[sources.transactions]
topic = "transactions"
time = { field = "timestamp", unit = "ms" }
out_of_orderness = "5s"
[sources.transactions.fields]
card_id = "string"
amount = "decimal"
country = "string?"
ip_address = "ip?"
status = "string?"
[entities.card]
key = "card_id"
[views.card_activity]
entity = "card"
[views.card_activity.features]
txn_count_60s = { aggregate = "count", window = "60s" }
txn_count_5m = { aggregate = "count", window = "5m" }
amount_sum_5m = { aggregate = "sum", of = "amount", window = "5m" }
unique_countries_5m = { aggregate = "distinct", of = "country", window = "5m" }
declined_60s = { aggregate = "count", where = 'status = "declined"', window = "60s" }
unique_ips_60s = { aggregate = "distinct", of = "ip_address", window = "60s" }
txn_count_24h = { aggregate = "count", window = "24h" }
amount_sum_24h = { aggregate = "sum", of = "amount", window = "24h" }
"#;

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let events: u64 = asked.unwrap_or(EVENTS);
    println!("machine: {}", machine::machine());
    let folder = std::env::temp_dir().join(format!("tidemark-cold-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("job.toml"), JOB).unwrap();
    let profile = Profile::W1;
    let options =
        Options { profile, events, seed: 7, cards: CARDS, hours: HOURS, ..Options::default() };
    write_files(&options, &folder.join("events.jsonl"), &mut |_| {}).unwrap();
    let (mut hot, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hot.push(replay(&folder, &[]));
        cold.push(replay(&folder, &["--hot-window", HOT_WINDOW, "--cold", "away"]));
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let median = |runs: &[Cost], of: fn(&Cost) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    for (what, of, unit, bar) in [
        ("memory", (|cost| cost.memory_mb) as fn(&Cost) -> f64, "MB", MEMORY_MAX),
        ("CPU", |cost| cost.cpu_s, "s", CPU_MAX),
    ] {
        let (hot, cold) = (median(&hot, of), median(&cold, of));
        println!(
            "{what} of {events} events: {hot:.1} {unit} with all in memory, {cold:.1} {unit} with a hot window of \
             {HOT_WINDOW}; {:.3} times (bar {bar:.3})",
            cold / hot
        );
    }
}

/// What a process took.
struct Cost {
    memory_mb: f64,
    cpu_s: f64,
}

fn replay(folder: &Path, more: &[&str]) -> Cost {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(["replay", "job.toml", "--source", "transactions=events.jsonl"])
        .args(more)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let of = PathBuf::from(format!("/proc/{}", child.id()));
    let mut cost = Cost { memory_mb: 0.0, cpu_s: 0.0 };
    // A process that has ended and was not waited for still says what it took of the processors.
    loop {
        let stat = std::fs::read_to_string(of.join("stat")).unwrap();
        let behind_name: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = behind_name[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap());
        cost.cpu_s = ticks.sum::<f64>() / TICKS;
        let status = std::fs::read_to_string(of.join("status")).unwrap();
        if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            let kib = peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap();
            cost.memory_mb = kib * 1_024.0 / 1e6;
        }
        if behind_name[0] == "Z" {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    cost
}
