//! Changed rows that were written a moment ago: each waits for its time, and whatever changes until
//! then goes in the same write.
//!
//! Bound: one entry a row slot (the row's `QUEUED_SPACED` flag).

use crate::online::calendar::Calendar;
use crate::online::dirt::Entry;
use std::collections::BTreeMap;

/// How exactly it is known since when the oldest waits, as a power of two of us.
const GRAIN: u32 = 16;

/// The rows.
#[derive(Debug)]
pub(crate) struct Spaced {
    calendar: Calendar<Entry>,
    /// How many wait since which grain of time.
    waiting: BTreeMap<u64, usize>,
}

impl Spaced {
    pub(crate) fn new() -> Self {
        Spaced { calendar: Calendar::new(), waiting: BTreeMap::new() }
    }

    /// About what they take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.calendar.bytes()
    }

    /// Lets a row wait until `due` ms.
    pub(crate) fn insert(&mut self, due: u64, entry: Entry) {
        *self.waiting.entry(entry.since >> GRAIN).or_default() += 1;
        self.calendar.insert(due, entry);
    }

    /// Takes a row whose time has come at `now` ms.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Entry> {
        let entry = self.calendar.pop(now)?;
        let grain = entry.since >> GRAIN;
        match self.waiting.get_mut(&grain) {
            Some(count @ 2..) => *count -= 1,
            _ => {
                self.waiting.remove(&grain);
            }
        }
        Some(entry)
    }

    /// When the next one's time comes, in us.
    pub(crate) fn next(&self) -> Option<u64> {
        self.calendar.next().map(|ms| ms * 1_000)
    }

    /// Since when the oldest waits, in us; up to 65 ms too early.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(grain, _)| grain << GRAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::online::Cause;

    #[test]
    fn rows_come_up_at_their_time_and_the_oldest_is_known_until_it_has_gone() {
        let mut spaced = Spaced::new();
        let entry = |since| Entry { view: 0, slot: 1, since, cause: Cause::Arrival };
        for (due, since) in [(500, 100_000), (300, 200_000), (400, 200_001)] {
            spaced.insert(due, entry(since));
        }
        let within = |oldest: Option<u64>, since: u64| {
            oldest.is_some_and(|oldest| oldest <= since && since - oldest < 65_536)
        };
        assert!(spaced.pop(299).is_none() && spaced.next().is_some_and(|at| at >= 300_000));
        assert!(within(spaced.oldest(), 100_000));
        let mut popped = Vec::new();
        while let Some(entry) = spaced.pop(499) {
            popped.push(entry.since);
        }
        assert_eq!(popped, [200_000, 200_001]);
        assert!(within(spaced.oldest(), 100_000));
        assert_eq!(spaced.pop(u64::MAX).map(|entry| entry.since), Some(100_000));
        assert!(spaced.oldest().is_none() && spaced.next().is_none());
    }
}
