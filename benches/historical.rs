//! What a training set costs beside a replay of the same events: `tidemark historical` with a spine of
//! random cards and times, against `tidemark replay` without sealed rows, over the same file; and what an
//! example costs, against a spine of one.
//!
//! `cargo bench --bench historical`. CPU time (user + system) and peak memory are those that the commands
//! say of themselves; each figure is the median of [`ROUNDS`] runs taken in turn. The bars are the
//! project's own: 1.4 times the CPU, 150 MB, and 2 us an example.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/machine.rs"]
mod machine;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROUNDS: usize = 5;
const EVENTS: u64 = 1_000_000;
const EXAMPLES: u64 = 100_000;
const CARDS: u64 = 100_000;
/// Of that the features of cards are asked.
const FEATURES: &str = "transaction_stats_5m";

/// What a command said that it cost: CPU seconds and bytes.
#[derive(Clone, Copy)]
struct Cost {
    cpu_s: f64,
    bytes: u64,
}

fn main() {
    println!("machine: {}", machine::machine());
    let folder = std::env::temp_dir().join(format!("tidemark-historical-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let generate = format!("generate --events {EVENTS} --seed 5 --cards {CARDS} --out tx.jsonl");
    run(&folder, &generate);
    std::fs::write(folder.join("spine.csv"), spine(EXAMPLES)).unwrap();
    std::fs::write(folder.join("one.csv"), spine(1)).unwrap();
    let source = "fraud --source transactions=tx.jsonl";
    let replay = format!("replay {source}");
    let historical = |spine: &str, out: &str| {
        format!("historical {source} --entities {spine}.csv --features {FEATURES} --out {out}")
    };
    let many = ["out.csv", "out.parquet"].map(|out| historical("spine", out));
    let lines = [&[replay, historical("one", "out.csv")][..], &many].concat();
    let mut costs = vec![Vec::new(); lines.len()];
    for _ in 0..ROUNDS {
        for (line, costs) in lines.iter().zip(&mut costs) {
            costs.push(cost(&run(&folder, line)));
        }
    }
    let costs: Vec<Cost> = costs.into_iter().map(median).collect();
    let (base, one) = (costs[0], costs[1]);
    println!("{EVENTS} events, {EXAMPLES} examples of {CARDS} cards, features of {FEATURES}");
    let names =
        ["replay", "historical of one example", "historical to CSV", "historical to Parquet"];
    for (name, cost) in names.iter().zip(costs) {
        let each = (cost.cpu_s - one.cpu_s).max(0.0) * 1e6 / EXAMPLES as f64;
        println!(
            "{name}: {:.2} CPU s, {:.2} of replay, {each:.2} us an example, {} MB",
            cost.cpu_s,
            cost.cpu_s / base.cpu_s,
            cost.bytes / 1_000_000
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Cards and times that nobody has chosen.
fn spine(examples: u64) -> String {
    let mut rng = SmallRng::seed_from_u64(17);
    let mut spine = "card_id,event_timestamp,label\n".to_owned();
    // The generator's events are of two days from 2026-01-04 on.
    let from = 1_767_484_800_000_u64;
    for _ in 0..examples {
        let (card, at) = (rng.random_range(0..CARDS), from + rng.random_range(0..172_800_000));
        let _ = writeln!(spine, "card_{card:07},{at},{}", card % 2);
    }
    spine
}

fn run(folder: &PathBuf, line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_tidemark"));
    let ended = Command::new(program).args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn cost(said: &str) -> Cost {
    let said: Value = serde_json::from_str(said).unwrap();
    Cost { cpu_s: said["cpu_s"].as_f64().unwrap(), bytes: said["peak_rss_bytes"].as_u64().unwrap() }
}

fn median(mut costs: Vec<Cost>) -> Cost {
    let middle = costs.len() / 2;
    costs.sort_by(|one, other| one.cpu_s.total_cmp(&other.cpu_s));
    let cpu_s = costs[middle].cpu_s;
    costs.sort_by_key(|cost| cost.bytes);
    Cost { cpu_s, bytes: costs[middle].bytes }
}
