//! Byte strings as dense numbers, counted by who uses them.
//!
//! A worker interns its entity ids (the number is the entity's *slot*) and the values of text
//! attributes (the number is the value's *symbol*). Numbers are local to a process and are reused
//! once nothing refers to them.

use crate::flat_table::{self, FlatTable};
use crate::slab::{Slab, heap_bytes, slots_made};
use std::hint::black_box;

const INLINE: usize = 22;
/// For how many byte strings at once [`Interner::likely`] is worth asking: what it has loaded must
/// still be near when it is used.
pub const PIECE: usize = 128;
/// No number.
const UNKNOWN: u32 = u32::MAX;

/// The numbers that byte strings probably have.
#[derive(Debug)]
pub struct Likely([u32; PIECE]);

impl Likely {
    /// Those numbers, in the order of the hashes they were looked up by.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }
}

/// A byte string that is kept in place when it is short.
#[derive(Clone, Debug)]
enum Bytes {
    Inline(u8, [u8; INLINE]),
    Heap(Box<[u8]>),
    /// They were taken away, and nothing is found by them.
    Unnamed,
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes::Inline(0, [0; INLINE])
    }
}

impl Bytes {
    fn new(bytes: &[u8]) -> Self {
        match u8::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= INLINE => {
                let mut data = [0; INLINE];
                data[..bytes.len()].copy_from_slice(bytes);
                Bytes::Inline(len, data)
            }
            _ => Bytes::Heap(bytes.into()),
        }
    }

    /// Whether it holds `bytes`, which as a key of its own are `own`: short strings are compared
    /// as a whole, without a call.
    #[inline]
    fn equals(&self, bytes: &[u8], own: &Option<[u8; INLINE]>) -> bool {
        match (self, own) {
            (Bytes::Inline(len, data), Some(own)) => {
                usize::from(*len) == bytes.len() && data == own
            }
            (Bytes::Heap(data), None) => **data == *bytes,
            _ => false,
        }
    }

    #[inline]
    fn get(&self) -> &[u8] {
        match self {
            Bytes::Inline(len, data) => &data[..usize::from(*len)],
            Bytes::Heap(bytes) => bytes,
            Bytes::Unnamed => &[],
        }
    }

    fn heap(&self) -> usize {
        match self {
            Bytes::Inline(..) | Bytes::Unnamed => 0,
            Bytes::Heap(bytes) => bytes.len() + 16,
        }
    }
}

/// Half a cache line, and never two halves of them.
#[derive(Clone, Debug, Default)]
#[repr(align(32))]
struct Interned {
    bytes: Bytes,
    hash: u32,
    users: u32,
}

/// Where a byte string is found: its number, and half of its hash.
#[derive(Clone, Copy, Debug)]
struct InternedId {
    hash: u32,
    id: u32,
}

impl flat_table::Entry for InternedId {
    const VACANT: Self = InternedId { hash: 0, id: u32::MAX };

    #[inline]
    fn is_vacant(&self) -> bool {
        self.id == u32::MAX
    }

    #[inline]
    fn hash(&self) -> u64 {
        spread(self.hash)
    }
}

/// See the module.
///
/// ```
/// use tidemark_operators::interner::{Interner, stable_hash};
///
/// let mut names = Interner::new(1);
/// let id = names.intern(b"card", stable_hash(b"card"));
/// assert_eq!(names.intern(b"card", stable_hash(b"card")), id, "a second user");
/// assert_eq!(names.bytes(id), b"card");
/// assert!(!names.release(id) && names.release(id), "gone with its last user");
/// assert!(names.is_empty());
/// ```
#[derive(Debug)]
pub struct Interner {
    table: FlatTable<InternedId>,
    entries: Slab<Interned>,
    first: u32,
    next: u32,
    free: Vec<u32>,
    heap: usize,
    /// How many numbers in use have no bytes any more.
    unnamed: usize,
}

/// The stable hash that routes entities to workers and finds them there: XXH3, 64 bits.
#[inline]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Spreads the kept half of a hash over 64 bits for the table.
#[inline]
fn spread(hash: u32) -> u64 {
    let mixed = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

/// A short byte string as it is kept.
#[inline]
fn inline(bytes: &[u8]) -> Option<[u8; INLINE]> {
    let mut data = [0; INLINE];
    data.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(data)
}

#[inline]
fn high(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Interner {
    /// An empty interner whose numbers start at `first`: 0 for slots, 1 for symbols (0 is null).
    pub fn new(first: u32) -> Self {
        let table = FlatTable::default();
        let (entries, free) = (Slab::new(), Vec::new());
        Interner { table, entries, first, next: first, free, heap: 0, unnamed: 0 }
    }

    /// Which numbers byte strings with these hashes (at most [`PIECE`]) have, if they are in use and
    /// no others have the same half of a hash. Loads what [`intern_as`](Self::intern_as) will need;
    /// see [`FlatTable::warm`].
    pub fn likely(&self, hashes: &[u64]) -> Likely {
        let loads = hashes.iter().map(|hash| self.table.warm(spread(high(*hash))));
        black_box(loads.fold(0, |sum, found| sum ^ found.map_or(0, |f| f.id)));
        // The table is near by now: on to the entries.
        let mut likely = [UNKNOWN; PIECE];
        let mut users = 0;
        for (id, hash) in likely.iter_mut().zip(hashes) {
            let kept = high(*hash);
            if let Some(found) = self.table.find(spread(kept), |f| f.hash == kept) {
                *id = found.id;
                users ^= self.entries[found.id].users;
            }
        }
        black_box(users);
        Likely(likely)
    }

    /// As [`intern`](Self::intern), where `likely` is [`likely`](Self::likely) its number.
    #[inline]
    pub fn intern_as(&mut self, likely: u32, bytes: &[u8], hash: u64) -> u32 {
        if likely != UNKNOWN {
            let entry = &mut self.entries[likely];
            if entry.users > 0 && entry.bytes.equals(bytes, &inline(bytes)) {
                entry.users += 1;
                return likely;
            }
        }
        self.intern(bytes, hash)
    }

    /// Loads what the byte strings of these numbers are in.
    pub fn warm_ids(&self, ids: &[u32]) {
        black_box(ids.iter().fold(0, |sum, id| sum ^ self.bytes(*id).len()));
    }

    /// The number of `bytes`, counted once more as used. `hash` is its [`stable_hash`].
    #[inline]
    pub fn intern(&mut self, bytes: &[u8], hash: u64) -> u32 {
        match self.find(bytes, hash) {
            Some(id) => {
                self.entries[id].users += 1;
                id
            }
            None => self.insert(bytes, high(hash)),
        }
    }

    fn insert(&mut self, bytes: &[u8], kept: u32) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = self.next;
            self.next += 1;
            self.entries.grow(self.next as usize);
            id
        });
        let entry = Interned { bytes: Bytes::new(bytes), hash: kept, users: 1 };
        self.heap += entry.bytes.heap();
        self.entries[id] = entry;
        self.table.entry(spread(kept), |f| f.id == id, || InternedId { hash: kept, id });
        id
    }

    /// The number of `bytes`, if anything uses it.
    #[inline]
    pub fn find(&self, bytes: &[u8], hash: u64) -> Option<u32> {
        let (kept, entries, own) = (high(hash), &self.entries, inline(bytes));
        let same = |f: &InternedId| f.hash == kept && entries[f.id].bytes.equals(bytes, &own);
        self.table.find(spread(kept), same).map(|f| f.id)
    }

    /// Counts `id` once more as used.
    #[inline]
    pub fn retain(&mut self, id: u32) {
        self.entries[id].users += 1;
    }

    /// Counts `id` once less; when nothing uses it, forgets it and says so.
    #[inline]
    pub fn release(&mut self, id: u32) -> bool {
        let entry = &mut self.entries[id];
        entry.users -= 1;
        if entry.users > 0 {
            return false;
        }
        self.forget(id);
        true
    }

    fn forget(&mut self, id: u32) {
        let entry = std::mem::take(&mut self.entries[id]);
        self.heap -= entry.bytes.heap();
        match entry.bytes {
            Bytes::Unnamed => self.unnamed -= 1,
            _ => self.table.change(spread(entry.hash), |f| f.id == id, |_| false),
        }
        self.free.push(id);
    }

    /// Takes the bytes of `id`, which is in use, away from it: nothing is found by them, and whoever comes
    /// with them gets another number. What uses `id` goes on using it, as nobody's.
    pub fn unname(&mut self, id: u32) {
        if !self.is_used(id) || self.is_unnamed(id) {
            return;
        }
        let entry = &mut self.entries[id];
        self.heap -= entry.bytes.heap();
        entry.bytes = Bytes::Unnamed;
        self.table.change(spread(entry.hash), |f| f.id == id, |_| false);
        self.unnamed += 1;
    }

    /// Whether `id` is in use and its bytes were taken away.
    #[inline]
    pub fn is_unnamed(&self, id: u32) -> bool {
        self.unnamed > 0 && id < self.next && matches!(self.entries[id].bytes, Bytes::Unnamed)
    }

    /// Whether anything uses `id`.
    #[inline]
    pub fn is_used(&self, id: u32) -> bool {
        id < self.next && self.entries[id].users > 0
    }

    /// The bytes of `id`; empty when it is free.
    #[inline]
    pub fn bytes(&self, id: u32) -> &[u8] {
        if id < self.next { self.entries[id].bytes.get() } else { &[] }
    }

    /// Loads what [`bytes`](Self::bytes) of these numbers looks at: many loads at a time, whose cache misses
    /// overlap.
    pub fn warm(&self, ids: impl Iterator<Item = u32>) {
        let known = ids.filter(|id| *id < self.next);
        black_box(known.fold(0, |sum, id| sum ^ self.entries[id].hash));
    }

    /// How many byte strings are in use.
    pub fn len(&self) -> usize {
        (self.next - self.first) as usize - self.free.len()
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more than the greatest number ever given.
    pub fn end(&self) -> usize {
        self.next as usize
    }

    /// The bytes that `len` byte strings of `bytes` each take.
    pub fn bytes_for(len: u64, bytes: u64) -> u64 {
        let long = if bytes > INLINE as u64 { heap_bytes(bytes) } else { 0 };
        let entries = slots_made(len) * size_of::<Interned>() as u64;
        entries + len * long + FlatTable::<InternedId>::bytes_for(len)
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.entries.bytes() + self.heap + self.table.bytes() + self.free.capacity() * 4
    }

    /// How much of it is kept for numbers that are given again, in bytes.
    pub fn reusable(&self) -> usize {
        self.free.len() * size_of::<Interned>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng, rngs::SmallRng};
    use std::collections::HashMap;

    #[test]
    fn numbers_are_stable_while_used_and_reused_after() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut interner = Interner::new(1);
        let mut twin: HashMap<Vec<u8>, (u32, u32)> = HashMap::new();
        for _ in 0..20_000 {
            let n = rng.random_range(0..200u32);
            let bytes = format!("{n}").repeat(1 + n as usize % 20).into_bytes();
            let hash = stable_hash(&bytes);
            if rng.random_bool(0.5) {
                let id = interner.intern(&bytes, hash);
                let entry = twin.entry(bytes.clone()).or_insert((id, 0));
                assert_eq!(entry.0, id);
                entry.1 += 1;
            } else if let Some((id, users)) = twin.get_mut(&bytes) {
                let gone = interner.release(*id);
                *users -= 1;
                assert_eq!(gone, *users == 0);
                if gone {
                    twin.remove(&bytes);
                }
            }
            assert_eq!(interner.find(&bytes, hash), twin.get(&bytes).map(|x| x.0));
            assert_eq!(interner.len(), twin.len());
        }
        for (bytes, (id, _)) in &twin {
            assert_eq!(interner.bytes(*id), &bytes[..]);
        }
        assert!(interner.end() <= 201, "numbers of what is gone are given again");
    }

    #[test]
    fn a_number_whose_bytes_are_taken_away_is_found_by_nobody_and_given_again_once_nothing_uses_it()
    {
        let mut interner = Interner::new(0);
        let long = "a name that is too long to be kept in place".as_bytes();
        for bytes in [&b"short"[..], long] {
            let hash = stable_hash(bytes);
            let id = interner.intern(bytes, hash);
            interner.retain(id);
            let held = interner.memory();
            interner.unname(id);
            interner.unname(id);
            assert!(interner.is_unnamed(id) && interner.is_used(id) && interner.memory() <= held);
            assert_eq!((interner.bytes(id), interner.find(bytes, hash)), (&b""[..], None));
            let again = interner.intern(bytes, hash);
            assert_ne!(again, id);
            assert!(!interner.release(id) && interner.release(id));
            assert_eq!((interner.find(bytes, hash), interner.unnamed), (Some(again), 0));
            assert_eq!(interner.intern(b"other", stable_hash(b"other")), id, "it is given again");
            assert!(interner.release(id) && interner.release(again));
        }
        assert!(interner.is_empty());
    }
}
