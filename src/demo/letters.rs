//! Dead letters of the demo: all are counted, the newest are kept in short.

use crate::dead_letters::{LetterInShort, NewestLetters};
use crate::metrics::snapshot::LogSinkSnapshot;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};

/// The newest letters of all workers, and how many there were.
#[derive(Clone, Debug, Default)]
pub(super) struct DemoLetters(NewestLetters);

impl DemoLetters {
    /// The newest letter.
    pub fn newest(&self) -> Option<LetterInShort> {
        self.0.newest().into_iter().next()
    }

    /// All that are kept.
    pub fn kept(&self) -> &NewestLetters {
        &self.0
    }

    /// How the place of dead letters does.
    pub fn status(&self) -> LogSinkSnapshot {
        let written = self.0.count();
        LogSinkSnapshot { name: "dead_letters", written, ..LogSinkSnapshot::default() }
    }
}

impl DeadLetterSink for DemoLetters {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, letter: DeadLetter) {
        self.0.add(&letter);
    }
}
