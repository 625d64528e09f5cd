//! CSV records: cells under the names of a header, each a text like one of JSON.
//!
//! A record is what [`Splitter`] cuts out of a file, its quotes and line ends inside of them included,
//! so that a dead letter has it as it was. The header comes with each batch, as the schema does in
//! Avro; the columns that the job reads are found in it once, and the others skipped.
//!
//! An empty cell is null, with quotes or without. All other cells are texts, and what a text is as a
//! field of a type is what it is in JSON. A column is found by its whole name: a field's path has one
//! part.

mod split;

pub use split::{Splitter, is_quoted};

use super::avro::Refused;
use super::error::{DecodeError, shown};
use super::field_values::FieldValues;
use super::keys::Target;
use super::outside::Metadata;
use super::{Decoded, needs};
use crate::plan::{Format, SourcePlan};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::sync::Arc;

/// The most columns of a header.
pub const COLUMNS_MAX: usize = 4_096;
/// How many headers a decoder keeps; more make it look the columns up again.
const HEADERS_MAX: usize = 64;

/// Turns the CSV records of one source into rows of [`Decoded`].
#[derive(Debug)]
pub struct CsvDecoder {
    source: SourcePlan,
    reader: Reader,
    values: FieldValues,
    headers: Vec<Header>,
    /// The one that was used last.
    last: usize,
    /// The cells of a record behind each other, without their quotes, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
}

/// What a header has for the job.
#[derive(Debug)]
struct Header {
    text: Arc<str>,
    wanted: Result<Wanted, String>,
}

/// Which columns are read.
#[derive(Debug)]
struct Wanted {
    /// How many there are in all.
    columns: usize,
    /// The column, and the leaf that it is.
    leaves: Vec<(usize, usize)>,
}

impl CsvDecoder {
    /// A decoder for the records of `source`.
    pub fn new(source: &SourcePlan) -> Self {
        let delimiter = match source.format {
            Format::Csv { delimiter } => delimiter,
            Format::Json | Format::Avro => b',',
        };
        Self {
            source: source.clone(),
            reader: reader(delimiter),
            values: FieldValues::new(source),
            headers: Vec::new(),
            last: 0,
            cells: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The same, with another bound on a record's length in bytes (default
    /// [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX)).
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

    /// Appends the row of `record` to `into`, whose file begins with the line `header`; `metadata` is
    /// what it has besides its value.
    ///
    /// # Errors
    /// When there is no header, or it lacks a column that the job must have; when the record is not
    /// UTF-8, has a zero byte, or another number of cells than the header; and as for JSON. `into` is
    /// then as it was. Never [`Refused::Pending`].
    pub fn decode(
        &mut self,
        header: Option<&Arc<str>>,
        record: &[u8],
        metadata: Option<Metadata<'_>>,
        into: &mut Decoded,
    ) -> Result<(), Refused> {
        let Some(header) = header else {
            let why = "it came without a header, as from a topic; only files of CSV are read";
            return Err(DecodeError::Csv(why.to_owned()).into());
        };
        let at = self.known(header);
        let row = self.values.next(into);
        let Self { headers, reader, cells, ends, values, .. } = self;
        let wanted = match headers.get(at).map(|header| &header.wanted) {
            Some(Ok(wanted)) => wanted,
            Some(Err(why)) => return Err(Refused::Schema(why.clone())),
            None => return Err(Refused::Schema(String::new())),
        };
        let text = values
            .bounded(record)
            .and_then(|()| split_cells(reader, record, wanted.columns, cells, ends));
        let read = text.and_then(|text| {
            values.fill(row, &mut into.columns, metadata, |row| {
                for (column, leaf) in &wanted.leaves {
                    match cell(text, ends, *column) {
                        "" => row.put_null(*leaf),
                        cell => row.put_text(*leaf, cell),
                    }
                }
                Ok(())
            })
        });
        Ok(values.finish(read, row, into)?)
    }

    /// Where the header is known.
    fn known(&mut self, text: &Arc<str>) -> usize {
        let is = |header: &Header| Arc::ptr_eq(&header.text, text) || header.text == *text;
        if self.headers.get(self.last).is_some_and(is) {
            return self.last;
        }
        self.last = match self.headers.iter().position(is) {
            Some(known) => known,
            None => {
                let wanted = self.wanted(text);
                let header = Header { text: Arc::clone(text), wanted };
                let next = (self.last + 1) % HEADERS_MAX;
                match self.headers.get_mut(next) {
                    Some(place) => {
                        *place = header;
                        next
                    }
                    None => {
                        self.headers.push(header);
                        self.headers.len() - 1
                    }
                }
            }
        };
        self.last
    }

    /// Finds the job's columns in a header, and sees that what must be there is.
    fn wanted(&mut self, text: &str) -> Result<Wanted, String> {
        let names = columns(&mut self.reader, text)?;
        let root = self.values.trie.nodes.first();
        let leaf = |name: &str| match root.and_then(|root| root.keys.get(name)) {
            Some(Target::Leaf(leaf)) => Some(leaf),
            _ => None,
        };
        let leaves: Vec<_> =
            (0..).zip(&names).filter_map(|(column, name)| Some((column, leaf(name)?))).collect();
        let mut there = vec![false; self.values.trie.leaves.len()];
        for (_, leaf) in &leaves {
            if let Some(there) = there.get_mut(*leaf) {
                *there = true;
            }
        }
        needs::lacking(&self.source, &self.values.trie, &there).map_err(|why| {
            format!("the header of the file does not fit the job: {why}; it is `{}`", shown(text))
        })?;
        Ok(Wanted { columns: names.len(), leaves })
    }
}

/// Splits records into their cells, for what wants all of them.
#[derive(Debug)]
pub struct CellReader {
    reader: Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl CellReader {
    /// Of CSV whose cells lie between `delimiter`s.
    pub fn new(delimiter: u8) -> Self {
        Self { reader: reader(delimiter), cells: Vec::new(), ends: Vec::new() }
    }

    /// The cells of a record, without their quotes.
    ///
    /// # Errors
    /// When it has a zero byte, more than [`COLUMNS_MAX`] cells, or is not UTF-8.
    pub fn split(&mut self, record: &[u8]) -> Result<impl Iterator<Item = &str>, DecodeError> {
        let Self { reader, cells, ends } = self;
        let text = read_cells(reader, record, COLUMNS_MAX, cells, ends)?;
        Ok((0..ends.len()).map(|column| cell(text, ends, column)))
    }

    /// The same of a record that must have as many cells as a header has `columns`.
    ///
    /// # Errors
    /// When it has not, and as for [`split`](Self::split).
    pub fn of_columns(
        &mut self,
        record: &[u8],
        columns: usize,
    ) -> Result<impl Iterator<Item = &str>, DecodeError> {
        let Self { reader, cells, ends } = self;
        let text = split_cells(reader, record, columns, cells, ends)?;
        Ok((0..ends.len()).map(|column| cell(text, ends, column)))
    }
}

/// What reads CSV whose cells lie between `delimiter`s.
fn reader(delimiter: u8) -> Reader {
    ReaderBuilder::new().delimiter(delimiter).build()
}

/// The names of the columns of a header.
///
/// # Errors
/// What is wrong with it: more than [`COLUMNS_MAX`] columns, or a name that is there twice. (Columns
/// without a name may be several; nothing can be read from them.)
pub fn names(header: &str, delimiter: u8) -> Result<Vec<String>, String> {
    columns(&mut reader(delimiter), header)
}

fn columns(reader: &mut Reader, header: &str) -> Result<Vec<String>, String> {
    if header.contains('\0') {
        return Err("the header has a zero byte, which no text has; is the file UTF-16?".to_owned());
    }
    let (mut cells, mut ends) = (Vec::new(), Vec::new());
    let text = read_cells(reader, header.as_bytes(), COLUMNS_MAX, &mut cells, &mut ends);
    let text = text.map_err(|error| match error {
        DecodeError::Csv(_) => format!("the header has more than {COLUMNS_MAX} columns"),
        other => other.to_string(),
    })?;
    let names: Vec<String> =
        (0..ends.len()).map(|column| cell(text, &ends, column).to_owned()).collect();
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find_map(|pair| match pair {
        [one, other] if one == other && !one.is_empty() => Some(*one),
        _ => None,
    });
    match twice {
        Some(name) => Err(format!(
            "the header has the column \"{}\" twice, so that nobody knows which is meant: rename one",
            shown(name)
        )),
        None => Ok(names),
    }
}

/// Splits a record into its cells, which must be as many as the header has columns.
fn split_cells<'c>(
    reader: &mut Reader,
    record: &[u8],
    columns: usize,
    cells: &'c mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Result<&'c str, DecodeError> {
    let text = read_cells(reader, record, columns, cells, ends)?;
    if ends.len() < columns {
        let why = format!("it has {}, and the header has {columns} columns", count(ends.len()));
        return Err(DecodeError::Csv(why));
    }
    Ok(text)
}

fn count(cells: usize) -> String {
    if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") }
}

/// Splits a record into at most `most` cells: their text behind each other, and where each ends.
fn read_cells<'c>(
    reader: &mut Reader,
    record: &[u8],
    most: usize,
    cells: &'c mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Result<&'c str, DecodeError> {
    if record.contains(&0) {
        let why = "it has a zero byte, which no text has; is the file UTF-16?";
        return Err(DecodeError::Csv(why.to_owned()));
    }
    // Without their quotes and delimiters cells are no longer than the record.
    cells.resize(record.len() + 1, 0);
    ends.resize(most + 1, 0);
    reader.reset();
    let (result, read, written, mut ended) = reader.read_record(record, cells, ends);
    let last = match result {
        ReadRecordResult::InputEmpty => {
            // That is its end: nothing follows.
            let rest = ends.get_mut(ended..).unwrap_or_default();
            let (last, .., more) = reader.read_record(&[], &mut [], rest);
            ended += more;
            last
        }
        other => other,
    };
    if !matches!(last, ReadRecordResult::Record | ReadRecordResult::End) || ended > most {
        let why = format!("it has more cells than the {most} columns of the header");
        return Err(DecodeError::Csv(why));
    }
    if record.get(read..).is_some_and(|rest| !rest.iter().all(|b| matches!(b, b'\r' | b'\n'))) {
        return Err(DecodeError::Csv("it has a line end that is not in quotes".to_owned()));
    }
    ends.truncate(ended);
    let text = cells.get(..written).unwrap_or_default();
    std::str::from_utf8(text).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })
}

/// The cell of a column. Cells end where characters do: what is between them is ASCII.
fn cell<'c>(text: &'c str, ends: &[usize], column: usize) -> &'c str {
    let start = column.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(column).and_then(|end| text.get(start..*end)).unwrap_or_default()
}
