//! What it takes to tell state by value, and to make it again.

use crate::cut::Unreadable;
use crate::time::EventTime;
use crate::timeline::names::Names;

/// Whose numbers and from when: times are told as how long before the cut they are, symbols by their
/// bytes.
#[derive(Clone, Copy)]
pub struct ByValue<'a> {
    /// What symbols stand for.
    pub names: &'a Names,
    /// The attribute that they are of.
    pub attribute: Option<usize>,
    /// The cut: every event is older.
    pub as_of: EventTime,
}

impl ByValue<'_> {
    /// How long before the cut a time is.
    #[inline]
    pub(crate) fn age(&self, ts: EventTime) -> u64 {
        self.as_of.saturating_sub(ts)
    }

    /// The time of this age.
    pub(crate) fn time(&self, age: u64) -> Result<EventTime, Unreadable> {
        if age == 0 {
            return Err(Unreadable::Later);
        }
        self.as_of.checked_sub(age).ok_or(Unreadable::Large)
    }

    /// Shows `then` the bytes of a symbol.
    #[inline]
    pub(crate) fn bytes(&self, symbol: u32, then: impl FnOnce(&[u8])) {
        let mut own = [0; 4];
        then(self.attribute.map_or(&[], |a| self.names.symbol_bytes(a, symbol, &mut own)));
    }

    /// The symbol of a value that some row has.
    pub(crate) fn symbol(&self, bytes: &[u8]) -> Result<u32, Unreadable> {
        let symbol = self.attribute.and_then(|a| self.names.find_symbol(a, bytes));
        symbol.ok_or(Unreadable::Unknown)
    }
}
