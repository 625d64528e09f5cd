//! Which Tidemark this is.
//!
//! # Why this way
//!
//! The commit is asked of git while the crate is built (`version/build.rs`), and only when something
//! that goes into the binary has changed: a commit alone makes nobody compile again. A release build
//! looks at what is checked out each time. Sources without a repository of their own, such as an
//! unpacked archive, have no commit, and nothing else of the machine that builds is told.

/// The version, and the commit the sources are of where that is known: `0.1.0 (1f0c6ad93b2e)`. Sources
/// that differ from that commit are `modified`.
pub const VERSION: &str = env!("VERSION_AND_COMMIT");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_crates_and_perhaps_a_commit() {
        let rest = VERSION.strip_prefix(env!("CARGO_PKG_VERSION")).unwrap();
        let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
        let commit = commit.map(|commit| commit.strip_suffix(", modified").unwrap_or(commit));
        let hex = |text: &str| text.len() >= 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(rest.is_empty() || commit.is_some_and(hex), "{VERSION}");
    }
}
