//! Lines of sealed rows, taken apart again.
//!
//! # Why this way
//!
//! Lines are read in the one form in which they are written (`operators/src/sealed_lines.rs`): the names of
//! all members are known, and are compared instead of being looked up. What has not that form is read as any
//! JSON: a row that an earlier definition of the job has sealed keeps the features that it shares with this one.

use super::parquet_file::{ParquetKind, ParquetValue};
use super::row_view::RowView;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::str::FromStr;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// What a line has of the event of a row that has none.
const NO_EVENT: &[u8] = b",\"source\":null,\"partition\":null,\"offset\":null";

/// A sealed row.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedRow<'l> {
    /// The place of its view in the job.
    pub view: usize,
    /// Its entity.
    pub id: Cow<'l, [u8]>,
    /// Its time.
    pub as_of: EventTime,
    /// Its event; `None`: time alone has changed the features.
    pub event: Option<RowEvent<'l>>,
    /// Whether its features were those of no events until then.
    pub first: bool,
}

/// The event of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEvent<'l> {
    /// Its source.
    pub source: Cow<'l, [u8]>,
    /// Its partition.
    pub partition: i64,
    /// Its offset.
    pub offset: i64,
}

/// Reads lines of rows of one job.
#[derive(Clone, Debug)]
pub struct RowReader {
    views: Vec<RowView>,
    by_name: HashMap<Vec<u8>, usize>,
}

impl RowReader {
    /// For the rows of `plan`.
    ///
    /// # Errors
    /// As [`RowView::all`].
    pub fn new(plan: &Plan) -> Result<Self, String> {
        let views = RowView::all(plan)?;
        let by_name = views.iter().enumerate().map(|(at, view)| (view.name.clone().into(), at));
        Ok(RowReader { by_name: by_name.collect(), views })
    }

    /// The views, in the order of the job.
    pub fn views(&self) -> &[RowView] {
        &self.views
    }

    /// The row of a line, without its newline; its features are left in `features`.
    ///
    /// # Errors
    /// When it is no row of this job; says how it begins.
    pub fn row<'l>(
        &self,
        line: &'l [u8],
        features: &mut Vec<ParquetValue<'l>>,
    ) -> io::Result<SealedRow<'l>> {
        if let Some(row) = self.read(line, features) {
            return Ok(row);
        }
        self.read_any(line, features).ok_or_else(|| {
            let begins = String::from_utf8_lossy(line.get(..60).unwrap_or(line)).into_owned();
            io::Error::other(format!("a line is no sealed row of this job; it begins: {begins}"))
        })
    }

    fn read<'l>(
        &self,
        line: &'l [u8],
        values: &mut Vec<ParquetValue<'l>>,
    ) -> Option<SealedRow<'l>> {
        let mut rest = LineRest(line);
        rest.literal(b"{\"view\":")?;
        let view = *self.by_name.get(&*rest.text()?)?;
        let features = &self.views.get(view)?.features;
        rest.literal(b",\"entity_type\":")?;
        rest.text()?;
        rest.literal(b",\"entity_id\":")?;
        let id = rest.text()?;
        rest.literal(b",\"as_of\":")?;
        let as_of = rest.number()?;
        let event = match rest.literal(NO_EVENT) {
            Some(()) => None,
            None => Some(rest.event()?),
        };
        let first = rest.literal(b",\"first\":true").is_some();
        rest.literal(b",\"features\":{")?;
        values.clear();
        for (name, kind) in features {
            rest.literal(name.as_bytes())?;
            values.push(rest.value(*kind)?);
        }
        rest.literal(b"}}")?;
        let row = SealedRow { view, id, as_of, event, first };
        rest.0.is_empty().then_some(row)
    }

    /// A row of another definition of the job: what it lacks is null.
    fn read_any<'l>(
        &self,
        line: &'l [u8],
        values: &mut Vec<ParquetValue<'l>>,
    ) -> Option<SealedRow<'l>> {
        let json: serde_json::Value = serde_json::from_slice(line).ok()?;
        let text = |name: &str| json.get(name)?.as_str().map(|text| text.as_bytes().to_vec());
        let view = *self.by_name.get(&text("view")?)?;
        let features = json.get("features")?;
        values.clear();
        for (name, kind) in self.views.get(view)?.named_features() {
            values.push(any(features.get(name), kind));
        }
        let event = match json.get("source")?.is_null() {
            true => None,
            false => Some(RowEvent {
                source: Cow::Owned(text("source")?),
                partition: json.get("partition")?.as_i64()?,
                offset: json.get("offset")?.as_i64()?,
            }),
        };
        Some(SealedRow {
            view,
            id: Cow::Owned(text("entity_id")?),
            as_of: json.get("as_of")?.as_u64()?,
            event,
            first: json.get("first").and_then(serde_json::Value::as_bool).unwrap_or(false),
        })
    }
}

/// A value as its column has it; null where it is another type's.
fn any(value: Option<&serde_json::Value>, kind: ParquetKind) -> ParquetValue<'static> {
    let Some(value) = value else { return ParquetValue::Null };
    let found = match kind {
        ParquetKind::Int | ParquetKind::Time => value.as_i64().map(ParquetValue::Int),
        ParquetKind::Double => value.as_f64().map(ParquetValue::Double),
        ParquetKind::Bool => value.as_bool().map(ParquetValue::Bool),
        ParquetKind::Text => {
            let text = value.as_str().map(|text| text.as_bytes().to_vec());
            text.map(|text| ParquetValue::Text(Cow::Owned(text)))
        }
    };
    found.unwrap_or(ParquetValue::Null)
}

/// The lines among bytes, without their newlines.
pub fn each_line(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    let lines = ends.filter_map(move |end| {
        let line = bytes.get(from..end);
        from = end + 1;
        line
    });
    lines.filter(|line| !line.is_empty())
}

/// What of a line is still to be read.
struct LineRest<'l>(&'l [u8]);

impl<'l> LineRest<'l> {
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The event of a row.
    fn event(&mut self) -> Option<RowEvent<'l>> {
        self.literal(b",\"source\":")?;
        let source = self.text()?;
        self.literal(b",\"partition\":")?;
        let partition = self.number()?;
        self.literal(b",\"offset\":")?;
        Some(RowEvent { source, partition, offset: self.number()? })
    }

    /// A text in quotes.
    fn text(&mut self) -> Option<Cow<'l, [u8]>> {
        let text = self.0.strip_prefix(b"\"")?;
        let end = memchr::memchr2(b'"', b'\\', text)?;
        if text.get(end) == Some(&b'"') {
            let (text, rest) = text.split_at_checked(end)?;
            self.0 = rest.get(1..)?;
            return Some(Cow::Borrowed(text));
        }
        let mut texts = serde_json::Deserializer::from_slice(self.0).into_iter::<String>();
        let text = texts.next()?.ok()?;
        self.0 = self.0.get(texts.byte_offset()..)?;
        Some(Cow::Owned(text.into_bytes()))
    }

    fn number<N: FromStr>(&mut self) -> Option<N> {
        let end = memchr::memchr2(b',', b'}', self.0)?;
        let (number, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    fn value(&mut self, kind: ParquetKind) -> Option<ParquetValue<'l>> {
        if self.literal(b"null").is_some() {
            return Some(ParquetValue::Null);
        }
        Some(match kind {
            ParquetKind::Int | ParquetKind::Time => ParquetValue::Int(self.number()?),
            ParquetKind::Double => ParquetValue::Double(self.number()?),
            ParquetKind::Bool => ParquetValue::Bool(self.number()?),
            ParquetKind::Text => ParquetValue::Text(self.text()?),
        })
    }
}
