//! Rows that were copied out of a log, and are put into another.

use super::{EntityLog, RowMapping, cells};
use crate::cut::{AttributeValues, Texts, TimelineRows};
use crate::event_batch::NULL;
use crate::interner::stable_hash;
use crate::origin::Origin;
use crate::plan::Storage;
use crate::time::EventTime;
use crate::timeline::names::Names;
use crate::timeline::owner::Owner;
use crate::timeline::stash::Block;
use std::ops::Range;
use thiserror::Error;

/// Rows of a block that is made of them.
const BLOCK_ROWS: usize = 4_096;

/// Why rows cannot be put into a log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "cannot restore row {row} of part {part} of the timeline of entity \"{entity}\": {why}; \
     restore an older checkpoint, or start without state"
)]
pub struct RestoreError {
    /// The entity type.
    pub entity: String,
    /// Which of the parts that were to be restored, from 0.
    pub part: usize,
    /// The row of it, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub why: RowError,
}

/// What is wrong with a row.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// A column is not there, or shorter than the others.
    #[error("a column ends before it")]
    Missing,
    /// Its time is before that of the row before it.
    #[error("it is older than the row before it")]
    Disorder,
    /// It names an id or a value that is not in the list.
    #[error("it has an id or a value that is not listed")]
    Unlisted,
    /// A value is not of the kind that the plan says.
    #[error("a value is not what the job says that it is")]
    Storage,
}

/// The numbers of listed texts, looked up once each.
struct Numbers<'a> {
    texts: &'a Texts,
    numbers: Vec<Option<u32>>,
}

impl<'a> Numbers<'a> {
    fn new(texts: &'a Texts) -> Self {
        Numbers { texts, numbers: vec![None; texts.len()] }
    }

    /// The number of the text at `place`, which `intern` gives when it is first asked for.
    #[inline]
    fn get(&mut self, place: usize, intern: impl FnOnce(&[u8]) -> u32) -> Result<u32, RowError> {
        let number = self.numbers.get_mut(place).ok_or(RowError::Unlisted)?;
        match *number {
            Some(number) => Ok(number),
            None => {
                let text = self.texts.get(place).ok_or(RowError::Unlisted)?;
                Ok(*number.insert(intern(text)))
            }
        }
    }

    fn known(&self) -> impl Iterator<Item = u32> {
        self.numbers.iter().flatten().copied()
    }
}

impl EntityLog {
    /// Puts rows into the log, behind those that it has: of `parts`, each in the order of time, those of
    /// `times` whose entities are `owner`'s. An entity's rows of one time are all of one part. What was
    /// derived of a row stays as it was stored. Those at or after `since` move the history that the
    /// events after them are derived from; it must be as of then. Nothing may be in the stash.
    ///
    /// # Errors
    ///
    /// When the rows are not what a log of this plan can have. It is of no use then.
    pub fn restore(
        &mut self,
        parts: &[&TimelineRows],
        mapping: &RowMapping,
        times: Range<EventTime>,
        owner: Owner,
        since: EventTime,
    ) -> Result<(), RestoreError> {
        let mut taken = RestoredRows { mapping, parts, rows: Vec::new(), anew: false };
        let restored = self.push_all(&mut taken, times, owner, since);
        self.told(restored)
    }

    /// The same of all rows of `parts`, where some that were before them are left out: what is derived of
    /// the events before one is derived anew.
    ///
    /// # Errors
    ///
    /// As [`EntityLog::restore`].
    pub fn restore_anew(
        &mut self,
        parts: &[&TimelineRows],
        mapping: &RowMapping,
    ) -> Result<(), RestoreError> {
        let mut taken = RestoredRows { mapping, parts, rows: Vec::new(), anew: true };
        let restored = self.push_all(&mut taken, 0..EventTime::MAX, Owner::ALL, 0);
        self.told(restored)
    }

    fn told(&self, restored: Result<(), Wrong>) -> Result<(), RestoreError> {
        restored.map_err(|(part, row, why)| RestoreError {
            entity: self.entity.clone(),
            part,
            row,
            why,
        })
    }

    fn push_all(
        &mut self,
        taken: &mut RestoredRows<'_>,
        times: Range<EventTime>,
        owner: Owner,
        since: EventTime,
    ) -> Result<(), Wrong> {
        self.log.begins(times.start);
        let mut interned = Vec::new();
        for part in 0..taken.parts.len() {
            taken.take(part, &times, owner, self, &mut interned)?;
        }
        // Those of one part are in order already, and stay so.
        taken.rows.sort_by_key(|row| row.ts);
        self.grow_history();
        let mut columns: Vec<_> = taken.parts.iter().map(|part| taken.columns(part)).collect();
        for from in (0..taken.rows.len()).step_by(BLOCK_ROWS) {
            let to = (from + BLOCK_ROWS).min(taken.rows.len());
            let block = taken.block(from..to, &mut columns, self)?;
            for row in 0..block.len() {
                let ts = block.times[row];
                if self.log.newest().is_some_and(|newest| ts < newest) {
                    return Err(taken.rows[from + row].wrong(RowError::Disorder));
                }
                self.names.entities.retain(block.slots[row]);
                if let (Some(history), true) = (&mut self.history, taken.anew) {
                    history.seal(&block, row, &mut self.names);
                }
                self.log.push(&block, row);
                if let (Some(history), true) = (&mut self.history, ts >= since && !taken.anew) {
                    history.follow(&block, row, &mut self.names);
                }
            }
        }
        // Rows have what they use counted by now: the looking up counts no more.
        for slot in interned {
            self.names.entities.release(slot);
        }
        for (attribute, numbers) in columns.iter().flat_map(|part| part.iter().enumerate()) {
            for symbol in numbers.iter().flat_map(Numbers::known) {
                self.names.release_symbol(attribute, symbol);
            }
        }
        Ok(())
    }
}

/// A part, a row of it, and what is wrong there.
type Wrong = (usize, usize, RowError);

/// A row of an entity of the worker's own.
struct RestoredRow {
    ts: EventTime,
    part: usize,
    row: usize,
    slot: u32,
}

impl RestoredRow {
    fn wrong(&self, why: RowError) -> Wrong {
        (self.part, self.row, why)
    }
}

/// The rows that are put into a log.
struct RestoredRows<'a> {
    mapping: &'a RowMapping,
    parts: &'a [&'a TimelineRows],
    rows: Vec<RestoredRow>,
    /// Whether what is derived of them is derived anew.
    anew: bool,
}

impl<'a> RestoredRows<'a> {
    /// Takes the rows of a part whose entities are `owner`'s; what was interned for them goes to
    /// `interned`.
    fn take(
        &mut self,
        part: usize,
        times: &Range<EventTime>,
        owner: Owner,
        log: &mut EntityLog,
        interned: &mut Vec<u32>,
    ) -> Result<(), Wrong> {
        let rows = self.parts[part];
        check(rows).map_err(|(row, why)| (part, row, why))?;
        let from = rows.times.partition_point(|ts| *ts < times.start);
        let to = rows.times.partition_point(|ts| *ts < times.end);
        let (mut slots, mut owned) = (Numbers::new(&rows.ids), vec![None; rows.ids.len()]);
        for row in from..to {
            let place = rows.entities[row] as usize;
            let own = owned.get_mut(place).zip(rows.ids.get(place));
            // From which time on its rows are taken.
            let own = own.map(|(own, id)| {
                *own.get_or_insert_with(|| match owner.owns(id) {
                    true => log.forgotten_before(id).unwrap_or(0),
                    false => EventTime::MAX,
                })
            });
            if rows.times[row] >= own.ok_or((part, row, RowError::Unlisted))? {
                let names = &mut log.names.entities;
                let slot = slots.get(place, |id| names.intern(id, stable_hash(id)));
                let slot = slot.map_err(|why| (part, row, why))?;
                self.rows.push(RestoredRow { ts: rows.times[row], part, row, slot });
            }
        }
        interned.extend(slots.known());
        Ok(())
    }

    /// The stored column of an attribute of the plan.
    fn column(&self, part: &'a TimelineRows, attribute: usize) -> Option<&'a AttributeValues> {
        let column = self.mapping.attributes.get(attribute).copied().flatten();
        column.and_then(|column| part.attributes.get(column))
    }

    /// For each symbol attribute the numbers of its values in a part.
    fn columns(&self, part: &'a TimelineRows) -> Vec<Option<Numbers<'a>>> {
        let column = |attribute| match self.column(part, attribute) {
            Some(AttributeValues::Symbols { values, .. }) => Some(Numbers::new(values)),
            _ => None,
        };
        (0..self.mapping.attributes.len()).map(column).collect()
    }

    /// The rows at `range` as a block, their symbols counted.
    fn block(
        &self,
        range: Range<usize>,
        numbers: &mut [Vec<Option<Numbers<'a>>>],
        log: &mut EntityLog,
    ) -> Result<Block, Wrong> {
        let rows = &self.rows[range];
        let mut attributes = Vec::with_capacity(log.attributes.len());
        for (attribute, plan) in log.attributes.iter().enumerate() {
            let names = &mut log.names;
            let column = rows.iter().map(|row| {
                let column = self.column(self.parts[row.part], attribute);
                let numbers = numbers[row.part].get_mut(attribute).and_then(Option::as_mut);
                let value = match (column, plan.storage, numbers) {
                    (None, ..) => Ok(NULL),
                    (Some(AttributeValues::Words(words)), Storage::Wide, _) => Ok(words[row.row]),
                    (Some(AttributeValues::Words(words)), Storage::Symbol, _) => {
                        Ok(symbol_of_word(words[row.row], attribute, names))
                    }
                    (Some(AttributeValues::Symbols { values, places }), Storage::Wide, _) => {
                        word_of_symbol(values, places[row.row])
                    }
                    (
                        Some(AttributeValues::Symbols { places, .. }),
                        Storage::Symbol,
                        Some(numbers),
                    ) => numbers.symbol(places[row.row], attribute, names),
                    (Some(AttributeValues::Symbols { .. }), Storage::Symbol, None) => {
                        Err(RowError::Storage)
                    }
                };
                value.map_err(|why| row.wrong(why))
            });
            attributes.push(cells(column.collect::<Result<_, Wrong>>()?));
        }
        let bits = rows.iter().map(|row| self.mapping.bits(self.parts[row.part].bits[row.row]));
        Ok(Block {
            times: rows.iter().map(|row| row.ts).collect(),
            origins: vec![Origin::default(); rows.len()],
            slots: rows.iter().map(|row| row.slot).collect(),
            bits: cells(bits.collect()),
            attributes,
        })
    }
}

impl Numbers<'_> {
    /// The symbol of the value at `place` minus one, counted once more; 0: null.
    #[inline]
    fn symbol(&mut self, place: u32, attribute: usize, names: &mut Names) -> Result<i64, RowError> {
        let Some(place) = place.checked_sub(1) else { return Ok(NULL) };
        let intern = |bytes: &[u8]| names.intern_symbol(attribute, bytes);
        let symbol = self.get(place as usize, intern)?;
        names.retain_symbol(attribute, symbol);
        Ok(i64::from(symbol))
    }
}

/// The symbol of a value that was kept as a word, counted once more.
fn symbol_of_word(word: i64, attribute: usize, names: &mut Names) -> i64 {
    match word {
        NULL => NULL,
        word => i64::from(names.intern_symbol(attribute, &word.to_le_bytes())),
    }
}

/// The word of a value that was kept as a symbol.
fn word_of_symbol(values: &Texts, place: u32) -> Result<i64, RowError> {
    let Some(place) = place.checked_sub(1) else { return Ok(NULL) };
    let bytes = values.get(place as usize).ok_or(RowError::Unlisted)?;
    bytes.try_into().map(i64::from_le_bytes).map_err(|_| RowError::Storage)
}

/// That all columns are as long as the times, and these in order.
fn check(rows: &TimelineRows) -> Result<(), (usize, RowError)> {
    let columns = rows.attributes.iter().map(|column| match column {
        AttributeValues::Words(words) => words.len(),
        AttributeValues::Symbols { places, .. } => places.len(),
    });
    let shortest = columns.chain([rows.entities.len(), rows.bits.len()]).min().unwrap_or(0);
    if shortest < rows.len() {
        return Err((shortest, RowError::Missing));
    }
    match rows.times.windows(2).position(|two| two[1] < two[0]) {
        Some(row) => Err((row + 1, RowError::Disorder)),
        None => Ok(()),
    }
}
