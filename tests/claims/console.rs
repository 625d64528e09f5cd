//! What the README and the pages show is what happens: their blocks of code are run, in order, each page
//! in one shell and a folder of its own.
//!
//! - A block `console` is commands, each after `$ ` (and going on in the next line after `\`), and what they
//!   print, on both outputs. `...` inside of a line stands for any text, and alone in one for any lines.
//!   Nothing else may differ. A command succeeds, unless what it prints has a line that begins with `error:`.
//! - A block `toml NAME`, `python NAME` or `sql NAME` is a file that later commands find. A job is checked, too.
//!
//! Commands find `tidemark`, and `scripts`, `jobs` and `cluster.toml` as in the repository. Servers that a page
//! starts are real. Their ports, and that of HTTP, are free ones instead of those in the page, so that pages
//! can run beside each other and beside what runs on the machine; in what is printed they are the page's again.
//! All that is started ends with the page. Which other blocks there are, and why, is held by the rules of
//! the house.

#[path = "../house/blocks.rs"]
pub mod blocks;
mod expected;
mod shell;

use blocks::{Block, blocks};
use expected::difference;
use shell::{Command, Shell};
use std::fs;
use std::path::Path;

/// What a block asks for.
fn commands(block: &Block) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for (at, line) in block.text.lines().enumerate() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (_, Some(last)) if goes_on => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            (Some(text), _) => found.push(Command::new(block.line + at, text)),
            (None, Some(last)) => last.printed.push(line.to_owned()),
            (None, None) => panic!("line {}: output without a command", block.line + at),
        }
        goes_on = line.ends_with('\\') && (goes_on || line.starts_with("$ "));
    }
    found
}

/// Runs a page, and compares all that it shows.
fn holds(page: &str) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let mut shell = Shell::new();
    let mut commands_of_page = Vec::new();
    for block in blocks(&text) {
        match (block.language.as_str(), &block.file) {
            ("console", _) => {
                for command in commands(&block) {
                    shell.run(&command);
                    commands_of_page.push(command);
                }
            }
            ("toml" | "python" | "sql", Some(file)) => {
                shell.file(file, &block.text);
                if block.text.contains("[job]") {
                    let check = Command::check(block.line, file);
                    shell.run(&check);
                    commands_of_page.push(check);
                }
            }
            _ => {}
        }
    }
    assert!(!commands_of_page.is_empty(), "{page} shows nothing that could be run");
    let outcomes = shell.outcomes();
    let mut wrong = String::new();
    for (at, command) in commands_of_page.iter().enumerate() {
        let line = command.line;
        let Some(outcome) = outcomes.get(at) else {
            panic!("{page}:{line}: `{}` did not end\n{wrong}{outcomes:#?}", command.text);
        };
        let lines: Vec<&str> = outcome.printed.lines().collect();
        let said = command.printed.iter().any(|line| line.starts_with("error:"));
        if said == outcome.succeeded {
            wrong += &format!(
                "{page}:{line}: `{}` ended otherwise:\n{}\n",
                command.text, outcome.printed
            );
        } else if let Some(found) = difference(&command.printed, &lines) {
            wrong += &format!(
                "{page}:{line}: `{}` prints\n{}\n{found}\n\n",
                command.text, outcome.printed
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_block_is_commands_with_what_they_print() {
    let text = "$ a \\\n    b\none\n\ntwo\n$ c\n".to_owned();
    let block = Block { line: 10, language: "console".into(), file: None, text };
    let found = commands(&block);
    let found: Vec<_> =
        found.iter().map(|it| (it.line, it.text.as_str(), it.printed.as_slice())).collect();
    let printed = ["one", "", "two"].map(str::to_owned);
    assert_eq!(found, [(10, "a \\\n    b", &printed[..]), (15, "c", &[])]);
}

#[test]
fn the_readme_shows_what_happens() {
    holds("README.md");
}

#[test]
fn the_page_of_dead_letters_shows_what_happens() {
    holds("src/dead_letters/dead-letters.md");
}

#[test]
fn the_page_of_serving_shows_what_happens() {
    holds("src/serving/serving.md");
}

#[test]
fn the_page_of_training_shows_what_happens() {
    holds("src/historical/training.md");
}

#[test]
fn the_page_of_warehouses_shows_what_happens() {
    holds("src/offline/warehouses.md");
}

#[test]
fn the_page_of_redis_shows_what_happens() {
    holds("src/online/redis.md");
}

#[test]
fn the_page_of_testing_shows_what_happens() {
    holds("jobs/testing.md");
}

#[test]
fn the_page_of_records_shows_what_happens() {
    holds("jobs/records.md");
}

#[test]
fn the_page_of_tables_shows_what_happens() {
    holds("jobs/tables.md");
}

#[test]
fn the_page_of_monitoring_shows_what_happens() {
    holds("src/metrics/monitoring.md");
}

#[test]
fn the_page_of_installing_shows_what_happens() {
    holds("src/version/install.md");
}

#[test]
fn the_page_of_several_processes_shows_what_happens() {
    holds("src/run/cluster.md");
}

#[test]
fn the_page_of_running_it_shows_what_happens() {
    holds("src/run/running.md");
}

#[test]
fn the_page_of_troubleshooting_shows_what_happens() {
    holds("src/metrics/troubleshooting.md");
}

#[test]
fn every_page_with_commands_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for page in markdown_under(root) {
        let text = fs::read_to_string(root.join(&page)).unwrap();
        let is_run =
            |it: &Block| ["console", "toml", "python", "sql"].contains(&it.language.as_str());
        if blocks(&text).iter().any(is_run) {
            seen += 1;
            let test = format!("\n    holds(\"{page}\");\n");
            assert!(include_str!("console.rs").contains(&test), "no test runs {page}");
        }
    }
    assert!(seen >= 7, "{seen}");
}

/// All files of Markdown that are ours, by their paths from the root.
fn markdown_under(root: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !["target", ".git", "corpus"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}
