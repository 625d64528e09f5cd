//! The values of an answer by entity and column, and what is said of each.
//!
//! Bound: the entities by the features of one request.

use tidemark_operators::time::EventTime;

/// What is said of a value, in Feast's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueStatus {
    /// What the store holds is no value of the feature's type.
    Invalid,
    /// It is there.
    Present,
    /// It is null.
    Null,
    /// There is no row.
    NotFound,
    /// It may be older than it may be.
    OutsideMaxAge,
}

impl ValueStatus {
    pub const ALL: [ValueStatus; 5] = [
        ValueStatus::Invalid,
        ValueStatus::Present,
        ValueStatus::Null,
        ValueStatus::NotFound,
        ValueStatus::OutsideMaxAge,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            ValueStatus::Invalid => "INVALID",
            ValueStatus::Present => "PRESENT",
            ValueStatus::Null => "NULL_VALUE",
            ValueStatus::NotFound => "NOT_FOUND",
            ValueStatus::OutsideMaxAge => "OUTSIDE_MAX_AGE",
        }
    }

    /// As it stands in a list: in one piece, as an answer has thousands of them.
    pub const fn listed(self) -> &'static [u8] {
        match self {
            ValueStatus::Invalid => b"\"INVALID\",",
            ValueStatus::Present => b"\"PRESENT\",",
            ValueStatus::Null => b"\"NULL_VALUE\",",
            ValueStatus::NotFound => b"\"NOT_FOUND\",",
            ValueStatus::OutsideMaxAge => b"\"OUTSIDE_MAX_AGE\",",
        }
    }
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnsweredValue {
    pub status: ValueStatus,
    /// Where its JSON is; empty where there is none.
    text: (usize, usize),
    pub as_of: EventTime,
}

/// The values of an answer. Until something is put there each counts as too old.
#[derive(Debug)]
pub(super) struct AnsweredValues {
    rows: usize,
    text: Vec<u8>,
    cells: Vec<AnsweredValue>,
}

impl AnsweredValues {
    pub fn new(columns: usize, rows: usize) -> AnsweredValues {
        let none = AnsweredValue { status: ValueStatus::OutsideMaxAge, text: (0, 0), as_of: 0 };
        let count = columns.saturating_mul(rows);
        AnsweredValues { rows, text: Vec::with_capacity(count * 8), cells: vec![none; count] }
    }

    /// Puts a value: `write` appends its JSON, or nothing for none, and says what it is.
    pub fn put(
        &mut self,
        column: usize,
        row: usize,
        as_of: EventTime,
        write: impl FnOnce(&mut Vec<u8>) -> ValueStatus,
    ) {
        let start = self.text.len();
        let status = write(&mut self.text);
        if let Some(cell) = self.cells.get_mut(column * self.rows + row) {
            *cell = AnsweredValue { status, text: (start, self.text.len()), as_of };
        }
    }

    /// Makes nulls of the values of a column, also of those that no row has.
    pub fn hide(&mut self, column: usize) {
        let from = column * self.rows;
        let cells = self.cells.get_mut(from..from + self.rows).unwrap_or_default();
        let told = |cell: &&mut AnsweredValue| {
            matches!(cell.status, ValueStatus::Present | ValueStatus::NotFound)
        };
        cells.iter_mut().filter(told).for_each(|cell| cell.status = ValueStatus::Null);
    }

    /// Adds how many values of a column are of each status, in the order of [`ValueStatus::ALL`].
    pub fn tally(&self, column: usize, counts: &mut [u64; ValueStatus::ALL.len()]) {
        for cell in self.column(column) {
            if let Some(count) = counts.get_mut(cell.status as usize) {
                *count += 1;
            }
        }
    }

    /// The values of a column, by row.
    pub fn column(&self, column: usize) -> &[AnsweredValue] {
        let from = column * self.rows;
        self.cells.get(from..from + self.rows).unwrap_or_default()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.cells.len()
    }

    /// The JSON of a value: that of a missing row's where there is none.
    pub fn json<'a>(&'a self, column: usize, row: usize, empty: &'a str) -> &'a [u8] {
        self.column(column).get(row).map_or(b"null", |cell| self.shown(cell, empty))
    }

    /// The JSON of one of them.
    pub fn shown<'a>(&'a self, cell: &AnsweredValue, empty: &'a str) -> &'a [u8] {
        match cell.status {
            ValueStatus::Present => self.text.get(cell.text.0..cell.text.1).unwrap_or(b"null"),
            ValueStatus::NotFound => empty.as_bytes(),
            _ => b"null",
        }
    }
}
