//! Sources: where records come from, and what is decoded of them.

use super::arrival::Arrival;
use crate::expression::Expr;
use crate::time::{EventTime, Millis};
use crate::value::{Type, Value};

/// How records are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record.
    Json,
    /// One Avro datum a record: in a topic behind the number of its schema (the schema-registry wire
    /// format), in a file in an object container that holds the schema.
    Avro,
}

/// How an event time is written in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds since the epoch.
    Ms,
    /// Seconds since the epoch, with or without a fraction.
    S,
    /// Microseconds since the epoch.
    Us,
    /// RFC 3339 text.
    Rfc3339,
}

/// A time inside a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeField {
    /// The dotted path, split.
    pub path: Vec<String>,
    /// How it is written.
    pub unit: TimeUnit,
}

/// Where a topic is read from when nothing else says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest record.
    Earliest,
    /// The end of the partition when the job starts.
    Latest,
    /// The first record at or after this time, by the broker's timestamps.
    At(EventTime),
    /// The first record at or after the start of the job minus this.
    Ago(Millis),
}

/// One source.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name in the job.
    pub name: String,
    /// Its Kafka topic, when it has one.
    pub topic: Option<String>,
    /// Its files (one a partition), when the job names files.
    pub files: Vec<String>,
    /// How its records are encoded.
    pub format: Format,
    /// How long a number that no schema is known for is asked about before its records are dead
    /// letters; counted by whoever asks, see [`Schemas`](crate::ingest::schemas::Schemas).
    pub schema_wait: Millis,
    /// Where a topic is read from.
    pub start: Start,
    /// The event time.
    pub time: TimeField,
    /// What says when a record arrived.
    pub arrival: Arrival,
    /// Event times outside `[earliest, latest)` are malformed, and arrivals outside it are none.
    pub earliest: EventTime,
    /// See `earliest`.
    pub latest: EventTime,
    /// How far behind its partition's clock an event may be.
    pub out_of_orderness: Millis,
    /// How far ahead of its arrival an event's time may be: what lies further ahead is corrected to
    /// that. `None`: any distance.
    pub max_ahead: Option<Millis>,
    /// Wall time without an accepted record after which a partition is idle that stands at its end;
    /// counted from when the end was found, if that is later.
    pub idle_after: Millis,
    /// Wall time after which a partition no longer holds the others that has been read, but for open
    /// transactions, and whose clock has not gone on: by at least half of the time that passed. For ten
    /// times as long after that `idle_after` counts instead.
    pub hold_max: Millis,
    /// How far ahead of its arrival a record may be before it is no event; `None`: any distance.
    pub max_future_skew: Option<Millis>,
    /// The fields that are decoded: those that a key, an attribute or a predicate needs.
    pub fields: Vec<FieldPlan>,
    /// Predicates over the fields (bool expressions whose inputs are indices into `fields`),
    /// evaluated once an event: view and feature filters.
    pub predicates: Vec<Expr>,
    /// Fields that are entity keys: an event that has none of them is malformed.
    pub keys: Vec<usize>,
}

/// One field of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldPlan {
    /// Its name in the job.
    pub name: String,
    /// Where it is in the record: the dotted path, split.
    pub path: Vec<String>,
    /// Where else it may be: of `path` and these, in this order, the first that a record has is
    /// read. No two fields share a path.
    pub aliases: Vec<Vec<String>>,
    /// Its type.
    pub ty: Type,
    /// Whether a record without it (or with null) is malformed.
    pub required: bool,
    /// What stands in for it in a record that has none of its paths (a null is no absence). Never
    /// [`Value::Null`], and of the field's type.
    pub default: Option<Value>,
}
