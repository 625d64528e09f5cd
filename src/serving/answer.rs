//! The answer: the JSON that Feast's clients read.

use crate::config::{Missing, Statuses};
use crate::serving::ask::AskedFeatures;
use crate::serving::catalogue::Catalogue;
use crate::serving::engine::ShownEvents;
use crate::serving::freshness::Freshness;
use crate::serving::values::{AnsweredValue, AnsweredValues, ValueStatus};
use jiff::Timestamp;
use jiff::tz::Offset;
use std::borrow::Cow;
use std::ops::Range;
use tidemark_operators::json::{push_int, push_json_text};
use tidemark_operators::online::AppliedEvents;
use tidemark_operators::time::{EventTime, Millis};

/// Values after which a long answer lets others through.
const VALUES_AT_ONCE: usize = 16_384;

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
    /// Which events the rows show, where it was asked.
    pub shown: Option<&'a ShownEvents>,
    /// This machine's clock.
    pub now: EventTime,
}

/// The columns of ids: names and values as JSON.
pub(super) type IdColumns<'a> = Vec<(&'a str, Vec<Cow<'a, str>>)>;

/// The lists of the column that was written last, which those of the next one mostly are, too: all
/// features of a row have its time.
#[derive(Default)]
struct LastLists {
    /// Which column.
    column: usize,
    statuses: Range<usize>,
    moments: Range<usize>,
}

impl AnswerForm<'_> {
    /// The body of an answer.
    pub async fn body(
        &self,
        ask: &AskedFeatures,
        ids: &IdColumns<'_>,
        cells: &AnsweredValues,
        freshness: &Freshness,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(cells.count() * 64 + 512);
        out.extend_from_slice(b"{\"results\":[");
        for (_, column) in ids {
            ids_column(column, &mut out);
        }
        let (mut written, mut last) = (0, LastLists::default());
        for column in 0..ask.columns.len() {
            self.column((ask, column), cells, &mut last, &mut out);
            written += cells.rows();
            if written >= VALUES_AT_ONCE {
                written = 0;
                tokio::task::yield_now().await;
            }
        }
        trim_comma(&mut out);
        out.extend_from_slice(b"],\"metadata\":{\"feature_names\":[");
        for name in ids.iter().map(|(name, _)| *name).chain(ask.names.iter().map(String::as_str)) {
            out.extend_from_slice(name.as_bytes());
            out.push(b',');
        }
        trim_comma(&mut out);
        out.push(b']');
        self.metadata(ask, freshness, &mut out);
        out.extend_from_slice(b"}}");
        out
    }

    /// The value of a column in a missing row.
    pub fn empty(&self, ask: &AskedFeatures, column: usize) -> &str {
        let found = ask.columns.get(column).and_then(|(view, feature)| {
            Some(self.catalogue.views.get(*view)?.features.get(*feature)?.1.as_str())
        });
        found.filter(|_| self.missing == Missing::Empty).unwrap_or("null")
    }

    fn column(
        &self,
        (ask, column): (&AskedFeatures, usize),
        cells: &AnsweredValues,
        last: &mut LastLists,
        out: &mut Vec<u8>,
    ) {
        let empty = self.empty(ask, column);
        let (before, cells_of) = (cells.column(last.column), cells.column(column));
        out.extend_from_slice(b"{\"values\":[");
        list(cells_of.iter().map(|cell| cells.shown(cell, empty)), out);
        out.extend_from_slice(b"],\"statuses\":[");
        let begin = out.len();
        match !last.statuses.is_empty() && same(before, cells_of, |cell| cell.status) {
            true => out.extend_from_within(last.statuses.clone()),
            false => self.statuses(cells_of, out),
        }
        last.statuses = begin..out.len();
        out.extend_from_slice(b"],\"event_timestamps\":[");
        let begin = out.len();
        match !last.moments.is_empty() && same(before, cells_of, |cell| cell.as_of) {
            true => out.extend_from_within(last.moments.clone()),
            false => moments(cells_of, out),
        }
        last.moments = begin..out.len();
        last.column = column;
        out.extend_from_slice(b"]},");
    }

    fn statuses(&self, cells: &[AnsweredValue], out: &mut Vec<u8>) {
        for cell in cells {
            let status = match self.statuses {
                Statuses::Own => cell.status,
                Statuses::Stock => ValueStatus::Present,
            };
            out.extend_from_slice(status.listed());
        }
        trim_comma(out);
    }

    /// Appends whose the values are and as of when, with a comma before it.
    pub fn metadata(&self, ask: &AskedFeatures, freshness: &Freshness, out: &mut Vec<u8>) {
        if self.views_listed {
            out.extend_from_slice(b",\"feature_view_metadata\":[");
            for view in ask.views.iter().filter_map(|at| self.catalogue.views.get(*at)) {
                out.extend_from_slice(b"{\"name\":");
                push_json_text(view.name.as_bytes(), out);
                out.extend_from_slice(b"},");
            }
            trim_comma(out);
            out.push(b']');
        }
        out.extend_from_slice(b",\"source\":");
        push_json_text(self.source.as_bytes(), out);
        let passed_over = self.passed_over.iter();
        object(
            "passed_over",
            passed_over.map(|(source, why)| {
                (*source, move |out: &mut Vec<u8>| push_json_text(why.as_bytes(), out))
            }),
            out,
        );
        out.extend_from_slice(b",\"as_of\":");
        number(freshness.as_of, out);
        out.extend_from_slice(b",\"freshness_ms\":");
        number(freshness.age(self.now), out);
        let views = ask.views.iter().filter_map(|at| self.catalogue.views.get(*at));
        let incomplete = views.filter_map(|view| {
            let from = freshness.incomplete.of(&view.name)?;
            Some((view.name.as_str(), move |out: &mut Vec<u8>| number(from, out)))
        });
        object("incomplete", incomplete, out);
        if let Some(shown) = self.shown {
            self.positions(ask, shown, out);
        }
        if let Some(why) = &freshness.stale {
            out.extend_from_slice(b",\"stale\":");
            push_json_text(why.as_bytes(), out);
        }
    }

    /// Appends which events the rows of each entity show: by entity type, in the order of the ids.
    fn positions(&self, ask: &AskedFeatures, shown: &ShownEvents, out: &mut Vec<u8>) {
        let groups = ask.groups.iter().zip(shown).filter_map(|(group, shown)| {
            let entity = self.catalogue.entities.get(group.entity)?;
            let push = move |out: &mut Vec<u8>| {
                out.push(b'[');
                for events in shown {
                    out.extend_from_slice(b"{\"as_of\":");
                    push_int(events.clock, out);
                    out.extend_from_slice(b",\"positions\":{");
                    self.offsets(events, out);
                    out.extend_from_slice(b"}},");
                }
                trim_comma(out);
                out.push(b']');
            };
            Some((entity.name.as_str(), push))
        });
        object("positions", groups, out);
    }

    /// Appends offsets by source and partition, in the order of these.
    fn offsets(&self, events: &AppliedEvents, out: &mut Vec<u8>) {
        for of_source in events.offsets.chunk_by(|(one, _), (next, _)| one.source == next.source) {
            let source = of_source.first().map(|(id, _)| usize::from(id.source));
            let Some(name) = source.and_then(|at| self.catalogue.sources.get(at)) else { continue };
            push_json_text(name.as_bytes(), out);
            out.extend_from_slice(b":{");
            for (id, offset) in of_source {
                out.push(b'"');
                push_int(id.partition, out);
                out.extend_from_slice(b"\":");
                push_int(*offset, out);
                out.push(b',');
            }
            trim_comma(out);
            out.extend_from_slice(b"},");
        }
        trim_comma(out);
    }
}

/// Whether two columns say the same of each row.
fn same<T: PartialEq>(
    before: &[AnsweredValue],
    cells: &[AnsweredValue],
    of: impl Fn(&AnsweredValue) -> T,
) -> bool {
    before.len() == cells.len() && before.iter().zip(cells).all(|(a, b)| of(a) == of(b))
}

fn ids_column(column: &[Cow<'_, str>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"values\":[");
    list(column.iter().map(|id| id.as_bytes()), out);
    out.extend_from_slice(b"],\"statuses\":[");
    list(column.iter().map(|_| &b"\"PRESENT\""[..]), out);
    out.extend_from_slice(b"],\"event_timestamps\":[");
    list(column.iter().map(|_| &b"\"1970-01-01T00:00:00Z\""[..]), out);
    out.extend_from_slice(b"]},");
}

/// Appends a member that is an object of names and what is appended for each, unless it would be empty.
fn object<'a>(
    name: &str,
    members: impl Iterator<Item = (&'a str, impl FnOnce(&mut Vec<u8>))>,
    out: &mut Vec<u8>,
) {
    let mut begun = false;
    for (member, push) in members {
        if !std::mem::replace(&mut begun, true) {
            out.extend_from_slice(b",");
            push_json_text(name.as_bytes(), out);
            out.extend_from_slice(b":{");
        } else {
            out.push(b',');
        }
        push_json_text(member.as_bytes(), out);
        out.push(b':');
        push(out);
    }
    if begun {
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

/// Appends when each row last changed. Rows of Redis mostly have one time.
fn moments(cells: &[AnsweredValue], out: &mut Vec<u8>) {
    let (mut last, mut at) = (0, 0..0);
    for cell in cells {
        if last == cell.as_of && !at.is_empty() {
            out.extend_from_within(at.clone());
        } else {
            let start = out.len();
            out.push(b'"');
            moment(cell.as_of, out);
            out.push(b'"');
            (last, at) = (cell.as_of, start..out.len());
        }
        out.push(b',');
    }
    trim_comma(out);
}

/// Appends a time as Feast writes it: with no or three places behind the second.
fn moment(ms: EventTime, out: &mut Vec<u8>) {
    let at = i64::try_from(ms / 1_000).ok().and_then(|at| Timestamp::from_second(at).ok());
    let at = Offset::UTC.to_datetime(at.unwrap_or(Timestamp::UNIX_EPOCH));
    let parts = [
        (i64::from(at.year()), 4, b'-'),
        (at.month().into(), 2, b'-'),
        (at.day().into(), 2, b'T'),
        (at.hour().into(), 2, b':'),
        (at.minute().into(), 2, b':'),
        (at.second().into(), 2, if ms.is_multiple_of(1_000) { b'Z' } else { b'.' }),
    ];
    parts.into_iter().for_each(|(number, places, behind)| {
        digits(number.unsigned_abs(), places, out);
        out.push(behind);
    });
    if !ms.is_multiple_of(1_000) {
        digits(ms % 1_000, 3, out);
        out.push(b'Z');
    }
}

/// Appends a number in so many digits.
fn digits(number: u64, places: u32, out: &mut Vec<u8>) {
    for place in (0..places).rev() {
        let [digit, ..] = (number / 10_u64.pow(place) % 10).to_le_bytes();
        out.push(b'0' + digit);
    }
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
        // The calendar's own way of saying it.
        for second in (0..253_402_207_200).step_by(99_999_989) {
            let mut out = Vec::new();
            moment(second * 1_000, &mut out);
            let said = Timestamp::from_second(second.cast_signed()).unwrap().to_string();
            assert_eq!(String::from_utf8(out).unwrap(), said);
        }
    }
}
