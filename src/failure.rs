//! What a command ends with when it does not succeed.

use std::fmt;
use std::process::ExitCode;

/// The exit code of a command that ran and failed.
pub const EXIT_FAILED: u8 = 1;

/// The exit code for a wrong command line, job file, `cluster.toml` or environment. Nothing was
/// started.
pub const EXIT_USAGE: u8 = 2;

/// Why a command failed: printed as `error: ...` and `hint: ...` on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// A command that ran and failed; exit code 1. The message begins in lower case, has no full
    /// stop, and says what was attempted, on what, and why it failed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), hint: None, code: EXIT_FAILED }
    }

    /// A mistake on the command line, in a file of settings or in the environment; exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), hint: None, code: EXIT_USAGE }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The code the process exits with.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
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
