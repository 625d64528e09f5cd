//! Rows of one view, held until they are written: then in the order (entity, time).
//!
//! Before the first row of an entity whose features were those of no events until then comes a row of these, as
//! of 1970: so a join finds a row at any time.

mod keyed_rows;

use super::parquet_file::{HeldColumn, ParquetFile, ParquetKind, ParquetValue};
use super::row_line::{RowEvent, SealedRow};
use super::row_view::RowView;
use keyed_rows::KeyedRows;
pub(super) use keyed_rows::number;
use parquet::data_type::ByteArray;
use std::hint::black_box;
use std::io::{self, Write};
use tidemark_operators::sealed_lines::{PackedRow, PackedValue, PackedValues};
use tidemark_operators::value::{Type, Value, address};

/// Columns that rows are ordered by: the key and the time.
const SORTED: i32 = 2;
/// Rows that are loaded together before they are unpacked.
const WARMED: usize = 64;
/// Bytes that a load brings.
const LINE: usize = 64;

/// Begins a file of the rows of `view`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn begin<W: Write + Send>(out: W, view: &RowView) -> io::Result<ParquetFile<W>> {
    ParquetFile::of_rows(out, &view.named(), SORTED)
}

/// See the module.
#[derive(Debug)]
pub(super) struct RowGroup {
    rows: KeyedRows,
    /// Of each row its event, and where its features are.
    held: Vec<GroupedRow>,
    /// The features of all rows, packed: what is read together lies together.
    packed: Vec<u8>,
    /// What packed features are.
    types: Vec<Type>,
    /// The sources of the rows.
    sources: Vec<ByteArray>,
    /// All columns but the key and the times.
    columns: Vec<ParquetKind>,
    /// What the features are of no events.
    empty: Vec<ParquetValue<'static>>,
}

#[derive(Clone, Copy, Debug)]
struct GroupedRow {
    from: usize,
    event: Option<GroupedEvent>,
}

#[derive(Clone, Copy, Debug)]
struct GroupedEvent {
    /// Its place among the sources.
    source: usize,
    partition: i64,
    offset: i64,
}

impl RowGroup {
    /// Without rows, which will come as lines.
    pub fn of_lines(view: &RowView) -> Self {
        // What a line says of a feature is what its column has.
        let types = view.features.iter().map(|(_, kind)| match kind {
            ParquetKind::Int | ParquetKind::Time => Type::Int,
            ParquetKind::Double => Type::Double,
            ParquetKind::Bool => Type::Bool,
            ParquetKind::Text => Type::Text,
        });
        RowGroup::new(view, types.collect(), Vec::new())
    }

    /// Without rows, which will come packed, with features of these types; `sources`: those of the job.
    pub fn of_packed(view: &RowView, types: Vec<Type>, sources: &[String]) -> Self {
        let sources = sources.iter().map(|name| ByteArray::from(name.as_str())).collect();
        RowGroup::new(view, types, sources)
    }

    fn new(view: &RowView, types: Vec<Type>, sources: Vec<ByteArray>) -> Self {
        let mut kinds = view.columns.iter().map(|(_, kind)| *kind);
        let key = kinds.next().unwrap_or(ParquetKind::Text);
        RowGroup {
            rows: KeyedRows::new(key),
            held: Vec::new(),
            packed: Vec::new(),
            types,
            sources,
            columns: kinds.skip(2).collect(),
            empty: view.empty.clone(),
        }
    }

    /// How many rows are held, without those of no events.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a row of its view, and out of `features` its features.
    ///
    /// # Errors
    /// When its key is no number where it has to be one, or there are more ids than fit.
    pub fn push<'l>(
        &mut self,
        row: SealedRow<'l>,
        features: &mut Vec<ParquetValue<'l>>,
    ) -> io::Result<()> {
        self.rows.push(&row.id, row.as_of, row.first)?;
        let event = row.event.map(|RowEvent { source, partition, offset }| {
            let known = self.sources.iter().position(|known| known.data() == &*source);
            let source = known.unwrap_or_else(|| {
                self.sources.push(ByteArray::from(source.to_vec()));
                self.sources.len() - 1
            });
            GroupedEvent { source, partition, offset }
        });
        self.held.push(GroupedRow { from: self.packed.len(), event });
        for value in features.drain(..) {
            let value = match &value {
                ParquetValue::Null => PackedValue::Null,
                ParquetValue::Int(value) => PackedValue::Word(value.cast_unsigned()),
                ParquetValue::Double(value) => PackedValue::Word(value.to_bits()),
                ParquetValue::Bool(value) => PackedValue::Word(u64::from(*value)),
                ParquetValue::Text(text) => PackedValue::Bytes(text),
            };
            value.pack(&mut self.packed);
        }
        Ok(())
    }

    /// Takes a packed row of its view.
    ///
    /// # Errors
    /// When its key is no number where it has to be one, or there are more ids than fit.
    pub fn push_packed(&mut self, row: &PackedRow<'_>) -> io::Result<()> {
        self.rows.push(row.id, row.as_of, row.first)?;
        let event = row.event.map(|origin| {
            let offset = i64::try_from(origin.offset).map_err(io::Error::other)?;
            let (source, partition) = (usize::from(origin.source), i64::from(origin.partition));
            Ok::<_, io::Error>(GroupedEvent { source, partition, offset })
        });
        self.held.push(GroupedRow { from: self.packed.len(), event: event.transpose()? });
        self.packed.extend_from_slice(row.values.rest());
        Ok(())
    }

    /// Writes what is held as a row group of `file`, with the rows of no events, and holds nothing then. Says how
    /// many rows those were.
    ///
    /// # Errors
    /// When a row is none of the view, or the file cannot be written.
    pub fn write<W: Write + Send>(&mut self, file: &mut ParquetFile<W>) -> io::Result<u64> {
        if self.rows.len() == 0 {
            return Ok(0);
        }
        let ordered = self.rows.take()?;
        let packed = ByteArray::from(std::mem::take(&mut self.packed));
        let mut columns: Vec<_> = self.columns.iter().map(|kind| HeldColumn::new(*kind)).collect();
        columns.iter_mut().for_each(|column| column.reserve(ordered.places.len()));
        for places in ordered.places.chunks(WARMED) {
            self.warm(places, &packed);
            for at in places {
                match self.held.get(*at as usize) {
                    Some(row) => self.unpack(row, &packed, &mut columns)?,
                    None => {
                        let nothing = std::iter::repeat(&ParquetValue::Null);
                        let values = self.empty.iter().chain(nothing);
                        for (column, value) in columns.iter_mut().zip(values) {
                            column.push(value.clone())?;
                        }
                    }
                }
            }
        }
        self.held.clear();
        columns.splice(0..0, [ordered.keys, ordered.times, ordered.created]);
        file.write_group(columns)?;
        Ok(ordered.places.len() as u64)
    }

    /// Loads where these rows are: many loads at a time, whose cache misses overlap.
    fn warm(&self, places: &[u32], packed: &ByteArray) {
        let bytes = packed.data();
        let rows = places.iter().filter_map(|at| self.held.get(*at as usize));
        black_box(rows.fold(0, |sum, row| {
            let lines = [row.from, row.from + LINE];
            lines.iter().fold(sum, |sum, at| sum ^ bytes.get(*at).copied().unwrap_or_default())
        }));
    }

    /// Puts a row's values behind those of its columns.
    fn unpack(
        &self,
        row: &GroupedRow,
        packed: &ByteArray,
        columns: &mut [HeldColumn],
    ) -> io::Result<()> {
        let bytes = packed.data();
        let mut values = PackedValues::new(bytes.get(row.from..).unwrap_or_default());
        let mut columns = columns.iter_mut();
        for (ty, column) in self.types.iter().zip(&mut columns) {
            let value = values.next().ok_or_else(no_row)?;
            match (value, ty) {
                (PackedValue::Null, _) => column.push_null(),
                (PackedValue::Word(word), Type::Decimal(scale)) => {
                    column.push_word(
                        Value::decimal_as_double(word.cast_signed(), *scale).to_bits(),
                    )?;
                }
                (
                    PackedValue::Word(word),
                    Type::Int | Type::Timestamp | Type::Double | Type::Bool,
                ) => column.push_word(word)?,
                (PackedValue::Bytes(text), Type::Text) => {
                    let from = bytes.len() - values.rest().len() - text.len();
                    column.push_text(packed.slice(from, text.len()))?;
                }
                (PackedValue::Bytes(bytes), Type::Ip) => match address(bytes) {
                    Some(address) => {
                        column.push_text(ByteArray::from(address.to_string().into_bytes()))?;
                    }
                    None => column.push_null(),
                },
                _ => return Err(no_row()),
            }
        }
        let [Some(source), Some(partition), Some(offset)] =
            [columns.next(), columns.next(), columns.next()]
        else {
            return Err(no_row());
        };
        let Some(event) = row.event else {
            [source, partition, offset].into_iter().for_each(HeldColumn::push_null);
            return Ok(());
        };
        source.push_text(self.sources.get(event.source).ok_or_else(no_row)?.clone())?;
        partition.push_word(event.partition.cast_unsigned())?;
        offset.push_word(event.offset.cast_unsigned())
    }
}

/// Of what is packed otherwise.
pub(super) fn no_row() -> io::Error {
    io::Error::other("packed rows are none of this job")
}
