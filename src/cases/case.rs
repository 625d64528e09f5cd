//! A case, as it was understood.

use tidemark_operators::time::EventTime;
use tidemark_operators::verdict::Reason;

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Unique in its file.
    pub name: String,
    /// Where it stands.
    pub line: usize,
    /// What lengths of time count from.
    pub start: EventTime,
    /// In the order of the file.
    pub events: Vec<Event>,
    /// In the order of the file.
    pub expect: Vec<Expectation>,
    /// By event.
    pub dead: Vec<ExpectedDead>,
}

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The source's place in the job.
    pub source: usize,
    /// The record, JSON unless it is meant not to be.
    pub record: Vec<u8>,
    /// Its event time, unless the record was written as it is.
    pub at: Option<EventTime>,
    /// When it arrived, where the file says so.
    pub arrived: Option<EventTime>,
}

/// What a row should be.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    /// Where it stands.
    pub line: usize,
    /// At which live clock.
    pub at: EventTime,
    /// The view's place in the job.
    pub view: usize,
    /// The entity.
    pub id: String,
    /// Some of its features by their place in the view; `None`: there is no row.
    pub features: Option<Vec<(usize, Expected)>>,
}

/// What a feature should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    /// No value.
    Null,
    /// An int, or a time in ms.
    Int(i64),
    /// Within 1e-9.
    Double(f64),
    /// A bool.
    Bool(bool),
    /// A text, or an address.
    Text(String),
}

/// A record that should become a dead letter.
#[derive(Clone, Debug)]
pub(super) struct ExpectedDead {
    /// Where it stands.
    pub line: usize,
    /// The event's place, from 0.
    pub event: usize,
    /// Why.
    pub reason: Reason,
    /// A part of what is wrong with it.
    pub error: Option<String>,
}
