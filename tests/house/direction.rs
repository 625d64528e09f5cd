//! Dependencies point one way: `src` -> `jobs` -> `operators` -> timely and differential; inside each
//! crate a module uses only what stands before it in the crate's order. A new module takes its place
//! here, and whoever turns an arrow round has to say why.

use crate::exceptions::settle;
use crate::source::Source;
use crate::tree;
use std::collections::BTreeMap;

/// A crate's modules, each after what it uses.
struct Order {
    folder: &'static str,
    modules: &'static [&'static str],
    /// `from -> to` that point back, with the reason.
    back: &'static [(&'static str, &'static str)],
}

const JOBS: Order = Order {
    folder: "jobs/src",
    modules: &[
        "zone",
        "times",
        "document",
        "expression",
        "job",
        "declare",
        "compile",
        "aggregate",
        "report",
        "docs",
    ],
    back: &[
        (
            "compile -> aggregate",
            "an aggregate compiles itself, by what the compiler's scope offers it",
        ),
        ("declare -> aggregate", "an aggregate reads its own keys, with what all keys are read by"),
        ("job -> compile", "a job is made by compiling a file; compiled parts are the job's"),
        ("job -> declare", "a job keeps what was declared, to tell it"),
    ],
};

const OPERATORS: Order = Order {
    folder: "operators/src",
    modules: &[
        "time",
        "origin",
        "value",
        "json",
        "event_batch",
        "cut",
        "slab",
        "online",
        "zone",
        "expression",
        "plan",
        "flat_table",
        "interner",
        "forgotten",
        "timeline",
        "shape",
        "shared",
        "coordination",
        "expiry",
        "aggregate",
        "verdict",
        "metrics",
        "ingest",
        "reference",
        "view",
        "window",
        "probes",
        "sealed",
        "sealed_lines",
        "history",
        "entity_log",
        "hot",
        "live",
        "recomputed",
        "snapshot",
        "footprint",
        "online_rows",
        "entity_windows",
        "dataflow",
        "in_memory",
        "trial",
    ],
    back: &[(
        "metrics -> ingest",
        "a partition's metrics hold its reader's own word for where it stands",
    )],
};

const PROCESS: Order = Order {
    folder: "src",
    modules: &[
        "exit",
        "failure",
        "named_file",
        "created_file",
        "file_roles",
        "output",
        "whole_file",
        "entity_id",
        "fault",
        "source",
        "text",
        "version",
        "wall_clock",
        "objects",
        "dead_letters",
        "checkpoint",
        "cold_file",
        "online",
        "job_file",
        "peer_tls",
        "mesh",
        "engine",
        "process",
        "metrics",
        "refusals",
        "explained",
        "cli",
        "logging",
        "config",
        "panics",
        "registry",
        "feed",
        "generator",
        "file_source",
        "sample_file",
        "offline",
        "memory_partition",
        "progress",
        "sealed_file",
        "signals",
        "life_signs",
        "ask",
        "init",
        "completions",
        "inspect",
        "outbox",
        "publishing",
        "sealed_outbox",
        "kafka",
        "sealed_publisher",
        "row_publisher",
        "postgres",
        "table_publisher",
        "recovery",
        "tables",
        "connect",
        "dlq",
        "generate",
        "docs",
        "http",
        "service",
        "serving",
        "cases",
        "offline_init",
        "get",
        "forget",
        "health",
        "top",
        "replay",
        "feast",
        "historical",
        "serve",
        "run",
        "check",
        "reread",
        "explain",
        "up",
        "validate",
        "validate_pit",
        "screen",
        "demo",
        "dispatch",
    ],
    back: &[],
};

/// `from -> to` with the files that do so.
fn arrows(sources: &[Source]) -> BTreeMap<(String, String), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for source in sources {
        let module = source.module();
        let Some(from) = module.first() else { continue };
        for (names, _) in source.paths() {
            let Some(to) = top(&names, module.len()).filter(|to| to != from) else { continue };
            let files = found.entry(((*from).to_owned(), to)).or_default();
            if files.last() != Some(&source.path) {
                files.push(source.path.clone());
            }
        }
    }
    found
}

/// The module at the crate's root that a path leads to, seen from a module so many steps below it.
fn top(names: &[String], depth: usize) -> Option<String> {
    let up = names.iter().take_while(|name| *name == "super").count();
    let at = match names[0].as_str() {
        "crate" => 1,
        "super" if up == depth => up,
        _ => return None,
    };
    names.get(at).filter(|name| name.starts_with(char::is_lowercase)).cloned()
}

fn keeps(order: &Order) {
    let mut sources = tree::sources(&[order.folder]);
    sources.retain(|source| !source.is_test());
    let arrows = arrows(&sources);
    assert!(arrows.len() > 10, "{arrows:?}");
    let place = |module: &str| {
        let at = order.modules.iter().position(|known| *known == module);
        at.unwrap_or_else(|| panic!("'{module}' of {} has no place in the order", order.folder))
    };
    let back = arrows
        .into_iter()
        .filter(|((from, to), _)| place(from) < place(to))
        .map(|((from, to), files)| (format!("{from} -> {to}"), files.join(", ")));
    settle(&format!("modules of {} use what stands before them", order.folder), back, order.back);
}

#[test]
fn modules_of_operators_keep_their_order() {
    keeps(&OPERATORS);
}

#[test]
fn modules_of_jobs_keep_their_order() {
    keeps(&JOBS);
}

#[test]
fn modules_of_the_process_keep_their_order() {
    keeps(&PROCESS);
}

/// What a manifest depends on outside of tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = tree::text(manifest);
    let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn crates_point_one_way() {
    let jobs = dependencies("jobs/Cargo.toml");
    assert!(jobs.iter().any(|name| name == "tidemark-operators"), "{jobs:?}");
    for refused in ["tidemark", "timely", "differential-dataflow", "tokio"] {
        assert!(!jobs.iter().any(|name| name == refused), "jobs depends on {refused}");
    }
    let operators = dependencies("operators/Cargo.toml");
    assert!(operators.iter().any(|name| name == "timely"), "{operators:?}");
    for refused in ["tidemark", "tidemark-jobs", "rdkafka", "redis", "tokio", "toml", "tracing"] {
        assert!(!operators.iter().any(|name| name == refused), "operators depends on {refused}");
    }
}

#[test]
fn only_the_engine_of_the_process_knows_of_the_dataflow() {
    let mut sources = tree::sources(&["src"]);
    sources.retain(|source| !source.is_test());
    let knows = |source: &Source| {
        let of = |name: &String| ["timely", "differential_dataflow"].contains(&name.as_str());
        source.paths().iter().any(|(names, _)| of(&names[0]))
    };
    let (engine, others): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| source.module().first() == Some(&"engine"));
    assert!(engine.into_iter().any(knows));
    for source in others {
        assert!(!knows(source), "{} uses timely; the engine does that", source.path);
    }
}

#[test]
fn a_path_leads_to_a_module_from_wherever_it_starts() {
    let names = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(top(&names("crate::a::b"), 2), Some("a".to_owned()));
    assert_eq!(top(&names("super::a"), 1), Some("a".to_owned()));
    assert_eq!(top(&names("super::a"), 2), None);
    assert_eq!(top(&names("super::super::a::b"), 2), Some("a".to_owned()));
    assert_eq!(top(&names("std::a"), 1), None);
    assert_eq!(top(&names("crate::Type"), 1), None);
}
