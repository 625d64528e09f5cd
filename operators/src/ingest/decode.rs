//! Records straight into the projected columns: JSON, [Avro](avro) and [CSV](csv).
//!
//! ```text
//! record bytes ─ UTF-8 checked once ─┬─ plain JSON, in one pass ────┬─→ one cell in each column
//!                                    └─ else: serde_json ─→ seeds ──┘
//!                                          │
//!                   a trie of the paths; each object predicts its next key
//! ```
//!
//! Only what a key, an attribute or a predicate needs is looked at; everything else is skipped, but
//! must be JSON all the same, to the last byte of the record. A record becomes one row, or an error
//! that names the field; an error leaves no trace in the columns.
//!
//! Why this way: there is no value tree and, once the buffers have grown, no allocation, unless a
//! string that is wanted has escapes. Numbers are taken by their text, because the nearest double of
//! `0.0000005` is not it. Objects mostly have their keys in one order, so each remembers the order it
//! saw and compares the expected key first.

pub mod avro;
mod cell;
mod coerce;
pub mod csv;
mod envelope;
mod error;
mod field_values;
mod framing;
mod ip;
mod iso;
mod keys;
mod lenient;
mod needs;
mod number;
mod outside;
mod plain;
mod rfc3339;
mod scalar;
mod seed;
#[cfg(test)]
mod tests;
mod time;
mod trie;

pub use error::DecodeError;
pub(crate) use framing::{key_text, payload, unframed, unwrapped};
pub use lenient::mended;
pub use outside::Metadata;
pub(crate) use scalar::in_column;
pub use scalar::{Conversion, MemberValue, Scalar, conversion, exact_value_of};

use crate::plan::SourcePlan;
use crate::time::EventTime;
use crate::value::Column;
use field_values::FieldValues;
use serde::de::DeserializeSeed;
use std::borrow::Cow;

/// The default bound on a record's length in bytes (1 MiB): a longer one is malformed.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Decoded records of one source, a column a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The event times: as the records have them until they are judged, then those that the events
    /// have.
    pub time: Vec<EventTime>,
    /// When the records arrived: what the source's field for it says until they are judged, then
    /// what they were judged by.
    pub arrival: Vec<Option<EventTime>>,
    /// One column for each of [`SourcePlan::fields`], each as long as `time`, and behind them one for
    /// each of [`SourcePlan::computed`], which are filled once the records are judged.
    pub columns: Vec<Column>,
    /// What was there and could not be read, and is null therefore: ascending by row.
    pub invalid: Vec<InvalidField>,
    /// Fields that were there and could not be read in records that are no rows, for want of a key.
    pub unkeyed: Vec<(usize, DecodeError)>,
    /// Decimals that had more digits than their fields keep: ascending by row.
    pub rounded: Vec<RoundedField>,
}

/// A value that was there and could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The row.
    pub row: usize,
    /// The field: index into [`SourcePlan::fields`].
    pub field: usize,
    /// What was wrong with it.
    pub error: DecodeError,
}

/// A decimal that was rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundedField {
    /// The row.
    pub row: usize,
    /// The field: index into [`SourcePlan::fields`].
    pub field: usize,
}

impl Decoded {
    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.invalid.clear();
        self.unkeyed.clear();
        self.rounded.clear();
        self.time.clear();
        self.arrival.clear();
        self.columns.iter_mut().for_each(Column::clear);
    }

    /// Cuts back to the first `rows` records.
    pub fn truncate(&mut self, rows: usize) {
        while self.invalid.pop_if(|invalid| invalid.row >= rows).is_some() {}
        while self.rounded.pop_if(|rounded| rounded.row >= rows).is_some() {}
        self.time.truncate(rows);
        self.arrival.truncate(rows);
        self.columns.iter_mut().for_each(|column| cell::reset(column, rows));
    }

    /// How many records it holds.
    pub fn rows(&self) -> usize {
        self.time.len()
    }

    /// Makes sure that there are `count` columns, all as long as the times.
    fn shape(&mut self, count: usize) {
        if self.columns.len() == count {
            return;
        }
        let rows = self.rows();
        self.columns.truncate(count);
        self.columns.resize_with(count, || Column {
            words: vec![0; rows],
            valid: vec![false; rows],
            bytes: Vec::new(),
        });
    }
}

/// A number's text as units of `10^-scale`, rounded half to even; `None` when there are too many of
/// them. The text must be that of a number.
pub(crate) fn decimal_text(text: &str, scale: u8) -> Option<i64> {
    number::decimal(text, scale).map(|decimal| decimal.units)
}

/// Milliseconds since the epoch of an RFC 3339 time.
pub(crate) fn rfc3339_text(text: &str) -> Option<i64> {
    rfc3339::parse(text)
}

/// Turns the JSON records of one source into rows of [`Decoded`].
///
/// When a key is there twice the last one decides alone, and of several paths of a field the first
/// that is there. A record that begins with a zero byte has the five bytes of a schema registry's
/// serializer before its JSON, which are skipped.
#[derive(Clone, Debug)]
pub struct Decoder {
    values: FieldValues,
    /// Whether nothing but JSON is taken.
    strict: bool,
    /// Whether records are first taken for plain JSON; tests read them without.
    plain: bool,
}

impl Decoder {
    /// A decoder for the records of `source`.
    pub fn new(source: &SourcePlan) -> Self {
        Self { values: FieldValues::new(source), strict: source.strict_json, plain: true }
    }

    /// The same with nothing but the general parser: the twin of how records are read.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub fn by_the_parser_alone(mut self) -> Self {
        self.plain = false;
        self
    }

    /// The same, with another bound on a record's length in bytes (default [`RECORD_BYTES_MAX`]).
    #[must_use]
    pub fn with_record_bytes_max(mut self, record_bytes_max: usize) -> Self {
        self.values.set_record_bytes_max(record_bytes_max);
        self
    }

    /// The same for records whose time matters to nobody: one that cannot be read is 1970.
    #[must_use]
    pub(crate) fn without_time(mut self) -> Self {
        self.values.without_time();
        self
    }

    /// Appends the row of `record`, which has nothing besides its value, to `into`.
    ///
    /// # Errors
    /// As [`decode_with`](Self::decode_with).
    pub fn decode(&mut self, record: &[u8], into: &mut Decoded) -> Result<(), DecodeError> {
        self.decode_with(record, None, into)
    }

    /// Appends the row of `record` to `into`; `metadata` is what it has besides its value.
    ///
    /// # Errors
    /// When the record is malformed: too long, not UTF-8, not one JSON object, a field of the wrong
    /// type or out of range, no event time or one outside the source's bounds, a required field or
    /// every entity key missing. `into` is then as it was.
    pub fn decode_with(
        &mut self,
        record: &[u8],
        metadata: Option<Metadata<'_>>,
        into: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let row = self.values.next(into);
        let read = self.read(record, metadata, row, &mut into.columns);
        self.values.finish(read, row, into)
    }

    /// Reads what is in the record into the cells of `row`.
    fn read(
        &mut self,
        record: &[u8],
        metadata: Option<Metadata<'_>>,
        row: usize,
        columns: &mut [Column],
    ) -> Result<DecodedTimes, DecodeError> {
        self.values.bounded(record)?;
        let json = unframed(record);
        let text = std::str::from_utf8(json).map_err(|e| DecodeError::NotUtf8 {
            at: record.len() - json.len() + e.valid_up_to(),
        })?;
        if self.plain {
            columns.iter_mut().for_each(|column| cell::reset(column, row));
            let read = |cells: &mut cell::Row<'_>| plain::read(text, cells).ok_or(());
            if let Ok(times) = self.values.fill(row, columns, metadata, read) {
                return Ok(times);
            }
        }
        let mut pass = self.pass(text, metadata, row, columns, false);
        let mut exact = Vec::new();
        while let Pass::Inexact(leaf) = pass {
            self.values.trie.expect_text(leaf, false);
            exact.push(leaf);
            pass = self.pass(text, metadata, row, columns, false);
        }
        // What a record is must not depend on those before it.
        exact.into_iter().for_each(|leaf| self.values.trie.expect_text(leaf, true));
        let refused = match pass {
            Pass::Done(read) => return read,
            Pass::Syntax(error) => error,
            Pass::Inexact(_) => String::new(),
        };
        let again = match self.strict {
            true => Cow::Borrowed(text),
            false => Cow::Owned(lenient::mended(text)),
        };
        match self.pass(&again, metadata, row, columns, true) {
            Pass::Done(read) => read,
            Pass::Syntax(_) | Pass::Inexact(_) => Err(DecodeError::syntax(&refused, text)),
        }
    }

    /// Reads the record from its beginning.
    fn pass(
        &mut self,
        text: &str,
        metadata: Option<Metadata<'_>>,
        row: usize,
        columns: &mut [Column],
        by_text: bool,
    ) -> Pass {
        columns.iter_mut().for_each(|column| cell::reset(column, row));
        let mut json = serde_json::Deserializer::from_str(text);
        let times = self.values.fill(row, columns, metadata, |cells| {
            cells.by_text = by_text;
            let read = seed::ObjectSeed::root(cells).deserialize(&mut json);
            match (read.and_then(|()| json.end()), cells.stopped.take(), cells.inexact) {
                (Ok(()), ..) => Ok(()),
                (Err(_), Some(fault), _) => Err(Pass::Done(Err(fault))),
                (Err(_), None, Some(leaf)) => Err(Pass::Inexact(leaf)),
                (Err(syntax), None, None) => Err(Pass::Syntax(syntax.to_string())),
            }
        });
        times.map_or_else(|other| other, |times| Pass::Done(Ok(times)))
    }
}

/// What came of reading a record.
enum Pass {
    Done(Result<DecodedTimes, DecodeError>),
    /// The parser has rounded a number that is not to be rounded: this leaf's.
    Inexact(usize),
    /// What the parser says.
    Syntax(String),
}

/// The times of a record.
struct DecodedTimes {
    /// Not yet held against the source's bounds.
    event: Option<i64>,
    arrival: Option<EventTime>,
}

fn bounded(record: &[u8], limit: usize) -> Result<(), DecodeError> {
    match record.len() {
        length if length > limit => Err(DecodeError::TooLong { length, limit }),
        _ => Ok(()),
    }
}
