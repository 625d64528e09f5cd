//! Byte strings, one behind the other.

/// A list of byte strings in one piece of memory: ids, texts, encoded state. Together at most 4 GiB.
///
/// ```
/// use tidemark_operators::cut::Texts;
///
/// let mut texts = Texts::default();
/// assert_eq!((texts.push(b"FR"), texts.push(b"")), (Some(0), Some(1)));
/// assert_eq!((texts.get(0), texts.get(1), texts.get(2)), (Some(&b"FR"[..]), Some(&b""[..]), None));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Texts {
    /// Those of `bytes` that end at these places; `None` when the places are not ascending or do not
    /// end with the bytes.
    pub fn of(bytes: Vec<u8>, ends: Vec<u32>) -> Option<Self> {
        let last = ends.last().map_or(0, |end| *end as usize);
        (ends.is_sorted() && last == bytes.len()).then_some(Texts { bytes, ends })
    }

    /// Appends one; its place, or `None` when there is no room for it.
    pub fn push(&mut self, text: &[u8]) -> Option<u32> {
        let place = u32::try_from(self.ends.len()).ok()?;
        let end = u32::try_from(self.bytes.len().checked_add(text.len())?).ok()?;
        self.bytes.extend_from_slice(text);
        self.ends.push(end);
        Some(place)
    }

    /// The one at `place`.
    pub fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)? as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|place| self.get(place).unwrap_or_default())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What they take, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// All bytes, and where each ends: what it can be made [of](Self::of).
    pub fn parts(&self) -> (&[u8], &[u32]) {
        (&self.bytes, &self.ends)
    }
}
