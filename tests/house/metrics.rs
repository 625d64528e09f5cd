//! What the pages say about metrics is what the process exposes.

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
fn every_metric_in_the_readme_is_exposed() {
    let exposed = exposed();
    let mut found = named(&tree::text("README.md"));
    found.retain(|name| !CRATES.contains(&name.as_str()));
    assert!(found.len() >= 10, "{found:?}");
    let unknown: Vec<_> = found.difference(&exposed).collect();
    assert!(unknown.is_empty(), "README.md names metrics that nothing exposes: {unknown:?}");
}
