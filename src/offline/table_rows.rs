//! Lines of sealed rows as what `COPY .. BINARY` of PostgreSQL takes, a table for each view.
//!
//! A batch ends where a time does: so `created`, which tells the rows of one entity and time apart, is the
//! same for whoever gathers them again from there.
//!
//! # Why this way
//!
//! Rows of a batch are in the order of their keys, as the index of the table is: of the server's work on a
//! row a quarter goes.

use super::parquet_file::{ParquetKind, ParquetValue};
use super::row_group::number;
use super::row_line::{RowEvent, RowReader, SealedRow};
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// What a file of `COPY .. BINARY` begins with: its signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with: a row of -1 columns.
const TAIL: [u8; 2] = [0xff; 2];
/// Where PostgreSQL counts its microseconds from: 2000, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;
/// Microseconds of a millisecond.
const MICROS: i64 = 1_000;

/// A month of the calendar, in UTC: what a partition of a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// Its year.
    pub year: i16,
    /// Which of the year, from 1.
    pub month: i8,
}

impl Month {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self.month {
            12 => Month { year: self.year + 1, month: 1 },
            month => Month { year: self.year, month: month + 1 },
        }
    }

    fn of(time: EventTime) -> Option<Self> {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(time).ok()?).ok()?;
        let date = time.to_zoned(TimeZone::UTC).date();
        Some(Month { year: date.year(), month: date.month() })
    }

    fn begins(self) -> Option<EventTime> {
        let date = jiff::civil::Date::new(self.year, self.month, 1).ok()?;
        let time = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        EventTime::try_from(time.as_millisecond()).ok()
    }
}

/// The entities of a view whose first row is in a batch: a row as of 1970 says what their features were before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BornEntities {
    /// Whose key is a number.
    Ints(Vec<i64>),
    /// Whose key is a text.
    Texts(Vec<String>),
}

impl BornEntities {
    /// The month that rows of 1970 are in, where there are any.
    pub fn first_month(&self) -> Option<Month> {
        let is_empty = match self {
            BornEntities::Ints(ids) => ids.is_empty(),
            BornEntities::Texts(ids) => ids.is_empty(),
        };
        (!is_empty).then_some(Month { year: 1970, month: 1 })
    }
}

/// The rows of one view in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRows {
    /// The view's place in the job.
    pub view: usize,
    /// All rows, as `COPY .. BINARY` takes them.
    pub copy: Vec<u8>,
    /// The entities whose first rows are among them.
    pub born: BornEntities,
    /// In which months there are rows.
    pub months: BTreeSet<Month>,
}

/// Rows that are written together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowBatch {
    /// The views that have any.
    pub views: Vec<ViewRows>,
    /// How many rows there are.
    pub rows: u64,
    /// The time of the last one; `None`: there are none.
    pub last: Option<EventTime>,
    /// Up to which place of the file they are its rows.
    pub to: u64,
}

/// A view's rows as they are gathered.
struct GatheredView {
    key: ParquetKind,
    bytes: Vec<u8>,
    /// Of each row where it begins in `bytes`, and its time.
    rows: Vec<(usize, EventTime)>,
    /// Of each entity that is born the row's time.
    born: Vec<(Vec<u8>, EventTime)>,
    months: BTreeSet<Month>,
}

/// Gathers rows into batches.
pub struct TableRows {
    reader: RowReader,
    views: Vec<GatheredView>,
    /// Rows before it are passed over.
    pub least: EventTime,
    /// The newest time.
    time: Option<EventTime>,
    /// Where its first row is.
    time_from: u64,
    /// How many rows of that time there were of a view's entity.
    same: HashMap<(usize, Vec<u8>), i64>,
    /// The month at hand, and its times.
    month: Option<(Month, EventTime, EventTime)>,
    /// Lines that were passed over: older rows, and what is no row of the job.
    pub passed: (u64, u64),
}

impl TableRows {
    /// Of the rows of `plan`.
    ///
    /// # Errors
    /// When columns of a view would have one name.
    pub fn new(plan: &Plan) -> Result<Self, String> {
        let reader = RowReader::new(plan)?;
        let views = reader.views().iter().map(|view| GatheredView {
            key: view.columns.first().map_or(ParquetKind::Text, |(_, kind)| *kind),
            bytes: Vec::new(),
            rows: Vec::new(),
            born: Vec::new(),
            months: BTreeSet::new(),
        });
        let views = views.collect();
        Ok(TableRows {
            reader,
            views,
            least: 0,
            time: None,
            time_from: 0,
            same: HashMap::new(),
            month: None,
            passed: (0, 0),
        })
    }

    /// Takes a line, with its newline, which is at `place` of the file.
    ///
    /// # Errors
    /// When its id is not what its key has to be, or its time is beyond the year 9999.
    pub fn take(&mut self, line: &[u8], place: u64) -> io::Result<()> {
        let mut features: Vec<ParquetValue<'_>> = Vec::new();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let Ok(row) = self.reader.row(text, &mut features) else {
            self.passed.1 += 1;
            return Ok(());
        };
        if row.as_of < self.least {
            self.passed.0 += 1;
            return Ok(());
        }
        if self.time != Some(row.as_of) {
            (self.time, self.time_from) = (Some(row.as_of), place);
            self.same.clear();
        }
        let month = self.month(row.as_of)?;
        let same = self.same.entry((row.view, row.id.to_vec())).or_insert(-1);
        *same += 1;
        let same = *same;
        match self.views.get_mut(row.view) {
            Some(view) => view.push(&row, same, month, &features),
            None => Ok(()),
        }
    }

    fn month(&mut self, time: EventTime) -> io::Result<Month> {
        if let Some((month, from, to)) = self.month
            && (from..to).contains(&time)
        {
            return Ok(month);
        }
        let found = Month::of(time).and_then(|month| {
            let (from, to) = (month.begins()?, month.next().begins()?);
            Some((month, from, to))
        });
        let found = found.ok_or_else(|| io::Error::other("a time is beyond the year 9999"))?;
        self.month = Some(found);
        Ok(found.0)
    }

    /// What was gathered, up to `place` of the file, behind which another time begins; holds nothing then.
    pub fn all(&mut self, place: u64) -> RowBatch {
        let last = self.time.filter(|_| self.views.iter().any(|view| !view.rows.is_empty()));
        let rows = self.views.iter().map(|view| view.rows.len() as u64).sum();
        let views = self.views.iter_mut().enumerate();
        let views = views.filter(|(_, view)| !view.rows.is_empty());
        let views = views.map(|(at, view)| view.finish(at)).collect();
        (self.time, self.time_from) = (None, place);
        self.same.clear();
        RowBatch { views, rows, last, to: place }
    }

    /// What was gathered before the newest time, of which more rows may follow; `None`: there is nothing. What is
    /// not in it is to be given again.
    pub fn before_newest(&mut self) -> Option<RowBatch> {
        let (newest, place) = (self.time?, self.time_from);
        let is_older = |time: &EventTime| *time < newest;
        let older = |view: &GatheredView| view.rows.first().is_some_and(|(_, time)| is_older(time));
        if !self.views.iter().any(older) {
            return None;
        }
        for view in &mut self.views {
            let rows = view.rows.partition_point(|(_, time)| is_older(time));
            if let Some((from, _)) = view.rows.get(rows) {
                view.bytes.truncate(*from);
            }
            view.rows.truncate(rows);
            view.born.retain(|(_, time)| is_older(time));
        }
        self.time = self.views.iter().filter_map(|view| Some(view.rows.last()?.1)).max();
        Some(self.all(place))
    }
}

impl GatheredView {
    fn push(
        &mut self,
        row: &SealedRow<'_>,
        same: i64,
        month: Month,
        features: &[ParquetValue<'_>],
    ) -> io::Result<()> {
        let micros = i64::try_from(row.as_of).ok().and_then(|ms| ms.checked_mul(MICROS));
        let micros = micros.ok_or_else(|| io::Error::other("a time is beyond the year 9999"))?;
        let from = self.bytes.len();
        // The key, the times and the origin.
        let columns = i16::try_from(features.len() + 6).map_err(io::Error::other)?;
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        match self.key {
            ParquetKind::Int => self.value(&ParquetValue::Int(number(&row.id)?))?,
            _ => self.value(&ParquetValue::Text(Cow::Borrowed(&*row.id)))?,
        }
        self.value(&ParquetValue::Int(micros - EPOCH))?;
        self.value(&ParquetValue::Int(micros - EPOCH + same))?;
        for value in features {
            self.value(value)?;
        }
        match &row.event {
            Some(RowEvent { source, partition, offset }) => {
                self.value(&ParquetValue::Text(Cow::Borrowed(&**source)))?;
                self.value(&ParquetValue::Int(*partition))?;
                self.value(&ParquetValue::Int(*offset))?;
            }
            None => {
                for _ in 0..3 {
                    self.value(&ParquetValue::Null)?;
                }
            }
        }
        self.rows.push((from, row.as_of));
        if row.first {
            self.born.push((row.id.to_vec(), row.as_of));
        }
        self.months.insert(month);
        Ok(())
    }

    fn value(&mut self, value: &ParquetValue<'_>) -> io::Result<()> {
        let bytes = &mut self.bytes;
        let mut fixed = |value: &[u8], length: i32| {
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value);
        };
        match value {
            ParquetValue::Null => fixed(&[], -1),
            ParquetValue::Int(value) => fixed(&value.to_be_bytes(), 8),
            ParquetValue::Double(value) => fixed(&value.to_bits().to_be_bytes(), 8),
            ParquetValue::Bool(value) => fixed(&[u8::from(*value)], 1),
            ParquetValue::Text(text) => {
                let text = without_nul(text);
                fixed(&text, i32::try_from(text.len()).map_err(io::Error::other)?);
            }
        }
        Ok(())
    }

    /// What `COPY` takes, in the order of the keys; holds nothing then.
    fn finish(&mut self, view: usize) -> ViewRows {
        let mut begins =
            std::mem::take(&mut self.rows).into_iter().map(|(from, _)| from).peekable();
        let mut rows = Vec::with_capacity(begins.len());
        while let Some(from) = begins.next() {
            let to = begins.peek().copied().unwrap_or(self.bytes.len());
            rows.push(self.bytes.get(from..to).unwrap_or_default());
        }
        // Rows of one key stay in the order of their times.
        rows.sort_by_key(|row| key(row));
        let mut copy = Vec::with_capacity(HEAD.len() + self.bytes.len() + TAIL.len());
        copy.extend_from_slice(HEAD);
        rows.iter().for_each(|row| copy.extend_from_slice(row));
        copy.extend_from_slice(&TAIL);
        self.bytes.clear();
        let born = self.born.drain(..).map(|(id, _)| id);
        let born = match self.key {
            ParquetKind::Int => {
                BornEntities::Ints(born.filter_map(|id| number(&id).ok()).collect())
            }
            _ => BornEntities::Texts(
                born.map(|id| String::from_utf8_lossy(&without_nul(&id)).into_owned()).collect(),
            ),
        };
        ViewRows { view, copy, born, months: std::mem::take(&mut self.months) }
    }
}

/// The bytes of the key of a row.
fn key(row: &[u8]) -> &[u8] {
    let length = row.get(2..6).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    row.get(6..6 + length).unwrap_or_default()
}

/// PostgreSQL has no text with a character 0: it becomes the one that stands for what cannot be told.
fn without_nul(text: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(0, text) {
        None => Cow::Borrowed(text),
        Some(_) => String::from_utf8_lossy(text).replace('\0', "\u{fffd}").into_bytes().into(),
    }
}

#[cfg(test)]
mod tests;
