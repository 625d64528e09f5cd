//! What was looked up last, by the key's symbol: events of few keys come again and again.

use super::tables::Found;
use crate::time::EventTime;

/// Entries at first.
const FEW: usize = 1 << 10;
/// The most entries; symbols that fall together take each other's place.
const MANY: usize = 1 << 16;

/// An answer to one key.
#[derive(Clone, Debug)]
struct Remembered {
    symbol: u32,
    version: u64,
    /// A symbol may come to stand for something else.
    key: Vec<u8>,
    found: Found,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memo {
    entries: Vec<Option<Remembered>>,
    /// How many keys have taken the place of others since the entries were made.
    displaced: usize,
}

impl Memo {
    /// The answer for `key`, known by `symbol`, as of `ts` in `version`; `ask` gives it when it is
    /// not known.
    pub fn get(
        &mut self,
        symbol: u32,
        key: &[u8],
        ts: EventTime,
        version: u64,
        ask: impl FnOnce() -> Found,
    ) -> &Found {
        if self.entries.is_empty()
            || (self.displaced > self.entries.len() && self.entries.len() < MANY)
        {
            let wanted = (self.entries.len() * 4).clamp(FEW, MANY);
            self.entries.clear();
            self.entries.resize(wanted, None);
            self.displaced = 0;
        }
        // Some symbols are numbers in a row, some are bytes of what they stand for.
        let spread = symbol.wrapping_mul(0x9E37_79B9);
        let at = (spread ^ spread >> 16) as usize & (self.entries.len() - 1);
        let entry = &mut self.entries[at];
        let known = entry.as_ref().is_some_and(|e| {
            let within = e.found.from <= ts && e.found.until.is_none_or(|until| ts < until);
            e.symbol == symbol && e.version == version && within && e.key == key
        });
        if !known {
            self.displaced += usize::from(entry.as_ref().is_some_and(|e| e.symbol != symbol));
            *entry = None;
        }
        let ask = || Remembered { symbol, version, key: key.to_vec(), found: ask() };
        &entry.get_or_insert_with(ask).found
    }
}
