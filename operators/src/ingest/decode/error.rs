//! What can be wrong with a record.

use crate::plan::Operation;
use crate::time::EventTime;

/// How many bytes of a record an error shows at most.
const SHOWN_BYTES_MAX: usize = 100;

/// Why a record is malformed. Fields are named as in the job, with their path in the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than the bound.
    #[error("the record has {length} bytes, the limit is {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the record is not UTF-8: invalid byte at {at}")]
    NotUtf8 {
        /// Where the first bad byte is, from 0.
        at: usize,
    },
    /// Not JSON, or something after it.
    #[error("the record is not one JSON value: {reason}; it begins with `{begins}`")]
    Syntax {
        /// What the parser says.
        reason: String,
        /// The beginning of the record.
        begins: String,
    },
    /// An array, where each record is one event.
    #[error(
        "the record is an array, as of several events: let the producer write each of them as a \
         record of its own"
    )]
    Array,
    /// Not a line of its CSV file.
    #[error("the record is no line of its CSV file: {0}")]
    Csv(String),
    /// Not in the wire format of schema registries.
    #[error("the record is not in the wire format of a schema registry: {0}")]
    Wire(&'static str),
    /// Not a datum of its schema.
    #[error("the record is no Avro datum of its schema: {reason}, at byte {at} of the datum")]
    Avro {
        /// What is wrong.
        reason: &'static str,
        /// How far it could be read, in bytes.
        at: usize,
    },
    /// A value of another type, or one that does not parse.
    #[error("{field}: expected {expected}, found {found}")]
    WrongType {
        /// The field.
        field: String,
        /// What it should have been.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// A number beyond what the type holds.
    #[error("{field}: {found} is out of range, expected {expected}{hint}")]
    OutOfRange {
        /// The field.
        field: String,
        /// What it should have been.
        expected: &'static str,
        /// What it was.
        found: String,
        /// Of a time the unit that would fit, after a semicolon; empty where none does.
        hint: String,
    },
    /// A required field or the event time is not there, or null.
    #[error("{field}: required, but missing or null")]
    Missing {
        /// The field.
        field: String,
    },
    /// None of the entity keys is there.
    #[error("none of the entity keys is present: {keys}")]
    NoKey {
        /// The fields that are keys.
        keys: String,
    },
    /// It is in no envelope: nothing says what was done to its row.
    #[error(
        "the record has no \"op\", so it is in no envelope of Debezium: for records that are rows alone \
         leave out \"envelope\""
    )]
    NoEnvelope,
    /// It tells of an operation that the job does not read.
    #[error("its operation is \"{0}\", which the job does not read")]
    Skipped(Operation),
    /// An event time outside the source's bounds.
    #[error("{field}: {time} ms is outside [{earliest}, {latest}){hint}")]
    TimeOutside {
        /// The field.
        field: String,
        /// The time in ms since the epoch.
        time: i64,
        /// The first valid time.
        earliest: EventTime,
        /// The first time that is invalid again.
        latest: EventTime,
        /// The unit that would fit, after a semicolon; empty where none does.
        hint: String,
    },
}

impl DecodeError {
    /// What the parser said about `text`.
    pub(super) fn syntax(reason: &str, text: &str) -> Self {
        DecodeError::Syntax { reason: shown(reason), begins: shown(text) }
    }
}

/// The beginning of `text`, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    let cut = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
    let mut shown = text.get(..cut.unwrap_or(0)).unwrap_or_default().to_owned();
    shown.push_str("..");
    shown
}
