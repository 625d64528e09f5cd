//! The newest dead letters in short, for who looks at a running job.
//!
//! Bound: [`KEPT_EACH`] of each reason, with [`TEXT_MAX`] letters of each text.

use crate::wall_clock::wall_ms;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::verdict::Reason;

/// Letters of each reason that are kept.
const KEPT_EACH: usize = 4;
/// Of a key, a payload or an error so many characters are kept.
const TEXT_MAX: usize = 200;

/// The newest letters of all workers.
#[derive(Clone, Debug, Default)]
pub struct NewestLetters(Arc<Mutex<KeptLetters>>);

#[derive(Debug, Default)]
struct KeptLetters {
    count: u64,
    /// In the order of [`Reason::ALL`].
    by_reason: [VecDeque<LetterInShort>; Reason::ALL.len()],
}

/// What is kept of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterInShort {
    /// How many there were before it.
    pub number: u64,
    /// When it was made, by the machine's clock, in ms since the Unix epoch.
    pub at: EventTime,
    /// The source's name in the job.
    pub source: String,
    /// The partition.
    pub partition: u32,
    /// The record's offset in it.
    pub offset: u64,
    /// Why.
    pub reason: Reason,
    /// How far it lay behind the watermark, in ms (late only).
    pub late_by: Option<Millis>,
    /// What was wrong, in words.
    pub error: Option<String>,
    /// The start of the record's key.
    pub key: Option<String>,
    /// The start of its payload.
    pub value: Option<String>,
}

impl NewestLetters {
    /// Remembers the start of `letter`.
    pub fn add(&self, letter: &DeadLetter) {
        let Some(at) = Reason::ALL.iter().position(|known| *known == letter.reason) else { return };
        let short = LetterInShort {
            number: 0,
            at: wall_ms().unwrap_or(0),
            source: letter.source.clone(),
            partition: letter.partition.partition,
            offset: letter.offset,
            reason: letter.reason,
            late_by: letter.late_by,
            error: letter.error.as_deref().map(|error| start_of(error.as_bytes())),
            key: letter.key.as_deref().map(start_of),
            value: letter.value.as_deref().map(start_of),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.count;
        kept.count += 1;
        if let Some(of_reason) = kept.by_reason.get_mut(at) {
            if of_reason.len() >= KEPT_EACH {
                of_reason.pop_front();
            }
            of_reason.push_back(LetterInShort { number, ..short });
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// The newest of each reason, the newest first.
    pub fn newest(&self) -> Vec<LetterInShort> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut letters: Vec<_> = kept.by_reason.iter().flatten().cloned().collect();
        letters.sort_by_key(|letter| Reverse(letter.number));
        letters
    }
}

/// The first characters, and a sign if there are more.
fn start_of(bytes: &[u8]) -> String {
    // A character has four bytes at most.
    let start = bytes.get(..TEXT_MAX * 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start);
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(TEXT_MAX).collect();
    if chars.next().is_some() || start.len() < bytes.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: u64, reason: Reason, value: Vec<u8>) -> DeadLetter {
        DeadLetter { reason, value: Some(value), ..crate::dead_letters::tests::letter(offset) }
    }

    #[test]
    fn the_newest_of_each_reason_are_kept_and_a_flood_of_one_hides_no_other() {
        let letters = NewestLetters::default();
        letters.add(&letter(7, Reason::Late, Vec::new()));
        for offset in 100..1_000 {
            letters.add(&letter(offset, Reason::Malformed, Vec::new()));
        }
        let offsets: Vec<u64> = letters.newest().iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, [999, 998, 997, 996, 7]);
        assert_eq!(letters.count(), 901);
    }

    #[test]
    fn of_a_payload_of_a_megabyte_only_its_start_is_kept_whatever_it_is() {
        let letters = NewestLetters::default();
        for payload in ["<b>".repeat(400_000).into_bytes(), vec![0xff; 1 << 20]] {
            letters.add(&letter(0, Reason::Malformed, payload));
            let value = letters.newest().remove(0).value.unwrap();
            assert_eq!(value.chars().count(), TEXT_MAX + 1);
            assert!(value.ends_with('…'));
        }
        for more in ["\u{1f512}".repeat(TEXT_MAX + 1).into_bytes(), vec![0xff; TEXT_MAX + 1]] {
            letters.add(&letter(0, Reason::Malformed, more));
            assert!(letters.newest().remove(0).value.unwrap().ends_with('…'));
        }
        letters.add(&letter(0, Reason::Malformed, b"x".repeat(TEXT_MAX)));
        assert_eq!(letters.newest().remove(0).value.unwrap(), "x".repeat(TEXT_MAX));
    }
}
