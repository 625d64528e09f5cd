//! What `.cargo/deny.toml` lets pass is still there to be let pass, and every crate of ours may be used
//! under the licences that lie at the top.

use crate::exceptions::settle;
use crate::tree;

/// The advisories that are let pass, each with its reason.
fn ignored(rules: &str) -> Vec<(&str, &str)> {
    let lines = rules.lines().filter_map(|line| line.trim().strip_prefix("{ id = \""));
    let parts = lines.filter_map(|line| line.split_once("\", reason = \""));
    parts.map(|(id, reason)| (id, reason.trim_end_matches("\" },"))).collect()
}

#[test]
fn an_advisory_is_let_pass_for_a_crate_that_is_still_used() {
    let (rules, lock) = (tree::text(".cargo/deny.toml"), tree::text("Cargo.lock"));
    let ignored = ignored(&rules);
    assert_eq!(ignored.len(), rules.matches("RUSTSEC-").count() - 1, "and one for what is banned");
    let gone = ignored.into_iter().filter_map(|(id, reason)| {
        let name = reason.split(' ').next().unwrap_or_default();
        let used = lock.contains(&format!("\nname = \"{name}\"\n"));
        (!used)
            .then(|| (id.to_owned(), format!("its reason begins with no crate in use: {reason}")))
    });
    settle("advisories that are let pass are of crates in use", gone, &[]);
}

#[test]
fn every_crate_has_the_licence_of_the_workspace_and_its_texts_are_there() {
    for manifest in ["Cargo.toml", "operators/Cargo.toml", "jobs/Cargo.toml"] {
        assert!(tree::text(manifest).contains("\nlicense.workspace = true\n"), "{manifest}");
    }
    assert!(tree::text("Cargo.toml").contains("\nlicense = \"MIT OR Apache-2.0\"\n"));
    assert!(tree::text("LICENSE-MIT").starts_with("MIT License\n"));
    assert!(tree::text("LICENSE-APACHE").contains("Version 2.0, January 2004"));
}

#[test]
fn an_advisory_is_found_with_its_reason() {
    let rules = "ignore = [\n    { id = \"RUSTSEC-1\", reason = \"a is done\" },\n]\n";
    assert_eq!(ignored(rules), [("RUSTSEC-1", "a is done")]);
}
