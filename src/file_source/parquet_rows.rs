//! The rows of a Parquet file, each as a line of JSON: what reads lines reads them too.
//!
//! A timestamp is written in the unit that the job reads its column in, or else as RFC 3339 in UTC,
//! whether the file says that it is in UTC or not; a date as `2026-01-04`; a decimal of at most 18
//! digits with its digits. A double that is no number, and a null, are null. Nested columns, longer
//! decimals, INT96 and times of day do not fit: the file is refused by the name of the column before
//! anything of it is read.
//!
//! A damaged file is an error that names it, whatever the library makes of it, and takes no more memory
//! than a bound: see [`headers`].

mod headers;
#[cfg(test)]
mod tests;
mod thrift;
mod values;

use super::codec::wrong;
use super::lines::BLOCK_BYTES;
use super::{Progress, RecordFile};
use crate::named_file::is_standard;
use crate::panics::contained;
use headers::{Chunk, check_footer, check_pages, unfit};
use parquet::basic::{Compression, ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Row;
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::schema::types::{ColumnDescriptor, SchemaDescPtr};
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};
use tidemark_operators::json::push_json_text;
use tidemark_operators::plan::TimeUnit as WrittenUnit;
use values::ValueForm;

/// Values of a column that are read at once, and the most rows of a batch.
const BATCH_ROWS: usize = 1_024;
/// Digits that a decimal may have.
const DIGITS_MAX: i32 = 18;

/// See the module. What it holds of a file are pages of a row group.
pub(super) struct ParquetRows {
    file: WatchedFile,
    reader: SerializedFileReader<File>,
    schema: SchemaDescPtr,
    columns: Vec<ParquetColumn>,
    record_bytes_max: usize,
    progress: Arc<Progress>,
    /// The rows of the row group that is being read.
    rows: Option<ReaderIter>,
    /// The number of the next row group, from 0.
    next_group: usize,
    /// The number of the next row, from 0.
    next: u64,
    line: Vec<u8>,
}

/// How a column is written.
struct ParquetColumn {
    /// `"name":`
    head: Vec<u8>,
    name: String,
    form: ValueForm,
}

impl ParquetRows {
    /// Opens the file at `path`; timestamps of a column are written in the unit that `unit` says. Of
    /// a row that is longer than `record_bytes_max` no more is kept.
    ///
    /// # Errors
    /// When it is no whole file of this form, or a column does not fit.
    pub fn open(
        path: &Path,
        unit: impl Fn(&str) -> WrittenUnit,
        record_bytes_max: usize,
        progress: Arc<Progress>,
    ) -> io::Result<Self> {
        if is_standard(path) {
            let why = "Parquet is read from its end, and standard input has none: name a file";
            return Err(io::Error::other(why));
        }
        let file = WatchedFile::open(path)?;
        check_footer(&file.file, file.length)?;
        let clone = file.file.try_clone()?;
        let reader = within("its footer", || SerializedFileReader::new(clone))?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut columns = Vec::new();
        for column in schema.columns() {
            fits(column).map_err(|why| unfit(&column.path().string(), 0, why))?;
            let mut head = Vec::new();
            push_json_text(column.name().as_bytes(), &mut head);
            head.push(b':');
            let (name, nanoseconds) = (column.name().to_owned(), is_nanoseconds(column));
            let form = ValueForm { unit: unit(&name), nanoseconds };
            columns.push(ParquetColumn { head, name, form });
        }
        check_compression(reader.metadata().row_groups())?;
        Ok(ParquetRows {
            file,
            reader,
            schema,
            columns,
            record_bytes_max,
            progress,
            rows: None,
            next_group: 0,
            next: 0,
            line: Vec::new(),
        })
    }

    /// The names of its columns.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The next row, of whichever row group; `None` at the end.
    fn row(&mut self) -> io::Result<Option<Row>> {
        loop {
            let group = self.next_group.saturating_sub(1);
            if let Some(rows) = &mut self.rows
                && let Some(row) =
                    within(format_args!("row group {group}"), || rows.next().transpose())?
            {
                return Ok(Some(row));
            }
            if self.next_group == self.reader.num_row_groups() {
                return Ok(None);
            }
            self.next_group += 1;
            let (at, place) = (self.next_group - 1, self.group_name());
            let group = self.reader.metadata().row_group(at);
            let chunks = within(&place, || Ok(chunks(group)))?;
            let bytes = chunks.iter().map(|chunk| chunk.length).sum();
            check_pages(&self.file.file, at, chunks.into_iter())?;
            let rows = within(&place, || {
                let group = self.reader.get_row_group(at)?;
                let builder = TreeBuilder::new().with_batch_size(BATCH_ROWS);
                builder.as_iter(Arc::clone(&self.schema), group.as_ref())
            });
            self.rows = Some(rows?);
            self.progress.read.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The row group that is being read, for messages.
    fn group_name(&self) -> String {
        format!("row group {}", self.next_group.saturating_sub(1))
    }

    /// Adds the next row to `batch`; false at the end.
    fn add_row(&mut self, batch: &mut RawBatch) -> io::Result<bool> {
        let Some(row) = self.row()? else { return Ok(false) };
        let (most, mut left_out) = (self.record_bytes_max, 0);
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        line.push(b'{');
        for ((_, field), column) in row.get_column_iter().zip(&self.columns) {
            let text = values::text(field).unwrap_or_default();
            if line.len() > most {
                left_out += text.len();
                continue;
            }
            if line.len() > 1 {
                line.push(b',');
            }
            line.extend_from_slice(&column.head);
            if text.len() > most {
                // Nobody reads it: the record is longer than it may be.
                line.extend_from_slice(text.get(..most).unwrap_or_default());
                left_out += text.len() - most;
                continue;
            }
            values::push(field, column.form, &mut line).map_err(|why| {
                let (name, group) = (&column.name, self.group_name());
                wrong(format!("column \"{name}\" of {group}: {why}"))
            })?;
        }
        line.push(b'}');
        let kept = line.get(..most).unwrap_or(&line);
        left_out += line.len() - kept.len();
        let value = Some(batch.keep(kept));
        let offset = self.next;
        batch.records.push(RawRecord { offset, value, left_out, ..RawRecord::default() });
        self.next += 1;
        self.line = line;
        Ok(true)
    }

    fn batch(&mut self) -> io::Result<Option<RawBatch>> {
        let mut batch = RawBatch::default();
        while batch.records.len() < BATCH_ROWS && batch.bytes.len() < BLOCK_BYTES {
            if !self.add_row(&mut batch)? {
                self.file.stayed()?;
                break;
            }
        }
        Ok((!batch.records.is_empty()).then_some(batch))
    }
}

impl RecordFile for ParquetRows {
    fn place(&self) -> String {
        format!("row {}", self.next)
    }

    fn read_on(&mut self) -> io::Result<Option<RawBatch>> {
        // What has changed is damaged for that reason and no other.
        self.batch().or_else(|error| self.file.stayed().and(Err(error)))
    }
}

/// A file that must stay as it is while it is read.
struct WatchedFile {
    file: File,
    length: u64,
    modified: Option<SystemTime>,
}

impl WatchedFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        Ok(WatchedFile { file, length: found.len(), modified: modified(&found) })
    }

    /// Whether it has stayed as it was opened.
    fn stayed(&self) -> io::Result<()> {
        let found = self.file.metadata()?;
        if (found.len(), modified(&found)) == (self.length, self.modified) {
            return Ok(());
        }
        Err(written_to())
    }
}

/// A file that has not stayed as it was.
pub(super) fn written_to() -> io::Error {
    wrong(
        "it has been written to while it was read; write to another file and rename that when it is \
         whole",
    )
}

fn modified(found: &Metadata) -> Option<SystemTime> {
    found.modified().ok()
}

/// Where the columns of a row group are.
fn chunks(group: &RowGroupMetaData) -> Vec<Chunk> {
    let chunk = |column: &ColumnChunkMetaData| {
        let (start, length) = column.byte_range();
        Chunk { name: column.column_path().string(), start, length }
    };
    group.columns().iter().map(chunk).collect()
}

/// Does what the library does: it panics on some damaged files.
fn within<T>(
    place: impl std::fmt::Display,
    work: impl FnOnce() -> Result<T, ParquetError>,
) -> io::Result<T> {
    match contained(work) {
        Ok(done) => done.map_err(|error| wrong(format!("{place} cannot be read ({error})"))),
        Err(said) => Err(wrong(format!("{place} is damaged ({said})"))),
    }
}

/// Whether a column can be read, and if not why.
/// Those of other compressions are not bounded by what their pages say of themselves.
fn check_compression(groups: &[RowGroupMetaData]) -> io::Result<()> {
    for (at, group) in groups.iter().enumerate() {
        for column in group.columns() {
            let name = match column.compression() {
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_) => continue,
                Compression::GZIP(_) => "gzip",
                Compression::BROTLI(_) => "brotli",
                Compression::LZ4 | Compression::LZ4_RAW => "lz4",
                Compression::LZO => "lzo",
            };
            let why = format!("it is compressed by {name}; write it by zstd, by Snappy, or plain");
            return Err(unfit(&column.column_path().string(), at, &why));
        }
    }
    Ok(())
}

fn fits(column: &ColumnDescriptor) -> Result<(), &'static str> {
    use ConvertedType as Is;
    if column.max_rep_level() > 0 {
        return Err("it is nested; write its parts as columns");
    }
    let decimal = column.converted_type() == Is::DECIMAL;
    if decimal && column.type_precision() > DIGITS_MAX {
        return Err("it is a decimal of more than 18 digits; write it with fewer, or as a text");
    }
    let known = match (column.physical_type(), column.converted_type()) {
        (Physical::INT96, _) => {
            return Err("it is INT96; write a timestamp of milliseconds or microseconds");
        }
        (_, Is::DECIMAL) => true,
        (Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE, Is::NONE) => true,
        // A column of nulls has no type of its own.
        (Physical::INT32, Is::NONE) => {
            column.logical_type_ref().is_none_or(|logical| *logical == LogicalType::Unknown)
        }
        (Physical::INT32, kind) => matches!(
            kind,
            Is::INT_8 | Is::INT_16 | Is::INT_32 | Is::UINT_8 | Is::UINT_16 | Is::UINT_32 | Is::DATE
        ),
        (Physical::INT64, Is::NONE) => {
            column.logical_type_ref().is_none() || is_nanoseconds(column)
        }
        (Physical::INT64, kind) => {
            matches!(kind, Is::INT_64 | Is::UINT_64 | Is::TIMESTAMP_MILLIS | Is::TIMESTAMP_MICROS)
        }
        (Physical::BYTE_ARRAY, Is::UTF8 | Is::ENUM | Is::JSON) => true,
        (Physical::BYTE_ARRAY, Is::NONE) => column.logical_type_ref().is_none(),
        _ => false,
    };
    if known { Ok(()) } else { Err("its type is none that a record can have; write it as a text") }
}

fn is_nanoseconds(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS)
}
