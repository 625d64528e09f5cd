//! The answer: values by entity and column, and the JSON that Feast's clients read.

use crate::config::{Missing, Statuses};
use crate::serving::ask::AskedFeatures;
use crate::serving::catalogue::Catalogue;
use crate::serving::freshness::Freshness;
use jiff::Timestamp;
use std::ops::Range;
use tidemark_operators::json::{push_int, quoted};
use tidemark_operators::time::{EventTime, Millis};

/// Values after which a long answer lets others through.
const VALUES_AT_ONCE: usize = 16_384;

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
    const fn listed(self) -> &'static [u8] {
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
struct AnsweredValue {
    status: ValueStatus,
    /// Where its JSON is; empty where there is none.
    text: (usize, usize),
    as_of: EventTime,
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

    /// How many values of a column are of each status.
    pub fn tally(&self, column: usize) -> [u64; ValueStatus::ALL.len()] {
        let cells = self.column(column);
        ValueStatus::ALL
            .map(|status| cells.iter().filter(|cell| cell.status == status).count() as u64)
    }

    fn column(&self, column: usize) -> &[AnsweredValue] {
        let from = column * self.rows;
        self.cells.get(from..from + self.rows).unwrap_or_default()
    }

    /// The JSON of a value: that of a missing row's where there is none.
    pub fn json<'a>(&'a self, column: usize, row: usize, empty: &'a str) -> &'a [u8] {
        self.column(column).get(row).map_or(b"null", |cell| self.shown(cell, empty))
    }

    fn shown<'a>(&'a self, cell: &AnsweredValue, empty: &'a str) -> &'a [u8] {
        match cell.status {
            ValueStatus::Present => self.text.get(cell.text.0..cell.text.1).unwrap_or(b"null"),
            ValueStatus::NotFound => empty.as_bytes(),
            _ => b"null",
        }
    }
}

/// How answers are written.
pub(super) struct AnswerForm<'a> {
    pub catalogue: &'a Catalogue,
    pub statuses: Statuses,
    pub missing: Missing,
    pub source: &'a str,
    /// Other sources that were looked at, and why it was none of them.
    pub passed_over: Vec<(&'a str, &'a str)>,
    /// Whether the views are listed.
    pub views_listed: bool,
    /// This machine's clock.
    pub now: EventTime,
}

/// The columns of ids: names and values as JSON.
pub(super) type IdColumns = Vec<(String, Vec<String>)>;

impl AnswerForm<'_> {
    /// The body of an answer.
    pub async fn body(
        &self,
        ask: &AskedFeatures,
        ids: &IdColumns,
        cells: &AnsweredValues,
        freshness: &Freshness,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(cells.cells.len() * 64 + 512);
        out.extend_from_slice(b"{\"results\":[");
        for (_, column) in ids {
            self.ids(column, &mut out);
        }
        let mut written = 0;
        let mut moments = vec![(0, 0..0); cells.rows];
        for column in 0..ask.columns.len() {
            self.column((ask, column), cells, &mut moments, &mut out);
            written += cells.rows;
            if written >= VALUES_AT_ONCE {
                written = 0;
                tokio::task::yield_now().await;
            }
        }
        trim_comma(&mut out);
        out.extend_from_slice(b"],\"metadata\":{\"feature_names\":[");
        for name in ids.iter().map(|(name, _)| name).chain(&ask.names) {
            out.extend_from_slice(name.as_bytes());
            out.push(b',');
        }
        trim_comma(&mut out);
        out.push(b']');
        self.metadata(ask, freshness, &mut out);
        out.extend_from_slice(b"}}");
        out
    }

    fn ids(&self, column: &[String], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"values\":[");
        list(column.iter().map(String::as_bytes), out);
        out.extend_from_slice(b"],\"statuses\":[");
        list(column.iter().map(|_| &b"\"PRESENT\""[..]), out);
        out.extend_from_slice(b"],\"event_timestamps\":[");
        list(column.iter().map(|_| &b"\"1970-01-01T00:00:00Z\""[..]), out);
        out.extend_from_slice(b"]},");
    }

    /// The value of a column in a missing row.
    pub fn empty(&self, ask: &AskedFeatures, column: usize) -> &str {
        let found = ask.columns.get(column).and_then(|(view, feature)| {
            Some(self.catalogue.views.get(*view)?.features.get(*feature)?.1.as_str())
        });
        found.filter(|_| self.missing == Missing::Empty).unwrap_or("null")
    }

    /// `moments`: for each row the last time that was written for it, and where. Columns of a view have
    /// the same, and writing it anew took a tenth of the server's time.
    fn column(
        &self,
        (ask, column): (&AskedFeatures, usize),
        cells: &AnsweredValues,
        moments: &mut [(EventTime, Range<usize>)],
        out: &mut Vec<u8>,
    ) {
        let empty = self.empty(ask, column);
        out.extend_from_slice(b"{\"values\":[");
        list(cells.column(column).iter().map(|cell| cells.shown(cell, empty)), out);
        out.extend_from_slice(b"],\"statuses\":[");
        for cell in cells.column(column) {
            let status = match self.statuses {
                Statuses::Own => cell.status,
                Statuses::Stock => ValueStatus::Present,
            };
            out.extend_from_slice(status.listed());
        }
        trim_comma(out);
        out.extend_from_slice(b"],\"event_timestamps\":[");
        for (cell, (last, at)) in cells.column(column).iter().zip(moments) {
            if *last == cell.as_of && at.start < at.end {
                out.extend_from_within(at.clone());
            } else {
                let start = out.len();
                out.push(b'"');
                moment(cell.as_of, out);
                out.push(b'"');
                (*last, *at) = (cell.as_of, start..out.len());
            }
            out.push(b',');
        }
        trim_comma(out);
        out.extend_from_slice(b"]},");
    }

    fn metadata(&self, ask: &AskedFeatures, freshness: &Freshness, out: &mut Vec<u8>) {
        if self.views_listed {
            out.extend_from_slice(b",\"feature_view_metadata\":[");
            for view in ask.views.iter().filter_map(|at| self.catalogue.views.get(*at)) {
                let name = quoted(&view.name);
                out.extend_from_slice(format!("{{\"name\":{name}}},").as_bytes());
            }
            trim_comma(out);
            out.push(b']');
        }
        out.extend_from_slice(format!(",\"source\":{}", quoted(self.source)).as_bytes());
        let passed_over = self.passed_over.iter().map(|(source, why)| (*source, quoted(why)));
        object("passed_over", passed_over, out);
        for (name, value) in [("as_of", freshness.as_of), ("freshness_ms", freshness.age(self.now))]
        {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            number(value, out);
        }
        let views = ask.views.iter().filter_map(|at| self.catalogue.views.get(*at));
        object(
            "incomplete",
            views.filter_map(|view| {
                let from = freshness.incomplete.of(&view.name)?;
                let from = from.map_or_else(|| "null".to_owned(), |from| from.to_string());
                Some((view.name.as_str(), from))
            }),
            out,
        );
        if let Some(why) = &freshness.stale {
            let why = quoted(why);
            out.extend_from_slice(format!(",\"stale\":{why}").as_bytes());
        }
    }
}

/// Appends a member that is an object of names and JSON, unless it would be empty.
fn object<'a>(name: &str, members: impl Iterator<Item = (&'a str, String)>, out: &mut Vec<u8>) {
    let mut before = format!(",\"{name}\":{{");
    for (member, json) in members {
        out.extend_from_slice(format!("{before}{}:{json}", quoted(member)).as_bytes());
        before = ",".to_owned();
    }
    if before == "," {
        out.push(b'}');
    }
}

fn number(value: Option<Millis>, out: &mut Vec<u8>) {
    match value {
        Some(value) => push_int(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn list<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for value in values {
        out.extend_from_slice(value);
        out.push(b',');
    }
    trim_comma(out);
}

fn trim_comma(out: &mut Vec<u8>) {
    if out.last() == Some(&b',') {
        out.pop();
    }
}

/// Appends a time as Feast writes it: with no or three places behind the second.
fn moment(ms: EventTime, out: &mut Vec<u8>) {
    let at = i64::try_from(ms / 1_000).ok().and_then(|at| Timestamp::from_second(at).ok());
    let seconds = at.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    out.extend_from_slice(seconds.trim_end_matches('Z').as_bytes());
    if !ms.is_multiple_of(1_000) {
        out.extend_from_slice(format!(".{:03}", ms % 1_000).as_bytes());
    }
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_feast_writes_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_714_979_289_000, "2024-05-06T07:08:09Z"),
            (1_714_979_289_500, "2024-05-06T07:08:09.500Z"),
            (1_714_979_289_007, "2024-05-06T07:08:09.007Z"),
            (u64::MAX, "1970-01-01T00:00:00.615Z"),
        ] {
            let mut out = Vec::new();
            moment(ms, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
