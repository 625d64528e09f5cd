//! Logs.

use crate::config::keys::{Choice, Keys, choose};
use crate::logging::{LEVEL_HINT, LogFormat, check_level};

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A level, or a filter by module; default `info`.
    pub level: String,
    /// Default text.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Choice for LogFormat {
    const NAMES: &'static [(&'static str, Self)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl LogSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.text("level", &level, &mut self.level);
        choose(keys, "format", &mut self.format);
    }
}

/// Checks a level or a filter.
pub(super) fn level(text: &str) -> Result<(), String> {
    check_level(text).map_err(|_| format!("is no log level; {LEVEL_HINT}"))
}
