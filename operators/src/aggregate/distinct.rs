//! How many distinct values, exactly.
//!
//! A slot's word is that of its [multiset](super::multisets). By value it is its (value, count) pairs.

use super::multisets::{Multisets, distinct, is_many};
use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable};
use crate::time::EventTime;
use std::cell::Cell;

/// Distinct values. What is read is exact, and counted where it is not written so.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, distinct::Distinct};
///
/// // Values are symbols of an interner; there is no bound on what is written.
/// let (mut countries, mut card) = (Distinct::new(None), [0]);
/// [1, 2, 2].iter().for_each(|symbol| countries.add(&mut card, 0, *symbol, 1_000));
/// countries.remove(&mut card, 0, 2, 1_000);
/// let read = countries.read(&card, Reading::Distinct);
/// assert_eq!(read, Some(2), "one of the two events with symbol 2 is still there");
/// ```
#[derive(Clone)]
pub struct Distinct {
    most: Option<u64>,
    values: Multisets,
    saturated: Saturated,
}

/// How often a distinct count was read at the limit of what is written.
#[derive(Clone, Debug, Default)]
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
        Distinct { most, values: Multisets::default(), saturated: Saturated::default() }
    }
}

impl Algebra for Distinct {
    type State = [u32; 1];
    const WARMS: bool = true;

    #[inline]
    fn add(&mut self, [word]: &mut [u32; 1], slot: u32, value: i64, _ts: EventTime) {
        self.values.add(word, slot, value as u32);
    }

    #[inline]
    fn remove(&mut self, [word]: &mut [u32; 1], slot: u32, value: i64, _ts: EventTime) {
        self.values.remove(word, slot, value as u32);
    }

    #[inline]
    fn read(&self, [word]: &[u32; 1], _reading: Reading) -> Option<u64> {
        Some(self.saturated.read(distinct(*word), self.most))
    }

    #[inline]
    fn warm(&self, [word]: &[u32; 1], slot: u32, value: i64) -> u32 {
        self.values.warm(*word, slot, value as u32)
    }

    fn holds(&self, [word]: &[u32; 1]) -> bool {
        distinct(*word) > 0
    }

    fn save(&self, [word]: &[u32; 1], by: &ByValue<'_>, out: &mut Vec<u8>) {
        self.values.save(*word, by, out);
    }

    fn load(
        &mut self,
        [word]: &mut [u32; 1],
        slot: u32,
        by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        self.values.load(word, slot, by, from, |_| Ok(()))
    }

    fn many(&self) -> Option<&Multisets> {
        Some(&self.values)
    }

    fn has_many(&self, [word]: &[u32; 1]) -> bool {
        is_many(*word)
    }

    fn saturated(&self) -> u64 {
        self.saturated.times()
    }

    fn memory(&self) -> usize {
        self.values.bytes()
    }

    fn reusable(&self) -> usize {
        self.values.reusable()
    }
}
