//! Rows of one view, held until they are written: then in the order (entity, time).
//!
//! Before the first row of an entity whose features were those of no events until then comes a row of these, as
//! of 1970: so a join finds a row at any time.

use super::parquet_file::{HeldColumn, HeldValues, ParquetFile, ParquetKind, ParquetValue};
use super::row_line::{RowEvent, SealedRow};
use super::row_view::RowView;
use parquet::data_type::ByteArray;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use tidemark_operators::sealed_lines::{PackedRow, PackedValue};
use tidemark_operators::time::EventTime;
use tidemark_operators::value::{Type, Value, address};

/// Columns that rows are ordered by: the key and the time.
const SORTED: i32 = 2;
/// Microseconds of a millisecond.
const MICROS: i64 = 1_000;

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
    /// The key's kind: texts are in the order of their bytes, numbers in theirs.
    key: ParquetKind,
    /// The entities of the rows, by their ids.
    ids: HashMap<Box<[u8]>, u32>,
    /// For each row its entity and its time.
    rows: Vec<(u32, EventTime)>,
    /// All columns but the key and the times.
    columns: Vec<WordColumn>,
    /// What the features are of no events.
    empty: Vec<ParquetValue<'static>>,
    /// The entities whose row of no events is here.
    born: HashSet<u32>,
}

/// Values as words; texts as places in `bytes`.
#[derive(Debug)]
struct WordColumn {
    kind: ParquetKind,
    /// 0 where there is none.
    words: Vec<u64>,
    /// Whether there is one.
    there: Vec<bool>,
    bytes: Vec<u8>,
}

impl RowGroup {
    /// Without rows.
    pub fn new(view: &RowView) -> Self {
        let mut kinds = view.columns.iter().map(|(_, kind)| *kind);
        let key = kinds.next().unwrap_or(ParquetKind::Text);
        let columns = kinds.skip(2).map(|kind| WordColumn {
            kind,
            words: Vec::new(),
            there: Vec::new(),
            bytes: Vec::new(),
        });
        let columns = columns.collect();
        let empty = view.empty.clone();
        RowGroup {
            key,
            ids: HashMap::new(),
            rows: Vec::new(),
            columns,
            empty,
            born: HashSet::new(),
        }
    }

    /// How many rows are held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a row of its view, and out of `features` its features.
    ///
    /// # Errors
    /// When its key is no number where it has to be one, or there are more texts than fit.
    pub fn push<'l>(
        &mut self,
        row: SealedRow<'l>,
        features: &mut Vec<ParquetValue<'l>>,
    ) -> io::Result<()> {
        self.begin(&row.id, row.as_of, row.first)?;
        let origin = row.event.map(|RowEvent { source, partition, offset }| {
            [ParquetValue::Text(source), ParquetValue::Int(partition), ParquetValue::Int(offset)]
        });
        let origin = origin.unwrap_or([const { ParquetValue::Null }; 3]);
        for (column, value) in self.columns.iter_mut().zip(features.drain(..).chain(origin)) {
            column.push(&value)?;
        }
        Ok(())
    }

    /// Takes a packed row of its view, whose features are of these types; `sources`: those of the job.
    ///
    /// # Errors
    /// When it is no such row, or there are more texts than fit.
    pub fn push_packed(
        &mut self,
        row: &PackedRow<'_>,
        types: &[Type],
        sources: &[String],
    ) -> io::Result<()> {
        self.begin(row.id, row.as_of, row.first)?;
        let mut values = row.values;
        let mut columns = self.columns.iter_mut();
        for (ty, column) in types.iter().zip(&mut columns) {
            column.push_packed(values.next().ok_or_else(no_row)?, *ty)?;
        }
        let [Some(source), Some(partition), Some(offset)] =
            [columns.next(), columns.next(), columns.next()]
        else {
            return Err(no_row());
        };
        let Some(origin) = row.event else {
            [source, partition, offset].into_iter().for_each(WordColumn::push_null);
            return Ok(());
        };
        let name = sources.get(usize::from(origin.source)).ok_or_else(no_row)?;
        source.push_text(name.as_bytes())?;
        partition.push_word(u64::from(origin.partition));
        offset.push_word(origin.offset);
        Ok(())
    }

    /// Takes the entity and the time of a row, whose values follow, behind those of no events where it is the
    /// first.
    fn begin(&mut self, id: &[u8], as_of: EventTime, first: bool) -> io::Result<()> {
        let known = self.ids.get(id).copied();
        let entity = match known {
            Some(entity) => entity,
            None => {
                let entity = u32::try_from(self.ids.len()).map_err(io::Error::other)?;
                self.ids.insert(id.into(), entity);
                entity
            }
        };
        if first && self.born.insert(entity) {
            self.rows.push((entity, 0));
            let nothing = std::iter::repeat(&ParquetValue::Null);
            for (column, value) in self.columns.iter_mut().zip(self.empty.iter().chain(nothing)) {
                column.push(value)?;
            }
        }
        self.rows.push((entity, as_of));
        Ok(())
    }

    /// Writes what is held as a row group of `file`, and holds nothing then.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write<W: Write + Send>(&mut self, file: &mut ParquetFile<W>) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let (keys, order) = self.order()?;
        let times = self.times(&order)?;
        let mut columns = vec![keys];
        columns.extend(times);
        for column in &mut self.columns {
            columns.push(column.take(&order)?);
        }
        self.ids.clear();
        self.born.clear();
        self.rows.clear();
        file.write_group(columns)
    }

    /// The keys in order, and for each of the ordered rows which it is.
    fn order(&self) -> io::Result<(HeldColumn, Vec<usize>)> {
        let mut ids: Vec<(&[u8], u32)> = self.ids.iter().map(|(id, at)| (&**id, *at)).collect();
        let numbers = match self.key {
            ParquetKind::Int => {
                let mut numbers = HashMap::with_capacity(ids.len());
                for (id, entity) in &ids {
                    numbers.insert(*entity, number(id)?);
                }
                ids.sort_unstable_by_key(|(_, entity)| numbers.get(entity).copied());
                Some(numbers)
            }
            _ => {
                ids.sort_unstable();
                None
            }
        };
        let mut ranks = vec![0_usize; ids.len()];
        for (rank, (_, entity)) in ids.iter().enumerate() {
            if let Some(of_entity) = ranks.get_mut(*entity as usize) {
                *of_entity = rank;
            }
        }
        let rank = |entity: u32| ranks.get(entity as usize).copied().unwrap_or_default();
        let rows = self.rows.iter().enumerate();
        let mut order: Vec<_> =
            rows.map(|(at, (entity, as_of))| (rank(*entity), *as_of, at)).collect();
        order.sort_unstable();
        let mut keys = HeldColumn::new(self.key);
        keys.there = vec![1; order.len()];
        let ordered = order.iter().filter_map(|(rank, ..)| ids.get(*rank));
        match (&mut keys.values, numbers) {
            (HeldValues::Ints(held), Some(numbers)) => {
                held.extend(ordered.filter_map(|(_, entity)| numbers.get(entity)));
            }
            (HeldValues::Texts(held), _) => {
                let texts: Vec<_> =
                    ids.iter().map(|(id, _)| ByteArray::from(id.to_vec())).collect();
                held.extend(order.iter().filter_map(|(rank, ..)| texts.get(*rank).cloned()));
            }
            _ => {}
        }
        Ok((keys, order.into_iter().map(|(.., at)| at).collect()))
    }

    /// `event_timestamp` and `created`.
    fn times(&self, order: &[usize]) -> io::Result<[HeldColumn; 2]> {
        let (mut times, mut created) = (Vec::new(), Vec::new());
        let (mut before, mut same) = (None, 0);
        for row in order.iter().filter_map(|at| self.rows.get(*at)) {
            same = if before == Some(row) { same + 1 } else { 0 };
            before = Some(row);
            let micros = i64::try_from(row.1).ok().and_then(|ms| ms.checked_mul(MICROS));
            let micros =
                micros.ok_or_else(|| io::Error::other("a time is beyond the year 294247"))?;
            times.push(micros);
            created.push(micros.saturating_add(same));
        }
        Ok([times, created].map(|values| HeldColumn {
            there: vec![1; values.len()],
            values: HeldValues::Ints(values),
        }))
    }
}

/// Of what is packed otherwise.
pub(super) fn no_row() -> io::Error {
    io::Error::other("packed rows are none of this job")
}

/// The number that an id has to be.
pub(super) fn number(id: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(id).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let id = String::from_utf8_lossy(id);
        io::Error::other(format!(
            "the id \"{id}\" is no whole number of 64 bits, as its key has to be"
        ))
    })
}

impl WordColumn {
    fn push(&mut self, value: &ParquetValue<'_>) -> io::Result<()> {
        match value {
            ParquetValue::Null => self.push_null(),
            ParquetValue::Int(value) => self.push_word(value.cast_unsigned()),
            ParquetValue::Double(value) => self.push_word(value.to_bits()),
            ParquetValue::Bool(value) => self.push_word(u64::from(*value)),
            ParquetValue::Text(text) => self.push_text(text)?,
        }
        Ok(())
    }

    fn push_packed(&mut self, value: PackedValue<'_>, ty: Type) -> io::Result<()> {
        match (value, ty) {
            (PackedValue::Null, _) => self.push_null(),
            (PackedValue::Word(word), Type::Decimal(scale)) => {
                self.push_word(Value::decimal_as_double(word.cast_signed(), scale).to_bits());
            }
            (PackedValue::Word(word), Type::Int | Type::Timestamp | Type::Double | Type::Bool) => {
                self.push_word(word);
            }
            (PackedValue::Bytes(text), Type::Text) => self.push_text(text)?,
            (PackedValue::Bytes(bytes), Type::Ip) => match address(bytes) {
                Some(address) => self.push_text(address.to_string().as_bytes())?,
                None => self.push_null(),
            },
            _ => return Err(no_row()),
        }
        Ok(())
    }

    fn push_null(&mut self) {
        self.there.push(false);
        self.words.push(0);
    }

    fn push_word(&mut self, word: u64) {
        self.there.push(true);
        self.words.push(word);
    }

    /// A text; one that is the last one again takes no room.
    fn push_text(&mut self, text: &[u8]) -> io::Result<()> {
        let last = self.bytes.len().checked_sub(text.len()).filter(|_| !text.is_empty());
        let again = last.filter(|from| self.bytes.get(*from..) == Some(text));
        let from = again.unwrap_or(self.bytes.len());
        if again.is_none() {
            self.bytes.extend_from_slice(text);
        }
        let place = |at: usize| u32::try_from(at).map_err(io::Error::other);
        self.push_word(u64::from(place(from)?) << 32 | u64::from(place(text.len())?));
        Ok(())
    }

    /// The values in another order; holds none then.
    fn take(&mut self, order: &[usize]) -> io::Result<HeldColumn> {
        let (words, there) = (&self.words, &self.there);
        let texts = ByteArray::from(std::mem::take(&mut self.bytes));
        let mut column = HeldColumn::new(self.kind);
        column.there.reserve_exact(order.len());
        let mut ordered = Vec::with_capacity(order.len());
        for at in order {
            let is_there = there.get(*at).copied().unwrap_or_default();
            column.there.push(i16::from(is_there));
            if is_there {
                ordered.extend(words.get(*at));
            }
        }
        let ordered = ordered.into_iter();
        match &mut column.values {
            HeldValues::Ints(held) => *held = ordered.map(u64::cast_signed).collect(),
            HeldValues::Doubles(held) => *held = ordered.map(f64::from_bits).collect(),
            HeldValues::Bools(held) => held.extend(ordered.map(|word| word != 0)),
            HeldValues::Texts(held) => {
                for word in ordered {
                    let place = |part: u64| usize::try_from(part).map_err(io::Error::other);
                    held.push(texts.slice(place(word >> 32)?, place(word & u64::from(u32::MAX))?));
                }
            }
        }
        self.words.clear();
        self.there.clear();
        Ok(column)
    }
}
