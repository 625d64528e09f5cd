//! What a training set costs beside a replay of the same events: `tidemark historical` with a spine of
//! random cards and times, against `tidemark replay` without sealed rows, over the same file; and what an
//! example costs, against a spine of one.
//!
//! `cargo bench --bench historical`. CPU time (user + system) and peak memory are those that the commands
//! say of themselves; each figure is the median of [`ROUNDS`] runs taken in turn. The bars are the
//! project's own: 1.4 times the CPU, 150 MB, and 2 us an example.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/commands.rs"]
mod commands;
#[path = "measure/machine.rs"]
mod machine;

use commands::{costs, run};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;

const ROUNDS: usize = 5;
const EVENTS: u64 = 1_000_000;
const EXAMPLES: u64 = 100_000;
const CARDS: u64 = 100_000;
/// Of that the features of cards are asked.
const FEATURES: &str = "transaction_stats_5m";

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
    let costs = costs(&folder, &lines, ROUNDS);
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
