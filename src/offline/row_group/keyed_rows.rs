//! The order (entity, time) of rows, and which of them are an entity's first.

use crate::offline::parquet_file::{HeldColumn, HeldValues, ParquetKind};
use parquet::data_type::ByteArray;
use std::cmp::Ordering;
use std::io;
use tidemark_operators::time::EventTime;

/// Microseconds of a millisecond.
const MICROS: i64 = 1_000;
/// What makes the order of numbers with a sign that of their bits.
const SIGN: u64 = 1 << 63;
/// How many bytes of a text are compared at once.
const AT_ONCE: usize = 15;

/// The keys and times of rows, as they came.
#[derive(Debug)]
pub(super) struct KeyedRows {
    kind: ParquetKind,
    /// The keys that are texts, one behind the other.
    texts: Vec<u8>,
    rows: Vec<KeyedRow>,
}

#[derive(Clone, Copy, Debug)]
struct KeyedRow {
    /// A number; of a text where it begins, and in the lower half its length.
    key: u64,
    as_of: EventTime,
    /// Whether the entity's features were those of no events until then.
    first: bool,
}

/// What a row is ordered by: first the key, or what decides between most texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RowOrder {
    key: u128,
    as_of: EventTime,
    at: u32,
}

/// Rows in order, with those of no events.
pub(super) struct OrderedRows {
    pub keys: HeldColumn,
    /// `event_timestamp`.
    pub times: HeldColumn,
    /// `created`: tells rows of one entity and time apart.
    pub created: HeldColumn,
    /// Which row each was as they came; those of no events are behind the last one.
    pub places: Vec<u32>,
}

impl KeyedRows {
    /// Without rows; texts are in the order of their bytes, numbers in theirs.
    pub fn new(kind: ParquetKind) -> Self {
        KeyedRows { kind, texts: Vec::new(), rows: Vec::new() }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a row of the entity `id`; `first`: its features were those of no events until then.
    ///
    /// # Errors
    /// When the id is no number where it has to be one, or there are more ids than fit.
    pub fn push(&mut self, id: &[u8], as_of: EventTime, first: bool) -> io::Result<()> {
        let key = match self.kind {
            ParquetKind::Int => number(id)?.cast_unsigned(),
            _ => {
                let part = |at: usize| u32::try_from(at).map(u64::from).map_err(io::Error::other);
                let place = part(self.texts.len())? << 32 | part(id.len())?;
                self.texts.extend_from_slice(id);
                place
            }
        };
        self.rows.push(KeyedRow { key, as_of, first });
        Ok(())
    }

    /// All rows in order; holds none then.
    ///
    /// # Errors
    /// When a time is beyond what microseconds can say.
    pub fn take(&mut self) -> io::Result<OrderedRows> {
        let ordered = self.ordered()?;
        self.texts.clear();
        self.rows.clear();
        Ok(ordered)
    }

    fn ordered(&self) -> io::Result<OrderedRows> {
        let (order, is_whole) = self.order()?;
        let none = u32::try_from(self.rows.len()).map_err(io::Error::other)?;
        let mut keys = HeldColumn::new(self.kind);
        let (mut times, mut created) = (Vec::new(), Vec::new());
        let mut places = Vec::with_capacity(order.len());
        let texts = ByteArray::from(self.texts.clone());
        let is_one = |a: &RowOrder, b: &RowOrder| {
            a.key == b.key && (is_whole || self.text_at(*a) == self.text_at(*b))
        };
        for entity in order.chunk_by(is_one) {
            let before = places.len();
            let rows = entity.iter().filter_map(|row| self.rows.get(row.at as usize));
            if rows.clone().any(|row| row.first) {
                times.push(0);
                created.push(0);
                places.push(none);
            }
            for (row, order) in rows.clone().zip(entity) {
                let micros = i64::try_from(row.as_of).ok().and_then(|ms| ms.checked_mul(MICROS));
                let micros =
                    micros.ok_or_else(|| io::Error::other("a time is beyond the year 294247"))?;
                let is_same = places.len() > before && times.last() == Some(&micros);
                let last = created.last().filter(|_| is_same);
                created.push(last.map_or(micros, |last| last + 1));
                times.push(micros);
                places.push(order.at);
            }
            let key = rows.clone().map(|row| row.key).next().unwrap_or_default();
            let count = places.len() - before;
            match &mut keys.values {
                HeldValues::Texts(held) => {
                    let (from, length) = place(key);
                    held.extend(std::iter::repeat_n(texts.slice(from, length), count));
                }
                HeldValues::Ints(held) => {
                    held.extend(std::iter::repeat_n(key.cast_signed(), count));
                }
                _ => {}
            }
        }
        keys.there = vec![1; places.len()];
        let [times, created] = [times, created].map(|values| HeldColumn {
            there: vec![1; values.len()],
            values: HeldValues::Ints(values),
        });
        Ok(OrderedRows { keys, times, created, places })
    }

    /// The rows in order, and whether keys that are the same in it are.
    fn order(&self) -> io::Result<(Vec<RowOrder>, bool)> {
        let shared = self.shared();
        let mut order = Vec::with_capacity(self.rows.len());
        let mut is_whole = true;
        for (at, row) in self.rows.iter().enumerate() {
            let key = match self.kind {
                ParquetKind::Int => u128::from(row.key ^ SIGN),
                _ => {
                    let rest = self.text(*row).get(shared..).unwrap_or_default();
                    is_whole &= rest.len() <= AT_ONCE;
                    beginning(rest)
                }
            };
            let at = u32::try_from(at).map_err(io::Error::other)?;
            order.push(RowOrder { key, as_of: row.as_of, at });
        }
        if is_whole {
            order.sort_unstable();
        } else {
            order.sort_unstable_by(|a, b| match a.key.cmp(&b.key) {
                Ordering::Equal => self.text_at(*a).cmp(self.text_at(*b)).then_with(|| a.cmp(b)),
                decided => decided,
            });
        }
        Ok((order, is_whole))
    }

    /// How many bytes all texts have in common at their beginning.
    fn shared(&self) -> usize {
        let mut texts = self.rows.iter().map(|row| self.text(*row));
        let mut shared = texts.next().unwrap_or_default();
        for text in texts {
            if !text.starts_with(shared) {
                let same = shared.iter().zip(text).take_while(|(a, b)| a == b).count();
                shared = shared.get(..same).unwrap_or_default();
            }
        }
        shared.len()
    }

    fn text_at(&self, row: RowOrder) -> &[u8] {
        self.rows.get(row.at as usize).map_or(&[], |row| self.text(*row))
    }

    fn text(&self, row: KeyedRow) -> &[u8] {
        let (from, length) = place(row.key);
        self.texts.get(from..from + length).unwrap_or_default()
    }
}

/// Where a text begins, and its length.
fn place(key: u64) -> (usize, usize) {
    ((key >> 32) as usize, (key & u64::from(u32::MAX)) as usize)
}

/// The first [`AT_ONCE`] bytes of a text in their order, and then its length where it has no more.
fn beginning(text: &[u8]) -> u128 {
    let mut word = [0; 16];
    for (to, from) in word.iter_mut().zip(text.iter().take(AT_ONCE)) {
        *to = *from;
    }
    let length = text.len().min(AT_ONCE + 1);
    u128::from_be_bytes(word) | length as u128
}

/// The number that an id has to be.
pub(in crate::offline) fn number(id: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(id).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let id = String::from_utf8_lossy(id);
        io::Error::other(format!(
            "the id \"{id}\" is no whole number of 64 bits, as its key has to be"
        ))
    })
}

#[cfg(test)]
mod tests;
