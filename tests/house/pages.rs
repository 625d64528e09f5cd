//! What the README and the pages say of each other and of the tree.

use crate::tree;
use std::path::Path;

/// Markdown that is no page: jobs have pages by their own names.
const NO_PAGES: [&str; 4] =
    ["CHANGELOG.md", "jobs/behavior.md", "jobs/fraud.md", "jobs/personalization.md"];

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
        if path == "README.md" || path == "CHANGELOG.md" {
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
