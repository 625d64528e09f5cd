//! Count, sum and sum of squares: the population standard deviation without rounding.
//!
//! With n values, S = sum x and Q = sum x^2 in words, V = n Q - S^2 is an exact integer of at most
//! 190 bits; the deviation is `sqrt(V) / n / unit`, V becoming a double once, to nearest even. So
//! equal values deviate by exactly 0, however large they are.

use super::sum::RunningSum;
use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable, put, put_wide};
use crate::time::EventTime;
use crate::value::double_word;
use ethnum::U256;

/// `sum` as in [`super::sum`], and a 160-bit sum of squares: fewer than 2^32 squares of at most 2^126
/// stay below 2^158.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Squares {
    sum: RunningSum,
    squares: U256,
}

impl Squares {
    #[inline]
    fn of([s0, s1, s2, s3, q0, q1, q2, q3, q4]: [u32; 9]) -> Self {
        let low = [q3, q2, q1, q0].iter().fold(0, |low, word| low << 32 | u128::from(*word));
        let squares = U256::from_words(u128::from(q4), low);
        Squares { sum: RunningSum::of([s0, s1, s2, s3]), squares }
    }

    #[inline]
    fn words(self) -> [u32; 9] {
        let [s0, s1, s2, s3] = self.sum.words();
        let (high, low) = self.squares.into_words();
        let [q0, q1, q2, q3] = [0, 32, 64, 96].map(|shift| (low >> shift) as u32);
        [s0, s1, s2, s3, q0, q1, q2, q3, high as u32]
    }

    #[inline]
    fn square(value: i64) -> U256 {
        let magnitude = u128::from(value.unsigned_abs());
        U256::from(magnitude * magnitude)
    }

    /// n Q - S^2, never negative by Cauchy and Schwarz.
    fn variance(&self) -> U256 {
        let sum = U256::from(self.sum.sum.unsigned_abs());
        U256::from(self.sum.values) * self.squares - sum * sum
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

/// Moments.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, moments::Moments};
///
/// let (mut moments, mut card) = (Moments::new(1.0), [0; 9]);
/// [2, 4, 4, 4, 5, 5, 7, 9].iter().for_each(|value| moments.add(&mut card, 0, *value, 1_000));
/// assert_eq!(moments.read(&card, Reading::Stddev).map(f64::from_bits), Some(2.0));
/// ```
#[derive(Clone, Debug)]
pub struct Moments {
    unit: f64,
}

impl Moments {
    /// `unit`: the word of one unit (1e6 for decimals, 1 for ints).
    pub fn new(unit: f64) -> Self {
        Moments { unit }
    }
}

impl Algebra for Moments {
    type State = [u32; 9];

    #[inline]
    fn add(&mut self, state: &mut [u32; 9], _slot: u32, value: i64, _ts: EventTime) {
        let Squares { sum, squares } = Squares::of(*state);
        let squares = squares + Squares::square(value);
        *state = Squares { sum: sum.add(value), squares }.words();
    }

    #[inline]
    fn remove(&mut self, state: &mut [u32; 9], _slot: u32, value: i64, _ts: EventTime) {
        let Squares { sum, squares } = Squares::of(*state);
        let squares = squares - Squares::square(value);
        *state = Squares { sum: sum.remove(value), squares }.words();
    }

    #[inline]
    fn read(&self, state: &[u32; 9], reading: Reading) -> Option<u64> {
        let state = Squares::of(*state);
        match reading {
            Reading::Stddev if state.sum.values == 0 => None,
            Reading::Stddev => {
                let n = f64::from(state.sum.values);
                double_word(nearest(state.variance()).sqrt() / n / self.unit)
            }
            _ => state.sum.read(reading, self.unit),
        }
    }

    fn holds(&self, state: &[u32; 9]) -> bool {
        Squares::of(*state).sum.values > 0
    }

    fn save(&self, state: &[u32; 9], _by: &ByValue<'_>, out: &mut Vec<u8>) {
        let Squares { sum, squares } = Squares::of(*state);
        if sum.values > 0 {
            sum.save(out);
            let (high, low) = squares.into_words();
            put_wide(out, low);
            put(out, high as u64);
        }
    }

    fn load(
        &mut self,
        state: &mut [u32; 9],
        _slot: u32,
        _by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let (sum, low) = (RunningSum::load(from)?, from.take_wide()?);
        let squares = U256::from_words(u128::from(from.take_word()?), low);
        let (values, total) = (U256::from(sum.values), U256::from(sum.sum.unsigned_abs()));
        let possible = squares <= values << 126 && total * total <= values * squares;
        *state = Squares { sum, squares }.words();
        if possible { Ok(()) } else { Err(Unreadable::Impossible) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(values: &[i64]) -> f64 {
        let (mut moments, mut state) = (Moments::new(1e6), [0; 9]);
        values.iter().for_each(|v| moments.add(&mut state, 0, *v, 0));
        moments.read(&state, Reading::Stddev).map(f64::from_bits).unwrap()
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
