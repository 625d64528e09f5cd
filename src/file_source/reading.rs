//! How the contents of a file become batches of records.

use super::container::{Container, MAGIC};
use super::csv::CsvReader;
use super::form::{self, BYTE_ORDER_MARK, Form};
use super::lines::LineReader;
use super::opened::OpenFile;
#[cfg(feature = "parquet")]
use super::parquet_rows::{ParquetRows, written_to};
use super::units::ColumnUnits;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use tidemark_operators::ingest::reader::RawBatch;
use tidemark_operators::plan::Format;

/// How a file is read.
#[derive(Clone)]
pub(super) struct Reading {
    pub format: Format,
    /// How timestamps are written where the file has a type of its own for them.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet has one"))]
    pub units: ColumnUnits,
    pub record_bytes_max: usize,
}

/// A file that is cut into records.
pub(super) trait RecordFile {
    /// Where reading stands, for messages.
    fn place(&self) -> String;

    /// Reads on: what is whole now, which may be no record; `None` at the end.
    fn read_on(&mut self) -> io::Result<Option<RawBatch>>;

    /// The next records, at least one, or `None` at the end.
    fn next_batch(&mut self) -> io::Result<Option<RawBatch>> {
        loop {
            match self.read_on()? {
                Some(batch) if batch.records.is_empty() => {}
                read => return Ok(read),
            }
        }
    }
}

/// The records of a file, from its beginning on. What goes wrong says where it was, and what to do.
pub(super) struct OpenRecords {
    path: PathBuf,
    records: Box<dyn RecordFile>,
}

impl OpenRecords {
    /// Those of `file`, which is at `path`.
    pub fn new(path: &Path, file: OpenFile, reading: &Reading) -> Result<Self, String> {
        let start = |error| failure(path, "its beginning", &error);
        let mut contents = file.contents;
        let head = form::head(&mut contents).map_err(start)?;
        let most = reading.record_bytes_max;
        let form = Form::of(&head);
        // What tells a container, and a byte order mark, are none of the contents.
        let mark = if form == Form::Avro { &MAGIC[..] } else { BYTE_ORDER_MARK };
        let begin = head.strip_prefix(mark).unwrap_or(&head);
        let whole = Cursor::new(begin.to_vec()).chain(contents);
        let records: Box<dyn RecordFile> = match (reading.format, form) {
            (Format::Json, Form::Lines) => Box::new(LineReader::new(whole, most)),
            #[cfg(feature = "parquet")]
            (Format::Json, Form::Parquet) if file.has_changed => return Err(start(written_to())),
            #[cfg(feature = "parquet")]
            (Format::Json, Form::Parquet) => {
                let unit = |column: &str| reading.units.of_column(column);
                Box::new(ParquetRows::open(path, unit, most, file.progress).map_err(start)?)
            }
            (Format::Avro, Form::Avro) => Box::new(Container::new(whole).map_err(start)?),
            (Format::Csv { delimiter }, Form::Lines | Form::Csv) if !is_json(begin) => {
                Box::new(CsvReader::new(whole, delimiter, most).map_err(start)?)
            }
            (format, form) => return Err(misfit(path, format, form)),
        };
        Ok(OpenRecords { path: path.to_owned(), records })
    }

    /// The next records, at least one; `None` at the end.
    pub fn next_batch(&mut self) -> Result<Option<RawBatch>, String> {
        let read = self.records.next_batch();
        read.map_err(|error| failure(&self.path, &self.records.place(), &error))
    }
}

/// Whether the first line is an object, and no list of names.
fn is_json(begin: &[u8]) -> bool {
    begin.trim_ascii_start().starts_with(b"{")
}

/// Why a file of this form is not read.
fn misfit(path: &Path, format: Format, form: Form) -> String {
    let file = path.display().to_string();
    let remedy = form.remedy(&file);
    match (format, &remedy) {
        (Format::Json, Some((what, _))) if form == Form::Avro => format!(
            "cannot read source file {file}: it is {what}, and the source has no \
             `format = \"avro\"`; add it to the source"
        ),
        (Format::Json, Some((what, _))) if form == Form::Csv => format!(
            "cannot read source file {file}: it is {what}, and the source has no \
             `format = \"csv\"`; add it to the source, and `delimiter` unless that is a comma"
        ),
        (Format::Csv { .. }, Some((what, _))) => format!(
            "cannot read source file {file}: it is {what}, and the source has \
             `format = \"csv\"`; name another file, or write it as CSV"
        ),
        (Format::Csv { .. }, None) => format!(
            "cannot read source file {file}: it begins with a JSON object, and the source has \
             `format = \"csv\"`; leave that out, or name another file"
        ),
        (Format::Json, Some((what, remedy))) => format!(
            "cannot read source file {file}: it is {what}, and its source is JSON lines; \
             write it as such: {remedy}"
        ),
        (_, remedy) => {
            let what =
                remedy.as_ref().map_or_else(String::new, |(what, _)| format!("is {what}: it "));
            format!(
                "cannot read source file {file}: it {what}is no Avro object container, and the \
                 source has `format = \"avro\"`; leave that out, or name another file"
            )
        }
    }
}

/// Why a file is not read on, and what to do.
pub(super) fn failure(path: &Path, place: &str, error: &io::Error) -> String {
    format!(
        "cannot read file {} on after {place}: {error}; \
         repair or replace the file and start again",
        path.display()
    )
}
