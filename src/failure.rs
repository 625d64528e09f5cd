//! What a command ends with when it does not succeed.

use crate::exit::Exit;
use serde::Serialize;
use std::fmt;
use tidemark_jobs::document::{JobErrors, Problem};

/// Why a command failed: printed as `error: ...` and `hint: ...` on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    exit: Exit,
    /// What is wrong with files, each with its place.
    places: Vec<FilePlace>,
}

/// Something about a place in a file, as `--format json` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilePlace {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key or name that it is about, where there is one.
    pub key: Option<String>,
    /// What is to be said.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl FilePlace {
    /// Of a problem or a note in `file`.
    pub fn new(file: &str, problem: &Problem) -> Self {
        let Problem { line, column, key, message, hint } = problem.clone();
        FilePlace { file: file.to_owned(), line, column, key, message, hint }
    }
}

/// What `--format json` prints of a failure: `{"error": ..}`.
#[derive(Serialize)]
struct FailureDocument<'a> {
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    code: u8,
    message: &'a str,
    hint: Option<&'a str>,
    places: &'a [FilePlace],
}

impl Failure {
    /// A command that ran and failed; exit code 1. The message begins in lower case, has no full
    /// stop, and says what was attempted, on what, and why it failed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Failure::ending(Exit::Failed, message)
    }

    /// A question whose answer is no; exit code 3.
    pub fn no(message: impl fmt::Display) -> Self {
        Failure::ending(Exit::No, message)
    }

    /// A mistake on the command line, in a file of settings or in the environment; exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Failure::ending(Exit::Wrong, message)
    }

    fn ending(exit: Exit, message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), hint: None, exit, places: Vec::new() }
    }

    /// The same, because another process of the job has taken over from this one; exit code 75.
    #[must_use]
    pub fn taken_over(mut self) -> Self {
        self.exit = Exit::TakenOver;
        self
    }

    /// Whether it is that another process of the job has taken over.
    pub fn is_taken_over(&self) -> bool {
        self.exit == Exit::TakenOver
    }

    /// The same, because the job asks for what cannot be: it would fail again in the same way; exit code 2.
    #[must_use]
    pub fn wrong(mut self) -> Self {
        self.exit = Exit::Wrong;
        self
    }

    /// The same, because another process of the cluster is gone; exit code 76.
    #[must_use]
    pub fn peer_lost(mut self) -> Self {
        self.exit = Exit::PeerLost;
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds where in a file everything is wrong that the message tells.
    #[must_use]
    pub fn at(mut self, errors: &JobErrors) -> Self {
        let places = errors.problems.iter().map(|problem| FilePlace::new(&errors.file, problem));
        self.places.extend(places);
        self
    }

    /// As one line of JSON: the exit code, the message, the hint, and the places in files.
    pub fn json(&self) -> String {
        let Failure { message, hint, exit, places } = self;
        let error = FailureBody { code: exit.code(), message, hint: hint.as_deref(), places };
        // Numbers and texts always can be written.
        serde_json::to_string(&FailureDocument { error }).unwrap_or_default()
    }

    /// How the process ends with it.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_prints_its_error_and_its_hint() {
        let failure = Failure::usage("unknown job \"frod\"").hint("did you mean \"fraud\"?");
        assert_eq!(
            failure.to_string(),
            "error: unknown job \"frod\"\nhint: did you mean \"fraud\"?"
        );
        assert_eq!(Failure::failed("no").to_string(), "error: no");
    }
}
