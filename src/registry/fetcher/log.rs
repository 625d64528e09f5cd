//! What the log says of the registry: each kind of trouble once in a while, not at each attempt.

use crate::registry::cache::Change;
use crate::registry::client::RequestTrouble;
use crate::registry::status::RequestOutcome;
use std::time::{Duration, Instant};

pub(super) struct Log {
    registry: String,
    schema_wait: Duration,
    every: Duration,
    /// The trouble that was logged last, and when; forgotten with the next answer.
    said: Option<(RequestOutcome, Instant)>,
}

impl Log {
    pub fn new(registry: String, schema_wait: Duration, every: Duration) -> Log {
        Log { registry, schema_wait, every, said: None }
    }

    pub fn trouble(&mut self, id: u32, trouble: &RequestTrouble, now: Instant) {
        let again = self.said.is_some_and(|(outcome, at)| {
            outcome == trouble.outcome && now.saturating_duration_since(at) < self.every
        });
        if again {
            return;
        }
        self.said = Some((trouble.outcome, now));
        tracing::warn!(
            schema = id,
            error = %trouble.text,
            "schema registry: no answer; records with this schema wait, and it is asked again. {}",
            Sentence(trouble.outcome.remedy()),
        );
    }

    pub fn answer(&mut self, id: u32, change: &Change) {
        let registry = &self.registry;
        if self.said.take().is_some() {
            tracing::info!(%registry, "schema registry: it answers again");
        }
        match change {
            Change::None => {}
            Change::Known => tracing::debug!(schema = id, "schema registry: the schema is known"),
            Change::Denied => tracing::warn!(
                schema = id,
                %registry,
                "schema registry: there is no such schema; its records wait for {:?}, then they \
                 become dead letters",
                self.schema_wait,
            ),
            Change::Unknown(reason) => tracing::warn!(
                schema = id,
                %reason,
                "schema registry: records with this schema become dead letters",
            ),
        }
    }
}

/// A hint as a sentence of its own.
struct Sentence(&'static str);

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut letters = self.0.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        write!(f, "{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
    }
}
