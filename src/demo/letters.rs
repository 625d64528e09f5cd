//! Dead letters of the demo: all are counted, the newest is kept.

use crate::metrics::snapshot::LogSinkSnapshot;
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};

/// The newest letter of all workers, and how many there were. Memory: one letter.
#[derive(Clone, Debug, Default)]
pub(super) struct NewestLetters(Arc<Mutex<Newest>>);

#[derive(Debug, Default)]
struct Newest {
    count: u64,
    letter: Option<DeadLetter>,
}

impl NewestLetters {
    /// The newest letter.
    pub fn newest(&self) -> Option<DeadLetter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).letter.clone()
    }

    /// How the place of dead letters does.
    pub fn status(&self) -> LogSinkSnapshot {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner).count;
        LogSinkSnapshot { name: "dead_letters", written, ..LogSinkSnapshot::default() }
    }
}

impl DeadLetterSink for NewestLetters {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.count += 1;
        newest.letter = Some(letter);
    }
}
