//! Compiled questions by their text: a model asks the same one again and again.
//!
//! Bound: two generations of [`GENERATION`] questions and [`GENERATION_BYTES`] of texts each. When the
//! younger one is full the older one is forgotten; what is asked again moves to the younger.

use crate::serving::ask::AskedFeatures;
use std::collections::HashMap;
use std::sync::Arc;

/// Questions of a generation.
const GENERATION: usize = 512;
/// Bytes of a generation's texts.
const GENERATION_BYTES: usize = 4 << 20;

/// The questions.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    young: HashMap<String, Arc<AskedFeatures>>,
    old: HashMap<String, Arc<AskedFeatures>>,
    young_bytes: usize,
    pub hits: u64,
    pub misses: u64,
}

impl Compiled {
    /// The question of this text.
    pub fn get(&mut self, text: &str) -> Option<Arc<AskedFeatures>> {
        if let Some(ask) = self.young.get(text) {
            self.hits += 1;
            return Some(Arc::clone(ask));
        }
        let Some((text, ask)) = self.old.remove_entry(text) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        self.put(text, Arc::clone(&ask));
        Some(ask)
    }

    /// Keeps a question, if its text is not beyond all measure.
    pub fn put(&mut self, text: String, ask: Arc<AskedFeatures>) {
        if text.len() > GENERATION_BYTES {
            return;
        }
        let full =
            self.young.len() >= GENERATION || self.young_bytes + text.len() > GENERATION_BYTES;
        if full {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += text.len();
        self.young.insert(text, ask);
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_questions_take_bounded_room_and_one_that_is_asked_again_stays() {
        let mut compiled = Compiled::default();
        compiled.put("often".to_owned(), Arc::default());
        for number in 0..1_000_000 {
            let text = number.to_string();
            assert!(compiled.get(&text).is_none());
            compiled.put(text, Arc::default());
            if number % 100 == 0 {
                assert!(compiled.get("often").is_some(), "{number}");
            }
            assert!(compiled.len() <= 2 * GENERATION);
        }
        assert_eq!((compiled.hits, compiled.misses), (10_000, 1_000_000));
    }

    #[test]
    fn long_texts_take_bounded_room_too() {
        let mut compiled = Compiled::default();
        for number in 0..100 {
            compiled.put("x".repeat(1_000_000 + number), Arc::default());
        }
        assert!(compiled.len() <= 8, "{}", compiled.len());
        compiled.put("0".repeat(GENERATION_BYTES + 1), Arc::default());
        assert!(compiled.get(&"0".repeat(GENERATION_BYTES + 1)).is_none());
    }
}
