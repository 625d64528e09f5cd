//! A hash table that is flat, in shards, and can be warmed.
//!
//! Open addressing with linear probing and backward-shift deletion (Knuth, TAOCP 3, 6.4 R): no
//! tombstones, no pointers. Split into shards by the hash's upper bits, so that growth is many small
//! steps instead of one long pause; a shard that is nearly empty gives half of its memory back. [`FlatTable::warm`] loads where an entry would be: a loop of
//! independent loads overlaps their cache misses, which the operations after it then do not have.
//! That is all prefetching does, without its instruction.

const SHARDS: usize = 64;
const SHARD_BITS: u32 = 6;
const SMALLEST: usize = 8;

/// What a table is made of.
pub trait Entry: Copy {
    /// An entry that is none.
    const VACANT: Self;

    /// Whether it is none.
    fn is_vacant(&self) -> bool;

    /// The hash it is found by: all 64 bits should vary.
    fn hash(&self) -> u64;
}

#[derive(Clone, Debug)]
struct Shard<E> {
    entries: Vec<E>,
    len: usize,
}

/// See the module.
///
/// ```
/// use tidemark_operators::flat_table::{Entry, FlatTable};
/// use tidemark_operators::interner::stable_hash;
///
/// /// How often a card was seen.
/// #[derive(Clone, Copy)]
/// struct Seen(u64, u32);
///
/// impl Entry for Seen {
///     const VACANT: Self = Seen(0, 0);
///
///     fn is_vacant(&self) -> bool {
///         self.1 == 0
///     }
///
///     fn hash(&self) -> u64 {
///         stable_hash(&self.0.to_le_bytes())
///     }
/// }
///
/// let mut cards = FlatTable::<Seen>::default();
/// for card in [7, 9, 7] {
///     let hash = Seen(card, 0).hash();
///     let seen = cards.entry(hash, |seen| seen.0 == card, || Seen(card, 0));
///     seen.1 += 1;
/// }
/// let hash = Seen(7, 0).hash();
/// assert_eq!(cards.find(hash, |seen| seen.0 == 7).unwrap().1, 2);
/// // What `change` refuses is taken out.
/// cards.change(hash, |seen| seen.0 == 7, |_| false);
/// assert_eq!((cards.find(hash, |seen| seen.0 == 7).is_none(), cards.len()), (true, 1));
/// ```
#[derive(Clone, Debug)]
pub struct FlatTable<E> {
    shards: Vec<Shard<E>>,
}

impl<E: Entry> Default for FlatTable<E> {
    fn default() -> Self {
        FlatTable { shards: vec![Shard { entries: Vec::new(), len: 0 }; SHARDS] }
    }
}

#[inline]
fn shard_of(hash: u64) -> usize {
    (hash >> (64 - SHARD_BITS)) as usize
}

impl<E: Entry> Shard<E> {
    /// Where an entry with this hash is at best. There must be entries.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        let bits = self.entries.len().trailing_zeros();
        ((hash << SHARD_BITS) >> (64 - bits)) as usize
    }

    /// The place of the entry for which `eq` holds, or the vacant place where it would go.
    #[inline]
    fn probe(&self, hash: u64, eq: impl Fn(&E) -> bool) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = self.home(hash);
        while !self.entries[at].is_vacant() && !eq(&self.entries[at]) {
            at = (at + 1) & mask;
        }
        at
    }

    /// Makes it of `len` places, a power of two and more than it has entries.
    fn resize(&mut self, len: usize) {
        let old = std::mem::replace(&mut self.entries, vec![E::VACANT; len]);
        for entry in old.into_iter().filter(|e| !e.is_vacant()) {
            let at = self.probe(entry.hash(), |_| false);
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
            if entry.is_vacant() {
                break;
            }
            let home = self.home(entry.hash());
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = E::VACANT;
    }
}

impl<E: Entry> FlatTable<E> {
    /// The entry for which `eq` holds.
    #[inline]
    pub fn find(&self, hash: u64, eq: impl Fn(&E) -> bool) -> Option<&E> {
        let shard = &self.shards[shard_of(hash)];
        if shard.len == 0 {
            return None;
        }
        let entry = &shard.entries[shard.probe(hash, eq)];
        (!entry.is_vacant()).then_some(entry)
    }

    /// The entry for which `eq` holds, made by `fresh` when there is none.
    #[inline]
    pub fn entry(
        &mut self,
        hash: u64,
        eq: impl Fn(&E) -> bool,
        fresh: impl FnOnce() -> E,
    ) -> &mut E {
        let shard = &mut self.shards[shard_of(hash)];
        if (shard.len + 1) * 5 > shard.entries.len() * 4 {
            shard.resize((shard.entries.len() * 2).max(SMALLEST));
        }
        let at = shard.probe(hash, eq);
        let entry = &mut shard.entries[at];
        if entry.is_vacant() {
            shard.len += 1;
            *entry = fresh();
        }
        entry
    }

    /// Changes the entry for which `eq` holds, if there is one, and takes it out when `change`
    /// gives false.
    #[inline]
    pub fn change(
        &mut self,
        hash: u64,
        eq: impl Fn(&E) -> bool,
        change: impl FnOnce(&mut E) -> bool,
    ) {
        let shard = &mut self.shards[shard_of(hash)];
        if shard.len == 0 {
            return;
        }
        let at = shard.probe(hash, eq);
        let entry = &mut shard.entries[at];
        if !entry.is_vacant() && !change(entry) {
            shard.len -= 1;
            shard.shift_back(at);
            // A quarter full after this, and as far from growing again as from this.
            if shard.len * 8 < shard.entries.len() && shard.entries.len() > SMALLEST {
                shard.resize(shard.entries.len() / 2);
            }
        }
    }

    /// Loads where an entry with this hash is at best; what it gives is for the caller to throw
    /// away visibly (`black_box`).
    #[inline]
    pub fn warm(&self, hash: u64) -> Option<E> {
        let shard = &self.shards[shard_of(hash)];
        if shard.len == 0 { None } else { shard.entries.get(shard.home(hash)).copied() }
    }

    /// Shows the entries from `place` on to `each`, about `places` of the table's places; where to go
    /// on, `None` at the end. It begins at 0, and the table must not change until it is through.
    pub fn scan(&self, place: u64, places: usize, mut each: impl FnMut(&E)) -> Option<u64> {
        let (mut shard, mut at) = ((place >> 32) as usize, (place & 0xffff_ffff) as usize);
        let mut left = places.max(1);
        while left > 0 {
            let entries = &self.shards.get(shard)?.entries;
            let to = entries.len().min(at.saturating_add(left));
            let seen = entries.get(at..to).unwrap_or_default();
            seen.iter().filter(|entry| !entry.is_vacant()).for_each(&mut each);
            left -= seen.len();
            (shard, at) = if to < entries.len() { (shard, to) } else { (shard + 1, 0) };
        }
        (shard < SHARDS).then_some((shard as u64) << 32 | at as u64)
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that `len` entries take, whose hashes are spread evenly.
    pub const fn bytes_for(len: u64) -> u64 {
        if len == 0 {
            return 0;
        }
        // A shard grows before it is more than four fifths full.
        let shard = (len.div_ceil(SHARDS as u64) * 5).div_ceil(4);
        let places = shard.next_power_of_two();
        let least = SMALLEST as u64;
        let places = if places < least { least } else { places };
        places * (SHARDS * size_of::<E>()) as u64
    }

    /// The bytes of its shards.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|s| s.entries.capacity() * size_of::<E>()).sum()
    }
}
