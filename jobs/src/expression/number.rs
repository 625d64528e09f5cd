//! Number literals, kept as the exact decimal they are written as.

use std::cmp::Ordering;
use tidemark_operators::expression::Comparison;
use tidemark_operators::value::SCALE_MAX;

/// Decimals of `decimal`.
const DECIMALS: u8 = 6;
/// Exponents beyond this (either way) are far outside of every type, and cut to it.
const EXPONENT_MAX: i64 = 1_000_000;

/// An exact decimal number: `±0.DIGITS * 10^point`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// Decimal digits (0 to 9) without zeros at either end; none for zero.
    digits: Vec<u8>,
    point: i64,
    /// Written without point and exponent.
    integer: bool,
    /// As written, without sign.
    text: String,
}

impl Number {
    /// Reads `digits[.digits][e[+-]digits]`; the lexer has seen to it that it is that.
    pub(super) fn new(text: &str) -> Number {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // What does not parse has too many digits: the sign says where it is.
        let exponent = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') {
            -EXPONENT_MAX
        } else {
            EXPONENT_MAX
        });
        let all = whole.bytes().chain(fraction.bytes()).map(|byte| byte.wrapping_sub(b'0'));
        let mut digits: Vec<u8> = all.skip_while(|digit| *digit == 0).collect();
        // Leading zeros that were skipped, in the whole part or behind the point, move the point.
        let skipped = (whole.len() + fraction.len()).saturating_sub(digits.len());
        let point = whole.len() as i64 - skipped as i64;
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Number {
            negative: false,
            digits,
            point: point + exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX),
            integer: mantissa.len() == text.len() && !text.contains('.'),
            text: text.to_owned(),
        }
    }

    /// The number with its sign changed.
    pub(super) fn negated(mut self) -> Number {
        self.negative = !self.negative && !self.digits.is_empty();
        self
    }

    /// Whether it is written as an integer, without point and exponent.
    pub(super) fn is_integer(&self) -> bool {
        self.integer
    }

    /// As written, with its sign.
    pub(super) fn text(&self) -> String {
        format!("{}{}", if self.negative { "-" } else { "" }, self.text)
    }

    /// The nearest double; none when that is infinite.
    pub(super) fn to_double(&self) -> Option<f64> {
        self.text().parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value + 0.0)
    }

    /// The value in units of `10^-decimals` when it is a whole number of them and fits.
    pub(super) fn to_units(&self, decimals: u32) -> Option<i64> {
        match self.floor_units(decimals) {
            (floor, true) => i64::try_from(floor).ok().filter(|value| *value != i64::MIN),
            (_, false) => None,
        }
    }

    /// Whether it has digits behind that many decimals.
    pub(super) fn is_finer_than(&self, decimals: u8) -> bool {
        self.digits.len() as i64 - self.point > i64::from(decimals)
    }

    /// How many decimals it has as a decimal: as many as `decimal`, or more where it is written with
    /// more of them, or fewer where it would be too large. At most [`SCALE_MAX`].
    pub(super) fn scale(&self) -> u8 {
        let written = (0..SCALE_MAX).find(|scale| !self.is_finer_than(*scale));
        let written = written.unwrap_or(SCALE_MAX);
        let common = (written..=DECIMALS).rev();
        common
            .into_iter()
            .find(|scale| self.to_units(u32::from(*scale)).is_some())
            .unwrap_or(written)
    }

    /// The greatest whole number of units of `10^-decimals` that is at most the value, and whether it
    /// is the value. Values far beyond `i64` come back as some other number far beyond it.
    fn floor_units(&self, decimals: u32) -> (i128, bool) {
        const FAR: i64 = 25;
        let whole_digits = self.point + i64::from(decimals);
        let exact = self.digits.is_empty() || self.digits.len() as i64 <= whole_digits;
        let mut magnitude = 0i128;
        if !self.digits.is_empty() {
            for place in 0..whole_digits.clamp(0, FAR) {
                let digit = usize::try_from(place).ok().and_then(|at| self.digits.get(at));
                magnitude = magnitude * 10 + i128::from(digit.copied().unwrap_or(0));
            }
        }
        match (self.negative, exact) {
            (false, _) => (magnitude, exact),
            (true, true) => (-magnitude, true),
            (true, false) => (-magnitude - 1, false),
        }
    }

    /// The comparison of whole numbers of units with an `i64` that is true exactly when `op` is true
    /// of them and this number: `x > 2.5` is `x > 2`, `x = 2.5` is what no `x` satisfies.
    pub(super) fn bound(&self, op: Comparison, decimals: u32) -> (Comparison, i64) {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        const ALWAYS: (Comparison, i64) = (LessOrEqual, i64::MAX);
        const NEVER: (Comparison, i64) = (Greater, i64::MAX);
        let (floor, exact) = self.floor_units(decimals);
        match (i64::try_from(floor), op) {
            (Ok(value), _) if exact => (op, value),
            (_, Equal) => NEVER,
            (_, NotEqual) => ALWAYS,
            (Ok(value), Less | LessOrEqual) => (LessOrEqual, value),
            (Ok(value), Greater | GreaterOrEqual) => (Greater, value),
            (Err(_), Less | LessOrEqual) => {
                if floor > 0 {
                    ALWAYS
                } else {
                    NEVER
                }
            }
            (Err(_), Greater | GreaterOrEqual) => {
                if floor > 0 {
                    NEVER
                } else {
                    ALWAYS
                }
            }
        }
    }

    /// Which of two numbers is greater.
    pub(super) fn compare(&self, other: &Number) -> Ordering {
        let magnitude =
            || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        match (self.sign(), other.sign()) {
            (1, 1) => magnitude(),
            (-1, -1) => magnitude().reverse(),
            (a, b) => a.cmp(&b),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}
