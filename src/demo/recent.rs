//! Whose records came lately: who is shown.
//!
//! The engine counts its busiest entities too, but over so many events that somebody who is here for
//! a visit never stands out. Here records of the last moments are counted, by their keys: few of a
//! batch, so that it costs nothing at high rates. Memory: two times [`KEYS_MAX`] keys.

use crate::generator::live::LiveGenerator;
use crate::source::PolledPartitions;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::ingest::reader::{Poll, RawBatch};

/// What was counted is forgotten between one and two times this later.
const TURN: Duration = Duration::from_secs(20);
/// Keys counted in a turn at most; others are not noticed.
const KEYS_MAX: usize = 16_384;
/// Records of a batch that are looked at.
const LOOKS_MAX: usize = 8;

/// The keys of the newest records, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentRecords(Arc<Mutex<Turns>>);

#[derive(Debug, Default)]
struct Turns {
    since: Option<Instant>,
    current: HashMap<Box<[u8]>, u32>,
    before: HashMap<Box<[u8]>, u32>,
}

impl RecentRecords {
    /// Counts the keys of a batch, unless it is simulated past.
    fn note(&self, batch: &RawBatch) {
        if batch.due_ns == 0 {
            return;
        }
        let keys = batch.records.iter().take(LOOKS_MAX).filter_map(|record| batch.key(record));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(keys, Instant::now());
    }

    /// The ids with the most records, at most `count`, the busiest first.
    pub fn busiest(&self, count: usize) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).busiest(count)
    }
}

impl Turns {
    fn count<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= TURN {
            self.since = Some(now);
            self.before = std::mem::take(&mut self.current);
        }
        for key in keys {
            if let Some(count) = self.current.get_mut(key) {
                *count += 1;
            } else if self.current.len() < KEYS_MAX {
                self.current.insert(key.into(), 1);
            }
        }
    }

    fn busiest(&self, most: usize) -> Vec<String> {
        let before = |key: &[u8]| self.before.get(key).copied().unwrap_or(0);
        let current = self.current.iter().map(|(key, count)| (Reverse(count + before(key)), key));
        let gone = self.before.iter().filter(|(key, _)| !self.current.contains_key(*key));
        let mut all: Vec<_> =
            current.chain(gone.map(|(key, count)| (Reverse(*count), key))).collect();
        if all.len() > most {
            all.select_nth_unstable(most);
            all.truncate(most);
        }
        all.sort_unstable();
        all.into_iter().map(|(_, key)| String::from_utf8_lossy(key).into_owned()).collect()
    }
}

impl RecentRecords {
    /// A generator whose records are counted on their way.
    pub fn watch(&self, generator: LiveGenerator) -> PolledPartitions {
        let recent = self.clone();
        PolledPartitions::new(Box::new(generator), move |_| {
            let recent = recent.clone();
            Box::new(move |reader| {
                let poll = reader.poll();
                if let Poll::Records(batch) = &poll {
                    recent.note(batch);
                }
                poll
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_of_the_last_two_turns_come_first_and_older_ones_are_forgotten() {
        let start = Instant::now();
        let mut turns = Turns::default();
        let count = |turns: &mut Turns, keys: &str, seconds| {
            let keys: Vec<&[u8]> = keys.split(' ').map(str::as_bytes).collect();
            turns.count(keys.into_iter(), start + Duration::from_secs(seconds));
        };
        count(&mut turns, "a a a b c c", 0);
        assert_eq!(turns.busiest(2), ["a", "c"]);
        count(&mut turns, "c b b b", 25);
        assert_eq!(turns.busiest(9), ["b", "a", "c"]);
        count(&mut turns, "b", 45);
        assert_eq!(turns.busiest(9), ["b", "c"]);
    }

    #[test]
    fn no_more_keys_are_counted_than_there_is_room_for() {
        let mut turns = Turns::default();
        let keys: Vec<String> = (0..KEYS_MAX + 10).map(|n| n.to_string()).collect();
        turns.count(keys.iter().map(String::as_bytes), Instant::now());
        assert_eq!(turns.busiest(usize::MAX).len(), KEYS_MAX);
    }
}
