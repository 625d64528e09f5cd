//! What is said of an entity's features, as a document.

use serde::Serialize;
use serde_json::value::RawValue;
use tidemark_operators::time::{EventTime, Millis};

/// A value as JSON, to the last digit as rows have it.
pub(crate) type JsonValue = Box<RawValue>;

/// `text` as a value; null where it is none.
pub(crate) fn value(text: String) -> JsonValue {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// An entity's features in a view.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    pub job: String,
    pub view: String,
    pub entity: String,
    pub id: String,
    pub at: EventTime,
    /// All events of the entity up to then.
    pub events: u64,
    pub features: Vec<ExplainedFeature>,
}

/// One feature.
#[derive(Debug, Serialize)]
pub(crate) struct ExplainedFeature {
    pub name: String,
    pub value: JsonValue,
    pub definition: String,
    /// When it becomes another value, if nothing else comes.
    pub changes: Vec<ValueChange>,
    /// Whether there may be more changes than those.
    pub more_changes: bool,
    pub inputs: Vec<ExplainedInput>,
}

/// A value from a time on.
#[derive(Debug, Serialize)]
pub(crate) struct ValueChange {
    pub at: EventTime,
    pub value: JsonValue,
}

/// What a feature reads: a window, or what is kept of the latest event.
#[derive(Debug, Serialize)]
pub(crate) struct ExplainedInput {
    /// `count`, `sum`, `latest`, ..
    pub what: &'static str,
    /// The attribute.
    pub of: Option<String>,
    pub window_ms: Option<Millis>,
    pub delay_ms: Option<Millis>,
    /// How long a latest event is seen.
    pub horizon_ms: Option<Millis>,
    pub value: JsonValue,
    /// How many events it is over.
    pub count: usize,
    pub events: Vec<ContributingEvent>,
    /// How many of them are not in `events`.
    pub more: usize,
    /// How many that have happened enter a delayed window later.
    pub enter_later: usize,
    /// Of what is counted by value the values, the most frequent first.
    pub values: Vec<CountedValue>,
    /// How many of them are not in `values`.
    pub more_values: usize,
}

/// A value, and how many events have it.
#[derive(Debug, Serialize)]
pub(crate) struct CountedValue {
    pub value: JsonValue,
    pub events: usize,
}

/// An event that a value is made of.
#[derive(Debug, Serialize)]
pub(crate) struct ContributingEvent {
    /// Where it is from, where that is known.
    #[serde(flatten)]
    pub origin: Option<EventOrigin>,
    pub at: EventTime,
    /// What it has of the attribute.
    pub value: Option<JsonValue>,
    /// When it leaves.
    pub leaves: Option<EventTime>,
    /// What the feature is then.
    pub then: Option<JsonValue>,
    /// What it is in particular: `latest`, `holds it`, ..
    pub role: Option<&'static str>,
    /// The event before it that decided what was derived of it.
    pub compared: Option<ComparedEvent>,
}

/// Where an event is from.
#[derive(Debug, Serialize)]
pub(crate) struct EventOrigin {
    pub source: String,
    pub partition: u32,
    pub offset: u64,
    /// Where it is: `tx.jsonl line 7`.
    pub place: String,
}

/// An event that another one was compared with.
#[derive(Debug, Serialize)]
pub(crate) struct ComparedEvent {
    /// Where it is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub at: EventTime,
    pub value: JsonValue,
}
