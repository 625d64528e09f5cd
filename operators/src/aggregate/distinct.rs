//! How many distinct values, exactly.

use super::counts::Counts;
use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;

/// Distinct values by slot; the counts behind are exact, what is reported saturates.
pub struct Distinct {
    most: u64,
    counts: Counts,
    distinct: Slab<u32>,
}

impl Distinct {
    /// Reports at most `most`.
    pub fn new(most: u64) -> Self {
        Distinct { most, counts: Counts::default(), distinct: Slab::new() }
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
        out.push_word(u64::from(self.distinct[slot]).min(self.most));
    }

    fn warm(&self, lane: &Lane, values: &[i64]) {
        self.counts.warm(lane, values);
    }

    fn holds(&self, slot: u32) -> bool {
        self.distinct[slot] > 0
    }

    fn memory(&self) -> usize {
        self.distinct.bytes() + self.counts.bytes()
    }
}
