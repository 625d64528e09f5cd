//! How many values and their sum, exactly.

use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable, put, put_signed_wide};
use crate::time::EventTime;
use crate::value::double_word;

/// A 96-bit sum and a count, in four words. The bound holds: fewer than 2^32 values of at most 2^63
/// in magnitude stay below 2^95.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunningSum {
    pub sum: i128,
    pub values: u32,
}

impl RunningSum {
    #[inline]
    pub fn of([low, middle, high, values]: [u32; 4]) -> Self {
        let below = u64::from(middle) << 32 | u64::from(low);
        let sum = i128::from(high.cast_signed()) << 64 | i128::from(below);
        RunningSum { sum, values }
    }

    #[inline]
    pub fn words(self) -> [u32; 4] {
        let RunningSum { sum, values } = self;
        [sum as u32, (sum >> 32) as u32, (sum >> 64) as u32, values]
    }

    #[inline]
    pub fn add(self, value: i64) -> Self {
        RunningSum { sum: self.sum + i128::from(value), values: self.values + 1 }
    }

    #[inline]
    pub fn remove(self, value: i64) -> Self {
        RunningSum { sum: self.sum - i128::from(value), values: self.values - 1 }
    }

    /// Appends it by value.
    pub fn save(self, out: &mut Vec<u8>) {
        put(out, u64::from(self.values));
        put_signed_wide(out, self.sum);
    }

    /// What [`save`](Self::save) told.
    pub fn load(from: &mut Encoded<'_>) -> Result<Self, Unreadable> {
        let (values, sum) = (from.take_word()?, from.take_signed_wide()?);
        let most = u128::from(values) << 63;
        if values > 0 && sum.unsigned_abs() <= most {
            Ok(RunningSum { sum, values })
        } else {
            Err(Unreadable::Impossible)
        }
    }

    /// The double nearest to the sum. Most sums have 64 bits, which the processor converts itself.
    #[inline]
    fn nearest(self) -> f64 {
        i64::try_from(self.sum).map_or_else(|_| self.nearest_of_many_bits(), |sum| sum as f64)
    }

    /// Out of line: the compiler would make one conversion of both.
    #[cold]
    #[inline(never)]
    fn nearest_of_many_bits(self) -> f64 {
        self.sum as f64
    }

    /// Count, sum and average, `unit` being the word of one unit as a double.
    #[inline]
    pub fn read(self, reading: Reading, unit: f64) -> Option<u64> {
        match reading {
            Reading::Sum => double_word(self.nearest() / unit),
            Reading::Avg if self.values == 0 => None,
            Reading::Avg => double_word(self.nearest() / unit / f64::from(self.values)),
            _ => Some(u64::from(self.values)),
        }
    }
}

/// Sums.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, sum::Sum};
///
/// // Decimals are micro-units: 0.1 and 0.2 are exactly 0.3.
/// let (mut sum, mut card) = (Sum::new(1e6), [0; 4]);
/// sum.add(&mut card, 0, 100_000, 1_000);
/// sum.add(&mut card, 0, 200_000, 2_000);
/// let read = |reading| sum.read(&card, reading).map(f64::from_bits);
/// assert_eq!((read(Reading::Sum), read(Reading::Avg)), (Some(0.3), Some(0.15)));
/// ```
#[derive(Clone, Debug)]
pub struct Sum {
    unit: f64,
}

impl Sum {
    /// `unit`: the word of one unit (1e6 for decimals, 1 for ints).
    pub fn new(unit: f64) -> Self {
        Sum { unit }
    }
}

impl Algebra for Sum {
    type State = [u32; 4];

    #[inline]
    fn add(&mut self, state: &mut [u32; 4], _slot: u32, value: i64, _ts: EventTime) {
        *state = RunningSum::of(*state).add(value).words();
    }

    #[inline]
    fn remove(&mut self, state: &mut [u32; 4], _slot: u32, value: i64, _ts: EventTime) {
        *state = RunningSum::of(*state).remove(value).words();
    }

    #[inline]
    fn read(&self, state: &[u32; 4], reading: Reading) -> Option<u64> {
        RunningSum::of(*state).read(reading, self.unit)
    }

    fn holds(&self, state: &[u32; 4]) -> bool {
        RunningSum::of(*state).values > 0
    }

    fn save(&self, state: &[u32; 4], _by: &ByValue<'_>, out: &mut Vec<u8>) {
        if self.holds(state) {
            RunningSum::of(*state).save(out);
        }
    }

    fn load(
        &mut self,
        state: &mut [u32; 4],
        _slot: u32,
        _by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        *state = RunningSum::load(from)?.words();
        Ok(())
    }
}
