//! The columns of a chunk's rows, in memory or as bytes. Safe code only: a column is a slice of cells, so
//! the tail chunk can be appended to while readers already share its sealed prefix.
//!
//! As bytes they are the columns one after the other, little endian: times, slots, bits, attributes. Slots
//! and symbols are this process's own, so the bytes are of use to it alone.

use super::stash::Block;
use crate::event_batch::NULL;
use crate::plan::{AttributePlan, Storage};
use std::cell::Cell;

type Cells<T> = Box<[Cell<T>]>;

fn cells<T: Default>(len: usize) -> Cells<T> {
    (0..len).map(|_| Cell::default()).collect()
}

/// Filter bits in as few bytes as the entity's filters need.
enum Bits {
    None,
    One(Cells<u8>),
    Four(Cells<u32>),
    Eight(Cells<u64>),
}

/// One attribute's column.
enum Attribute {
    Wide(Cells<i64>),
    Symbol(Cells<u32>),
}

/// What the columns of a log are.
#[derive(Clone, Debug)]
pub(crate) struct ColumnLayout {
    filters: usize,
    attributes: Vec<Storage>,
}

impl ColumnLayout {
    pub fn new(filters: usize, attributes: &[AttributePlan]) -> Self {
        ColumnLayout { filters, attributes: attributes.iter().map(|a| a.storage).collect() }
    }

    fn bits_bytes(&self) -> usize {
        match self.filters {
            0 => 0,
            1..=8 => 1,
            9..=32 => 4,
            _ => 8,
        }
    }

    /// The bytes of one row.
    pub fn row_bytes(&self) -> usize {
        let attribute = |storage: &Storage| match storage {
            Storage::Wide => 8,
            Storage::Symbol => 4,
        };
        8 + self.bits_bytes() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// How many attributes a row has.
    pub fn attributes(&self) -> usize {
        self.attributes.len()
    }
}

/// See the module.
pub(crate) struct Columns {
    /// Milliseconds after the chunk's own time.
    time: Cells<u32>,
    slot: Cells<u32>,
    bits: Bits,
    attributes: Box<[Attribute]>,
}

impl Columns {
    /// Room for `rows` rows.
    pub fn new(layout: &ColumnLayout, rows: usize) -> Self {
        let attribute = |storage: &Storage| match storage {
            Storage::Wide => Attribute::Wide(cells(rows)),
            Storage::Symbol => Attribute::Symbol(cells(rows)),
        };
        Columns {
            time: cells(rows),
            slot: cells(rows),
            bits: match layout.bits_bytes() {
                0 => Bits::None,
                1 => Bits::One(cells(rows)),
                4 => Bits::Four(cells(rows)),
                _ => Bits::Eight(cells(rows)),
            },
            attributes: layout.attributes.iter().map(attribute).collect(),
        }
    }

    /// Makes row `at` row `row` of `block`, `time` ms after the chunk's own time.
    #[inline]
    pub fn set(&self, at: usize, time: u32, block: &Block, row: usize) {
        self.time[at].set(time);
        self.slot[at].set(block.slots[row]);
        match &self.bits {
            Bits::None => {}
            Bits::One(c) => c[at].set(block.bits[row].get() as u8),
            Bits::Four(c) => c[at].set(block.bits[row].get() as u32),
            Bits::Eight(c) => c[at].set(block.bits[row].get()),
        }
        for (column, from) in self.attributes.iter().zip(&block.attributes) {
            match column {
                Attribute::Wide(c) => c[at].set(from[row].get()),
                Attribute::Symbol(c) => c[at].set(symbol_of(from[row].get())),
            }
        }
    }

    /// The times of all rows there is room for, in ms after the chunk's own.
    pub fn times(&self) -> &[Cell<u32>] {
        &self.time
    }

    /// The slots of all rows there is room for.
    pub fn slots(&self) -> &[Cell<u32>] {
        &self.slot
    }

    /// The filter bits of `row`.
    #[inline]
    pub fn bits(&self, row: u32) -> u64 {
        match &self.bits {
            Bits::None => 0,
            Bits::One(c) => u64::from(c[row as usize].get()),
            Bits::Four(c) => u64::from(c[row as usize].get()),
            Bits::Eight(c) => c[row as usize].get(),
        }
    }

    /// Attribute `attribute` of `row`: its word, or its symbol; [`NULL`] for null.
    #[inline]
    pub fn value(&self, attribute: usize, row: u32) -> i64 {
        match &self.attributes[attribute] {
            Attribute::Wide(c) => c[row as usize].get(),
            Attribute::Symbol(c) => value_of(c[row as usize].get()),
        }
    }

    /// The symbols of attribute `attribute` of the rows there is room for; none where it has words.
    pub fn symbols(&self, attribute: usize) -> &[Cell<u32>] {
        match self.attributes.get(attribute) {
            Some(Attribute::Symbol(symbols)) => symbols,
            Some(Attribute::Wide(_)) | None => &[],
        }
    }

    /// Copies out the filter bits of rows `lo..hi`.
    pub fn copy_bits(&self, lo: u32, hi: u32, out: &mut Vec<u64>) {
        let rows = lo as usize..hi as usize;
        match &self.bits {
            Bits::None => out.extend(rows.map(|_| 0)),
            Bits::One(c) => out.extend(c[rows].iter().map(|c| u64::from(c.get()))),
            Bits::Four(c) => out.extend(c[rows].iter().map(|c| u64::from(c.get()))),
            Bits::Eight(c) => out.extend(c[rows].iter().map(Cell::get)),
        }
    }

    /// Copies out attribute `attribute` of rows `lo..hi`.
    pub fn copy_values(&self, attribute: usize, lo: u32, hi: u32, out: &mut Vec<i64>) {
        let rows = lo as usize..hi as usize;
        match &self.attributes[attribute] {
            Attribute::Wide(c) => out.extend(c[rows].iter().map(Cell::get)),
            Attribute::Symbol(c) => out.extend(c[rows].iter().map(|c| value_of(c.get()))),
        }
    }

    /// The first `rows` rows as bytes.
    pub fn to_bytes(&self, layout: &ColumnLayout, rows: usize) -> Vec<u8> {
        let mut bytes = vec![0; layout.row_bytes() * rows];
        let mut to = bytes.as_mut_slice();
        to = write(&self.time, rows, to, u32::to_le_bytes);
        to = write(&self.slot, rows, to, u32::to_le_bytes);
        to = match &self.bits {
            Bits::None => to,
            Bits::One(c) => write(c, rows, to, u8::to_le_bytes),
            Bits::Four(c) => write(c, rows, to, u32::to_le_bytes),
            Bits::Eight(c) => write(c, rows, to, u64::to_le_bytes),
        };
        for attribute in &self.attributes {
            to = match attribute {
                Attribute::Wide(c) => write(c, rows, to, i64::to_le_bytes),
                Attribute::Symbol(c) => write(c, rows, to, u32::to_le_bytes),
            };
        }
        bytes
    }

    /// The `rows` rows that `bytes` are; `None` when it is not so many bytes.
    pub fn of_bytes(layout: &ColumnLayout, rows: usize, bytes: &[u8]) -> Option<Self> {
        let mut from = bytes;
        let time = read(rows, &mut from, u32::from_le_bytes)?;
        let slot = read(rows, &mut from, u32::from_le_bytes)?;
        let bits = match layout.bits_bytes() {
            0 => Bits::None,
            1 => Bits::One(read(rows, &mut from, u8::from_le_bytes)?),
            4 => Bits::Four(read(rows, &mut from, u32::from_le_bytes)?),
            _ => Bits::Eight(read(rows, &mut from, u64::from_le_bytes)?),
        };
        let mut attributes = Vec::with_capacity(layout.attributes.len());
        for storage in &layout.attributes {
            attributes.push(match storage {
                Storage::Wide => Attribute::Wide(read(rows, &mut from, i64::from_le_bytes)?),
                Storage::Symbol => Attribute::Symbol(read(rows, &mut from, u32::from_le_bytes)?),
            });
        }
        let attributes = attributes.into();
        from.is_empty().then_some(Columns { time, slot, bits, attributes })
    }
}

/// Writes the first `rows` of `cells` to the front of `to`; what is behind them.
fn write<'a, T: Copy, const N: usize>(
    cells: &[Cell<T>],
    rows: usize,
    to: &'a mut [u8],
    bytes: impl Fn(T) -> [u8; N],
) -> &'a mut [u8] {
    let (own, rest) = to.split_at_mut(to.len().min(rows * N));
    for (to, cell) in own.chunks_exact_mut(N).zip(cells) {
        to.copy_from_slice(&bytes(cell.get()));
    }
    rest
}

/// Takes `rows` values off the front of `from`.
fn read<T, const N: usize>(
    rows: usize,
    from: &mut &[u8],
    value: impl Fn([u8; N]) -> T,
) -> Option<Cells<T>> {
    let (own, rest) = from.split_at_checked(rows.checked_mul(N)?)?;
    *from = rest;
    Some(own.as_chunks::<N>().0.iter().map(|bytes| Cell::new(value(*bytes))).collect())
}

/// A symbol as a value: null becomes [`NULL`].
#[inline]
fn value_of(symbol: u32) -> i64 {
    if symbol == 0 { NULL } else { i64::from(symbol) }
}

/// A value as the symbol it came from; [`NULL`] becomes 0.
#[inline]
pub(crate) fn symbol_of(value: i64) -> u32 {
    if value == NULL { 0 } else { value as u32 }
}
