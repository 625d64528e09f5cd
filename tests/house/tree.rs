//! The files of this repository, as far as they are text of ours.

use crate::source::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// What is built, fetched or git's own.
const NOT_OURS: [&str; 3] = [".git", "target", "corpus"];

/// The folder that holds all of it.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// All files under `folder` of the repository, by their paths from its root, in order.
pub fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root(), Path::new(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "there is nothing in '{folder}'");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = folder.join(&name);
        if entry.file_type().unwrap().is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(root, &path, found);
            }
        } else {
            found.push(path.to_str().unwrap().trim_start_matches("./").to_owned());
        }
    }
}

pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("reading '{path}': {e}"))
}

/// Every Rust file under the folders.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    folders
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|path| path.ends_with(".rs"))
        .map(|path| Source::parse(&path, &text(&path)))
        .collect()
}

/// What is shipped: the three crates without the files that hold only tests.
pub fn shipped() -> Vec<Source> {
    let mut found = sources(&["src", "operators/src", "jobs/src"]);
    let of_tests: Vec<_> = found.iter().flat_map(|source| source.test_modules()).collect();
    found.retain(|source| !source.is_test() && !of_tests.contains(&source.path));
    assert!(found.len() > 200);
    found
}
