//! Rows of a log, copied out by value.

use super::EntityLog;
use crate::cut::{AttributeValues, Texts, TimelineRows};
use crate::flat_table::{Entry, FlatTable};
use crate::interner::PIECE;
use crate::plan::{EntityPlan, Storage};
use crate::timeline::chunk::{Chunk, symbol_of};
use crate::timeline::dictionary::Dictionary;
use std::cell::Cell;
use std::hint::black_box;

/// The place of an entity whose id was taken away: it is in no list.
pub const GONE: u32 = u32::MAX;
/// The most own symbols that are remembered from list to list.
const OWN_MAX: usize = 1 << 16;

/// Where a number stands in a list that is being made.
#[derive(Clone, Copy, Debug, Default)]
struct Listed {
    /// The list it was made for.
    list: u32,
    place: u32,
}

/// A symbol that is its value itself: such numbers are not dense.
#[derive(Clone, Copy, Debug)]
struct OwnSymbol {
    symbol: u32,
    listed: Listed,
}

impl Entry for OwnSymbol {
    const VACANT: Self = OwnSymbol { symbol: 0, listed: Listed { list: 0, place: 0 } };

    fn is_vacant(&self) -> bool {
        self.symbol == 0
    }

    fn hash(&self) -> u64 {
        spread(self.symbol)
    }
}

#[inline]
fn spread(symbol: u32) -> u64 {
    let mixed = u64::from(symbol).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// The places of numbers in a list: nothing to clear between two lists.
#[derive(Debug, Default)]
struct Places {
    by_number: Vec<Listed>,
    own: FlatTable<OwnSymbol>,
}

impl Places {
    /// The place of `number` in `texts`, which is list `list`; its bytes are `bytes` when it is new
    /// there. `None`: there is no room.
    #[inline]
    fn place<'a>(
        &mut self,
        list: u32,
        number: u32,
        texts: &mut Texts,
        bytes: impl FnOnce() -> &'a [u8],
    ) -> Option<u32> {
        let at = number as usize;
        if at >= self.by_number.len() {
            self.by_number.resize(at + 1, Listed::default());
        }
        let listed = &mut self.by_number[at];
        if listed.list != list {
            *listed = Listed { list, place: texts.push(bytes())? };
        }
        Some(listed.place)
    }

    /// The same of a symbol that is its own value.
    #[inline]
    fn own_place(
        &mut self,
        list: u32,
        symbol: u32,
        texts: &mut Texts,
        bytes: &[u8],
    ) -> Option<u32> {
        let fresh = || OwnSymbol { symbol, listed: Listed::default() };
        let own = self.own.entry(spread(symbol), |own| own.symbol == symbol, fresh);
        if own.listed.list != list {
            own.listed = Listed { list, place: texts.push(bytes)? };
        }
        Some(own.listed.place)
    }

    /// Loads where `numbers` are: many loads at a time, whose cache misses overlap.
    fn warm(&self, numbers: &[u32]) {
        let listed = numbers.iter().filter_map(|number| self.by_number.get(*number as usize));
        black_box(listed.fold(0, |sum, listed| sum ^ listed.list));
    }
}

/// Copies rows out of a log, with each id and value once; rows of entities whose [id was taken
/// away](crate::interner::Interner::unname) have the place [`GONE`]. What it needs between two calls is 8 bytes
/// for each number of an id or a value, and 12 for each of at most 65,536 values that are their own.
#[derive(Debug, Default)]
pub struct RowsCopier {
    list: u32,
    ids: Places,
    values: Vec<Places>,
    /// Of the rows at hand, slots or other numbers.
    slots: Vec<u32>,
    symbols: Vec<i64>,
}

impl RowsCopier {
    /// Of a log of `entity`.
    pub fn new(entity: &EntityPlan) -> Self {
        let values = entity.attributes.iter().map(|_| Places::default()).collect();
        RowsCopier { values, ..RowsCopier::default() }
    }

    /// What it takes, in bytes.
    pub fn memory(&self) -> usize {
        let places =
            self.values.iter().chain([&self.ids]).map(|places| {
                places.by_number.capacity() * size_of::<Listed>() + places.own.bytes()
            });
        let slots = self.slots.capacity() * size_of::<u32>();
        slots + self.symbols.capacity() * size_of::<i64>() + places.sum::<usize>()
    }

    /// The rows `lo..hi` of `log`, by their sequence numbers, as far as it has them; `None` when their
    /// ids or the values of an attribute are more than a list of [`Texts`] takes: ask for fewer.
    pub fn copy(&mut self, log: &EntityLog, lo: u64, hi: u64) -> Option<TimelineRows> {
        let mut rows = self.begin(log);
        self.append(log, lo, hi, &mut rows)?;
        Some(rows)
    }

    /// Where the entity at `slot` stands in the list that was begun last, if it does.
    pub fn listed(&self, slot: u32) -> Option<u32> {
        let listed = self.ids.by_number.get(slot as usize)?;
        (listed.list == self.list).then_some(listed.place)
    }

    /// No rows of `log`, yet: [`append`](Self::append) adds some. Ids and values are numbered anew.
    pub fn begin(&mut self, log: &EntityLog) -> TimelineRows {
        self.list = self.list.wrapping_add(1);
        if self.list == 0 {
            // Stamps of four billion lists ago would pass for this one's.
            let all = self.values.iter_mut().chain([&mut self.ids]);
            all.for_each(|places| *places = Places::default());
            self.list = 1;
        }
        let many = |places: &&mut Places| places.own.len() > OWN_MAX;
        self.values.iter_mut().filter(many).for_each(|places| places.own = FlatTable::default());
        let storages = log.attributes.iter().map(|a| a.storage);
        TimelineRows {
            attributes: storages
                .map(|storage| match storage {
                    Storage::Wide => AttributeValues::Words(Vec::new()),
                    Storage::Symbol => {
                        AttributeValues::Symbols { values: Texts::default(), places: Vec::new() }
                    }
                })
                .collect(),
            ..TimelineRows::default()
        }
    }

    /// Adds the rows `lo..hi` to `rows`, the last that were [begun](Self::begin) and whose own rows the
    /// log still has; `None` when that would be more than it takes.
    pub fn append(
        &mut self,
        log: &EntityLog,
        lo: u64,
        hi: u64,
        rows: &mut TimelineRows,
    ) -> Option<()> {
        for chunk in log.log.cover(lo, hi) {
            let from = (lo.max(chunk.base()) - chunk.base()) as u32;
            let to = (hi.min(chunk.end()) - chunk.base()) as u32;
            self.chunk(log, chunk, (from, to), rows)?;
        }
        Some(())
    }

    fn chunk(
        &mut self,
        log: &EntityLog,
        chunk: &Chunk,
        (from, to): (u32, u32),
        rows: &mut TimelineRows,
    ) -> Option<()> {
        // Where there are none nothing is told any more.
        let Some(columns) = chunk.columns() else { return Some(()) };
        chunk.copy_times(&columns, from, to, &mut rows.times);
        columns.copy_bits(from, to, &mut rows.bits);
        self.slots.clear();
        let slots = &columns.slots()[from as usize..to as usize];
        self.slots.extend(slots.iter().map(Cell::get));
        let names = &log.names.entities;
        rows.entities.reserve(self.slots.len());
        for piece in self.slots.chunks(PIECE) {
            self.ids.warm(piece);
            names.warm_ids(piece);
            for slot in piece {
                if names.is_unnamed(*slot) {
                    rows.entities.push(GONE);
                    continue;
                }
                let id = || names.bytes(*slot);
                rows.entities.push(self.ids.place(self.list, *slot, &mut rows.ids, id)?);
            }
        }
        for (attribute, column) in rows.attributes.iter_mut().enumerate() {
            let (values, places) = match column {
                AttributeValues::Words(words) => {
                    columns.copy_values(attribute, from, to, words);
                    continue;
                }
                AttributeValues::Symbols { values, places } => (values, places),
            };
            let Some(dictionary) = log.names.dictionary(attribute) else { continue };
            self.symbols.clear();
            columns.copy_values(attribute, from, to, &mut self.symbols);
            places.reserve(self.symbols.len());
            let listed = &mut self.values[attribute];
            for piece in self.symbols.chunks(PIECE) {
                self.slots.clear();
                let symbols = piece.iter().map(|value| symbol_of(*value));
                let kept = symbols.clone().filter(|symbol| *symbol != 0);
                self.slots.extend(kept.filter_map(|symbol| dictionary.kept_number(symbol)));
                listed.warm(&self.slots);
                dictionary.warm_numbers(&self.slots);
                for symbol in symbols {
                    places.push(match symbol {
                        0 => 0,
                        symbol => listed.symbol(self.list, symbol, dictionary, values)? + 1,
                    });
                }
            }
        }
        Some(())
    }
}

impl Places {
    #[inline]
    fn symbol(
        &mut self,
        list: u32,
        symbol: u32,
        dictionary: &Dictionary,
        values: &mut Texts,
    ) -> Option<u32> {
        let mut own = [0; 4];
        match dictionary.kept_number(symbol) {
            Some(number) => self.place(list, number, values, || dictionary.kept_bytes(number)),
            None => self.own_place(list, symbol, values, dictionary.bytes(symbol, &mut own)),
        }
    }
}
