//! The catalogue's arithmetic over a list of values, all at once: integers until a number is read
//! out, then doubles from left to right.

use std::collections::BTreeMap;

/// Sum of micro-units, as a double.
pub fn sum(values: &[i128]) -> f64 {
    total(values) as f64 / 1e6
}

/// Average of micro-units.
pub fn avg(values: &[i128]) -> Option<f64> {
    (!values.is_empty()).then(|| total(values) as f64 / 1e6 / values.len() as f64)
}

/// Greatest of micro-units.
pub fn max(values: &[i128]) -> Option<f64> {
    values.iter().max().map(|v| *v as f64 / 1e6)
}

/// Population standard deviation of micro-units.
pub fn stddev(values: &[i128]) -> Option<f64> {
    let n = values.len() as u128;
    let squares = values.iter().map(|v| v.unsigned_abs() * v.unsigned_abs()).sum::<u128>();
    let s = total(values).unsigned_abs();
    let v = Wide::product(n, squares).minus(Wide::product(s, s));
    (n > 0).then(|| v.to_f64().sqrt() / n as f64 / 1e6)
}

pub fn total(values: &[i128]) -> i128 {
    values.iter().sum()
}

/// How often each value comes.
pub fn tally<T: Ord>(values: impl IntoIterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}

/// Distinct values.
pub fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> u64 {
    tally(values).len() as u64
}

/// Shannon's entropy in nats.
pub fn entropy<T: Ord>(values: impl IntoIterator<Item = T>) -> f64 {
    let counts = tally(values);
    if counts.len() <= 1 {
        return 0.0;
    }
    let n = counts.values().sum::<u64>() as f64;
    let scale = 2f64.powi(40);
    let term = |c: &u64| libm::round(*c as f64 * libm::log(*c as f64) * scale) as i128;
    let e: i128 = counts.values().map(term).sum();
    libm::log(n) - e as f64 / scale / n
}

/// Entropy over the greatest it could be with as many distinct values: within 0 and 1, and 1 when
/// all come equally often.
pub fn normalised_entropy<T: Ord + Clone>(values: &[T]) -> f64 {
    let counts = tally(values.to_vec());
    match counts.len() {
        0 | 1 => 0.0,
        _ if counts.values().all(|n| Some(n) == counts.values().next()) => 1.0,
        k => (entropy(values.to_vec()) / libm::log(k as f64)).clamp(0.0, 1.0),
    }
}

/// `n / of`, 0 when there is nothing to divide by.
pub fn ratio(n: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { n as f64 / of as f64 }
}

/// `min(1, max(0, x))`.
pub fn clamp01(x: f64) -> f64 {
    1f64.min(0f64.max(x))
}

/// A 256-bit natural number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    fn product(a: u128, b: u128) -> Wide {
        const HALF: u128 = (1 << 64) - 1;
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let middle = ((a0 * b0) >> 64) + ((a1 * b0) & HALF) + ((a0 * b1) & HALF);
        Wide {
            high: a1 * b1 + ((a1 * b0) >> 64) + ((a0 * b1) >> 64) + (middle >> 64),
            low: a.wrapping_mul(b),
        }
    }

    fn minus(self, other: Wide) -> Wide {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Wide { high: self.high - other.high - u128::from(borrow), low }
    }

    /// The nearest double, ties to even.
    fn to_f64(self) -> f64 {
        if self.high == 0 {
            return self.low as f64;
        }
        let zeros = self.high.leading_zeros();
        let (top, cut) = match zeros {
            0 => (self.high, self.low),
            _ => (self.high << zeros | self.low >> (128 - zeros), self.low << zeros),
        };
        // What is cut off only says whether it was more than nothing.
        (top | u128::from(cut != 0)) as f64 * 2f64.powi(128 - zeros as i32)
    }
}

#[test]
fn wide_numbers_multiply_subtract_and_round() {
    let big = Wide::product(u128::MAX, u128::MAX);
    assert_eq!(big, Wide { high: u128::MAX - 1, low: 1 });
    assert_eq!(big.to_f64(), 2f64.powi(256));
    assert_eq!(big.minus(big), Wide { high: 0, low: 0 });
    assert_eq!(Wide::product(3, 1 << 127), Wide { high: 1, low: 1 << 127 });
    let even = Wide { high: (1 << 53) + 1, low: 0 };
    assert_eq!(even.to_f64(), 2f64.powi(181));
    assert_eq!(Wide { low: 1, ..even }.to_f64(), ((1u64 << 53) + 2) as f64 * 2f64.powi(128));
    assert_eq!(Wide { high: 1, low: 0 }.minus(Wide { high: 0, low: 1 }).low, u128::MAX);
}

#[test]
fn the_deviation_is_that_of_all_pairs() {
    // n * sum of squares - (sum)^2 is the sum of the squared differences of all pairs.
    let values = [9_999_999_999_999_999, -9_999_999_999_999_998, 3, 0, 77_777_777_777];
    let mut pairs = Wide { high: 0, low: 0 };
    for (at, a) in values.iter().enumerate() {
        for b in &values[..at] {
            let d = i128::unsigned_abs(a - b);
            let square = Wide::product(d, d);
            let (low, carry) = pairs.low.overflowing_add(square.low);
            pairs = Wide { high: pairs.high + square.high + u128::from(carry), low };
        }
    }
    assert_eq!(stddev(&values), Some(pairs.to_f64().sqrt() / 5.0 / 1e6));
    assert_eq!(stddev(&[5, 5, 5]), Some(0.0));
    assert_eq!(stddev(&[]), None);
}

#[test]
fn entropy_of_equal_shares_is_the_logarithm_of_their_number() {
    assert_eq!(entropy(["a", "a"]), 0.0);
    assert_eq!(normalised_entropy(&["a", "b"]), 1.0);
    assert_eq!(normalised_entropy(&["a", "b", "a", "b"]), 1.0);
    assert!((normalised_entropy(&["a", "b", "a"]) - 0.918_295_834).abs() < 1e-9);
    let four = entropy(["a", "b", "c", "d", "a", "b", "c", "d"]);
    assert!((four - 4f64.ln()).abs() < 1e-11, "{four}");
}
