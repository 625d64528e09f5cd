//! A file of columns: Parquet, compressed by zstd, in row groups of [`GROUP_ROWS`] rows.
//!
//! Every column may be null. Times are microseconds in UTC, texts UTF-8.

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type as SchemaType;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

/// Rows of a row group: what is held in memory.
pub const GROUP_ROWS: usize = 1 << 16;
/// How hard texts and numbers are compressed.
const LEVEL: i32 = 3;

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
struct HeldColumn {
    there: Vec<i16>,
    values: HeldValues,
}

#[derive(Debug)]
enum HeldValues {
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
    /// With these columns.
    ///
    /// # Errors
    /// When two have one name, or the file cannot be written.
    pub fn new(out: W, columns: &[(&str, ParquetKind)]) -> io::Result<Self> {
        let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let schema = SchemaType::group_type_builder("rows").with_fields(fields).build();
        let level = ZstdLevel::try_new(LEVEL).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(format!("tidemark {}", env!("CARGO_PKG_VERSION")))
            .build();
        let schema = Arc::new(schema.map_err(io::Error::other)?);
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties));
        let held = |(_, kind): &(&str, ParquetKind)| HeldColumn {
            there: Vec::new(),
            values: match kind {
                ParquetKind::Int | ParquetKind::Time => HeldValues::Ints(Vec::new()),
                ParquetKind::Double => HeldValues::Doubles(Vec::new()),
                ParquetKind::Bool => HeldValues::Bools(Vec::new()),
                ParquetKind::Text => HeldValues::Texts(Vec::new()),
            },
        };
        let columns = columns.iter().map(held).collect();
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

impl HeldColumn {
    fn push(&mut self, value: ParquetValue<'_>) -> io::Result<()> {
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
            (_, value) => {
                return Err(io::Error::other(format!(
                    "{value:?} is not of the type of its column"
                )));
            }
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
