//! The history of sealed events by value: each sequence, and each session and what is kept of it, by
//! itself, so that a changed job keeps what it still has. What no event at or after the cut can see is
//! left out, whether it has been forgotten or not.

use super::SealedHistory;
use crate::cut::{Encoded, Unreadable, put, put_bytes, put_signed};
use crate::event_batch::NULL;
use crate::plan::SessionSum;
use crate::time::EventTime;
use crate::timeline::chunk::symbol_of;
use crate::timeline::names::Names;

/// A part of an entity's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistoryPart {
    /// The event of sequence `.0` that the next one is compared with.
    Sequence(usize),
    /// The values that sequence `.0` has seen, which are in a table of all entities.
    Seen(usize),
    /// When session `.0` began and had its last event.
    Session(usize),
    /// Attribute `.1` of the first event of session `.0`.
    First(usize, usize),
    /// Count `.1` of session `.0`.
    Count(usize, usize),
    /// Sum `.1` of session `.0`.
    Sum(usize, usize),
}

impl SealedHistory {
    /// Appends what `part` keeps of `slot` that an event at or after `as_of` can see.
    pub(crate) fn save(
        &self,
        part: HistoryPart,
        slot: u32,
        as_of: EventTime,
        names: &Names,
        out: &mut Vec<u8>,
    ) {
        let cells = self.cells.of(slot);
        match part {
            HistoryPart::Seen(_) => {}
            HistoryPart::Sequence(at) => {
                let (plan, cell) = &self.fold.sequences()[at];
                let (value, then) = (cells[*cell], cells[cell + 1] as u64);
                if then == 0 || (then - 1).saturating_add(plan.horizon) <= as_of {
                    return;
                }
                put(out, as_of.saturating_sub(then - 1));
                self.save_value(plan.attribute, value, names, out);
            }
            HistoryPart::Session(at) => {
                let Some((cell, last)) = self.open(at, cells, as_of) else { return };
                put(out, as_of.saturating_sub(last));
                put(out, last.saturating_sub(cells[cell + 1] as u64));
            }
            HistoryPart::First(at, of) => {
                let Some((cell, _)) = self.open(at, cells, as_of) else { return };
                let (attribute, _) = self.fold.sessions()[at].0.firsts[of];
                let value = cells[cell + 2 + of];
                if value != NULL && !(self.fold.is_symbol(attribute) && value == 0) {
                    self.save_value(attribute, value, names, out);
                }
            }
            HistoryPart::Count(at, of) => {
                let Some((cell, _)) = self.open(at, cells, as_of) else { return };
                let count = cells[cell + self.counts_at(at) + of];
                if count > 0 {
                    put_signed(out, count);
                }
            }
            HistoryPart::Sum(at, of) => {
                let Some((cell, _)) = self.open(at, cells, as_of) else { return };
                let sums = cell + self.sums_at(at) + 2 * of;
                if (cells[sums], cells[sums + 1]) != (0, 0) {
                    put_signed(out, cells[sums]);
                    put_signed(out, cells[sums + 1]);
                }
            }
        }
    }

    /// Appends a value of `attribute`: its word, or the bytes of its symbol behind a zero, or nothing
    /// for null.
    fn save_value(&self, attribute: usize, value: i64, names: &Names, out: &mut Vec<u8>) {
        match self.fold.is_symbol(attribute) {
            _ if value == NULL => {}
            true => put_bytes(out, names.symbol_bytes(attribute, symbol_of(value), &mut [0; 4])),
            false => put_signed(out, value),
        }
    }

    /// What [`save_value`](Self::save_value) told; a symbol is counted once more.
    fn load_value(
        &self,
        attribute: usize,
        from: &mut Encoded<'_>,
        names: &mut Names,
    ) -> Result<i64, Unreadable> {
        Ok(match self.fold.is_symbol(attribute) {
            _ if from.is_empty() => NULL,
            true => i64::from(names.intern_symbol(attribute, from.take_bytes()?)),
            false => from.take_signed()?,
        })
    }

    /// Where the cells of session `at` begin, and the time of its last event, when an event at or
    /// after `as_of` may still be of it.
    fn open(&self, at: usize, cells: &[i64], as_of: EventTime) -> Option<(usize, EventTime)> {
        let (plan, cell) = &self.fold.sessions()[at];
        let last = (cells[*cell] as u64).checked_sub(1)?;
        (last.saturating_add(plan.gap) >= as_of).then_some((*cell, last))
    }

    /// Where the counts of session `at` begin among its cells.
    fn counts_at(&self, at: usize) -> usize {
        2 + self.fold.sessions()[at].0.firsts.len()
    }

    /// Where its sums do.
    fn sums_at(&self, at: usize) -> usize {
        self.counts_at(at) + self.fold.sessions()[at].0.counts.len()
    }

    /// The values that have been seen, about `places` places of their table from `place` on: of each
    /// its sequence, slot and symbol, and how long before `as_of` it was seen, for those that an event
    /// at or after that can see. Where to go on; `None` at the end.
    pub(crate) fn scan_seen(
        &self,
        place: u64,
        places: usize,
        as_of: EventTime,
        mut each: impl FnMut(usize, u32, u32, u64),
    ) -> Option<u64> {
        self.seen.table.scan(place, places, |seen| {
            let sequence = seen.sequence as usize;
            let horizon = self.seen.horizons.get(sequence).copied().unwrap_or(0);
            if seen.ts.saturating_add(horizon) > as_of {
                each(sequence, seen.slot, seen.symbol, as_of.saturating_sub(seen.ts));
            }
        })
    }

    /// The attribute whose values sequence `sequence` sees.
    pub(crate) fn seen_attribute(&self, sequence: usize) -> Option<usize> {
        self.seen.attributes.get(sequence).copied()
    }

    /// Makes `part` of `slot` what was told of it. Values that were seen may come in several parts,
    /// each once.
    pub(crate) fn load(
        &mut self,
        part: HistoryPart,
        slot: u32,
        as_of: EventTime,
        mut from: Encoded<'_>,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let from = &mut from;
        match part {
            HistoryPart::Seen(at) => return self.load_seen(at, slot, as_of, *from, names),
            HistoryPart::Sequence(at) => {
                let ts = time(from, as_of)?;
                let (plan, cell) = &self.fold.sequences()[at];
                let (attribute, cell) = (plan.attribute, *cell);
                if self.cells.of(slot)[cell + 1] != 0 {
                    return Err(Unreadable::Twice);
                }
                let value = self.load_value(attribute, from, names)?;
                let cells = self.cells.of_mut(slot);
                (cells[cell], cells[cell + 1]) = (value, word(ts + 1)?);
                self.reach(slot, ts, names);
            }
            HistoryPart::Session(at) => self.load_session(at, slot, as_of, from, names)?,
            HistoryPart::First(at, of) => {
                let (plan, cell) = &self.fold.sessions()[at];
                let (attribute, cell) = (plan.firsts[of].0, cell + 2 + of);
                let value = self.load_value(attribute, from, names)?;
                if self.is_open(at, slot) {
                    self.cells.of_mut(slot)[cell] = value;
                } else if self.fold.is_symbol(attribute) {
                    names.release_symbol(attribute, symbol_of(value));
                }
            }
            HistoryPart::Count(at, of) => {
                let count = from.take_signed()?;
                let cell = self.fold.sessions()[at].1 + self.counts_at(at) + of;
                if self.is_open(at, slot) {
                    self.cells.of_mut(slot)[cell] = count;
                }
            }
            HistoryPart::Sum(at, of) => {
                let parts = (from.take_signed()?, from.take_signed()?);
                let cell = self.fold.sessions()[at].1 + self.sums_at(at) + 2 * of;
                if SessionSum::parts(SessionSum::total(parts.0, parts.1)) != parts {
                    return Err(Unreadable::Impossible);
                }
                if self.is_open(at, slot) {
                    let cells = self.cells.of_mut(slot);
                    (cells[cell], cells[cell + 1]) = parts;
                }
            }
        }
        from.end()
    }

    fn load_session(
        &mut self,
        at: usize,
        slot: u32,
        as_of: EventTime,
        from: &mut Encoded<'_>,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let last = time(from, as_of)?;
        let start = last.checked_sub(from.take()?).ok_or(Unreadable::Large)?;
        if self.is_open(at, slot) {
            return Err(Unreadable::Twice);
        }
        let (plan, cell) = &self.fold.sessions()[at];
        let (firsts, cell) = (cell + 2..cell + 2 + plan.firsts.len(), *cell);
        let cells = self.cells.of_mut(slot);
        (cells[cell], cells[cell + 1]) = (word(last + 1)?, word(start)?);
        cells[firsts].fill(NULL);
        self.reach(slot, last, names);
        Ok(())
    }

    fn is_open(&self, at: usize, slot: u32) -> bool {
        self.cells.of(slot)[self.fold.sessions()[at].1] != 0
    }

    fn load_seen(
        &mut self,
        at: usize,
        slot: u32,
        as_of: EventTime,
        mut from: Encoded<'_>,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let attribute = self.seen_attribute(at).ok_or(Unreadable::Impossible)?;
        while !from.is_empty() {
            let (ts, bytes) = (time(&mut from, as_of)?, from.take_bytes()?);
            let symbol = names.intern_symbol(attribute, bytes);
            let known = self.seen.get(at, slot, symbol).is_some();
            if !known {
                self.seen.see(at, slot, symbol, ts, names);
            }
            names.release_symbol(attribute, symbol);
            if known {
                return Err(Unreadable::Twice);
            }
        }
        Ok(())
    }
}

/// A time that is told as how long before `as_of` it is.
fn time(from: &mut Encoded<'_>, as_of: EventTime) -> Result<EventTime, Unreadable> {
    match from.take()? {
        0 => Err(Unreadable::Later),
        age => as_of.checked_sub(age).ok_or(Unreadable::Large),
    }
}

/// A time as a cell has it.
fn word(time: EventTime) -> Result<i64, Unreadable> {
    i64::try_from(time).map_err(|_| Unreadable::Large)
}

/// Appends a value that was seen so long before the cut.
pub(crate) fn save_seen(attribute: usize, symbol: u32, age: u64, names: &Names, out: &mut Vec<u8>) {
    put(out, age);
    put_bytes(out, names.symbol_bytes(attribute, symbol, &mut [0; 4]));
}
