//! How many distinct values, exactly.

use super::counts::Counts;
use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;
use std::cell::Cell;

/// Distinct values by slot. What is read is exact, and counted where it is not written so.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, distinct::Distinct};
/// use tidemark_operators::value::Column;
///
/// // Values are symbols of an interner; there is no bound on what is written.
/// let mut countries = Distinct::new(None);
/// countries.grow(1);
/// [1, 2, 2].iter().for_each(|symbol| countries.add(0, *symbol, 1_000));
/// countries.remove(0, 2, 1_000);
/// let mut out = Column::default();
/// countries.read(0, Reading::Distinct, &mut out);
/// assert_eq!(out.int(0), Some(2), "one of the two events with symbol 2 is still there");
/// ```
pub struct Distinct {
    most: Option<u64>,
    counts: Counts,
    distinct: Slab<u32>,
    saturated: Saturated,
}

/// How often a distinct count was read at the limit of what is written.
#[derive(Debug, Default)]
pub(super) struct Saturated(Cell<u64>);

impl Saturated {
    /// The count of `distinct` values, where `most` is written at most.
    #[inline]
    pub fn read(&self, distinct: u32, most: Option<u64>) -> u64 {
        let distinct = u64::from(distinct);
        if most.is_some_and(|most| distinct >= most) {
            self.0.set(self.0.get() + 1);
        }
        distinct
    }

    /// How often so far.
    pub fn times(&self) -> u64 {
        self.0.get()
    }
}

impl Distinct {
    /// Of counts that are written as `most` at most.
    pub fn new(most: Option<u64>) -> Self {
        Distinct {
            most,
            counts: Counts::default(),
            distinct: Slab::new(),
            saturated: Saturated::default(),
        }
    }
}

impl Algebra for Distinct {
    fn grow(&mut self, slots: usize) {
        self.distinct.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, value: i64, _ts: EventTime) {
        if self.counts.add(slot, value as u32) == 0 {
            self.distinct[slot] += 1;
        }
    }

    #[inline]
    fn remove(&mut self, slot: u32, value: i64, _ts: EventTime) {
        if self.counts.remove(slot, value as u32) == 1 {
            self.distinct[slot] -= 1;
        }
    }

    #[inline]
    fn read(&self, slot: u32, _reading: Reading, out: &mut Column) {
        out.push_word(self.saturated.read(self.distinct[slot], self.most));
    }

    fn warm(&self, lane: &Lane, values: &[i64]) {
        self.counts.warm(lane, values);
    }

    fn holds(&self, slot: u32) -> bool {
        self.distinct[slot] > 0
    }

    fn saturated(&self) -> u64 {
        self.saturated.times()
    }

    fn memory(&self) -> usize {
        self.distinct.bytes() + self.counts.bytes()
    }
}
