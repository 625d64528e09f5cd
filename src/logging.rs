//! Logs: one line an event, as text or JSON, on stderr.
//!
//! Levels: `error` when something is lost or the process ends, `warn` when a dependency is down or
//! a limit is near, `info` for the life of the job (start, partitions, catch-up, stop), `debug` for
//! single connections and flushes, `trace` for single batches. Never a secret, never a payload.

use crate::text::{is_harmful, printable};
use serde::{Deserialize, Serialize};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use thiserror::Error;
use tracing_subscriber::fmt::{FormatEvent, FormatFields, MakeWriter, SubscriberBuilder};
use tracing_subscriber::{EnvFilter, Registry};

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
    /// Nothing is logged by this process.
    #[error("cannot set the log level: this process does not log")]
    NotStarted,
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
    // A value in a filter that is a pattern takes memory that grows exponentially with its length.
    EnvFilter::builder()
        .with_regex(false)
        .parse(text)
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
            let escaped = move || EscapedStderr { escaping: Escaping::Text { colours } };
            begin(builder.with_ansi(colours).with_writer(escaped))
        }
        (LogFormat::Json, LogTarget::Stderr) => {
            let escaped = || EscapedStderr { escaping: Escaping::Json };
            begin(builder.json().flatten_event(true).with_writer(escaped))
        }
        (LogFormat::Text, LogTarget::Kept(lines)) => {
            begin(builder.with_ansi(false).with_writer(lines))
        }
        (LogFormat::Json, LogTarget::Kept(lines)) => {
            begin(builder.json().flatten_event(true).with_writer(lines))
        }
    };
    let set = started.map_err(LoggingError::Taken)?;
    let (configured, now) = (level.to_owned(), Mutex::new(level.to_owned()));
    let _ = LEVELS.set(Levels { configured, now, set });
    Ok(())
}

/// Makes another filter hold.
type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// The level, and how it is changed.
struct Levels {
    /// What the settings say.
    configured: String,
    now: Mutex<String>,
    set: SetFilter,
}

static LEVELS: OnceLock<Levels> = OnceLock::new();

/// Starts logging; what then changes the filter.
fn begin<N, E, W>(builder: SubscriberBuilder<N, E, EnvFilter, W>) -> Result<SetFilter, String>
where
    N: for<'a> FormatFields<'a> + Send + Sync + 'static,
    E: FormatEvent<Registry, N> + Send + Sync + 'static,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = builder.with_filter_reloading();
    let handle = builder.reload_handle();
    builder.try_init().map_err(|error| error.to_string())?;
    Ok(Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
}

/// The level or filter that holds; `None`: this process does not log.
pub fn level() -> Option<String> {
    let levels = LEVELS.get()?;
    Some(levels.now.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// From now on `level`, which is a level or a filter, holds; returns the one before.
///
/// # Errors
/// When it is neither, or this process does not log.
pub fn set_level(level: &str) -> Result<String, LoggingError> {
    let filter = filter(level)?;
    let levels = LEVELS.get().ok_or(LoggingError::NotStarted)?;
    let mut now = levels.now.lock().unwrap_or_else(PoisonError::into_inner);
    (levels.set)(filter).map_err(LoggingError::Taken)?;
    let before = std::mem::replace(&mut *now, level.to_owned());
    drop(now);
    tracing::warn!(level, before, "the log level is another one");
    Ok(before)
}

/// Switches between `debug` and the level of the settings.
pub fn toggle_debug() {
    let Some(levels) = LEVELS.get() else { return };
    let is_debug = level().is_some_and(|level| level == "debug");
    let next = if is_debug { levels.configured.as_str() } else { "debug" };
    if let Err(error) = set_level(next) {
        tracing::warn!(%error, "the log level stays");
    }
}

/// How what a terminal would act on is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escaping {
    /// As Rust does. With colours their sequences stay: they do nothing else.
    Text { colours: bool },
    /// As JSON does: it can only be inside of texts.
    Json,
}

/// Standard error, without anything in a line that a terminal would act on: texts of records and of
/// servers are in messages.
struct EscapedStderr {
    escaping: Escaping,
}

impl Write for EscapedStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The subscriber writes a whole line at a time.
        std::io::stderr().lock().write_all(escaped(bytes, self.escaping).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// A line with its end, escaped.
fn escaped(line: &[u8], escaping: Escaping) -> String {
    let line = String::from_utf8_lossy(line);
    let text = line.strip_suffix('\n').unwrap_or(&line);
    let mut out = String::with_capacity(line.len());
    for (at, c) in text.char_indices() {
        let colour = || text.get(at..).is_some_and(is_colour);
        match escaping {
            _ if !is_harmful(c) => out.push(c),
            Escaping::Json => {
                let code = u32::from(c);
                out.push_str(&format!("\\u{code:04x}"));
            }
            Escaping::Text { colours: true } if c == '\u{1b}' && colour() => out.push(c),
            Escaping::Text { .. } => out.extend(c.escape_default()),
        }
    }
    out.push('\n');
    out
}

/// Whether a text begins with what sets a colour.
fn is_colour(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return false };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.and_then(|end| rest.get(end..)).is_some_and(|rest| rest.starts_with('m'))
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
            lines.push_back(printable(line).into_owned());
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
        // As a pattern this would need more memory than there is.
        assert!(check_level(&format!("info,[{{x=a{}}}]=debug", ".".repeat(40))).is_ok());
    }

    #[test]
    fn a_line_of_the_log_moves_no_cursor_and_is_one_line() {
        let text = |line: &str, colours| escaped(line.as_bytes(), Escaping::Text { colours });
        let line = "WARN a\u{1b}[2Jb\nc\u{202e}\u{9b} \u{1b}[31mred\u{1b}[0m\n";
        assert_eq!(
            text(line, false),
            "WARN a\\u{1b}[2Jb\\nc\\u{202e}\\u{9b} \\u{1b}[31mred\\u{1b}[0m\n"
        );
        let coloured = text(line, true);
        assert!(coloured.ends_with("\u{1b}[31mred\u{1b}[0m\n"), "{coloured:?}");
        assert!(coloured.starts_with("WARN a\\u{1b}[2Jb\\n"), "{coloured:?}");
        let json = escaped("{\"a\":\"\u{9b}\u{202e}ü\"}\n".as_bytes(), Escaping::Json);
        assert_eq!(json, "{\"a\":\"\\u009b\\u202eü\"}\n");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["a"], "\u{9b}\u{202e}ü");
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
