//! What is wrong with a file, as people read it.

use std::fmt;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key or name that is wrong, where there is one.
    pub key: Option<String>,
    /// What is wrong: lowercase, without a full stop, with the key in quotes.
    pub message: String,
    /// What to do next: the nearest valid name, or the names there are.
    pub hint: Option<String>,
}

/// Everything that is wrong with one file, by line; at least one [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobErrors {
    /// The file's name as it was given.
    pub file: String,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
    /// How many more there are than are listed.
    pub unlisted: usize,
}

impl fmt::Display for JobErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let Problem { line, column, message, hint, .. } = problem;
            write!(f, "{}:{line}:{column}: {message}", self.file)?;
            if let Some(hint) = hint {
                write!(f, "\n  {hint}")?;
            }
        }
        if self.unlisted > 0 {
            write!(f, "\n{}: and {} more", self.file, self.unlisted)?;
        }
        Ok(())
    }
}

impl std::error::Error for JobErrors {}
