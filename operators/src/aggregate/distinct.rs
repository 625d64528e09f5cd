//! How many distinct values, exactly.

use super::counts::Counts;
use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;
use std::cell::Cell;

/// Distinct values by slot; the counts behind are exact, what is reported saturates.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, distinct::Distinct};
/// use tidemark_operators::value::Column;
///
/// // Values are symbols of an interner; at most 100 are reported.
/// let mut countries = Distinct::new(100);
/// countries.grow(1);
/// [1, 2, 2].iter().for_each(|symbol| countries.add(0, *symbol, 1_000));
/// countries.remove(0, 2, 1_000);
/// let mut out = Column::default();
/// countries.read(0, Reading::Distinct, &mut out);
/// assert_eq!(out.int(0), Some(2), "one of the two events with symbol 2 is still there");
/// ```
pub struct Distinct {
    most: u64,
    counts: Counts,
    distinct: Slab<u32>,
    saturated: Saturated,
}

/// How often a distinct count was reported at its limit.
#[derive(Debug, Default)]
pub(super) struct Saturated(Cell<u64>);

impl Saturated {
    /// What is reported of `distinct` values: at most `most`.
    #[inline]
    pub fn report(&self, distinct: u32, most: u64) -> u64 {
        let distinct = u64::from(distinct);
        if distinct >= most {
            self.0.set(self.0.get() + 1);
        }
        distinct.min(most)
    }

    /// How often so far.
    pub fn times(&self) -> u64 {
        self.0.get()
    }
}

impl Distinct {
    /// Reports at most `most`.
    pub fn new(most: u64) -> Self {
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
        out.push_word(self.saturated.report(self.distinct[slot], self.most));
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
