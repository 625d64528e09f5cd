//! The names of a timeline: the directory of entities and the dictionaries of text values.

use crate::interner::Interner;
use crate::online::EntityIds;
use crate::plan::{AttributePlan, Storage};
use crate::value::{Column, Type};

/// Numbers for entity ids and for the values of symbol attributes. Each is counted by the rows of
/// the stash and the log that have it, and by last-event state.
pub struct Names {
    /// Entity ids: the numbers are slots.
    pub entities: Interner,
    /// For each symbol attribute that has a dictionary of its own, its values.
    pub symbols: Vec<Option<Interner>>,
    /// For each symbol attribute where its dictionary is.
    dictionaries: Vec<usize>,
    types: Vec<Type>,
}

impl Names {
    pub(crate) fn new(attributes: &[AttributePlan]) -> Self {
        let symbols = |a: &AttributePlan| {
            let own = a.storage == Storage::Symbol && a.dictionary.is_none();
            own.then(|| Interner::new(1))
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
        let names = &mut self.symbols[self.dictionaries[attribute]];
        if let (Some(names), true) = (names, symbol != 0) {
            names.retain(symbol);
        }
    }

    /// Counts a symbol once less; 0 is null and not counted.
    pub fn release_symbol(&mut self, attribute: usize, symbol: u32) {
        let names = &mut self.symbols[self.dictionaries[attribute]];
        if let (Some(names), true) = (names, symbol != 0) {
            names.release(symbol);
        }
    }

    /// Appends the value of a symbol, in the attribute's type.
    pub fn push_symbol(&self, attribute: usize, symbol: u32, out: &mut Column) {
        let bytes = match &self.symbols[self.dictionaries[attribute]] {
            Some(names) if symbol != 0 => names.bytes(symbol),
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

    /// How many entity ids and values are in use.
    pub fn len(&self) -> usize {
        self.entities.len() + self.symbols.iter().flatten().map(Interner::len).sum::<usize>()
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        let symbols = self.symbols.iter().flatten().map(Interner::memory);
        self.entities.memory() + symbols.sum::<usize>()
    }
}

impl EntityIds for Names {
    fn id(&self, slot: u32) -> &[u8] {
        self.entities.bytes(slot)
    }
}
