//! A program that our code starts is one that `scripts/setup` looks for, and so installs; `.ci/run`
//! holds the tests to it by a `PATH` with nothing else, this holds what they do not reach.

use crate::tree;

/// What the text starts by a name of its own.
fn started(text: &str) -> Vec<String> {
    let calls = text.split("Command::new(\"").skip(1);
    calls.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn setup_looks_for_every_program_that_is_started() {
    let setup = tree::text("scripts/setup");
    let mut seen = 0;
    for path in
        ["src", "operators", "jobs", "tests/claims", "benches"].into_iter().flat_map(tree::files)
    {
        if !path.ends_with(".rs") {
            continue;
        }
        for program in started(&tree::text(&path)) {
            seen += 1;
            let looked_for =
                setup.lines().any(|line| line.trim().ends_with(&format!(" has {program}")));
            assert!(looked_for, "{path} starts '{program}', which scripts/setup does not look for");
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn a_program_is_found_by_its_quotes() {
    assert_eq!(started("Command::new(\"kill\").args(b); Command::new(binary)"), ["kill"]);
}
