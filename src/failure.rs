//! What a command ends with when it does not succeed.

use crate::exit::Exit;
use std::fmt;

/// Why a command failed: printed as `error: ...` and `hint: ...` on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    exit: Exit,
}

impl Failure {
    /// A command that ran and failed; exit code 1. The message begins in lower case, has no full
    /// stop, and says what was attempted, on what, and why it failed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), hint: None, exit: Exit::Failed }
    }

    /// A mistake on the command line, in a file of settings or in the environment; exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), hint: None, exit: Exit::Wrong }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
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
