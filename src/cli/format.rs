//! How a command answers.

use clap::ValueEnum;

/// How a command answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// One line of JSON on standard output, {"error": {"code", "message", "hint", "places"}} of a
    /// failure; exit codes are the same
    Json,
}
