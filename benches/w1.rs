//! Workload W1 of the job file beside this one: what the engine costs, against decoding alone.
//!
//! `cargo bench --bench w1 [-- QUESTION..]` with QUESTION of: decode sealed lines wide live watched
//! fifth unique memory python. Every figure is CPU time of the process (user + system) per event, so the
//! machine's load matters little; `python` takes what parsing the lines and computing the features costs in plain Python
//! (`w1/reference.py`) for its reference, where python3 has orjson; each is the median of [`ROUNDS`] runs taken in turn with the reference, and given
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

use measure::{Files, Measured, decode, live, memory, plain_python, replay};

/// Runs of each.
const ROUNDS: usize = 5;
/// Pairs of runs where a hundredth is looked for.
const WATCHED_ROUNDS: usize = 25;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let ask = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let files = Files::generate();
    println!("machine: {}", machine::machine());
    println!("events: {}, {} bytes each", files.events, files.bytes / files.events);
    let decoded = || decode(&files.narrow, &files.job);
    let sealed = || replay(&files.narrow, &files.job, None);
    if ask("decode") {
        println!("decode alone: {}", median((0..ROUNDS).map(|_| decoded()).collect()));
    }
    if ask("sealed") {
        report("replay, rows counted, against decode", 4.0, decoded, sealed);
    }
    if ask("lines") {
        let lines = || replay(&files.narrow, &files.job, Some(&files.sealed));
        report("replay --sealed, against decode", 6.0, decoded, lines);
    }
    if ask("wide") {
        let decoded = || decode(&files.wide, &files.job);
        let replayed = || replay(&files.wide, &files.job, None);
        report("replay, rows counted, 3 M cards, against decode", 6.0, decoded, replayed);
    }
    if ask("live") {
        let live = || live(&files.narrow, &files.job, false);
        report("live rows per step of 1,000 events, against sealed", 1.5, sealed, live);
    }
    if ask("watched") {
        let unwatched = || live(&files.narrow, &files.job, false);
        let watched = || live(&files.narrow, &files.job, true);
        let ratios = (0..WATCHED_ROUNDS).map(|_| watched().ns_per_event / unwatched().ns_per_event);
        let ratio = middle(ratios.collect());
        println!("live rows with operators' metrics, against without: {ratio:.3} times (bar 1.02)");
    }
    if ask("fifth") {
        let five = || replay(&files.narrow, &files.fifth_job, None);
        report("a fifth window length, against four", 1.15, sealed, five);
    }
    if ask("unique") {
        let unique = || replay(&files.narrow, &files.unique_job, None);
        report("with unique_within = \"10m\", against without", 1.15, sealed, unique);
    }
    if ask("python") {
        beside_python(&files, sealed);
    }
    if ask("memory") {
        memory(&files);
    }
}

fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.ns_per_event.total_cmp(&b.ns_per_event));
    runs.swap_remove(runs.len() / 2)
}

fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// The same features in plain Python; nothing where that cannot run.
fn beside_python(files: &Files, sealed: impl Fn() -> Measured) {
    let (mut parsing, mut deques) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let Some(python) = plain_python(&files.narrow) else {
            println!("plain Python: not measured, because python3 with orjson is not installed");
            return;
        };
        let ns = sealed().ns_per_event;
        parsing.push(ns / python.parse);
        deques.push(python.deques / ns);
    }
    println!("replay, rows counted, against orjson.loads: {:.2} times (bar 1.45)", middle(parsing));
    println!("deques with orjson, against replay: {:.1} times (bar 10.5)", middle(deques));
}

/// Takes both in turn, so that what else the machine does falls on both.
fn report(what: &str, bar: f64, reference: impl Fn() -> Measured, run: impl Fn() -> Measured) {
    let (references, runs) = (0..ROUNDS).map(|_| (reference(), run())).unzip();
    let (reference, measured) = (median(references), median(runs));
    let ratio = measured.ns_per_event / reference.ns_per_event;
    println!(
        "{what}: {measured}; the reference {:.0} ns; {ratio:.2} times (bar {bar})",
        reference.ns_per_event
    );
}
