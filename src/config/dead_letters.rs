//! Where dead letters and sealed rows go.

use crate::config::Settings;
use crate::config::keys::{Choice, Keys, choose, not_empty};
use crate::named_file::is_standard_output;
use std::path::Path;

/// Which sink takes dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterKind {
    /// A file of JSON lines.
    File,
    /// A topic beside each source's topic, on the same brokers.
    Kafka,
}

impl Choice for DeadLetterKind {
    const NAMES: &'static [(&'static str, Self)] =
        &[("file", DeadLetterKind::File), ("kafka", DeadLetterKind::Kafka)];
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// Which sink; default a file.
    pub kind: DeadLetterKind,
    /// The file, which is appended to; default `dead_letters.jsonl`.
    pub path: String,
    /// The topic; `{topic}` stands for the source's. Default `{topic}.dlq`.
    pub topic: String,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        DeadLetterSettings {
            kind: DeadLetterKind::File,
            path: "dead_letters.jsonl".to_owned(),
            topic: "{topic}.dlq".to_owned(),
        }
    }
}

impl DeadLetterSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        choose(keys, "kind", &mut self.kind);
        keys.text("path", &not_empty, &mut self.path);
        keys.text("topic", &topic, &mut self.topic);
    }
}

/// A job must not read its own dead letters.
fn topic(text: &str) -> Result<(), String> {
    match text {
        "{topic}" => Err("must differ from the source's topic, as \"{topic}.dlq\" does".to_owned()),
        _ => named(text, "{topic}"),
    }
}

/// What a topic of rows may be called.
fn view_topic(text: &str) -> Result<(), String> {
    named(text, "{view}")
}

/// Whether it is what a topic may be called, with `part` for what differs.
fn named(text: &str, part: &str) -> Result<(), String> {
    let rest = text.replace(part, "");
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    match text.is_empty() || !rest.chars().all(known) {
        true => Err(format!("must be letters, digits, dots, dashes, underscores and {part}")),
        false => Ok(()),
    }
}

/// Where sealed rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSettings {
    /// The file of JSON lines; by default sealed rows are not computed.
    pub path: Option<String>,
    /// The topic that they are published to from the file; `{view}` stands for the view. By default they
    /// are in the file only.
    pub topic: Option<String>,
    /// Whether what is published stays in the file; default yes.
    pub keep: bool,
}

impl Default for SealedSettings {
    fn default() -> Self {
        SealedSettings { path: None, topic: None, keep: true }
    }
}

impl SealedSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.optional_text("path", &not_empty, &mut self.path);
        keys.optional_text("topic", &view_topic, &mut self.topic);
        keys.flag("keep", &mut self.keep);
    }

    /// What is wrong with these settings beside the others.
    pub(super) fn contradictions(&self, all: &Settings) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if self.topic.is_some() && (self.path.is_none() || all.state.url.is_none()) {
            wrong.push(
                "\"topic\" in [sealed] needs \"path\" there, the file that rows are published from, and \
                 \"url\" in [state], which knows how far they are final",
            );
        }
        let is_stream = |path: &String| is_standard_output(Path::new(path));
        if self.topic.is_some() && self.path.as_ref().is_some_and(is_stream) {
            wrong.push(
                "\"path\" in [sealed] names the standard output: rows are published from a file",
            );
        }
        if !self.keep && self.topic.is_none() && all.offline.readers() == 0 {
            wrong.push(
                "\"keep = false\" in [sealed] needs \"topic\", or \"url\" in [offline.parquet] or [offline.postgres]: \
                 nothing else has the rows",
            );
        }
        wrong
    }
}
