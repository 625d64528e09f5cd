//! Workload W1 of the job file beside this one: what the engine costs, against decoding alone.
//!
//! `cargo bench --bench w1 [-- QUESTION..]` with QUESTION of: decode sealed lines wide live fifth
//! memory. Every figure is CPU time of the process (user + system) per event, so the machine's load
//! matters little; each is the median of [`ROUNDS`] runs taken in turn with the reference, and given
//! as a ratio to it. The bars are the project's own.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench prints and may fail"
)]

#[path = "measure/machine.rs"]
mod machine;
#[path = "w1/measure.rs"]
mod measure;
#[path = "measure/no_letters.rs"]
mod no_letters;

use measure::{Files, Measured, decode, live, memory, replay};

/// Runs of each.
const ROUNDS: usize = 5;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let ask = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let files = Files::generate();
    println!("machine: {}", machine::machine());
    println!("events: {}, {} bytes each", files.events, files.bytes / files.events);
    let reference = median(|| decode(&files.narrow, &files.job));
    println!("decode alone (reference): {reference}");
    if ask("sealed") {
        report("replay, rows counted, 1 worker", 4.0, &reference, || {
            replay(&files.narrow, &files.job, None)
        });
    }
    if ask("lines") {
        report("replay --sealed, 1 worker", 6.0, &reference, || {
            replay(&files.narrow, &files.job, Some(&files.sealed))
        });
    }
    if ask("wide") {
        let reference = median(|| decode(&files.wide, &files.job));
        report("replay, rows counted, 3 M cards", 6.0, &reference, || {
            replay(&files.wide, &files.job, None)
        });
    }
    if ask("live") {
        let sealed = median(|| replay(&files.narrow, &files.job, None));
        report("live rows per step of 1,000 events, against sealed", 1.5, &sealed, || {
            live(&files.narrow, &files.job)
        });
    }
    if ask("fifth") {
        let four = median(|| replay(&files.narrow, &files.job, None));
        report("a fifth window length, against four", 1.15, &four, || {
            replay(&files.narrow, &files.fifth_job, None)
        });
    }
    if ask("memory") {
        memory(&files);
    }
}

fn median(mut run: impl FnMut() -> Measured) -> Measured {
    let mut runs: Vec<Measured> = (0..ROUNDS).map(|_| run()).collect();
    runs.sort_by(|a, b| a.ns_per_event.total_cmp(&b.ns_per_event));
    runs.swap_remove(ROUNDS / 2)
}

fn report(what: &str, bar: f64, reference: &Measured, run: impl FnMut() -> Measured) {
    let measured = median(run);
    let ratio = measured.ns_per_event / reference.ns_per_event;
    println!("{what}: {measured}; {ratio:.2} times the reference (bar {bar})");
}
