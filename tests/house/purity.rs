//! `operators` and `jobs` compute: the same input gives the same output wherever and whenever they
//! run. Clocks, files, sockets, environment, threads and chance belong to `src`, and come as arguments.
//! `.clippy.toml` of both crates refuses the same by what a name means; this refuses it by its name,
//! in macros and behind aliases of the standard library too.

use crate::exceptions::settle;
use crate::source::Source;
use crate::tree;

/// Beginnings of paths.
const REFUSED: [&str; 16] = [
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "rand::",
    "tokio::",
    "timely::execute",
];

const EXCEPTED: [(&str, &str); 0] = [];

fn impure(source: &Source) -> Vec<(String, String)> {
    source
        .paths()
        .into_iter()
        .map(|(names, line)| (names.join("::"), line))
        .filter(|(path, _)| {
            REFUSED.iter().any(|refused| {
                let inside = path.strip_prefix(refused);
                inside.is_some_and(|rest| {
                    refused.ends_with(':') || rest.is_empty() || rest.starts_with("::")
                })
            })
        })
        .map(|(path, line)| (format!("{}: {path}", source.path), format!("on line {line}")))
        .collect()
}

#[test]
fn operators_and_jobs_have_no_clock_no_io_and_no_thread() {
    let sources = tree::sources(&["operators/src", "jobs/src"]);
    let found = sources.iter().filter(|source| !source.is_test()).flat_map(impure);
    settle("operators and jobs only compute", found, &EXCEPTED);
}

#[test]
fn a_clock_is_found_and_a_duration_is_not() {
    let source =
        Source::parse("a.rs", "use std::time::{Duration, Instant};\nlet a = std::fs::read(b);");
    let found = impure(&source).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(found, ["a.rs: std::time::Instant", "a.rs: std::fs::read"]);
}

#[test]
fn both_crates_refuse_it_by_meaning_too() {
    let refusals = tree::text("operators/.clippy.toml");
    assert!(refusals.contains("std::time::Instant::now"));
    assert_eq!(refusals, tree::text("jobs/.clippy.toml"));
    let shared = tree::text(".clippy.toml");
    assert!(
        refusals.starts_with(&shared),
        "they do not add to what .clippy.toml says, but replace it"
    );
}
