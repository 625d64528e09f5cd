//! The rows that a log holds of one entity, found while it runs.
//!
//! The sealed rows are looked through in slices, between which the log may go on: what is sealed
//! meanwhile is looked at in its turn, and what is let go of meanwhile is left out. The rows that wait
//! are looked through at once, with the last slice, so that what is found is of one moment.
//!
//! Bounds: a slice looks at as many rows as it is told and copies [`COPIED_ROWS_MAX`]; the last one looks
//! at [`WAITING_ROWS_MAX`] besides and copies what of them is its own.

use super::EntityLog;
use crate::cut::{AttributeValues, Texts, TimelineRows};
use crate::interner::stable_hash;
use crate::plan::{AttributePlan, Storage};
use crate::time::EventTime;
use crate::timeline::chunk::{Chunk, symbol_of};
use crate::timeline::stash::Stashed;
use std::collections::HashMap;

/// The most rows that may wait for the frontier while a search ends: going through that many takes a few
/// ms.
pub const WAITING_ROWS_MAX: usize = 1 << 23;
/// The most sealed rows that are copied out in a slice.
const COPIED_ROWS_MAX: usize = 1 << 13;

/// The most bytes of one attribute's values.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// Why no rows were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchError {
    /// There are more of them than were asked for at most.
    Many,
    /// More than [`WAITING_ROWS_MAX`] rows wait for the frontier.
    Waiting,
    /// Rows had left memory and could not be read back.
    Lost,
}

/// See the module.
///
/// ```
/// use tidemark_operators::entity_log::{EntityLog, RowSearch};
/// use tidemark_operators::in_memory::{batch, plan};
///
/// let mut entity = EntityLog::new(&plan().entities[0], 256, 0);
/// entity.receive(batch(&[(2_000, "a"), (1_000, "b"), (3_000, "b"), (9_000, "a")]));
/// entity.seal(Some(5_000), &mut Vec::new());
/// let mut search = RowSearch::new(b"a", 10);
/// // Two rows of the log at a time.
/// assert_eq!(search.look(&entity, 5_000, 2), None);
/// let found = search.look(&entity, 5_000, 2).unwrap().unwrap();
/// assert_eq!(found.times, [2_000, 9_000]);
/// ```
pub struct RowSearch {
    id: Vec<u8>,
    most: usize,
    slot: Option<u32>,
    /// The first row of the log that has not been looked at.
    next: u64,
    /// Which rows have been copied out.
    found: Vec<u64>,
    rows: TimelineRows,
    /// Their values are too many bytes.
    full: bool,
}

impl RowSearch {
    /// Of the entity `id`, whose rows are `most` at most.
    pub fn new(id: &[u8], most: usize) -> Self {
        let (found, rows) = (Vec::new(), TimelineRows::default());
        RowSearch { id: id.to_vec(), most, slot: None, next: 0, found, rows, full: false }
    }

    /// Looks at about `budget` rows of `log`, which is sealed up to `sealed`. `None`: there are more to
    /// be looked at. At the end the rows, in the order of the log: sealed ones, then those that wait.
    ///
    /// # Errors
    /// When there are too many of them, or too many wait.
    pub fn look(
        &mut self,
        log: &EntityLog,
        sealed: EventTime,
        budget: u64,
    ) -> Option<Result<TimelineRows, SearchError>> {
        let slot = log.names.entities.find(&self.id, stable_hash(&self.id));
        if slot != self.slot || self.rows.ids.is_empty() {
            // Unknown before, or let go of wholly and known anew: by another number.
            (self.slot, self.next) = (slot, 0);
            self.found.clear();
            self.rows = no_rows(log, &self.id);
        }
        let Some(slot) = slot else { return Some(Ok(std::mem::take(&mut self.rows))) };
        self.look_at_sealed(log, slot, budget);
        if self.found.len() > self.most || self.full {
            return Some(Err(SearchError::Many));
        }
        if self.next < log.log.end() {
            return None;
        }
        let waiting = log.stash.of_slot(slot, sealed, WAITING_ROWS_MAX);
        let Some(waiting) = waiting else { return Some(Err(SearchError::Waiting)) };
        if self.found.len() + waiting.len() > self.most {
            return Some(Err(SearchError::Many));
        }
        // Of what was found some may have been let go of.
        let keep: Vec<bool> = self.found.iter().map(|seq| *seq >= log.log.start()).collect();
        self.rows.retain(&keep);
        let mut copier = Copier::new(log, &mut self.rows);
        waiting.iter().for_each(|entry| copier.waiting(entry));
        let full = copier.full;
        let rows = std::mem::take(&mut self.rows);
        Some(if full { Err(SearchError::Many) } else { Ok(rows) })
    }

    /// Copies out those of the next `budget` sealed rows that are its own.
    fn look_at_sealed(&mut self, log: &EntityLog, slot: u32, budget: u64) {
        let from = self.next.max(log.log.start());
        let to = log.log.end().min(from.saturating_add(budget));
        let mut copier = Copier::new(log, &mut self.rows);
        let mut copied = 0;
        self.next = to;
        for chunk in log.log.cover(from, to) {
            let base = chunk.base();
            let within = (from.max(base) - base) as u32..(to.min(chunk.end()) - base) as u32;
            let Some(columns) = chunk.columns() else { continue };
            let slots = columns.slots();
            for row in within.filter(|row| slots[*row as usize].get() == slot) {
                if copied == COPIED_ROWS_MAX {
                    self.next = base + u64::from(row);
                    self.full |= copier.full;
                    return;
                }
                copied += 1;
                copier.sealed(chunk, row);
                self.found.push(base + u64::from(row));
            }
        }
        self.full |= copier.full;
    }
}

/// None of the rows of the entity `id`, yet.
fn no_rows(log: &EntityLog, id: &[u8]) -> TimelineRows {
    let attribute = |plan: &AttributePlan| match plan.storage {
        Storage::Wide => AttributeValues::Words(Vec::new()),
        Storage::Symbol => {
            AttributeValues::Symbols { values: Texts::default(), places: Vec::new() }
        }
    };
    let attributes = log.attributes.iter().map(attribute).collect();
    let mut rows = TimelineRows { attributes, ..TimelineRows::default() };
    rows.ids.push(id);
    rows
}

/// Copies rows of one entity, all of one moment: a symbol is one value.
struct Copier<'a> {
    log: &'a EntityLog,
    rows: &'a mut TimelineRows,
    /// By attribute, where a symbol's value stands.
    places: Vec<HashMap<u32, u32>>,
    full: bool,
}

impl<'a> Copier<'a> {
    fn new(log: &'a EntityLog, rows: &'a mut TimelineRows) -> Self {
        let places = log.attributes.iter().map(|_| HashMap::new()).collect();
        Copier { log, rows, places, full: false }
    }

    fn sealed(&mut self, chunk: &Chunk, row: u32) {
        self.push(chunk.time(row), chunk.bits(row), |attribute| chunk.value(attribute, row));
    }

    fn waiting(&mut self, entry: &Stashed) {
        let (block, row) = (self.log.stash.block(entry), entry.row as usize);
        let value = |attribute: usize| block.attributes[attribute][row].get();
        self.push(entry.ts, block.bits[row].get(), value);
    }

    fn push(&mut self, time: EventTime, bits: u64, value: impl Fn(usize) -> i64) {
        self.rows.times.push(time);
        self.rows.entities.push(0);
        self.rows.bits.push(bits);
        for (attribute, column) in self.rows.attributes.iter_mut().enumerate() {
            let (values, places) = match column {
                AttributeValues::Words(words) => {
                    words.push(value(attribute));
                    continue;
                }
                AttributeValues::Symbols { values, places } => (values, places),
            };
            let symbol = symbol_of(value(attribute));
            let known = self.places[attribute].get(&symbol).copied();
            let place = known.or_else(|| {
                let names = self.log.names.dictionary(attribute).filter(|_| symbol != 0)?;
                let place = values.push(names.bytes(symbol, &mut [0; 4]));
                self.full |= place.is_none() || values.memory() > VALUE_BYTES_MAX;
                let place = place? + 1;
                self.places[attribute].insert(symbol, place);
                Some(place)
            });
            places.push(place.unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory::{batch, plan};

    /// A log with an event of each of `entities` in turn each second, sealed up to `sealed`.
    fn log(entities: &[&str], events: u64, sealed: EventTime) -> EntityLog {
        let mut log = EntityLog::new(&plan().entities[0], 64, 0);
        let all: Vec<(EventTime, &str)> = (0..events)
            .zip(entities.iter().cycle())
            .map(|(at, id)| ((at + 1) * 1_000, *id))
            .collect();
        log.receive(batch(&all));
        log.seal(Some(sealed), &mut Vec::new());
        log
    }

    fn found(log: &EntityLog, id: &str, sealed: EventTime, budget: u64) -> Vec<EventTime> {
        let mut search = RowSearch::new(id.as_bytes(), 1_000);
        loop {
            if let Some(rows) = search.look(log, sealed, budget) {
                return rows.unwrap().times;
            }
        }
    }

    #[test]
    fn sealed_and_waiting_rows_are_found_whatever_the_slice() {
        let log = log(&["a", "b", "c"], 300, 200_000);
        let expected: Vec<EventTime> = (0..100).map(|at| (at * 3 + 2) * 1_000).collect();
        for budget in [1, 7, 64, 1_000] {
            assert_eq!(found(&log, "b", 200_000, budget), expected, "{budget}");
        }
        assert_eq!(found(&log, "nobody", 200_000, 10), [] as [EventTime; 0]);
    }

    #[test]
    fn what_is_sealed_between_two_slices_is_found_once_and_what_is_let_go_of_is_not() {
        let mut log = log(&["a", "b"], 400, 200_000);
        let mut search = RowSearch::new(b"a", 1_000);
        assert_eq!(search.look(&log, 200_000, 100), None);
        log.seal(Some(350_000), &mut Vec::new());
        assert_eq!(search.look(&log, 350_000, 100), None);
        log.retire(150, u64::MAX);
        let begins = log.log.time(log.log.start()).unwrap();
        assert!(begins > 64_000, "{begins}");
        let rows = loop {
            if let Some(rows) = search.look(&log, 350_000, 100) {
                break rows.unwrap();
            }
        };
        let all = (0..200).map(|at| (at * 2 + 1) * 1_000);
        assert_eq!(rows.times, all.filter(|ts| *ts >= begins).collect::<Vec<_>>());
    }

    #[test]
    fn more_rows_than_are_wanted_are_not_told() {
        let log = log(&["a"], 20, 10_000);
        for (most, told) in [(19, false), (20, true)] {
            let looked = RowSearch::new(b"a", most).look(&log, 10_000, 100).unwrap();
            assert_eq!(looked.is_ok(), told, "{most}");
        }
    }
}
