//! The state of every slot: the words of all its accumulators side by side.
//!
//! An event changes most accumulators of its entity at once, so what they keep of a slot lies
//! together: an event touches one or two cache lines of state, however many accumulators there are.
//! A slot takes exactly the words that its accumulators ask for.

use std::hint::black_box;
use std::ops::Range;

/// Slots a page; growing never moves what is there.
const PAGE: usize = 1 << 12;
/// Words a cache line.
const LINE: usize = 16;

/// The words that an algebra keeps of a slot: `[u32; N]`.
pub trait StateWords {
    /// How many.
    const LEN: usize;

    /// Those from word `at` of a slot's on.
    fn of(slot: &[u32], at: usize) -> &Self;

    /// The same, to be changed.
    fn of_mut(slot: &mut [u32], at: usize) -> &mut Self;
}

impl<const N: usize> StateWords for [u32; N] {
    const LEN: usize = N;

    #[inline]
    fn of(slot: &[u32], at: usize) -> &Self {
        match slot[at..].first_chunk() {
            Some(words) => words,
            None => unreachable!("a slot has the words that its accumulators asked for"),
        }
    }

    #[inline]
    fn of_mut(slot: &mut [u32], at: usize) -> &mut Self {
        match slot[at..].first_chunk_mut() {
            Some(words) => words,
            None => unreachable!("a slot has the words that its accumulators asked for"),
        }
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct SlotStates {
    words: usize,
    pages: Vec<Box<[u32]>>,
}

impl SlotStates {
    /// No slots yet, of `words` words each.
    pub fn new(words: usize) -> Self {
        SlotStates { words, pages: Vec::new() }
    }

    /// Makes the slots `0..slots` exist, new ones of zeros.
    pub fn grow(&mut self, slots: usize) {
        while self.pages.len() * PAGE < slots {
            self.pages.push(vec![0; PAGE * self.words].into_boxed_slice());
        }
    }

    /// How many slots exist.
    pub fn slots(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// The words of `slot`, which exists.
    #[inline]
    pub fn of(&self, slot: u32) -> &[u32] {
        let at = slot as usize % PAGE * self.words;
        &self.pages[slot as usize / PAGE][at..at + self.words]
    }

    /// The same, to be changed.
    #[inline]
    pub fn of_mut(&mut self, slot: u32) -> &mut [u32] {
        let at = slot as usize % PAGE * self.words;
        &mut self.pages[slot as usize / PAGE][at..at + self.words]
    }

    /// Loads these words of these slots: many loads at a time, whose cache misses overlap.
    pub fn warm(&self, slots: &[u32], words: Range<usize>) {
        let Some(last) = words.clone().last() else { return };
        black_box(slots.iter().fold(0, |sum, slot| {
            let state = self.of(*slot);
            let lines = words.clone().step_by(LINE).chain([last]);
            lines.fold(sum, |sum, word| sum ^ state[word])
        }));
    }

    /// The bytes of its pages.
    pub fn bytes(&self) -> usize {
        self.pages.len() * PAGE * self.words * size_of::<u32>()
    }
}
