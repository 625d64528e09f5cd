//! A file of columns: Parquet, compressed by zstd, in row groups of [`GROUP_ROWS`] rows.
//!
//! Every column may be null. Times are microseconds in UTC, texts UTF-8. Every row group has the least and
//! the greatest value of each column.

use parquet::basic::{
    Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type as SchemaType};
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

/// Rows of a row group: what is held in memory.
pub const GROUP_ROWS: usize = 1 << 16;
/// How hard the texts and numbers of examples are compressed.
const LEVEL: i32 = 3;
/// The same of rows of views, of which there are many more: half the CPU for a third more bytes.
const LEVEL_OF_ROWS: i32 = 1;

/// What a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParquetKind {
    /// Whole numbers of 64 bits.
    Int,
    /// Doubles.
    Double,
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// Microseconds since 1970, UTC.
    Time,
}

/// The values of a column in the row group at hand: those that are there, and for each row whether one is.
#[derive(Debug)]
pub(super) struct HeldColumn {
    pub there: Vec<i16>,
    pub values: HeldValues,
}

#[derive(Debug)]
pub(super) enum HeldValues {
    Ints(Vec<i64>),
    Doubles(Vec<f64>),
    Bools(Vec<bool>),
    Texts(Vec<ByteArray>),
}

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum ParquetValue<'a> {
    /// Nothing.
    Null,
    /// Of a column of whole numbers or times.
    Int(i64),
    /// Of a column of doubles.
    Double(f64),
    /// Of a column of bools.
    Bool(bool),
    /// Of a column of texts.
    Text(Cow<'a, [u8]>),
}

/// See the module.
pub struct ParquetFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<HeldColumn>,
    rows: usize,
}

impl<W: Write + Send> ParquetFile<W> {
    /// Examples, with these columns.
    ///
    /// # Errors
    /// When two have one name, or the file cannot be written.
    pub fn new(out: W, columns: &[(&str, ParquetKind)]) -> io::Result<Self> {
        Self::with(out, columns, properties(LEVEL)?)
    }

    /// Rows of a view, with these columns: row groups come in one by one, each in the order of the first
    /// `sorted` columns, of which the first is an id.
    ///
    /// # Errors
    /// When two have one name, or the file cannot be written.
    pub(super) fn of_rows(
        out: W,
        columns: &[(&str, ParquetKind)],
        sorted: i32,
    ) -> io::Result<Self> {
        let by = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
        let mut properties = properties(LEVEL_OF_ROWS)?
            .set_dictionary_enabled(false)
            .set_sorting_columns(Some((0..sorted).map(by).collect()));
        for (at, (name, kind)) in columns.iter().enumerate() {
            let path = ColumnPath::from((*name).to_owned());
            properties = match kind {
                ParquetKind::Text => properties.set_column_dictionary_enabled(path, true),
                ParquetKind::Int if at == 0 => properties.set_column_dictionary_enabled(path, true),
                // Times and counts differ little from one row to the next.
                ParquetKind::Time | ParquetKind::Int => {
                    properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
                }
                _ => properties,
            };
        }
        Self::with(out, columns, properties)
    }

    fn with(
        out: W,
        columns: &[(&str, ParquetKind)],
        properties: WriterPropertiesBuilder,
    ) -> io::Result<Self> {
        let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let schema = SchemaType::group_type_builder("rows").with_fields(fields).build();
        let schema = Arc::new(schema.map_err(io::Error::other)?);
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties.build()));
        let columns = columns.iter().map(|(_, kind)| HeldColumn::new(*kind)).collect();
        Ok(ParquetFile { writer: writer.map_err(io::Error::other)?, columns, rows: 0 })
    }

    /// Writes a row: a value a column.
    ///
    /// # Errors
    /// When a value is not of its column, or the file cannot be written.
    pub fn row<'v>(&mut self, values: impl Iterator<Item = ParquetValue<'v>>) -> io::Result<()> {
        let mut values = values;
        for column in &mut self.columns {
            column.push(values.next().unwrap_or(ParquetValue::Null))?;
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS { self.group() } else { Ok(()) }
    }

    /// Writes a row group of these columns; rows that came one by one must be written.
    ///
    /// # Errors
    /// When they are not those of the file, or the file cannot be written.
    pub(super) fn write_group(&mut self, columns: Vec<HeldColumn>) -> io::Result<()> {
        self.columns = columns;
        self.group()
    }

    /// Ends a row group.
    fn group(&mut self) -> io::Result<()> {
        self.rows = 0;
        let mut group = self.writer.next_row_group().map_err(io::Error::other)?;
        for held in &mut self.columns {
            let Some(mut column) = group.next_column().map_err(io::Error::other)? else { break };
            held.write(column.untyped()).map_err(io::Error::other)?;
            column.close().map_err(io::Error::other)?;
        }
        group.close().map(|_| ()).map_err(io::Error::other)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.group()?;
        }
        let mut out = self.writer.into_inner().map_err(io::Error::other)?;
        out.flush()?;
        Ok(out)
    }
}

/// What all files have in common, compressed so hard.
fn properties(level: i32) -> io::Result<WriterPropertiesBuilder> {
    let level = ZstdLevel::try_new(level).map_err(io::Error::other)?;
    let created_by = format!("tidemark {}", env!("CARGO_PKG_VERSION"));
    let builder = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    Ok(builder.set_created_by(created_by))
}

impl HeldColumn {
    /// Of such values, without any.
    pub fn new(kind: ParquetKind) -> Self {
        let values = match kind {
            ParquetKind::Int | ParquetKind::Time => HeldValues::Ints(Vec::new()),
            ParquetKind::Double => HeldValues::Doubles(Vec::new()),
            ParquetKind::Bool => HeldValues::Bools(Vec::new()),
            ParquetKind::Text => HeldValues::Texts(Vec::new()),
        };
        HeldColumn { there: Vec::new(), values }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.there.reserve(more);
        match &mut self.values {
            HeldValues::Ints(held) => held.reserve(more),
            HeldValues::Doubles(held) => held.reserve(more),
            HeldValues::Bools(held) => held.reserve(more),
            HeldValues::Texts(held) => held.reserve(more),
        }
    }

    /// Takes no value.
    pub fn push_null(&mut self) {
        self.there.push(0);
    }

    /// Takes a value by its 64 bits.
    ///
    /// # Errors
    /// When it is a text that is wanted.
    pub fn push_word(&mut self, word: u64) -> io::Result<()> {
        match &mut self.values {
            HeldValues::Ints(held) => held.push(word.cast_signed()),
            HeldValues::Doubles(held) => held.push(f64::from_bits(word)),
            HeldValues::Bools(held) => held.push(word != 0),
            HeldValues::Texts(_) => return Err(other_type(&word)),
        }
        self.there.push(1);
        Ok(())
    }

    /// Takes a text.
    ///
    /// # Errors
    /// When it is another value that is wanted.
    pub fn push_text(&mut self, text: ByteArray) -> io::Result<()> {
        match &mut self.values {
            HeldValues::Texts(held) => held.push(text),
            _ => return Err(other_type(&text)),
        }
        self.there.push(1);
        Ok(())
    }

    /// Takes a value.
    ///
    /// # Errors
    /// When it is not of this column.
    pub fn push(&mut self, value: ParquetValue<'_>) -> io::Result<()> {
        match (&mut self.values, value) {
            (_, ParquetValue::Null) => {
                self.there.push(0);
                return Ok(());
            }
            (HeldValues::Ints(held), ParquetValue::Int(value)) => held.push(value),
            (HeldValues::Doubles(held), ParquetValue::Double(value)) => held.push(value),
            (HeldValues::Bools(held), ParquetValue::Bool(value)) => held.push(value),
            (HeldValues::Texts(held), ParquetValue::Text(text)) => {
                held.push(text.into_owned().into())
            }
            (_, value) => return Err(other_type(&value)),
        }
        self.there.push(1);
        Ok(())
    }

    /// Writes what is held, and holds nothing then.
    fn write(&mut self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let there = Some(self.there.as_slice());
        match (&mut self.values, column) {
            (HeldValues::Ints(held), ColumnWriter::Int64ColumnWriter(column)) => {
                column.write_batch(held, there, None)?;
                held.clear();
            }
            (HeldValues::Doubles(held), ColumnWriter::DoubleColumnWriter(column)) => {
                column.write_batch(held, there, None)?;
                held.clear();
            }
            (HeldValues::Bools(held), ColumnWriter::BoolColumnWriter(column)) => {
                column.write_batch(held, there, None)?;
                held.clear();
            }
            (HeldValues::Texts(held), ColumnWriter::ByteArrayColumnWriter(column)) => {
                column.write_batch(held, there, None)?;
                held.clear();
            }
            _ => return Err(ParquetError::General("a column has another type".to_owned())),
        }
        self.there.clear();
        Ok(())
    }
}

fn other_type(value: &impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("{value:?} is not of the type of its column"))
}

fn field(name: &str, kind: ParquetKind) -> Result<SchemaType, ParquetError> {
    let (physical, logical) = match kind {
        ParquetKind::Int => (Physical::INT64, None),
        ParquetKind::Double => (Physical::DOUBLE, None),
        ParquetKind::Bool => (Physical::BOOLEAN, None),
        ParquetKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ParquetKind::Time => {
            (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS)))
        }
    };
    SchemaType::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}
