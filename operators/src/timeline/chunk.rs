//! Rows of the log in columns. Safe code only: a column is a slice of cells, so the tail chunk can
//! be appended to while readers already share its sealed prefix.

use crate::event_batch::NULL;
use crate::plan::{AttributePlan, Storage};
use crate::time::{EventTime, Millis};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::run::Run;
use super::stash::Block;

/// The most rows a chunk can have: rows inside a chunk are numbered by `u16`.
pub const CHUNK_ROWS_MAX: usize = 1 << 16;
/// The fewest rows a chunk is made for.
pub const CHUNK_ROWS_MIN: usize = 1 << 6;

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

/// Rows with consecutive sequence numbers from [`Chunk::base`], ascending in time.
pub struct Chunk {
    base: u64,
    base_time: EventTime,
    len: Cell<u32>,
    /// Milliseconds after `base_time`: a chunk spans less than 49 days.
    time: Cells<u32>,
    slot: Cells<u32>,
    bits: Bits,
    attributes: Box<[Attribute]>,
    runs: RefCell<Runs>,
}

#[derive(Default)]
struct Runs {
    upto: u32,
    runs: Vec<Rc<Run>>,
}

impl Chunk {
    /// An empty chunk for `rows` rows, the first of which will have sequence number `base` and a
    /// time of at least `base_time`.
    pub fn new(
        base: u64,
        base_time: EventTime,
        rows: usize,
        filters: usize,
        plan: &[AttributePlan],
    ) -> Self {
        let rows = rows.clamp(CHUNK_ROWS_MIN, CHUNK_ROWS_MAX);
        let attribute = |a: &AttributePlan| match a.storage {
            Storage::Wide => Attribute::Wide(cells(rows)),
            Storage::Symbol => Attribute::Symbol(cells(rows)),
        };
        Chunk {
            base,
            base_time,
            len: Cell::new(0),
            time: cells(rows),
            slot: cells(rows),
            bits: match filters {
                0 => Bits::None,
                1..=8 => Bits::One(cells(rows)),
                9..=32 => Bits::Four(cells(rows)),
                _ => Bits::Eight(cells(rows)),
            },
            attributes: plan.iter().map(attribute).collect(),
            runs: RefCell::default(),
        }
    }

    /// The sequence number of its first row.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// One past the sequence number of its last row.
    pub fn end(&self) -> u64 {
        self.base + u64::from(self.len())
    }

    /// How many rows.
    pub fn len(&self) -> u32 {
        self.len.get()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no row fits any more.
    pub fn is_full(&self) -> bool {
        self.len() as usize == self.time.len()
    }

    /// Whether a row of `ts` can be appended to a chunk that may span `span`, once it has enough
    /// rows to be worth its memory.
    pub fn takes(&self, ts: EventTime, span: Millis) -> bool {
        let age = ts - self.base_time;
        let small = (self.len() as usize) < CHUNK_ROWS_MIN;
        !self.is_full() && age <= Millis::from(u32::MAX) && (small || age <= span)
    }

    /// Appends row `row` of `block`.
    pub(crate) fn push(&self, block: &Block, row: usize) {
        let at = self.len.get() as usize;
        self.time[at].set((block.times[row] - self.base_time) as u32);
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
        self.len.set(at as u32 + 1);
    }

    /// The time of `row`.
    #[inline]
    pub fn time(&self, row: u32) -> EventTime {
        self.base_time + u64::from(self.time[row as usize].get())
    }

    /// The slot of `row`.
    #[inline]
    pub fn slot(&self, row: u32) -> u32 {
        self.slot[row as usize].get()
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

    /// How many attributes a row has.
    pub fn attributes(&self) -> usize {
        self.attributes.len()
    }

    /// Copies out the times of rows `lo..hi`.
    pub(crate) fn copy_times(&self, lo: u32, hi: u32, out: &mut Vec<EventTime>) {
        let base = self.base_time;
        out.extend(self.time[lo as usize..hi as usize].iter().map(|c| base + u64::from(c.get())));
    }

    /// Copies out the slots of rows `lo..hi`.
    pub(crate) fn copy_slots(&self, lo: u32, hi: u32, out: &mut Vec<u32>) {
        out.extend(self.slot[lo as usize..hi as usize].iter().map(Cell::get));
    }

    /// Copies out the filter bits of rows `lo..hi`.
    pub(crate) fn copy_bits(&self, lo: u32, hi: u32, out: &mut Vec<u64>) {
        let rows = lo as usize..hi as usize;
        match &self.bits {
            Bits::None => out.extend(rows.map(|_| 0)),
            Bits::One(c) => out.extend(c[rows].iter().map(|c| u64::from(c.get()))),
            Bits::Four(c) => out.extend(c[rows].iter().map(|c| u64::from(c.get()))),
            Bits::Eight(c) => out.extend(c[rows].iter().map(Cell::get)),
        }
    }

    /// Copies out attribute `attribute` of rows `lo..hi`.
    pub(crate) fn copy_values(&self, attribute: usize, lo: u32, hi: u32, out: &mut Vec<i64>) {
        let rows = lo as usize..hi as usize;
        match &self.attributes[attribute] {
            Attribute::Wide(c) => out.extend(c[rows].iter().map(Cell::get)),
            Attribute::Symbol(c) => out.extend(c[rows].iter().map(|c| value_of(c.get()))),
        }
    }

    /// The first row at or after `from` whose time fails `below`, which must be monotone.
    pub fn partition(&self, from: u32, below: impl Fn(EventTime) -> bool) -> u32 {
        let rows = &self.time[from as usize..self.len() as usize];
        let base = self.base_time;
        let below = |t: &Cell<u32>| below(base + u64::from(t.get()));
        // Gallop: mostly only a few rows pass at once.
        let mut step = 1;
        while step < rows.len() && below(&rows[step - 1]) {
            step *= 2;
        }
        let rows = &rows[step / 2..step.min(rows.len())];
        from + (step / 2 + rows.partition_point(below)) as u32
    }

    /// The bytes of its columns.
    pub fn bytes(&self) -> usize {
        self.time.len() * self.row_bytes()
    }

    /// The bytes of one row.
    pub fn row_bytes(&self) -> usize {
        let bits = match &self.bits {
            Bits::None => 0,
            Bits::One(_) => 1,
            Bits::Four(_) => 4,
            Bits::Eight(_) => 8,
        };
        let attribute = |a: &Attribute| match a {
            Attribute::Wide(_) => 8,
            Attribute::Symbol(_) => 4,
        };
        let attributes: usize = self.attributes.iter().map(attribute).sum();
        8 + bits + attributes
    }

    /// Rows sorted by slot, built when first asked for: runs over consecutive ranges of rows,
    /// merged geometrically, one run once the chunk is full.
    pub(crate) fn runs(&self) -> Vec<Rc<Run>> {
        let mut r = self.runs.borrow_mut();
        let len = self.len();
        if r.upto < len {
            let upto = r.upto;
            r.runs.push(Rc::new(Run::build(upto..len, |row| self.slot(row))));
            r.upto = len;
            while let [.., a, b] = &r.runs[..] {
                if !self.is_full() && a.len() > 2 * b.len() {
                    break;
                }
                let merged = Rc::new(Run::merge(a, b));
                r.runs.pop();
                r.runs.pop();
                r.runs.push(merged);
            }
        }
        r.runs.clone()
    }
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
