//! The rows of a compacted topic over time: of each key the newest by event time, so that a record
//! that comes late takes its place in the past as long as that is not settled.

use super::kept::RowState;
use super::row::{Key, Row};
use crate::time::EventTime;
use crate::value::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// A change at a time: see [`super::version::Change`].
pub type TimedChange = ((Key, Row), EventTime, isize);

/// Of each key the states that may still matter: one that began at or before the settled time, and
/// all after it. `None`: deleted.
#[derive(Clone, Debug, Default)]
pub struct History {
    keys: BTreeMap<Key, BTreeMap<EventTime, Option<Vec<Cell>>>>,
    /// Where a key has more than one state: when they begin.
    open: BTreeSet<(EventTime, Key)>,
    rows: u64,
}

impl History {
    /// How many keys have a newest row.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// When the newest state of a key began.
    pub fn began(&self, key: &Key) -> Option<EventTime> {
        self.keys.get(key)?.last_key_value().map(|(began, _)| *began)
    }

    /// From `at` on, which must not be settled, until the next state of the key it has these cells
    /// (`None`: it is deleted); of two with one time the one given last counts. Appends the changes.
    pub fn put(
        &mut self,
        key: &Key,
        at: EventTime,
        cells: Option<Vec<Cell>>,
        changes: &mut Vec<TimedChange>,
    ) {
        let row = |cells: &Vec<Cell>| Row { valid_from: 0, cells: cells.clone() };
        let states = self.keys.entry(key.clone()).or_default();
        let newest = |states: &BTreeMap<EventTime, Option<Vec<Cell>>>| {
            u64::from(states.last_key_value().is_some_and(|(_, cells)| cells.is_some()))
        };
        let had = newest(states);
        let until = states.range(at + 1..).next().map(|(time, _)| *time);
        let before = states.range(..=at).next_back().and_then(|(_, cells)| cells.as_ref());
        let mut change = |cells: &Vec<Cell>, diff| {
            changes.push(((key.clone(), row(cells)), at, diff));
            if let Some(until) = until {
                changes.push(((key.clone(), row(cells)), until, -diff));
            }
        };
        if let Some(before) = before {
            change(before, -1);
        }
        if let Some(cells) = &cells {
            change(cells, 1);
        }
        states.insert(at, cells);
        self.rows = self.rows + newest(states) - had;
        self.open.insert((at, key.clone()));
    }

    /// Nothing before `time` is put any more.
    pub fn settle(&mut self, time: EventTime) {
        while let Some((begins, _)) = self.open.first()
            && *begins <= time
        {
            let Some((_, key)) = self.open.pop_first() else { return };
            let Some(states) = self.keys.get_mut(&key) else { continue };
            let settled = states.range(..=time).next_back().map(|(begins, _)| *begins);
            if let Some(settled) = settled {
                *states = states.split_off(&settled);
            }
            if states.len() == 1 && states.values().all(Option::is_none) {
                self.keys.remove(&key);
            }
        }
    }

    /// All that it keeps: what makes another history the same.
    pub fn states(&self) -> impl Iterator<Item = RowState> {
        self.keys.iter().flat_map(|(key, states)| {
            states.iter().map(|(from, cells)| RowState {
                key: key.clone(),
                from: *from,
                cells: cells.clone(),
            })
        })
    }

    /// How many states began after the settled time.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// How many states it keeps.
    pub fn len(&self) -> usize {
        self.keys.values().map(BTreeMap::len).sum()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng, rngs::SmallRng};

    #[test]
    fn the_changes_give_the_newest_row_by_event_time_at_every_time() {
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut history = History::default();
            let (mut changes, mut puts) = (Vec::new(), Vec::new());
            let mut settled = 0;
            for n in 0..60_u64 {
                let key = vec![rng.random_range(0..3_u8)];
                let at = settled + rng.random_range(0..30_u64);
                let cells = rng.random_bool(0.8).then(|| vec![Cell::Word(n % 5)]);
                history.put(&key, at, cells.clone(), &mut changes);
                puts.push((key, at, cells));
                if rng.random_bool(0.2) {
                    settled += rng.random_range(0..10);
                    history.settle(settled);
                }
            }
            for key in 0..3_u8 {
                for time in 0..settled + 40 {
                    let mut sums: BTreeMap<&Row, isize> = BTreeMap::new();
                    for ((k, row), at, diff) in &changes {
                        if *k == [key] && *at <= time {
                            *sums.entry(row).or_default() += diff;
                        }
                    }
                    sums.retain(|_, sum| *sum != 0);
                    let found: Vec<_> =
                        sums.iter().map(|(row, sum)| (row.cells.clone(), *sum)).collect();
                    let of_key = puts.iter().filter(|(k, at, _)| *k == [key] && *at <= time);
                    // The last of those with the greatest time.
                    let newest = of_key.max_by_key(|(_, at, _)| *at);
                    let newest = newest.and_then(|(_, _, cells)| cells.clone());
                    let expected: Vec<_> = newest.into_iter().map(|cells| (cells, 1)).collect();
                    assert_eq!(found, expected, "seed {seed}, key {key}, time {time}");
                }
            }
        }
    }

    #[test]
    fn what_is_settled_and_deleted_is_forgotten() {
        let mut history = History::default();
        let mut changes = Vec::new();
        for n in 0..1_000_u64 {
            history.put(&vec![(n % 4) as u8], n, Some(vec![Cell::Word(n)]), &mut changes);
            history.settle(n);
        }
        assert_eq!((history.len(), history.rows()), (4, 4));
        for key in 0..4 {
            history.put(&vec![key], 2_000, None, &mut changes);
        }
        assert_eq!(history.rows(), 0);
        history.settle(2_000);
        assert!(history.is_empty());
    }
}
