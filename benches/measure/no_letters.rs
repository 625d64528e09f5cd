//! For inputs without dead letters.

use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};

/// Takes none.
pub struct NoLetters;

impl DeadLetterSink for NoLetters {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        panic!("{letter:?}");
    }
}
