//! What lies where, and what no file of ours says.

use crate::exceptions::settle;
use crate::tree;
use std::fs;

/// All that the top of the repository holds; git and cargo add what is theirs.
const TOP: [&str; 17] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "cluster.toml",
    "jobs",
    "operators",
    "scripts",
    "src",
];

/// In Rust files, by what is written instead.
const REFUSED_IN_RUST: [(&str, &str); 5] = [
    ("#[ignore", "a test runs, or it is not there"),
    ("todo!(", "what is missing is said in the README"),
    ("// TODO", "what is missing is said in the README"),
    ("// FIXME", "it is mended, or said in the README"),
    ("#[allow(", "an exception is `#[expect(.., reason = \"..\")]`"),
];

const PUT_OFF: [(&str, &str); 0] = [];

#[test]
fn the_top_has_its_fixed_places() {
    let mut allowed = TOP.to_vec();
    allowed.extend([".git", "target", "tests"]);
    for entry in fs::read_dir(tree::root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(allowed.contains(&name.as_str()), "'{name}' has no place at the top");
    }
    for name in TOP {
        assert!(tree::root().join(name).exists(), "'{name}' is gone");
    }
}

#[test]
fn modules_are_files_beside_their_folders() {
    let files = tree::files(".");
    assert!(files.len() > 400);
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        assert!(!path.ends_with("/mod.rs"), "{path}: a module `x` is `x.rs` beside `x/`");
    }
}

#[test]
fn no_file_names_a_place_that_only_one_machine_has() {
    // In pieces, so that this file does not name them.
    let places =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/home", "/"], ["/Us", "ers/"]].map(|p| p.concat());
    let mut found = Vec::new();
    for path in tree::files(".") {
        // A worktree has a file there that says where its repository is.
        if path == ".git" {
            continue;
        }
        let Ok(text) = fs::read_to_string(tree::root().join(&path)) else { continue };
        for (at, line) in text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| line.contains(*place)) {
                found.push((path.clone(), format!("line {} names {place}", at + 1)));
            }
        }
    }
    settle("files speak of no machine", found, &[]);
}

#[test]
fn nothing_is_put_off_or_silenced() {
    let mut found = Vec::new();
    for path in tree::files(".") {
        if !path.ends_with(".rs") || path.starts_with("tests/house/") {
            continue;
        }
        let text = tree::text(&path);
        for (refused, instead) in REFUSED_IN_RUST {
            if text.contains(refused) {
                found.push((format!("{path}: {refused}"), instead.to_owned()));
            }
        }
    }
    settle("nothing is put off or silenced", found, &PUT_OFF);
}
