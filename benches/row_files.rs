//! What sealed rows in files cost: `tidemark replay` that writes them as Parquet, and as lines of JSON, against
//! one that computes and counts them, over the same events of workload W1 (rows of 18 columns).
//!
//! `cargo bench --bench row_files`. CPU time (user + system) and peak memory are those that the commands say
//! of themselves; each figure is the median of [`ROUNDS`] runs taken in turn. The bars are the project's own:
//! 1.5 M rows a CPU second, 70 bytes a row.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/commands.rs"]
mod commands;
#[path = "measure/machine.rs"]
mod machine;

use commands::{costs, run};
use std::path::Path;

const ROUNDS: usize = 5;
const EVENTS: u32 = 1_000_000;

fn main() {
    println!("machine: {}", machine::machine());
    let folder = std::env::temp_dir().join(format!("tidemark-rows-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    run(&folder, &format!("generate --events {EVENTS} --seed 5 --cards 100000 --out tx.jsonl"));
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/w1.toml");
    std::fs::copy(job, folder.join("w1.toml")).unwrap();
    let replay = "replay w1.toml --source transactions=tx.jsonl";
    let forms = [("Parquet", "rows.parquet"), ("lines of JSON", "rows.jsonl")];
    let mut lines = vec![replay.to_owned()];
    lines.extend(forms.map(|(_, file)| format!("{replay} --sealed {file}")));
    let costs = costs(&folder, &lines, ROUNDS);
    let counted = costs[0].cpu_s;
    println!("counted: {counted:.2} CPU s, {} MB", costs[0].bytes / 1_000_000);
    for ((name, file), cost) in forms.iter().zip(&costs[1..]) {
        let bytes = std::fs::metadata(folder.join(file)).unwrap().len();
        let rows = f64::from(EVENTS);
        println!(
            "{name}: {:.2} CPU s, {:.2} M rows a CPU second more, {:.0} B a row, {} MB",
            cost.cpu_s,
            rows / 1e6 / (cost.cpu_s - counted),
            bytes as f64 / rows,
            cost.bytes / 1_000_000
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
