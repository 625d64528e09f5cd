//! Per-slot state in pages: growing never moves what is there, so a table of millions of entities
//! grows without a pause and without the slack of a doubling vector.

/// Slots a page; a power of two.
const PAGE: usize = 1 << 12;

/// A growable table indexed by slot.
///
/// ```
/// use tidemark_operators::slab::Slab;
///
/// let mut counts = Slab::<u32>::new();
/// counts.grow(1_000);
/// counts[999] += 1;
/// assert_eq!((counts[0], counts[999]), (0, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Slab<T> {
    pages: Vec<Box<[T]>>,
}

/// The bytes of an allocation of `bytes` on the heap, with what the allocator adds.
pub const fn heap_bytes(bytes: u64) -> u64 {
    let chunk = (bytes + 8).next_multiple_of(16);
    if bytes == 0 {
        0
    } else if chunk < 32 {
        32
    } else {
        chunk
    }
}

/// The bytes of a vector of `len` elements that grew by doubling.
pub const fn doubled_bytes(len: u64, element: u64) -> u64 {
    if len == 0 { 0 } else { len.next_power_of_two() * element }
}

/// Slots that are made to see what each takes: whole pages of every structure.
pub(crate) const PROBED: usize = PAGE;

/// How many slots there are once `used` are in use.
pub const fn slots_made(used: u64) -> u64 {
    used.next_multiple_of(PAGE as u64)
}

/// The share of slots that nobody has, of those that were made: what tables by slot take for them is
/// used again before they grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    free: u64,
    all: u64,
}

impl Share {
    /// Of `end` slots that were given, `used` are in use.
    pub fn free(used: usize, end: usize) -> Self {
        Share { free: end.saturating_sub(used) as u64, all: end.max(1) as u64 }
    }

    /// This share of `bytes`.
    pub fn of(self, bytes: usize) -> usize {
        (bytes as u128 * u128::from(self.free) / u128::from(self.all)) as usize
    }
}

impl<T: Clone + Default> Slab<T> {
    /// An empty table.
    pub fn new() -> Self {
        Slab { pages: Vec::new() }
    }

    /// Makes slots `0..len` exist, new ones as `T::default()`.
    pub fn grow(&mut self, len: usize) {
        while self.pages.len() * PAGE < len {
            self.pages.push(vec![T::default(); PAGE].into_boxed_slice());
        }
    }

    /// How many slots exist.
    pub fn capacity(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// The bytes of its pages.
    pub fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    /// The value at `slot`.
    ///
    /// # Panics
    /// When the slot was never grown to: a slot comes from this worker's own directory.
    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_is_never_smaller_than_what_is_asked_for() {
        assert_eq!([0, 1, 24, 25, 500].map(heap_bytes), [0, 32, 32, 48, 512]);
        assert_eq!([0, 1, 5, 64].map(|len| doubled_bytes(len, 16)), [0, 16, 128, 1_024]);
    }
}
