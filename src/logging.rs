//! Logs: one line an event, as text or JSON, on stderr.
//!
//! Levels: `error` when something is lost or the process ends, `warn` when a dependency is down or
//! a limit is near, `info` for the life of the job (start, partitions, catch-up, stop), `debug` for
//! single connections and flushes, `trace` for single batches. Never a secret, never a payload.

use serde::{Deserialize, Serialize};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("cannot read the log level \"{level}\": {source}")]
    Level {
        /// The text that was given.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Another subscriber is in place.
    #[error("cannot start logging: {0}")]
    Taken(String),
}

/// What to write for a level, for hints.
pub const LEVEL_HINT: &str = "write error, warn, info, debug or trace, or a filter such as \
                              \"info,tidemark::http=debug\"";

/// Checks a level or filter.
///
/// # Errors
/// When it is neither a level nor a filter of directives.
pub fn check_level(level: &str) -> Result<(), LoggingError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    // A single word that is no level would be taken for the name of a module.
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    let single = !level.contains(['=', ',', '[', ':']);
    let text = if single && !words.contains(&level.to_ascii_lowercase().as_str()) {
        format!("={level}")
    } else {
        level.to_owned()
    };
    EnvFilter::try_new(text)
        .map_err(|source| LoggingError::Level { level: level.to_owned(), source })
}

/// Where log lines go.
#[derive(Clone, Debug)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Kept in memory, the newest lines only: for when the screen belongs to something else.
    Kept(KeptLines),
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the level is wrong, or logging was started before.
pub fn start(level: &str, format: LogFormat, target: LogTarget) -> Result<(), LoggingError> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)?);
    let colours = matches!(target, LogTarget::Stderr) && std::io::stderr().is_terminal();
    let started = match (format, target) {
        (LogFormat::Text, LogTarget::Stderr) => {
            builder.with_ansi(colours).with_writer(std::io::stderr).try_init()
        }
        (LogFormat::Json, LogTarget::Stderr) => {
            builder.json().flatten_event(true).with_writer(std::io::stderr).try_init()
        }
        (LogFormat::Text, LogTarget::Kept(lines)) => {
            builder.with_ansi(false).with_writer(lines).try_init()
        }
        (LogFormat::Json, LogTarget::Kept(lines)) => {
            builder.json().flatten_event(true).with_writer(lines).try_init()
        }
    };
    started.map_err(|error| LoggingError::Taken(error.to_string()))
}

/// How many lines [`KeptLines`] keeps.
pub const KEPT_LINES_MAX: usize = 200;

/// The newest log lines, at most [`KEPT_LINES_MAX`].
#[derive(Clone, Debug, Default)]
pub struct KeptLines(Arc<Mutex<std::collections::VecDeque<String>>>);

impl KeptLines {
    /// The lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Write for KeptLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The subscriber writes a whole line at a time.
        for line in String::from_utf8_lossy(bytes).lines() {
            if lines.len() == KEPT_LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(line.to_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for KeptLines {
    type Writer = KeptLines;

    fn make_writer(&'a self) -> KeptLines {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_told_from_typing_errors() {
        for level in ["info", "WARN", "off", "info,tidemark::http=debug"] {
            assert!(check_level(level).is_ok(), "{level}");
        }
        for level in ["inf", "loud", "info,tidemark=loud", ""] {
            assert!(check_level(level).is_err(), "{level}");
        }
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let mut lines = KeptLines::default();
        for i in 0..=KEPT_LINES_MAX {
            lines.write_all(format!("line {i}\n").as_bytes()).unwrap();
        }
        let kept = lines.lines();
        assert_eq!((kept.len(), kept[0].as_str()), (KEPT_LINES_MAX, "line 1"));
    }
}
