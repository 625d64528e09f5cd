//! Rows of the log with consecutive numbers. What is asked of a chunk as a whole is always in memory; its
//! columns may be elsewhere for a while ([`cold`](super::cold)), and come back when they are asked for.
//!
//! **Why behind the chunk:** windows and their readers hold chunks, and go on doing so while the columns
//! are elsewhere: whoever reads a range of rows need not know. Where the columns cannot be read back, there
//! are no rows for anybody, and who runs the log stops before anything of that is given out.

use crate::plan::AttributePlan;
use crate::time::{EventTime, Millis};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::cold::ColdPlace;
use super::columns::{ColumnLayout, Columns};
use super::run::Run;
use super::stash::Block;

pub(crate) use super::columns::symbol_of;

/// The most rows a chunk can have: rows inside a chunk are numbered by `u16`.
pub const CHUNK_ROWS_MAX: usize = 1 << 16;
/// The fewest rows a chunk is made for, unless a log is told that its chunks have fewer.
pub const CHUNK_ROWS_MIN: usize = 1 << 6;

/// Rows with consecutive sequence numbers from [`Chunk::base`], ascending in time.
pub struct Chunk {
    base: u64,
    /// The time of the first row. A chunk spans less than 49 days.
    base_time: EventTime,
    len: Cell<u32>,
    /// The time of the last row, in ms after the first.
    span: Cell<u32>,
    /// For how many rows it was made.
    capacity: u32,
    row_bytes: u32,
    attributes: u32,
    /// `None`: they are elsewhere.
    columns: RefCell<Option<Rc<Columns>>>,
    /// Where they are elsewhere, too, once they are.
    cold: OnceCell<ColdPlace>,
    runs: RefCell<Runs>,
}

#[derive(Default)]
struct Runs {
    upto: u32,
    runs: Vec<Rc<Run>>,
}

impl Chunk {
    /// An empty chunk for `rows` rows, the first of which will have sequence number `base` and the time
    /// `base_time`.
    pub fn new(
        base: u64,
        base_time: EventTime,
        rows: usize,
        filters: usize,
        plan: &[AttributePlan],
    ) -> Self {
        Chunk::of_layout(base, base_time, rows, &ColumnLayout::new(filters, plan))
    }

    /// The same of columns as `layout` says.
    pub(crate) fn of_layout(
        base: u64,
        base_time: EventTime,
        rows: usize,
        layout: &ColumnLayout,
    ) -> Self {
        let rows = rows.clamp(1, CHUNK_ROWS_MAX);
        Chunk {
            base,
            base_time,
            len: Cell::new(0),
            span: Cell::new(0),
            capacity: rows as u32,
            row_bytes: layout.row_bytes() as u32,
            attributes: layout.attributes() as u32,
            columns: RefCell::new(Some(Rc::new(Columns::new(layout, rows)))),
            cold: OnceCell::new(),
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
        self.len() == self.capacity
    }

    /// The time of its first row.
    pub fn first_time(&self) -> EventTime {
        self.base_time
    }

    /// The time of its last row.
    pub fn last_time(&self) -> EventTime {
        self.base_time + u64::from(self.span.get())
    }

    /// Whether a row of `ts` can be appended to a chunk that may span `span`, once it has enough
    /// rows to be worth its memory.
    pub fn takes(&self, ts: EventTime, span: Millis) -> bool {
        let age = ts - self.base_time;
        let small = (self.len() as usize) < CHUNK_ROWS_MIN;
        !self.is_full() && age <= Millis::from(u32::MAX) && (small || age <= span)
    }

    /// Appends row `row` of `block`. Only the last chunk of a log is appended to, and its columns are in
    /// memory.
    pub(crate) fn push(&self, block: &Block, row: usize) {
        let at = self.len.get();
        let time = (block.times[row] - self.base_time) as u32;
        if let Some(columns) = &*self.columns.borrow() {
            columns.set(at as usize, time, block, row);
        }
        self.span.set(time);
        self.len.set(at + 1);
    }

    /// The columns, which are read back where they are elsewhere; `None`: they could not be.
    #[inline]
    pub(crate) fn columns(&self) -> Option<Rc<Columns>> {
        if let Some(columns) = &*self.columns.borrow() {
            return Some(Rc::clone(columns));
        }
        self.read_back()
    }

    #[cold]
    fn read_back(&self) -> Option<Rc<Columns>> {
        let columns = Rc::new(self.cold.get()?.read(self.len(), self.bytes())?);
        *self.columns.borrow_mut() = Some(Rc::clone(&columns));
        Some(columns)
    }

    /// Whether its columns are in memory.
    pub(crate) fn is_here(&self) -> bool {
        self.columns.borrow().is_some()
    }

    /// Whether its columns had left memory and cannot be read back.
    pub(crate) fn is_lost(&self) -> bool {
        !self.is_here() && self.cold.get().is_some_and(ColdPlace::is_lost)
    }

    /// Where its columns are elsewhere; `None`: they are not.
    pub(crate) fn place(&self) -> Option<&ColdPlace> {
        self.cold.get()
    }

    /// Its columns are at `place`, too.
    pub(crate) fn is_at(&self, place: ColdPlace) {
        // A second place of the same columns is let go of.
        let _ = self.cold.set(place);
    }

    /// Lets go of the columns in memory, where they are elsewhere, too; says whether it did.
    pub(crate) fn let_go(&self) -> bool {
        if self.cold.get().is_none() {
            return false;
        }
        let was_here = self.columns.borrow_mut().take().is_some();
        if was_here {
            *self.runs.borrow_mut() = Runs::default();
        }
        was_here
    }

    /// The time of `row`.
    #[inline]
    pub fn time(&self, row: u32) -> EventTime {
        let time = |columns: Rc<Columns>| columns.times()[row as usize].get();
        self.base_time + u64::from(self.columns().map_or(0, time))
    }

    /// The slot of `row`.
    #[inline]
    pub fn slot(&self, row: u32) -> u32 {
        self.columns().map_or(0, |columns| columns.slots()[row as usize].get())
    }

    /// The filter bits of `row`.
    #[inline]
    pub fn bits(&self, row: u32) -> u64 {
        self.columns().map_or(0, |columns| columns.bits(row))
    }

    /// Attribute `attribute` of `row`: its word, or its symbol; [`NULL`](crate::event_batch::NULL) for null.
    #[inline]
    pub fn value(&self, attribute: usize, row: u32) -> i64 {
        self.columns().map_or(crate::event_batch::NULL, |columns| columns.value(attribute, row))
    }

    /// How many attributes a row has.
    pub fn attributes(&self) -> usize {
        self.attributes as usize
    }

    /// Copies out the times of rows `lo..hi` of `columns`, which are its own.
    pub(crate) fn copy_times(&self, columns: &Columns, lo: u32, hi: u32, out: &mut Vec<EventTime>) {
        let base = self.base_time;
        let times = &columns.times()[lo as usize..hi as usize];
        out.extend(times.iter().map(|c| base + u64::from(c.get())));
    }

    /// The first row at or after `from` whose time fails `below`, which must be monotone.
    pub fn partition(&self, from: u32, below: impl Fn(EventTime) -> bool) -> u32 {
        let base = self.base_time;
        if from == 0 && !below(base) {
            return 0;
        }
        let Some(columns) = self.columns() else { return from };
        let rows = &columns.times()[from as usize..self.len() as usize];
        let below = |t: &Cell<u32>| below(base + u64::from(t.get()));
        // Gallop: mostly only a few rows pass at once.
        let mut step = 1;
        while step < rows.len() && below(&rows[step - 1]) {
            step *= 2;
        }
        let rows = &rows[step / 2..step.min(rows.len())];
        from + (step / 2 + rows.partition_point(below)) as u32
    }

    /// The bytes of its columns, in memory or not. Those that were elsewhere have no room for more rows.
    pub fn bytes(&self) -> usize {
        let rows = if self.cold.get().is_some() { self.len() } else { self.capacity };
        rows as usize * self.row_bytes()
    }

    /// The bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes as usize
    }

    /// Rows sorted by slot, built when first asked for: runs over consecutive ranges of rows,
    /// merged geometrically, one run once the chunk is full.
    pub(crate) fn runs(&self) -> Vec<Rc<Run>> {
        let Some(columns) = self.columns() else { return Vec::new() };
        let mut r = self.runs.borrow_mut();
        let len = self.len();
        if r.upto < len {
            let (upto, slots) = (r.upto, columns.slots());
            r.runs.push(Rc::new(Run::build(upto..len, |row| slots[row as usize].get())));
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
