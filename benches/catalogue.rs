//! What the shipped jobs cost, against the two card views of `fraud` alone (`fraud_card.toml`).
//!
//! `cargo bench --bench catalogue [-- QUESTION..]` with QUESTION of: behavior personalization
//! expressions. Every figure is CPU time of `tidemark replay` (user + system) per event, each run in
//! a process of its own; it is the median of [`ROUNDS`] runs taken in turn with those of the
//! reference, and given as a ratio to it. The bars are the project's own.
//!
//! Rows are counted, which computes everything but the expressions of a row, or written as text with
//! `--sealed`, which computes these too; the cost of expressions is that of the written rows.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/machine.rs"]
mod machine;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs of each.
const ROUNDS: usize = 5;
const EVENTS: u64 = 1_000_000;

/// A job over a file of its only source.
struct Run {
    job: PathBuf,
    source: &'static str,
    file: PathBuf,
}

/// What becomes of the rows.
#[derive(Clone, Copy)]
enum Rows {
    Counted,
    Written,
}

/// The inputs, made once under the temporary folder and removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let ask = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let folder = std::env::temp_dir().join(format!("tidemark-catalogue-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let folder = Folder(folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("machine: {}", machine::machine());
    let transactions = generate(&folder, "fraud");
    let fraud = |job: PathBuf| Run { job, source: "transactions", file: transactions.clone() };
    let card = fraud(root.join("benches/fraud_card.toml"));
    for (name, source, bar) in
        [("behavior", "behavior_events", 3.0), ("personalization", "clicks", 1.5)]
    {
        if ask(name) {
            let job = root.join(format!("jobs/{name}.toml"));
            let run = Run { job, source, file: generate(&folder, name) };
            compare(Rows::Counted, name, &run, "fraud's two card views", &card, bar);
            compare(Rows::Written, name, &run, "fraud's two card views", &card, bar);
        }
    }
    if ask("expressions") {
        let whole = fraud(root.join("jobs/fraud.toml"));
        let without = folder.0.join("without.toml");
        std::fs::write(&without, without_expressions(&whole.job)).unwrap();
        let without = fraud(without);
        compare(Rows::Written, "fraud", &whole, "fraud without its expressions", &without, 1.15);
    }
}

fn generate(folder: &Folder, profile: &str) -> PathBuf {
    let file = folder.0.join(format!("{profile}.jsonl"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.args(["generate", "--profile", profile, "--seed=7"]);
    command.arg(format!("--events={EVENTS}")).arg("--out").arg(&file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

/// The job with what its expressions read in the place of the expressions.
fn without_expressions(job: &Path) -> String {
    let text = std::fs::read_to_string(job).unwrap();
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside = match line {
            _ if line.ends_with("velocity_score]") || line.ends_with("is_high_velocity]") => true,
            _ if line.starts_with('[') || line.starts_with('#') => false,
            _ => inside,
        };
        let line = match line.split(" =").next() {
            _ if inside => continue,
            Some("amount_avg_24h") => line.replace(", hidden = true", ""),
            Some("amount_zscore") => {
                "amount_zscore = { aggregate = \"latest\", of = \"amount\" }".to_owned()
            }
            Some("is_weekend") => {
                "is_weekend = { aggregate = \"latest\", of = \"timestamp\" }".to_owned()
            }
            _ => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    assert!(!out.contains("expression ="), "all expressions are gone:\n{out}");
    out
}

fn compare(rows: Rows, what: &str, run: &Run, reference: &str, against: &Run, bar: f64) {
    let (mut costs, mut references) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        references.push(replay(against, rows));
        costs.push(replay(run, rows));
    }
    let (cost, reference_cost) = (median(costs), median(references));
    let rows = match rows {
        Rows::Counted => "rows counted",
        Rows::Written => "rows written",
    };
    println!(
        "{what}, {rows}: {cost:.0} ns CPU per event; {reference}: {reference_cost:.0}; ratio {:.2} (bar \
         {bar})",
        cost / reference_cost
    );
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// `tidemark replay`, as anyone would run it: ns of CPU per event.
fn replay(run: &Run, rows: Rows) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.arg("replay").arg(&run.job);
    command.arg(format!("--source={}={}", run.source, run.file.display()));
    if matches!(rows, Rows::Written) {
        command.arg("--sealed=/dev/null");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["accepted"], summary["events"]);
    summary["cpu_s"].as_f64().unwrap() * 1e9 / summary["events"].as_f64().unwrap()
}
