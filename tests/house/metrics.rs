//! What the pages say about metrics is what the process exposes.

use crate::pages::pages;
use crate::tree;
use std::collections::BTreeSet;

/// Every word of the text that begins as our metrics do.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("tidemark_")).map(str::to_owned).collect()
}

/// Names of the crates, which begin the same way.
const CRATES: [&str; 3] = ["tidemark_jobs", "tidemark_operators", "tidemark_house"];

fn exposed() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in tree::files("src").iter().filter(|path| path.ends_with(".rs")) {
        found.extend(named(&tree::text(path)));
    }
    found.retain(|name| !CRATES.contains(&name.as_str()));
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn every_metric_in_a_page_is_exposed() {
    let exposed = exposed();
    let mut found: BTreeSet<String> =
        pages().iter().flat_map(|path| named(&tree::text(path))).collect();
    found.retain(|name| !CRATES.contains(&name.as_str()));
    assert!(found.len() >= 10, "{found:?}");
    let unknown: Vec<_> = found.difference(&exposed).collect();
    assert!(unknown.is_empty(), "pages name metrics that nothing exposes: {unknown:?}");
}

/// How the names of our metrics begin: those without our own prefix are what dashboards query already.
const PREFIXES: [&str; 8] =
    ["feast_", "tidemark_", "redis_", "kafka_", "process_", "stream_", "transactions_", "sliding_"];

/// What the sources of the exposition quote that is a metric's name.
fn quoted(text: &str) -> BTreeSet<String> {
    let is_name = |word: &&str| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && word.chars().all(letters)
    };
    text.split('"').filter(is_name).map(str::to_owned).collect()
}

#[test]
fn the_list_of_metrics_has_each_one_that_is_exposed_and_no_other() {
    let mut exposed = quoted(&tree::text("src/metrics.rs"));
    for path in tree::files("src/metrics") {
        if path.ends_with(".rs") && !path.contains("/tests") {
            exposed.extend(quoted(&tree::text(&path)));
        }
    }
    assert!(exposed.len() > 80, "{exposed:?}");
    let list = tree::text("src/metrics/metrics.md");
    let rows = list.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: Vec<_> = rows.map(str::to_owned).collect();
    assert!(listed.is_sorted(), "the list is in the order of the names");
    let listed: BTreeSet<_> = listed.into_iter().collect();
    let missing: Vec<_> = exposed.symmetric_difference(&listed).collect();
    assert!(missing.is_empty(), "in only one of src/metrics and its list: {missing:?}");
}

#[test]
fn a_metric_is_known_by_its_prefix_and_a_label_is_not() {
    let found = quoted(r#"out.gauge("tidemark_ready", "Whether"); (["a", "window"], "kafka_x y")"#);
    assert_eq!(found, BTreeSet::from(["tidemark_ready".to_owned()]));
}
