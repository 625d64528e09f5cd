//! Count, sum and sum of squares: the population standard deviation without rounding.
//!
//! With n values, S = sum x and Q = sum x^2 in words, V = n Q - S^2 is an exact integer of at most
//! 190 bits; the deviation is `sqrt(V) / n / unit`, V becoming a double once, to nearest even. So
//! equal values deviate by exactly 0, however large they are.

use super::sum::RunningSum;
use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::Column;
use ethnum::U256;

/// `sum` as in [`super::sum`], and a 192-bit sum of squares: fewer than 2^32 squares of at most
/// 2^126 stay below 2^158.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Squares {
    sum: RunningSum,
    square_words: [u64; 3],
}

impl Squares {
    #[inline]
    fn square(value: i64) -> U256 {
        let magnitude = u128::from(value.unsigned_abs());
        U256::from(magnitude * magnitude)
    }

    #[inline]
    fn squares(&self) -> U256 {
        let [a, b, c] = self.square_words;
        U256::from_words(u128::from(c), u128::from(b) << 64 | u128::from(a))
    }

    #[inline]
    fn set(&mut self, squares: U256) {
        let (high, low) = squares.into_words();
        self.square_words = [low as u64, (low >> 64) as u64, high as u64];
    }

    /// n Q - S^2, never negative by Cauchy and Schwarz.
    fn variance(&self) -> U256 {
        let sum = U256::from(self.sum.sum().unsigned_abs());
        U256::from(self.sum.values) * self.squares() - sum * sum
    }
}

/// The double nearest to `value`, ties to even.
pub(super) fn nearest(value: U256) -> f64 {
    let bits = 256 - value.leading_zeros();
    if bits <= 64 {
        return value.as_u64() as f64;
    }
    // The upper 64 bits, the last of them sticky: more than the 53 + 2 that rounding looks at.
    let shift = bits - 64;
    let mut top = (value >> shift).as_u64();
    if (value >> shift) << shift != value {
        top |= 1;
    }
    // Scaling by a power of two is exact.
    top as f64 * f64::from_bits((1023 + u64::from(shift)) << 52)
}

/// Moments by slot.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, moments::Moments};
/// use tidemark_operators::value::Column;
///
/// let mut moments = Moments::new(1.0);
/// moments.grow(1);
/// [2, 4, 4, 4, 5, 5, 7, 9].iter().for_each(|value| moments.add(0, *value, 1_000));
/// let mut out = Column::default();
/// moments.read(0, Reading::Stddev, &mut out);
/// assert_eq!(out.double(0), Some(2.0));
/// ```
pub struct Moments {
    unit: f64,
    states: Slab<Squares>,
}

impl Moments {
    /// `unit`: the word of one unit (1e6 for decimals, 1 for ints).
    pub fn new(unit: f64) -> Self {
        Moments { unit, states: Slab::new() }
    }
}

impl Algebra for Moments {
    fn grow(&mut self, slots: usize) {
        self.states.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, value: i64, _ts: EventTime) {
        let state = &mut self.states[slot];
        state.sum.add(value);
        state.set(state.squares() + Squares::square(value));
    }

    #[inline]
    fn remove(&mut self, slot: u32, value: i64, _ts: EventTime) {
        let state = &mut self.states[slot];
        state.sum.remove(value);
        state.set(state.squares() - Squares::square(value));
    }

    #[inline]
    fn read(&self, slot: u32, reading: Reading, out: &mut Column) {
        let state = &self.states[slot];
        match reading {
            Reading::Stddev if state.sum.values == 0 => out.push_null(),
            Reading::Stddev => {
                let n = f64::from(state.sum.values);
                out.push_double(nearest(state.variance()).sqrt() / n / self.unit);
            }
            _ => state.sum.read(reading, self.unit, out),
        }
    }

    fn holds(&self, slot: u32) -> bool {
        self.states[slot].sum.values > 0
    }

    fn memory(&self) -> usize {
        self.states.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(values: &[i64]) -> f64 {
        let mut moments = Moments::new(1e6);
        moments.grow(1);
        values.iter().for_each(|v| moments.add(0, *v, 0));
        let mut out = Column::default();
        moments.read(0, Reading::Stddev, &mut out);
        out.double(0).unwrap()
    }

    #[test]
    fn equal_amounts_deviate_by_exactly_zero() {
        assert_eq!(deviation(&[33_330_000; 3]), 0.0);
        assert_eq!(deviation(&[crate::value::DECIMAL_UNITS_MAX; 1000]), 0.0);
        assert_eq!(deviation(&[i64::MAX; 1000]), 0.0);
        assert_eq!(deviation(&[-i64::MAX; 77]), 0.0);
    }

    #[test]
    fn two_values_deviate_by_half_their_distance() {
        assert_eq!(deviation(&[1_000_000, 3_000_000]), 1.0);
        assert_eq!(deviation(&[-i64::MAX, i64::MAX]), i64::MAX as f64 / 1e6);
    }

    #[test]
    fn a_large_integer_becomes_the_nearest_double_ties_to_even() {
        let two = U256::from(2u64);
        assert_eq!(nearest(U256::ZERO), 0.0);
        assert_eq!(nearest(U256::MAX), 2f64.powi(256));
        for shift in 0..200u32 {
            let unit = two.pow(shift);
            let base = U256::from(1u64 << 53);
            assert_eq!(nearest(base * unit), 2f64.powi(53 + shift as i32));
            if shift > 0 {
                let half = unit / two;
                // A tie goes to the even neighbour, anything above it upwards.
                assert_eq!(nearest(base * unit + half), 2f64.powi(53 + shift as i32));
                let up = (2f64.powi(53) + 2.0) * 2f64.powi(shift as i32);
                assert_eq!(nearest((base + U256::ONE) * unit + half), up);
                if shift > 1 {
                    let next = (2f64.powi(53) + 0.0) * 2f64.powi(shift as i32);
                    assert_eq!(nearest(base * unit + half - U256::ONE), next);
                }
            }
        }
    }
}
