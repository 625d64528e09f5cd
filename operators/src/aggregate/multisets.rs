//! A multiset of symbols for each slot: how often each is inside.
//!
//! Most slots have few distinct values: up to [`FEW_MAX`] lie side by side in a block of the slot's own,
//! of 2, 4, 8 or 16 (symbol, count) pairs, so that finding one is looking at a cache line or two. A slot
//! that has more moves to a table of all such slots ([`counts`](super::counts)), and comes back once it
//! is empty. A block is exchanged for a larger one when it is full, and for a smaller one when a quarter
//! of it is used. Blocks are never given back to the system, and used again: they take what they took
//! when most of each size were in use.
//!
//! A slot's word says where its symbols are:
//!
//! ```text
//! 0                                        there are none
//! 0 | class, 2 | symbols - 1, 4 | place, 25    in a block of 2 << class pairs
//! 1 | symbols, 31                              in the table
//! ```
//!
//! There are at most [`BLOCKS_MAX`] blocks of a size; beyond that slots use the table earlier.

use super::ByValue;
use super::counts::Counts;
use crate::cut::{Encoded, Unreadable, put, put_bytes};

/// The most distinct symbols that a block holds.
pub const FEW_MAX: usize = 16;
/// The most blocks of a size: what a word can say.
pub const BLOCKS_MAX: u32 = 1 << PLACE_BITS;

const CLASSES: usize = 4;
const PLACE_BITS: u32 = 25;
const SYMBOLS_BITS: u32 = 4;
const MANY: u32 = 1 << 31;
/// Blocks a page.
const PAGE: usize = 1 << 8;
/// Nobody's block.
const NONE: u32 = 0;

/// A symbol, and in the upper half how often it is inside.
type Pair = u64;
const ONCE: Pair = 1 << 32;

/// How many pairs a block of a class has.
const fn room(class: usize) -> usize {
    2 << class
}

/// The blocks of one class, in pages that never move.
#[derive(Clone, Debug)]
struct Blocks {
    room: usize,
    pages: Vec<Box<[Pair]>>,
    used: u32,
    /// The first block that is free. Its first pair is the next one.
    free: u32,
    /// How many are free.
    freed: u32,
}

impl Blocks {
    fn new(class: usize) -> Self {
        Blocks { room: room(class), pages: Vec::new(), used: NONE + 1, free: NONE, freed: 0 }
    }

    #[inline]
    fn of(&self, place: u32) -> &[Pair] {
        let at = place as usize % PAGE * self.room;
        &self.pages[place as usize / PAGE][at..at + self.room]
    }

    #[inline]
    fn of_mut(&mut self, place: u32) -> &mut [Pair] {
        let at = place as usize % PAGE * self.room;
        &mut self.pages[place as usize / PAGE][at..at + self.room]
    }

    /// A block with any content; `None` when there are `most`.
    fn allocate(&mut self, most: u32) -> Option<u32> {
        if self.free != NONE {
            let place = self.free;
            self.free = self.of(place)[0] as u32;
            self.freed -= 1;
            return Some(place);
        }
        if self.used >= most {
            return None;
        }
        if self.pages.len() * PAGE <= self.used as usize {
            self.pages.push(vec![0; PAGE * self.room].into_boxed_slice());
        }
        self.used += 1;
        Some(self.used - 1)
    }

    fn release(&mut self, place: u32) {
        self.of_mut(place)[0] = Pair::from(self.free);
        self.free = place;
        self.freed += 1;
    }

    /// The bytes of blocks that are free.
    fn reusable(&self) -> usize {
        self.freed as usize * self.room * size_of::<Pair>()
    }

    fn bytes(&self) -> usize {
        self.pages.len() * PAGE * self.room * size_of::<Pair>()
    }
}

/// A block of a slot's own, with at least one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Few {
    class: usize,
    symbols: usize,
    place: u32,
}

impl Few {
    #[inline]
    fn of(word: u32) -> Self {
        Few {
            class: (word >> (PLACE_BITS + SYMBOLS_BITS)) as usize % CLASSES,
            symbols: (word >> PLACE_BITS) as usize % FEW_MAX + 1,
            place: word % BLOCKS_MAX,
        }
    }

    #[inline]
    fn word(self) -> u32 {
        let upper = self.class << SYMBOLS_BITS | (self.symbols - 1);
        (upper as u32) << PLACE_BITS | self.place
    }
}

/// How many distinct symbols a slot with this word has.
#[inline]
pub fn distinct(word: u32) -> u32 {
    match word {
        0 => 0,
        many if many & MANY != 0 => many & !MANY,
        few => Few::of(few).symbols as u32,
    }
}

/// Whether the values of a slot with this word are in the table.
pub(crate) fn is_many(word: u32) -> bool {
    word & MANY != 0
}

/// Appends a value and how often it is inside.
pub(crate) fn save(symbol: u32, count: u32, by: &ByValue<'_>, out: &mut Vec<u8>) {
    put(out, u64::from(count));
    by.bytes(symbol, |bytes| put_bytes(out, bytes));
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Multisets {
    few: [Blocks; CLASSES],
    many: Counts,
    blocks_max: u32,
}

impl Default for Multisets {
    fn default() -> Self {
        Multisets::bounded(BLOCKS_MAX)
    }
}

impl Multisets {
    /// With fewer than `blocks_max` blocks of a size, which is at most [`BLOCKS_MAX`].
    fn bounded(blocks_max: u32) -> Self {
        let few = std::array::from_fn(Blocks::new);
        Multisets { few, many: Counts::default(), blocks_max: blocks_max.min(BLOCKS_MAX) }
    }

    /// Counts `symbol` of `slot`, whose word this is, once more; returns the count before.
    #[inline]
    pub fn add(&mut self, word: &mut u32, slot: u32, symbol: u32) -> u32 {
        if *word & MANY != 0 {
            let before = self.many.add(slot, symbol);
            *word += u32::from(before == 0);
            return before;
        }
        if *word == 0 {
            self.begin(word, slot, symbol);
            return 0;
        }
        let few = Few::of(*word);
        let pairs = &mut self.few[few.class].of_mut(few.place)[..few.symbols];
        match pairs.iter_mut().find(|pair| **pair as u32 == symbol) {
            Some(pair) => {
                let before = (*pair >> 32) as u32;
                *pair += ONCE;
                before
            }
            None => {
                self.push(word, few, slot, symbol);
                0
            }
        }
    }

    /// The first symbol of a slot.
    fn begin(&mut self, word: &mut u32, slot: u32, symbol: u32) {
        match self.few[0].allocate(self.blocks_max) {
            Some(place) => {
                self.few[0].of_mut(place)[0] = Pair::from(symbol) | ONCE;
                *word = Few { class: 0, symbols: 1, place }.word();
            }
            None => {
                self.many.add(slot, symbol);
                *word = MANY | 1;
            }
        }
    }

    /// One symbol more of a slot that has some in a block.
    fn push(&mut self, word: &mut u32, few: Few, slot: u32, symbol: u32) {
        let full = few.symbols == room(few.class);
        let Some(few) = (if full { self.exchange(few, few.class + 1) } else { Some(few) }) else {
            let pairs = self.few[few.class].of(few.place);
            for pair in &pairs[..few.symbols] {
                self.many.put(slot, *pair as u32, (*pair >> 32) as u32);
            }
            self.few[few.class].release(few.place);
            self.many.add(slot, symbol);
            *word = MANY | (few.symbols as u32 + 1);
            return;
        };
        self.few[few.class].of_mut(few.place)[few.symbols] = Pair::from(symbol) | ONCE;
        *word = Few { symbols: few.symbols + 1, ..few }.word();
    }

    /// Moves the symbols to a block of another class; `None` when there is none.
    fn exchange(&mut self, few: Few, class: usize) -> Option<Few> {
        let place = self.few.get_mut(class)?.allocate(self.blocks_max)?;
        let mut pairs = [0; FEW_MAX];
        let pairs = &mut pairs[..few.symbols];
        pairs.copy_from_slice(&self.few[few.class].of(few.place)[..few.symbols]);
        self.few[class].of_mut(place)[..few.symbols].copy_from_slice(pairs);
        self.few[few.class].release(few.place);
        Some(Few { class, place, ..few })
    }

    /// Counts `symbol` of `slot`, whose word this is, once less; returns the count before, 0 when it
    /// was not there.
    #[inline]
    pub fn remove(&mut self, word: &mut u32, slot: u32, symbol: u32) -> u32 {
        if *word & MANY != 0 {
            let before = self.many.remove(slot, symbol);
            *word -= u32::from(before == 1);
            if *word == MANY {
                *word = 0;
            }
            return before;
        }
        if *word == 0 {
            return 0;
        }
        let few = Few::of(*word);
        let pairs = &mut self.few[few.class].of_mut(few.place)[..few.symbols];
        let Some(at) = pairs.iter().position(|pair| *pair as u32 == symbol) else { return 0 };
        let before = (pairs[at] >> 32) as u32;
        pairs[at] -= ONCE;
        if before == 1 {
            pairs[at] = pairs[few.symbols - 1];
            self.pop(word, few);
        }
        before
    }

    /// One symbol less of a slot that has some in a block: the last pair is superfluous.
    fn pop(&mut self, word: &mut u32, few: Few) {
        if few.symbols == 1 {
            self.few[few.class].release(few.place);
            *word = 0;
            return;
        }
        let few = Few { symbols: few.symbols - 1, ..few };
        let smaller = few.class > 0 && few.symbols <= room(few.class) / 4;
        let exchanged = if smaller { self.exchange(few, few.class - 1) } else { None };
        *word = exchanged.unwrap_or(few).word();
    }

    /// Appends the values of a slot with this word and how often each is inside, when they are in a
    /// block.
    pub fn save(&self, word: u32, by: &ByValue<'_>, out: &mut Vec<u8>) {
        if word == 0 || word & MANY != 0 {
            return;
        }
        let few = Few::of(word);
        for pair in &self.few[few.class].of(few.place)[..few.symbols] {
            save(*pair as u32, (*pair >> 32) as u32, by, out);
        }
    }

    /// Adds what was told of `slot`, whose word this is, by [`save`](Self::save) or a
    /// [scan](Self::scan); `each` hears how often each value is inside.
    pub fn load(
        &mut self,
        word: &mut u32,
        slot: u32,
        by: &ByValue<'_>,
        from: &mut Encoded<'_>,
        mut each: impl FnMut(u32) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        while !from.is_empty() {
            let (count, bytes) = (from.take_word()?, from.take_bytes()?);
            let symbol = by.symbol(bytes)?;
            if count == 0 {
                return Err(Unreadable::Impossible);
            }
            if self.add(word, slot, symbol) > 0 {
                return Err(Unreadable::Twice);
            }
            self.more(*word, slot, symbol, count - 1);
            each(count)?;
        }
        Ok(())
    }

    /// Counts `symbol` of `slot`, which is inside, so much more often.
    fn more(&mut self, word: u32, slot: u32, symbol: u32, often: u32) {
        if word & MANY != 0 {
            self.many.more(slot, symbol, often);
            return;
        }
        let few = Few::of(word);
        let pairs = self.few[few.class].of_mut(few.place).iter_mut().take(few.symbols);
        for pair in pairs.filter(|pair| **pair as u32 == symbol) {
            *pair += Pair::from(often) << 32;
        }
    }

    /// What is in the table, about `places` of its places from `place` on: slots, symbols, and how
    /// often each is inside. Where to go on; `None` at the end.
    pub fn scan(&self, place: u64, places: usize, each: impl FnMut(u32, u32, u32)) -> Option<u64> {
        self.many.scan(place, places, each)
    }

    /// Loads what adding or removing `symbol` will look at; what it gives is for the caller to throw
    /// away visibly (`black_box`).
    #[inline]
    pub fn warm(&self, word: u32, slot: u32, symbol: u32) -> u32 {
        match word {
            0 => 0,
            many if many & MANY != 0 => self.many.warm(slot, symbol),
            few => {
                let Few { class, place, symbols } = Few::of(few);
                let pairs = self.few[class].of(place);
                (pairs[0] ^ pairs[symbols - 1]) as u32
            }
        }
    }

    /// The bytes that `pairs` (slot, symbol) pairs take, spread evenly over so many slots.
    pub const fn bytes_for(slots: u64, pairs: u64) -> u64 {
        let slots = if slots < pairs { slots } else { pairs };
        let each = if slots == 0 { 0 } else { pairs.div_ceil(slots) };
        if each > FEW_MAX as u64 {
            return Counts::bytes_for(pairs);
        }
        let room = if each < 2 { 2 } else { each.next_power_of_two() };
        slots.next_multiple_of(PAGE as u64) * room * size_of::<Pair>() as u64
    }

    /// The bytes of blocks that are kept for other slots.
    pub fn reusable(&self) -> usize {
        self.few.iter().map(Blocks::reusable).sum()
    }

    /// The bytes of its blocks and its table.
    pub fn bytes(&self) -> usize {
        self.few.iter().map(Blocks::bytes).sum::<usize>() + self.many.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const SLOTS: usize = 4;

    /// What comes (`true`) and goes: more of it for a while, then less, so that every size is met on
    /// the way up and on the way down.
    fn history() -> impl Strategy<Value = Vec<(bool, usize, u32)>> {
        let symbol = prop_oneof![4 => 1u32..24, 1 => u32::MAX - 2..=u32::MAX];
        let tide =
            |comes: f64, symbol| vec((prop::bool::weighted(comes), 0..SLOTS, symbol), 0..400);
        let tides = (
            tide(0.8, symbol.clone().boxed()),
            tide(0.2, symbol.clone().boxed()),
            tide(0.6, symbol.boxed()),
        );
        tides.prop_map(|(a, b, c)| [a, b, c].concat())
    }

    fn count_as_a_map_does(history: &[(bool, usize, u32)], blocks_max: u32) {
        let mut multisets = Multisets::bounded(blocks_max);
        let (mut words, mut twin) = ([0; SLOTS], vec![HashMap::<u32, u32>::new(); SLOTS]);
        for (comes, at, symbol) in history {
            let (word, slot) = (&mut words[*at], *at as u32);
            let before = twin[*at].get(symbol).copied().unwrap_or(0);
            match comes {
                true => {
                    assert_eq!(multisets.add(word, slot, *symbol), before);
                    twin[*at].insert(*symbol, before + 1);
                }
                false => {
                    assert_eq!(multisets.remove(word, slot, *symbol), before);
                    match before {
                        0 | 1 => twin[*at].remove(symbol),
                        _ => twin[*at].insert(*symbol, before - 1),
                    };
                }
            }
            assert_eq!(distinct(*word) as usize, twin[*at].len());
            multisets.warm(*word, slot, *symbol);
        }
        // All go, and nothing is left of any slot.
        for (at, counts) in twin.iter().enumerate() {
            for (symbol, count) in counts {
                (1..=*count).rev().for_each(|before| {
                    assert_eq!(multisets.remove(&mut words[at], at as u32, *symbol), before);
                });
            }
        }
        assert_eq!(words, [0; SLOTS]);
        assert!(multisets.many.is_empty());
    }

    proptest! {
        #[test]
        fn a_multiset_counts_as_a_map_does(history in history()) {
            count_as_a_map_does(&history, BLOCKS_MAX);
        }

        #[test]
        fn what_finds_no_block_is_counted_in_the_table(history in history(), blocks in 1u32..4) {
            count_as_a_map_does(&history, blocks);
        }

        #[test]
        fn a_word_says_what_it_was_made_of(class in 0..CLASSES, symbols in 1..=FEW_MAX, place in 1..BLOCKS_MAX) {
            let few = Few { class, symbols, place };
            prop_assert_eq!(Few::of(few.word()), few);
            prop_assert_eq!(few.word() & MANY, 0);
            prop_assert_eq!(distinct(few.word()) as usize, symbols);
        }
    }

    #[test]
    fn blocks_that_were_let_go_are_used_again() {
        let mut multisets = Multisets::default();
        let mut bytes = Vec::new();
        for _ in 0..3 {
            let mut words = vec![0; 10_000];
            for (slot, word) in words.iter_mut().enumerate() {
                (1..=16).for_each(|symbol| assert_eq!(multisets.add(word, slot as u32, symbol), 0));
            }
            bytes.push(multisets.bytes());
            for (slot, word) in words.iter_mut().enumerate() {
                (1..=16)
                    .for_each(|symbol| assert_eq!(multisets.remove(word, slot as u32, symbol), 1));
            }
        }
        let most = Multisets::bytes_for(10_000, 160_000) as usize;
        assert!(bytes[0] < most * 11 / 10, "{} bytes for {most}", bytes[0]);
        assert_eq!(bytes, [bytes[0]; 3]);
    }

    #[test]
    fn a_slot_with_more_than_sixteen_values_is_in_the_table_until_it_is_empty() {
        let (mut multisets, mut word) = (Multisets::default(), 0);
        (1..=16).for_each(|symbol| assert_eq!(multisets.add(&mut word, 7, symbol), 0));
        assert!(multisets.many.is_empty());
        multisets.add(&mut word, 7, 3);
        multisets.add(&mut word, 7, 17);
        assert_eq!((multisets.many.len(), distinct(word)), (17, 17));
        assert_eq!(multisets.remove(&mut word, 7, 3), 2, "counts have moved with their values");
        (1..17).for_each(|symbol| assert_eq!(multisets.remove(&mut word, 7, symbol), 1));
        assert_eq!((multisets.many.len(), distinct(word)), (1, 1));
        multisets.remove(&mut word, 7, 17);
        multisets.add(&mut word, 7, 5);
        assert_eq!((multisets.many.len(), distinct(word)), (0, 1));
    }
}
