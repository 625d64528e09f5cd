//! Rows as they were read from Redis, whatever the layout is.
//!
//! Bound: the rows of one question.

use crate::online::feast::StoredValue;
use tidemark_operators::time::EventTime;

/// Rows as they were read, in the texts of the layout `hash`: all in one buffer, for an answer has many
/// of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRows {
    text: Vec<u8>,
    /// What each value is, and where its text ends.
    values: Vec<(StoredValue, usize)>,
    /// Where the values of each row begin, and the live clock of its last change.
    rows: Vec<(usize, Option<EventTime>)>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'a> {
    text: &'a [u8],
    values: &'a [(StoredValue, usize)],
    /// Where the text of its first value begins.
    begin: usize,
    /// The live clock of its last change, where the layout says it and there is a row.
    pub changed: Option<EventTime>,
}

/// A value as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredText<'a> {
    /// Its text, as bytes that need be no UTF-8.
    Text(&'a [u8]),
    /// Null: nothing is there.
    Null,
    /// Bytes that are no value: somebody else wrote them.
    Unreadable,
}

impl StoredRows {
    /// With room for so many rows and values, and texts of so many bytes.
    pub(crate) fn with_capacity(rows: usize, values: usize, text: usize) -> StoredRows {
        StoredRows {
            text: Vec::with_capacity(text),
            values: Vec::with_capacity(values),
            rows: Vec::with_capacity(rows),
        }
    }

    /// Where the values of the next row begin.
    pub(crate) fn begin(&self) -> usize {
        self.values.len()
    }

    /// Adds a value, whose text `write` appends, if it has one.
    pub(crate) fn push_value(&mut self, write: impl FnOnce(&mut Vec<u8>) -> StoredValue) {
        let kind = write(&mut self.text);
        self.values.push((kind, self.text.len()));
    }

    /// The values since `begin` are a row, which last changed then.
    pub(crate) fn end(&mut self, begin: usize, changed: Option<EventTime>) {
        self.rows.push((begin, changed));
    }

    /// The rows in the order in which they were asked for.
    pub fn iter(&self) -> impl Iterator<Item = StoredRow<'_>> {
        self.rows.iter().enumerate().filter_map(|(at, (begin, changed))| {
            let end = self.rows.get(at + 1).map_or(self.values.len(), |(next, _)| *next);
            let before = begin.checked_sub(1).and_then(|before| self.values.get(before));
            Some(StoredRow {
                text: &self.text,
                values: self.values.get(*begin..end)?,
                begin: before.map_or(0, |(_, end)| *end),
                changed: *changed,
            })
        })
    }
}

impl<'a> StoredRow<'a> {
    /// The value of the feature that was asked for at this place.
    pub fn value(&self, at: usize) -> Option<StoredText<'a>> {
        let (kind, end) = *self.values.get(at)?;
        let before = at.checked_sub(1).and_then(|before| self.values.get(before));
        Some(match kind {
            StoredValue::Null => StoredText::Null,
            StoredValue::Unreadable => StoredText::Unreadable,
            StoredValue::Text => {
                StoredText::Text(self.text.get(before.map_or(self.begin, |(_, end)| *end)..end)?)
            }
        })
    }

    /// A value for each feature that was asked for.
    pub fn values(&self) -> impl Iterator<Item = StoredText<'a>> {
        (0..self.values.len()).filter_map(|at| self.value(at))
    }
}

impl StoredText<'_> {
    /// Whether there is anything at all.
    pub fn is_there(self) -> bool {
        self != StoredText::Null
    }
}
