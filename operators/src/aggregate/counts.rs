//! Reference counts of (slot, symbol), 12 bytes a pair: for the slots that have many.

use crate::flat_table::{self, FlatTable};

/// Never a slot.
const VACANT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct SlotCount {
    slot: u32,
    symbol: u32,
    count: u32,
}

#[inline]
fn hash(slot: u32, symbol: u32) -> u64 {
    let key = u64::from(slot) << 32 | u64::from(symbol);
    // Two rounds: slots and symbols are dense numbers, and one multiplication would leave the
    // upper bits of neighbours in step.
    let mixed = (key ^ key >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

impl flat_table::Entry for SlotCount {
    const VACANT: Self = SlotCount { slot: VACANT, symbol: 0, count: 0 };

    #[inline]
    fn is_vacant(&self) -> bool {
        self.slot == VACANT
    }

    #[inline]
    fn hash(&self) -> u64 {
        hash(self.slot, self.symbol)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    table: FlatTable<SlotCount>,
}

impl Counts {
    /// Counts (slot, symbol) once more; returns the count before.
    #[inline]
    pub fn add(&mut self, slot: u32, symbol: u32) -> u32 {
        let same = |e: &SlotCount| e.slot == slot && e.symbol == symbol;
        let fresh = || SlotCount { slot, symbol, count: 0 };
        let entry = self.table.entry(hash(slot, symbol), same, fresh);
        entry.count += 1;
        entry.count - 1
    }

    /// Counts (slot, symbol), which is not counted yet, so often.
    pub fn put(&mut self, slot: u32, symbol: u32, count: u32) {
        self.table.entry(hash(slot, symbol), |_| false, || SlotCount { slot, symbol, count });
    }

    /// Counts (slot, symbol), which is counted, so much more often.
    pub fn more(&mut self, slot: u32, symbol: u32, often: u32) {
        let same = |e: &SlotCount| e.slot == slot && e.symbol == symbol;
        self.table.change(hash(slot, symbol), same, |entry| {
            entry.count += often;
            true
        });
    }

    /// Slots, symbols and counts; see [`FlatTable::scan`].
    pub fn scan(
        &self,
        place: u64,
        places: usize,
        mut each: impl FnMut(u32, u32, u32),
    ) -> Option<u64> {
        self.table.scan(place, places, |e| each(e.slot, e.symbol, e.count))
    }

    /// Counts (slot, symbol) once less; returns the count before, 0 when it was not there.
    #[inline]
    pub fn remove(&mut self, slot: u32, symbol: u32) -> u32 {
        let same = |e: &SlotCount| e.slot == slot && e.symbol == symbol;
        let mut before = 0;
        self.table.change(hash(slot, symbol), same, |entry| {
            before = entry.count;
            entry.count -= 1;
            entry.count > 0
        });
        before
    }

    /// Loads what (slot, symbol) is about to change; see [`FlatTable::warm`].
    #[inline]
    pub fn warm(&self, slot: u32, symbol: u32) -> u32 {
        self.table.warm(hash(slot, symbol)).map_or(0, |e| e.count)
    }

    /// How many (slot, symbol) pairs are counted.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The bytes that `pairs` (slot, symbol) pairs take.
    pub const fn bytes_for(pairs: u64) -> u64 {
        FlatTable::<SlotCount>::bytes_for(pairs)
    }

    /// The bytes of its table.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng, rngs::SmallRng};
    use std::collections::HashMap;

    #[test]
    fn what_counts_took_is_given_back_when_they_are_gone() {
        let mut counts = Counts::default();
        (0..50_000).for_each(|value| assert_eq!(counts.add(7, value), 0));
        let full = counts.bytes();
        (0..50_000).for_each(|value| assert_eq!(counts.remove(7, value), 1));
        assert!(counts.bytes() * 100 < full, "{} of {full} bytes are left", counts.bytes());
        (0..50_000).for_each(|value| assert_eq!(counts.add(7, value), 0));
        assert_eq!(counts.bytes(), full);
    }

    #[test]
    fn the_flat_table_counts_as_a_map_does() {
        let mut rng = SmallRng::seed_from_u64(3);
        let (mut counts, mut twin) = (Counts::default(), HashMap::<(u32, u32), u32>::new());
        for round in 0..200_000 {
            let key = (rng.random_range(0..40), rng.random_range(1..60));
            // Grow for a while, then shrink, so that deletion meets full and empty tables.
            let add = rng.random_bool(if round % 40_000 < 20_000 { 0.6 } else { 0.4 });
            let known = twin.get(&key).copied().unwrap_or(0);
            if add {
                assert_eq!(counts.add(key.0, key.1), known);
                twin.insert(key, known + 1);
            } else {
                assert_eq!(counts.remove(key.0, key.1), known);
                if known > 1 {
                    twin.insert(key, known - 1);
                } else {
                    twin.remove(&key);
                }
            }
            assert_eq!(counts.len(), twin.len());
        }
    }
}
