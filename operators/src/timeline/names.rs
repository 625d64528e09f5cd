//! The names of a timeline: the directory of entities and the dictionaries of text values.

use super::dictionary::Dictionary;
use crate::interner::Interner;
use crate::online::EntityIds;
use crate::plan::{AttributePlan, Storage};
use crate::slab::Share;
use crate::value::{Column, Type};

/// Numbers for entity ids and for the values of symbol attributes. Each is counted by the rows of
/// the stash and the log that have it, and by last-event state.
pub struct Names {
    /// Entity ids: the numbers are slots.
    pub entities: Interner,
    /// For each symbol attribute that has a dictionary of its own, its values.
    pub symbols: Vec<Option<Dictionary>>,
    /// For each symbol attribute where its dictionary is.
    dictionaries: Vec<usize>,
    types: Vec<Type>,
}

impl Names {
    pub(crate) fn new(attributes: &[AttributePlan]) -> Self {
        let symbols = |a: &AttributePlan| {
            let own = a.storage == Storage::Symbol && a.dictionary.is_none();
            own.then(|| Dictionary::new(a.ty))
        };
        let dictionary = |(at, a): (usize, &AttributePlan)| a.dictionary.unwrap_or(at);
        Names {
            entities: Interner::new(0),
            symbols: attributes.iter().map(symbols).collect(),
            dictionaries: attributes.iter().enumerate().map(dictionary).collect(),
            types: attributes.iter().map(|a| a.ty).collect(),
        }
    }

    /// Counts a symbol once more; 0 is null and not counted.
    pub fn retain_symbol(&mut self, attribute: usize, symbol: u32) {
        if let Some(values) = &mut self.symbols[self.dictionaries[attribute]] {
            values.retain(symbol);
        }
    }

    /// Counts a symbol once less; 0 is null and not counted.
    pub fn release_symbol(&mut self, attribute: usize, symbol: u32) {
        if let Some(values) = &mut self.symbols[self.dictionaries[attribute]] {
            values.release(symbol);
        }
    }

    /// The symbol of a value, counted once more; 0 where `attribute` has none.
    pub fn intern_symbol(&mut self, attribute: usize, bytes: &[u8]) -> u32 {
        let values = &mut self.symbols[self.dictionaries[attribute]];
        values.as_mut().map_or(0, |values| values.intern(bytes))
    }

    /// The symbol of a value, if it is one itself or anything uses it.
    pub fn find_symbol(&self, attribute: usize, bytes: &[u8]) -> Option<u32> {
        self.symbols[self.dictionaries[attribute]].as_ref()?.find(bytes)
    }

    /// The bytes of a symbol, in `own` where it is its own value; empty for null.
    pub fn symbol_bytes<'a>(
        &'a self,
        attribute: usize,
        symbol: u32,
        own: &'a mut [u8; 4],
    ) -> &'a [u8] {
        let values = &self.symbols[self.dictionaries[attribute]];
        values.as_ref().map_or(&[], |values| values.bytes(symbol, own))
    }

    /// The dictionary of an attribute's symbols.
    pub(crate) fn dictionary(&self, attribute: usize) -> Option<&Dictionary> {
        self.symbols.get(*self.dictionaries.get(attribute)?)?.as_ref()
    }

    /// Appends the value of a symbol, in the attribute's type.
    pub fn push_symbol(&self, attribute: usize, symbol: u32, out: &mut Column) {
        let mut own = [0; 4];
        let bytes = match &self.symbols[self.dictionaries[attribute]] {
            Some(values) if symbol != 0 => values.bytes(symbol, &mut own),
            _ => return out.push_null(),
        };
        if self.types[attribute].is_bytes() {
            return out.push_bytes(bytes);
        }
        match bytes.try_into() {
            Ok(word) => out.push_word(u64::from_le_bytes(word)),
            Err(_) => out.push_null(),
        }
    }

    /// How many entity ids and values are kept.
    pub fn len(&self) -> usize {
        self.entities.len() + self.symbols.iter().flatten().map(Dictionary::len).sum::<usize>()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        let symbols = self.symbols.iter().flatten().map(Dictionary::memory);
        self.entities.memory() + symbols.sum::<usize>()
    }

    /// How much of it is kept for numbers that are given again, in bytes.
    pub fn reusable(&self) -> usize {
        let symbols = self.symbols.iter().flatten().map(Dictionary::reusable);
        self.entities.reusable() + symbols.sum::<usize>()
    }

    /// The share of slots that no entity has.
    pub fn free_slots(&self) -> Share {
        Share::free(self.entities.len(), self.entities.end())
    }
}

impl EntityIds for Names {
    fn id(&self, slot: u32) -> &[u8] {
        self.entities.bytes(slot)
    }
}
