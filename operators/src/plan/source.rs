//! Sources: where records come from, and what is decoded of them.

use super::arrival::Arrival;
use super::envelope::EnvelopePlan;
use super::field::FieldPlan;
use super::place::Place;
use super::unique::UniquePlan;
use crate::expression::Expr;
use crate::time::{EARLIEST_DEFAULT, EventTime, LATEST_DEFAULT, Millis};
use crate::value::Type;
use crate::zone::Zone;
use std::sync::Arc;

/// How records are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record.
    Json,
    /// One Avro datum a record: in a topic behind the number of its schema (the schema-registry wire
    /// format), in a file in an object container that holds the schema.
    Avro,
    /// A line of CSV a record, in a file that begins with a line that names the columns.
    Csv {
        /// What lies between two cells: a byte of ASCII, no quote and no line end.
        delimiter: u8,
    },
}

/// How a time is written in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds since the epoch.
    Ms,
    /// Seconds since the epoch, with or without a fraction.
    S,
    /// Microseconds since the epoch.
    Us,
    /// Nanoseconds since the epoch.
    Ns,
    /// RFC 3339 text.
    Rfc3339,
    /// ISO 8601 text: with or without seconds, a fraction, an offset.
    Iso,
    /// A text as [`Iso`](TimeUnit::Iso), or a number in s, ms, us or ns: the one unit in which it
    /// lies in the years 1990 to 2099.
    Auto,
    /// A date: its midnight.
    Date,
    /// Days since the epoch: their midnight.
    Days,
}

impl TimeUnit {
    /// The name a job file uses.
    pub const fn name(self) -> &'static str {
        match self {
            TimeUnit::Ms => "ms",
            TimeUnit::S => "s",
            TimeUnit::Us => "us",
            TimeUnit::Ns => "ns",
            TimeUnit::Rfc3339 => "rfc3339",
            TimeUnit::Iso => "iso",
            TimeUnit::Auto => "auto",
            TimeUnit::Date => "date",
            TimeUnit::Days => "days",
        }
    }

    /// Whether a number is such a time.
    pub const fn is_number(self) -> bool {
        !matches!(self, TimeUnit::Rfc3339 | TimeUnit::Iso | TimeUnit::Date)
    }

    /// Whether a text that is no number is such a time.
    pub const fn is_text(self) -> bool {
        matches!(self, TimeUnit::Rfc3339 | TimeUnit::Iso | TimeUnit::Auto | TimeUnit::Date)
    }

    /// Whether such a time may be a local one, so that it takes a zone to tell it.
    pub const fn may_be_local(self) -> bool {
        matches!(self, TimeUnit::Iso | TimeUnit::Auto | TimeUnit::Date | TimeUnit::Days)
    }
}

/// How a time is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeForm {
    /// How it is written.
    pub unit: TimeUnit,
    /// The zone of local times; `None`: a text that is one is no time, and days are those of UTC.
    pub zone: Option<Arc<Zone>>,
    /// Whether a number may stand in a text.
    pub coerce: bool,
}

impl TimeForm {
    /// A time in `unit`, local ones aside.
    pub const fn new(unit: TimeUnit) -> Self {
        TimeForm { unit, zone: None, coerce: true }
    }
}

/// What is around the records in a source's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nothing.
    None,
    /// All that a topic knows of each: a line is one record as `kcat -J` writes it.
    Kcat,
}

/// A time of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeField {
    /// In what of the record it is.
    pub place: Place,
    /// The dotted path, split. Empty where it is all of it.
    pub path: Vec<String>,
    /// How it is read.
    pub form: TimeForm,
}

impl TimeField {
    /// The time at `path` of the record's value, in `unit`.
    pub const fn new(path: Vec<String>, unit: TimeUnit) -> Self {
        TimeField { place: Place::Value, path, form: TimeForm::new(unit) }
    }
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

/// What becomes of a record that has no key of any entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyless {
    /// It is counted and left out: it concerns nobody.
    Skip,
    /// It is malformed.
    Dead,
}

/// What is known of every event besides the values of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Computed {
    /// The time that the event has: what its record says, or less where that lies too far ahead of
    /// its arrival. A timestamp, never null.
    EventTime,
    /// Whether the field at this index of [`SourcePlan::fields`] was there, was not null and could
    /// not be read. A bool, never null.
    Invalid(usize),
}

impl Computed {
    /// The type of its values.
    pub const fn ty(self) -> Type {
        match self {
            Computed::EventTime => Type::Timestamp,
            Computed::Invalid(_) => Type::Bool,
        }
    }
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
    /// Whether JSON is taken by the letter: else the words `NaN`, `Infinity` and `-Infinity` stand for
    /// a value that cannot be read, and halves of surrogate pairs for U+FFFD.
    pub strict_json: bool,
    /// What is around them in files: those of the job, and those that are read in a topic's place.
    pub framing: Framing,
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
    /// What else an attribute or a predicate needs: the columns behind those of the fields.
    pub computed: Vec<Computed>,
    /// Predicates over the columns (bool expressions whose inputs are indices into `fields`, and
    /// behind these into `computed`), evaluated once an event: view and feature filters.
    pub predicates: Vec<Expr>,
    /// Fields that are entity keys: a record that has none of them is no event.
    pub keys: Vec<usize>,
    /// What becomes of a record that has none of its keys, where all of them are optional. Without a
    /// required one it is malformed.
    pub keyless: Keyless,
    /// What makes a record itself; `None`: a copy of a record is one more event.
    pub unique: Option<UniquePlan>,
    /// The envelope that the records are in; `None`: they are what happened.
    pub envelope: Option<EnvelopePlan>,
}

impl SourcePlan {
    /// JSON records with these fields, of which none is a key, and nothing else: neither a topic nor
    /// files, no disorder, no waiting for silent partitions; every event time of
    /// [`EARLIEST_DEFAULT`] to [`LATEST_DEFAULT`].
    ///
    /// ```
    /// use tidemark_operators::plan::{FieldPlan, SourcePlan, TimeField, TimeUnit};
    /// use tidemark_operators::value::Type;
    ///
    /// let time = TimeField::new(vec!["at".to_owned()], TimeUnit::S);
    /// let card = FieldPlan::new("card_id", Type::Text);
    /// let source = SourcePlan { keys: vec![0], ..SourcePlan::new("payments", time, vec![card]) };
    /// assert_eq!(source.columns(), 1);
    /// ```
    pub fn new(name: &str, time: TimeField, fields: Vec<FieldPlan>) -> Self {
        SourcePlan {
            name: name.to_owned(),
            topic: None,
            files: Vec::new(),
            format: Format::Json,
            strict_json: false,
            framing: Framing::None,
            schema_wait: 0,
            start: Start::Earliest,
            time,
            arrival: Arrival::Timestamp,
            earliest: EARLIEST_DEFAULT,
            latest: LATEST_DEFAULT,
            out_of_orderness: 0,
            max_ahead: None,
            idle_after: 0,
            hold_max: 0,
            max_future_skew: None,
            fields,
            computed: Vec::new(),
            predicates: Vec::new(),
            keys: Vec::new(),
            keyless: Keyless::Skip,
            unique: None,
            envelope: None,
        }
    }

    /// The type of a column: of a field, or of what is computed.
    pub fn column_type(&self, column: usize) -> Option<Type> {
        let computed = column.checked_sub(self.fields.len());
        match computed {
            None => self.fields.get(column).map(|field| field.ty),
            Some(at) => self.computed.get(at).map(|computed| computed.ty()),
        }
    }

    /// How many columns the events of the source have.
    pub fn columns(&self) -> usize {
        self.fields.len() + self.computed.len()
    }
}
