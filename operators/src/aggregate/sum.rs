//! How many values and their sum, exactly.

use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::Column;

/// A count and a 96-bit sum in 16 bytes. The bound holds: fewer than 2^32 values of at most 2^63
/// in magnitude stay below 2^95.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunningSum {
    low: u64,
    high: i32,
    pub values: u32,
}

impl RunningSum {
    #[inline]
    pub fn sum(self) -> i128 {
        i128::from(self.high) << 64 | i128::from(self.low)
    }

    #[inline]
    fn set(&mut self, sum: i128) {
        self.low = sum as u64;
        self.high = (sum >> 64) as i32;
    }

    #[inline]
    pub fn add(&mut self, value: i64) {
        self.set(self.sum() + i128::from(value));
        self.values += 1;
    }

    #[inline]
    pub fn remove(&mut self, value: i64) {
        self.set(self.sum() - i128::from(value));
        self.values -= 1;
    }

    /// Count, sum and average, `unit` being the word of one unit as a double.
    #[inline]
    pub fn read(self, reading: Reading, unit: f64, out: &mut Column) {
        match reading {
            Reading::Sum => out.push_double(self.sum() as f64 / unit),
            Reading::Avg if self.values == 0 => out.push_null(),
            Reading::Avg => out.push_double(self.sum() as f64 / unit / f64::from(self.values)),
            _ => out.push_word(u64::from(self.values)),
        }
    }
}

/// Sums by slot.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, sum::Sum};
/// use tidemark_operators::value::Column;
///
/// // Decimals are micro-units: 0.1 and 0.2 are exactly 0.3.
/// let mut sum = Sum::new(1e6);
/// sum.grow(1);
/// sum.add(0, 100_000, 1_000);
/// sum.add(0, 200_000, 2_000);
/// let mut out = Column::default();
/// sum.read(0, Reading::Sum, &mut out);
/// sum.read(0, Reading::Avg, &mut out);
/// assert_eq!((out.double(0), out.double(1)), (Some(0.3), Some(0.15)));
/// ```
pub struct Sum {
    unit: f64,
    states: Slab<RunningSum>,
}

impl Sum {
    /// `unit`: the word of one unit (1e6 for decimals, 1 for ints).
    pub fn new(unit: f64) -> Self {
        Sum { unit, states: Slab::new() }
    }
}

impl Algebra for Sum {
    fn grow(&mut self, slots: usize) {
        self.states.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, value: i64, _ts: EventTime) {
        self.states[slot].add(value);
    }

    #[inline]
    fn remove(&mut self, slot: u32, value: i64, _ts: EventTime) {
        self.states[slot].remove(value);
    }

    #[inline]
    fn read(&self, slot: u32, reading: Reading, out: &mut Column) {
        self.states[slot].read(reading, self.unit, out);
    }

    fn holds(&self, slot: u32) -> bool {
        self.states[slot].values > 0
    }

    fn memory(&self) -> usize {
        self.states.bytes()
    }
}
