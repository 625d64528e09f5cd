//! The state of every entity as of its last sealed event.

pub(crate) mod by_value;

use super::fold::{Fold, Memory};
use crate::expiry::Expiry;
use crate::flat_table::{self, FlatTable};
use crate::slab::{PROBED, Slab, doubled_bytes};
use crate::time::{EventTime, Millis};
use crate::timeline::chunk::symbol_of;
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Entities a page of cells.
const PAGE: usize = 1 << 10;
/// Never a slot.
const VACANT: u32 = u32::MAX;

/// When an entity had a value last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    slot: u32,
    symbol: u32,
    sequence: u32,
    ts: EventTime,
}

#[inline]
fn hash(sequence: u32, slot: u32, symbol: u32) -> u64 {
    let key = u64::from(slot) << 32 | u64::from(symbol);
    let key = key.wrapping_add(u64::from(sequence) << 56);
    let mixed = (key ^ key >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

impl flat_table::Entry for Seen {
    const VACANT: Self = Seen { slot: VACANT, symbol: 0, sequence: 0, ts: 0 };

    #[inline]
    fn is_vacant(&self) -> bool {
        self.slot == VACANT
    }

    #[inline]
    fn hash(&self) -> u64 {
        hash(self.sequence, self.slot, self.symbol)
    }
}

/// The values that entities have had, each until it is `horizon` old.
#[derive(Default)]
struct SeenValues {
    table: FlatTable<Seen>,
    /// When to look again whether a value is forgotten: one for each value.
    due: BinaryHeap<Reverse<(EventTime, u32, u32, u32)>>,
    /// By sequence.
    horizons: Vec<Millis>,
    attributes: Vec<usize>,
}

impl SeenValues {
    fn get(&self, sequence: usize, slot: u32, symbol: u32) -> Option<EventTime> {
        let sequence = sequence as u32;
        let same = |e: &Seen| (e.sequence, e.slot, e.symbol) == (sequence, slot, symbol);
        self.table.find(hash(sequence, slot, symbol), same).map(|e| e.ts)
    }

    fn see(&mut self, sequence: usize, slot: u32, symbol: u32, ts: EventTime, names: &mut Names) {
        let number = sequence as u32;
        let same = |e: &Seen| (e.sequence, e.slot, e.symbol) == (number, slot, symbol);
        let mut fresh = false;
        let entry = self.table.entry(hash(number, slot, symbol), same, || {
            fresh = true;
            Seen { slot, symbol, sequence: number, ts }
        });
        entry.ts = ts;
        if fresh {
            names.entities.retain(slot);
            names.retain_symbol(self.attributes[sequence], symbol);
            let due = ts.saturating_add(self.horizons[sequence]);
            self.due.push(Reverse((due, number, slot, symbol)));
        }
    }

    /// Forgets what no event at or above `frontier` can ask for; at most `budget` values.
    fn forget(&mut self, frontier: EventTime, budget: usize, names: &mut Names) {
        for _ in 0..budget {
            match self.due.peek() {
                Some(Reverse((due, ..))) if *due <= frontier => {}
                _ => return,
            }
            let Some(Reverse((_, sequence, slot, symbol))) = self.due.pop() else { return };
            let same = |e: &Seen| (e.sequence, e.slot, e.symbol) == (sequence, slot, symbol);
            let horizon = self.horizons[sequence as usize];
            let mut again = None;
            self.table.change(hash(sequence, slot, symbol), same, |entry| {
                let due = entry.ts.saturating_add(horizon);
                again = (due > frontier).then_some(due);
                again.is_some()
            });
            match again {
                Some(due) => self.due.push(Reverse((due, sequence, slot, symbol))),
                None => {
                    names.release_symbol(self.attributes[sequence as usize], symbol);
                    names.entities.release(slot);
                }
            }
        }
    }
}

/// The cells of all entities, `width` each.
struct HistoryCells {
    width: usize,
    pages: Vec<Box<[i64]>>,
}

impl HistoryCells {
    fn grow(&mut self, slots: usize) {
        while self.pages.len() * PAGE < slots {
            self.pages.push(vec![0; PAGE * self.width].into_boxed_slice());
        }
    }

    /// The page of `slot`, and where it is there.
    #[inline]
    fn place(&self, slot: u32) -> (usize, Range<usize>) {
        let at = slot as usize % PAGE * self.width;
        (slot as usize / PAGE, at..at + self.width)
    }

    #[inline]
    fn of(&self, slot: u32) -> &[i64] {
        let (page, place) = self.place(slot);
        &self.pages[page][place]
    }

    #[inline]
    fn of_mut(&mut self, slot: u32) -> &mut [i64] {
        let (page, place) = self.place(slot);
        &mut self.pages[page][place]
    }

    fn bytes(&self) -> usize {
        self.pages.len() * PAGE * self.width * 8
    }
}

/// See the module.
pub(crate) struct SealedHistory {
    /// What is derived.
    pub fold: Fold,
    cells: HistoryCells,
    /// The time of the latest sealed event plus one; 0: there is no state.
    latest: Slab<u64>,
    kept: Expiry,
    seen: SeenValues,
}

/// The memory of one entity.
struct OfEntity<'a> {
    slot: u32,
    seen: &'a mut SeenValues,
    names: &'a mut Names,
}

impl Memory for OfEntity<'_> {
    fn seen(&self, sequence: usize, symbol: u32) -> Option<EventTime> {
        self.seen.get(sequence, self.slot, symbol)
    }

    fn see(&mut self, sequence: usize, symbol: u32, ts: EventTime) {
        self.seen.see(sequence, self.slot, symbol, ts, self.names);
    }

    fn carry(&mut self, attribute: usize, value: i64) {
        self.names.retain_symbol(attribute, symbol_of(value));
    }

    fn replace(&mut self, attribute: usize, old: i64, new: i64) {
        if old != new {
            self.names.retain_symbol(attribute, symbol_of(new));
            self.names.release_symbol(attribute, symbol_of(old));
        }
    }
}

/// The memory of one entity that follows rows of which everything has been derived.
struct Followed<'a>(OfEntity<'a>);

impl Memory for Followed<'_> {
    fn seen(&self, sequence: usize, symbol: u32) -> Option<EventTime> {
        self.0.seen(sequence, symbol)
    }

    fn see(&mut self, sequence: usize, symbol: u32, ts: EventTime) {
        self.0.see(sequence, symbol, ts);
    }

    fn carry(&mut self, _attribute: usize, _value: i64) {}

    fn replace(&mut self, attribute: usize, old: i64, new: i64) {
        self.0.replace(attribute, old, new);
    }
}

impl SealedHistory {
    /// Nothing sealed so far.
    pub fn new(fold: Fold) -> Self {
        let mut seen = SeenValues::default();
        for (at, attribute, horizon) in fold.seeing() {
            seen.horizons.resize(at + 1, 0);
            seen.attributes.resize(at + 1, 0);
            seen.horizons[at] = horizon;
            seen.attributes[at] = attribute;
        }
        SealedHistory {
            cells: HistoryCells { width: fold.width, pages: Vec::new() },
            latest: Slab::new(),
            kept: Expiry::new(fold.kept),
            seen,
            fold,
        }
    }

    /// Makes the slots `0..slots` exist.
    pub fn grow(&mut self, slots: usize) {
        self.cells.grow(slots);
        self.latest.grow(slots);
        self.kept.grow(slots);
    }

    /// The cells of `slot`.
    pub fn cells(&self, slot: u32) -> &[i64] {
        self.cells.of(slot)
    }

    /// When sequence `sequence` has seen `symbol` of `slot` last.
    pub fn seen(&self, sequence: usize, slot: u32, symbol: u32) -> Option<EventTime> {
        self.seen.get(sequence, slot, symbol)
    }

    /// Derives row `row` of `block`, which is being sealed; its derived symbols count for the row
    /// from now on.
    #[inline]
    pub fn seal(&mut self, block: &Block, row: usize, names: &mut Names) {
        let (slot, ts) = (block.slots[row], block.times[row]);
        self.reach(slot, ts, names);
        let SealedHistory { fold, cells, seen, .. } = self;
        fold.step(block, row, cells.of_mut(slot), &mut OfEntity { slot, seen, names });
    }

    /// Takes note of row `row` of `block`, which was sealed before and is made again.
    pub fn follow(&mut self, block: &Block, row: usize, names: &mut Names) {
        let (slot, ts) = (block.slots[row], block.times[row]);
        self.reach(slot, ts, names);
        let SealedHistory { fold, cells, seen, .. } = self;
        let mut memory = Followed(OfEntity { slot, seen, names });
        fold.follow(block, row, cells.of_mut(slot), &mut memory);
    }

    /// The latest event of `slot` is not before `ts`.
    #[inline]
    fn reach(&mut self, slot: u32, ts: EventTime, names: &mut Names) {
        let latest = &mut self.latest[slot];
        if *latest == 0 {
            names.entities.retain(slot);
        }
        *latest = (*latest).max(ts + 1);
        self.kept.arm(slot, ts);
    }

    /// Forgets what no event at or above `frontier` can ask for; at most `budget` entities, and as
    /// many values.
    pub fn forget(&mut self, frontier: EventTime, budget: usize, names: &mut Names) {
        self.seen.forget(frontier, budget, names);
        let mut gone = Vec::new();
        let latest = &self.latest;
        self.kept.run(frontier, budget, |slot| latest[slot], |slot| gone.push(slot));
        for slot in gone {
            let cells = self.cells.of_mut(slot);
            for (cell, attribute) in self.fold.symbol_cells() {
                names.release_symbol(attribute, symbol_of(cells[cell]));
            }
            cells.fill(0);
            self.latest[slot] = 0;
            names.entities.release(slot);
        }
    }

    /// The bytes that each entity takes.
    pub fn slot_bytes(fold: Fold) -> u64 {
        let mut history = SealedHistory::new(fold);
        history.grow(PROBED);
        let before = history.memory();
        history.grow(2 * PROBED);
        ((history.memory() - before) / PROBED) as u64
    }

    /// The bytes that `values` values take that entities have had.
    pub const fn seen_bytes(values: u64) -> u64 {
        let due = size_of::<(EventTime, u32, u32, u32)>() as u64;
        FlatTable::<Seen>::bytes_for(values) + doubled_bytes(values, due)
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        let seen = self.seen.table.bytes() + self.seen.due.capacity() * 24;
        self.slot_memory() + seen + self.kept.memory()
    }

    /// How much of it is by slot, in bytes.
    pub fn slot_memory(&self) -> usize {
        self.cells.bytes() + self.latest.bytes()
    }
}
