//! What a command prints on standard output.

use crate::cli::OutputFormat;
use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints `text` as it is. A reader that goes away (`| head`) is no failure.
///
/// # Errors
/// When standard output fails otherwise, a full disk for example.
pub fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints `document` as one line of JSON.
///
/// # Errors
/// When standard output fails.
pub fn print_json(document: &impl Serialize) -> Result<ExitCode, Failure> {
    let text = serde_json::to_string(document)
        .map_err(|error| Failure::failed(format!("cannot write the answer as JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// What a command ends with, in the format that was asked for: with JSON a failure is a document on
/// standard output too.
///
/// # Errors
/// When the command failed and the format is text, or standard output fails.
pub fn in_format(
    format: OutputFormat,
    ended: Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    match (format, ended) {
        (OutputFormat::Json, Err(failure)) => {
            print(&format!("{}\n", failure.json()))?;
            Ok(failure.code())
        }
        (_, ended) => ended,
    }
}
