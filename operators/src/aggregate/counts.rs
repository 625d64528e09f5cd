//! Reference counts of (slot, value) in one flat table.
//!
//! Open addressing with linear probing and backward-shift deletion (Knuth, TAOCP 3, 6.4 R): no
//! tombstones, 12 bytes an entry. Split into shards so that growth never pauses for long.

const SHARDS: usize = 64;
const SHARD_BITS: u32 = 6;
const SMALLEST: usize = 8;
/// Never a slot.
const VACANT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: u32,
    symbol: u32,
    count: u32,
}

const EMPTY: Entry = Entry { slot: VACANT, symbol: 0, count: 0 };

#[derive(Clone, Debug, Default)]
struct Shard {
    entries: Vec<Entry>,
    len: usize,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Counts {
    shards: Vec<Shard>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { shards: vec![Shard::default(); SHARDS] }
    }
}

#[inline]
fn hash(slot: u32, symbol: u32) -> u64 {
    let key = u64::from(slot) << 32 | u64::from(symbol);
    // Two rounds: slots and symbols are dense numbers, and one multiplication would leave the
    // upper bits of neighbours in step.
    let mixed = (key ^ key >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

impl Shard {
    /// Where an entry with this hash would be at best; there must be room.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        let bits = self.entries.len().trailing_zeros();
        ((hash << SHARD_BITS) >> (64 - bits)) as usize
    }

    fn grow(&mut self) {
        let len = (self.entries.len() * 2).max(SMALLEST);
        let old = std::mem::replace(&mut self.entries, vec![EMPTY; len]);
        for entry in old.into_iter().filter(|e| e.slot != VACANT) {
            let mut at = self.home(hash(entry.slot, entry.symbol));
            while self.entries[at].slot != VACANT {
                at = (at + 1) & (len - 1);
            }
            self.entries[at] = entry;
        }
    }

    /// Closes the gap at `hole` by moving back what was displaced over it.
    fn shift_back(&mut self, mut hole: usize) {
        let mask = self.entries.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at];
            if entry.slot == VACANT {
                break;
            }
            let home = self.home(hash(entry.slot, entry.symbol));
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = EMPTY;
    }
}

impl Counts {
    /// Counts (slot, symbol) once more; returns the count before.
    #[inline]
    pub fn add(&mut self, slot: u32, symbol: u32) -> u32 {
        let hash = hash(slot, symbol);
        let shard = &mut self.shards[(hash >> (64 - SHARD_BITS)) as usize];
        if (shard.len + 1) * 5 > shard.entries.len() * 4 {
            shard.grow();
        }
        let mask = shard.entries.len() - 1;
        let mut at = shard.home(hash);
        loop {
            let entry = &mut shard.entries[at];
            if entry.slot == slot && entry.symbol == symbol {
                entry.count += 1;
                return entry.count - 1;
            }
            if entry.slot == VACANT {
                *entry = Entry { slot, symbol, count: 1 };
                shard.len += 1;
                return 0;
            }
            at = (at + 1) & mask;
        }
    }

    /// Counts (slot, symbol) once less; returns the count before, 0 when it was not there.
    #[inline]
    pub fn remove(&mut self, slot: u32, symbol: u32) -> u32 {
        let hash = hash(slot, symbol);
        let shard = &mut self.shards[(hash >> (64 - SHARD_BITS)) as usize];
        if shard.len == 0 {
            return 0;
        }
        let mask = shard.entries.len() - 1;
        let mut at = shard.home(hash);
        loop {
            let entry = &mut shard.entries[at];
            if entry.slot == slot && entry.symbol == symbol {
                break;
            }
            if entry.slot == VACANT {
                return 0;
            }
            at = (at + 1) & mask;
        }
        let before = shard.entries[at].count;
        shard.entries[at].count -= 1;
        if before == 1 {
            shard.len -= 1;
            shard.shift_back(at);
        }
        before
    }

    /// How many (slot, symbol) pairs are counted.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.len).sum()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of its tables.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|s| s.entries.capacity() * size_of::<Entry>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng, rngs::SmallRng};
    use std::collections::HashMap;

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
