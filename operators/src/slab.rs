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
