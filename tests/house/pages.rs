//! What the README and the pages say of each other and of the tree.

use crate::blocks::blocks;
use crate::exceptions::settle;
use crate::tree;
use std::path::Path;

/// The README is read to its end by who has five minutes.
const README_BYTES_MAX: usize = 12_000;

/// What a block of code may be at its widest, in characters, and still be seen whole in a browser.
const CODE_WIDTH_MAX: usize = 100;

/// Why questions of services are not run as they stand.
const ASKED: &str =
    "asks a server that runs; the claims of documentation ask as the page of a job says";

/// Blocks of commands that no test runs, by their first line. The others are `console`, and are run by
/// the module `console` of the claims.
const NOT_RUN: [(&str, &str); 9] = [
    (
        "src/run/backfill.md: tidemark backfill",
        "needs files that are older than a topic; the claims of `backfill` do it",
    ),
    (
        "README.md: scripts/demo",
        "builds the program and shows a screen until a key is pressed; .ci/run builds and tests on any machine",
    ),
    (
        "README.md: cargo install",
        "builds the program anew, for minutes, and puts it into the user's folder",
    ),
    (
        "src/version/install.md: scripts/setup",
        "installs packages, and builds the program anew into the user's folder",
    ),
    ("src/version/install.md: cargo build", "builds the program anew, for minutes"),
    (
        "README.md: pip install",
        "DuckDB is in no package of a Debian system, and no test depends on PyPI",
    ),
    ("jobs/behavior.md: curl -s", ASKED),
    ("jobs/fraud.md: curl -s", ASKED),
    ("jobs/personalization.md: curl -s", ASKED),
];

/// Markdown that is no page: jobs have pages by their own names.
const NO_PAGES: [&str; 3] = ["jobs/behavior.md", "jobs/fraud.md", "jobs/personalization.md"];

/// The README and all pages.
pub fn pages() -> Vec<String> {
    let found: Vec<_> = tree::files(".").into_iter().filter(|path| path.ends_with(".md")).collect();
    assert!(found.len() > 15, "{found:?}");
    found
}

#[test]
fn every_page_is_printed_by_the_program_and_linked_from_the_readme() {
    let printed = tree::text("src/docs/pages.rs");
    let readme = tree::text("README.md");
    for path in pages() {
        if path == "README.md" {
            continue;
        }
        assert!(readme.contains(&format!("]({path})")), "README.md has no link to {path}");
        // The reference of expressions is made by the program.
        if !NO_PAGES.contains(&path.as_str()) && path != "jobs/expressions.md" {
            assert!(printed.contains(&format!("\"{path}\"")), "src/docs/pages.rs lacks {path}");
        }
    }
}

/// The targets of a page's links, without those in code.
fn links(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in markdown.lines() {
        in_code ^= line.starts_with("```");
        if !in_code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets.map(str::to_owned));
        }
    }
    found
}

/// The anchors of a page's headings, as those who show Markdown make them.
fn anchors(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in markdown.lines() {
        in_code ^= line.starts_with("```");
        let Some((marks, title)) = line.split_once("# ") else { continue };
        if !in_code && marks.chars().all(|c| c == '#') {
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            found.push(kept.flat_map(char::to_lowercase).collect::<String>().replace(' ', "-"));
        }
    }
    found
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut seen = 0;
    for path in pages() {
        let folder = Path::new(&path).parent().unwrap();
        let text = tree::text(&path);
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = tree::root().join(folder).join(file);
            assert!(file.is_empty() || target.exists(), "{path}: there is no {file}");
            if !anchor.is_empty() {
                let there = if file.is_empty() {
                    text.clone()
                } else {
                    std::fs::read_to_string(&target).unwrap()
                };
                assert!(anchors(&there).iter().any(|it| it == anchor), "{path}: no heading {link}");
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_readme_is_short() {
    let bytes = tree::text("README.md").len();
    assert!(
        bytes <= README_BYTES_MAX,
        "README.md has {bytes} bytes: a page holds what is too much"
    );
}

#[test]
fn every_block_of_a_page_is_run_or_says_why_not() {
    let mut not_run = Vec::new();
    let mut run = 0;
    for path in pages() {
        for block in blocks(&tree::text(&path)) {
            let place = format!("{path}:{}", block.line);
            match (block.language.as_str(), &block.file) {
                ("console", None) => {
                    run += 1;
                    assert!(block.text.starts_with("$ "), "{place} does not begin with a command");
                }
                // A file that a command uses, for a block that is no command says nothing by itself.
                ("toml" | "python" | "sql", Some(file)) => {
                    let text = tree::text(&path);
                    let used = |it: &crate::blocks::Block| {
                        it.language == "console" && it.text.contains(file.as_str())
                    };
                    assert!(blocks(&text).iter().any(used), "{place}: no command uses {file}");
                }
                ("sh", None) => {
                    let words: Vec<&str> = block.text.split_whitespace().take(2).collect();
                    let first =
                        if words[0].contains('/') { words[0].into() } else { words.join(" ") };
                    not_run.push((format!("{path}: {first}"), place));
                }
                ("text", None) => {}
                (language, file) => panic!("{place}: a block is not '{language}' with {file:?}"),
            }
        }
    }
    assert!(run >= 10, "{run}");
    settle("blocks of pages are run", not_run, &NOT_RUN);
}

#[test]
fn blocks_of_code_are_seen_whole() {
    for path in pages() {
        let text = tree::text(&path);
        for block in blocks(&text) {
            for (at, line) in block.text.lines().enumerate() {
                let (width, line_number) = (line.chars().count(), block.line + at);
                assert!(width <= CODE_WIDTH_MAX, "{path}:{line_number} has {width} characters");
            }
        }
    }
}

#[test]
fn tables_are_whole() {
    for path in pages() {
        let text = tree::text(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let head = |line: &&str| line.starts_with('|');
            let is_first = head(line) && !at.checked_sub(1).is_some_and(|it| head(&lines[it]));
            if is_first {
                let rule = lines.get(at + 1).copied().unwrap_or_default();
                assert!(
                    rule.starts_with("|--") || rule.starts_with("| --"),
                    "{path}:{}: a table without a head",
                    at + 1
                );
            }
        }
    }
}
