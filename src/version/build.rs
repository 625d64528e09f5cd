//! Before the crate is compiled: which version it is, with the commit when git knows one.

use std::env;
use std::path::Path;
use std::process::Command;

/// What goes into the binary.
const SOURCES: [&str; 7] =
    ["src", "operators", "jobs", "README.md", "CHANGELOG.md", "Cargo.toml", "Cargo.lock"];

fn main() {
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let git = Git { folder: Path::new(&folder) };
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = match git.commit() {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo::rustc-env=VERSION_AND_COMMIT={version}");
    for path in SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for path in git.checked_out() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The repository of a folder.
struct Git<'a> {
    folder: &'a Path,
}

impl Git<'_> {
    /// The commit, and whether the sources differ from it. `None` without git, and where the folder is
    /// only a part of somebody else's repository.
    fn commit(&self) -> Option<String> {
        let top = self.ask(&["rev-parse", "--show-toplevel"])?;
        if Path::new(&top).canonicalize().ok()? != self.folder.canonicalize().ok()? {
            return None;
        }
        let commit = self.ask(&["rev-parse", "--short=12", "HEAD"])?;
        let status = ["status", "--porcelain", "--untracked-files=no", "--"];
        let changed = self.ask(&[&status[..], &SOURCES[..]].concat())?;
        Some(if changed.is_empty() { commit } else { format!("{commit}, modified") })
    }

    /// The files that change when another commit is checked out, those that are there.
    fn checked_out(&self) -> Vec<String> {
        let branch = self.ask(&["symbolic-ref", "--quiet", "HEAD"]);
        let names = ["HEAD".to_owned(), "packed-refs".to_owned()].into_iter().chain(branch);
        let paths = names.filter_map(|name| self.ask(&["rev-parse", "--git-path", &name]));
        paths.filter(|path| self.folder.join(path).exists()).collect()
    }

    /// What git says, when it is there and says something right.
    fn ask(&self, words: &[&str]) -> Option<String> {
        let mut git = Command::new("git");
        let answer = git.arg("--no-optional-locks").args(words).current_dir(self.folder).output();
        let answer = answer.ok().filter(|answer| answer.status.success())?;
        Some(String::from_utf8(answer.stdout).ok()?.trim().to_owned())
    }
}
