//! The bytes of text and ip features of one shard: short ones inside the row's word, long ones in a
//! slab that the word points into.
//!
//! Bound: the bytes of the rows that are there now; freed places are used again.

use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::slab::heap_bytes;

/// What fits into a word: the length is in its top byte.
const INLINE: usize = 7;
/// The top byte of a word that points into the slab.
const LONG: u64 = 0xff << 56;

/// The slab.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// A full chunk is never moved.
    chunks: Vec<Vec<Box<[u8]>>>,
    free: Vec<u64>,
    /// The bytes of the texts that are held.
    text_bytes: u64,
}

/// Boxes of a chunk.
const CHUNK: usize = 1_024;

impl Texts {
    /// The bytes of a text of `len` bytes, beside the row's word.
    pub(crate) const fn bytes_for(len: u64) -> u64 {
        if len <= INLINE as u64 { 0 } else { size_of::<Box<[u8]>>() as u64 + heap_bytes(len) }
    }

    /// Makes the word of `bytes` in place of `old`, the word of the value before. The new word may
    /// equal the old one: whether the bytes changed is what [`Texts::is`] says, before this.
    pub(crate) fn replace(&mut self, old: Option<u64>, bytes: &[u8]) -> u64 {
        if let Some(word) = short(bytes) {
            self.release(old);
            return word;
        }
        match old {
            Some(word) if word & LONG == LONG => {
                self.put(word, bytes);
                word
            }
            _ => self.keep(bytes),
        }
    }

    /// Whether `word` stands for exactly `bytes`.
    pub(crate) fn is(&self, word: u64, bytes: &[u8]) -> bool {
        let mut scratch = [0; 8];
        self.get(word, &mut scratch) == bytes
    }

    /// The bytes of `word`; short ones are put into `scratch`.
    pub(crate) fn get<'a>(&'a self, word: u64, scratch: &'a mut [u8; 8]) -> &'a [u8] {
        if word & LONG == LONG {
            let at = word & !LONG;
            let chunk = usize::try_from(at).unwrap_or(usize::MAX) / CHUNK;
            let held = self.chunks.get(chunk).and_then(|c| c.get(index(at)));
            return held.map_or(&[], |held| held);
        }
        *scratch = word.to_le_bytes();
        let [bytes @ .., len] = scratch;
        bytes.get(..usize::from(*len)).unwrap_or_default()
    }

    /// Frees what `word` holds.
    pub(crate) fn release(&mut self, word: Option<u64>) {
        if let Some(word) = word
            && word & LONG == LONG
        {
            self.put(word, &[]);
            self.free.push(word);
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> u64 {
        if let Some(word) = self.free.pop() {
            self.put(word, bytes);
            return word;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let within = self.chunks.last_mut().map_or(0, |chunk| {
            chunk.push(bytes.into());
            chunk.len() - 1
        });
        self.text_bytes += heap_bytes(bytes.len() as u64);
        LONG | (full + within) as u64
    }

    /// Puts `bytes` where `word` points to, in the place of what is there.
    fn put(&mut self, word: u64, bytes: &[u8]) {
        let at = word & !LONG;
        let chunk = usize::try_from(at).unwrap_or(usize::MAX) / CHUNK;
        if let Some(held) = self.chunks.get_mut(chunk).and_then(|c| c.get_mut(index(at))) {
            let before = heap_bytes(held.len() as u64);
            *held = bytes.into();
            self.text_bytes = (self.text_bytes + heap_bytes(bytes.len() as u64)) - before;
        }
    }

    /// What they take, beside the rows' words.
    pub(crate) fn memory(&self) -> HeldBytes {
        let place = size_of::<Box<[u8]>>();
        let places = self.chunks.len() * CHUNK * place + self.free.capacity() * size_of::<u64>();
        HeldBytes {
            held: places as u64 + self.text_bytes,
            reusable: (self.free.len() * place) as u64,
        }
    }
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX) % CHUNK
}

fn short(bytes: &[u8]) -> Option<u64> {
    if bytes.len() > INLINE {
        return None;
    }
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    let [.., len] = &mut word;
    *len = u8::try_from(bytes.len()).ok()?;
    Some(u64::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_come_back_and_freed_places_are_used_again() {
        let mut texts = Texts::default();
        let mut scratch = [0; 8];
        let mut word = None;
        for text in ["", "a", "1234567", "12345678", "a long text", "12", "another long one"] {
            let next = texts.replace(word, text.as_bytes());
            assert_eq!(texts.get(next, &mut scratch), text.as_bytes());
            assert!(texts.is(next, text.as_bytes()) && !texts.is(next, b"not this one"));
            word = Some(next);
        }
        texts.release(word);
        for number in 0..5_000 {
            let text = format!("a long text, number {number}");
            let word = texts.replace(None, text.as_bytes());
            assert_eq!(texts.get(word, &mut scratch), text.as_bytes());
            if number % 2 == 0 {
                texts.release(Some(word));
            }
        }
        assert!(texts.chunks.len() * CHUNK <= 2_501 + CHUNK);
    }
}
