//! What a command prints on standard output.

use crate::exit::Exit;
use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Write};

/// Prints `text` as it is. A reader that goes away (`| head`) is no failure.
///
/// # Errors
/// When standard output fails otherwise, a full disk for example.
pub fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(Exit::Done),
    }
}

/// Prints a line for people on standard error. That nobody reads it is no failure.
pub fn note(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Prints `document` as one line of JSON.
///
/// # Errors
/// When standard output fails.
pub fn print_json(document: &impl Serialize) -> Result<Exit, Failure> {
    let text = serde_json::to_string(document)
        .map_err(|error| Failure::failed(format!("cannot write the answer as JSON: {error}")))?;
    print(&format!("{text}\n"))
}
