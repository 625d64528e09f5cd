//! Numbers by their decimal text, exactly.
//!
//! The text is that of a JSON number (the parser has seen to it): `-?int(.frac)?([eE][+-]?exp)?`.

use crate::value::DECIMAL_UNITS_MAX;

/// Where digits have to be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest, ties to the even neighbour.
    HalfEven,
    /// Towards minus infinity.
    Floor,
}

/// The most digits that surely fit an `i64`.
const DIGITS_MAX: i64 = 18;
/// Decimals have fewer units than this.
const UNITS_END: i64 = DECIMAL_UNITS_MAX + 1;

/// `text * 10^scale` as an integer; `None` from 10^18 on, and for what is not a number.
pub(super) fn scaled(text: &str, scale: u32, rounding: Rounding) -> Option<i64> {
    short(text.as_bytes(), scale).or_else(|| long(text, i64::from(scale), rounding))
}

/// A number in units, and whether it had more digits than these hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub units: i64,
    pub rounded: bool,
}

/// `text * 10^scale`, rounded half to even; `None` from 10^18 on, and for what is not a number.
pub(super) fn decimal(text: &str, scale: u8) -> Option<Decimal> {
    if let Some(units) = short(text.as_bytes(), u32::from(scale)) {
        return Some(Decimal { units, rounded: false });
    }
    let (units, exact) = cut(text, i64::from(scale), Rounding::HalfEven)?;
    Some(Decimal { units, rounded: !exact })
}

/// `value / 10^from` in units of `10^-to`, rounded half to even; `None` from 10^18 units on.
pub(super) fn rescaled(value: i128, from: u32, to: u8) -> Option<Decimal> {
    let kept = |units: i128, rounded| {
        let units = i64::try_from(units)
            .ok()
            .filter(|units| units.unsigned_abs() < UNITS_END.unsigned_abs())?;
        Some(Decimal { units, rounded })
    };
    let Some(beyond) = from.checked_sub(u32::from(to)) else {
        return kept(value.checked_mul(10_i128.pow(u32::from(to) - from))?, false);
    };
    // 10^38 fits; from there on what is left of 128 bits is less than a half.
    let Some(divisor) = 10_i128.checked_pow(beyond) else {
        return kept(0, value != 0);
    };
    let (whole, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let up = match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole.rem_euclid(2) == 1,
        std::cmp::Ordering::Greater => true,
    };
    kept(whole + i128::from(up), rest != 0)
}

/// `text * 10^-scale`, floored.
pub(super) fn scaled_down(text: &str, scale: u32) -> Option<i64> {
    long(text, -i64::from(scale), Rounding::Floor)
}

/// The common case: few digits, no exponent, nothing to round.
#[inline]
fn short(text: &[u8], scale: u32) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    let mut value: i64 = 0;
    let mut left: Option<u32> = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                if let Some(places) = &mut left {
                    *places = places.checked_sub(1)?;
                }
            }
            b'.' if left.is_none() => left = Some(scale),
            _ => return None,
        }
    }
    let value = value.checked_mul(10_i64.checked_pow(left.unwrap_or(scale))?)?;
    (value.unsigned_abs() < 10_u64.pow(18)).then_some(if negative { -value } else { value })
}

/// Any number of digits, any exponent.
fn long(text: &str, scale: i64, rounding: Rounding) -> Option<i64> {
    cut(text, scale, rounding).map(|(value, _)| value)
}

/// The same, and whether nothing was cut off.
fn cut(text: &str, scale: i64, rounding: Rounding) -> Option<(i64, bool)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, clamped(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|b| match b {
        b'0'..=b'9' => Some(i64::from(b - b'0')),
        _ => None,
    });
    // How many of the digits stand before the point once the value is scaled.
    let mut places = i64::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(scale)?;
    let (mut value, mut significant) = (0_i64, 0_i64);
    while places > 0 {
        let digit = match digits.next() {
            Some(digit) => digit?,
            None if value == 0 => break,
            None => 0,
        };
        significant += i64::from(significant > 0 || digit > 0);
        if significant > DIGITS_MAX {
            return None;
        }
        value = value * 10 + digit;
        places -= 1;
    }
    // What is cut off: against a half, its first digit (0 when zeros stand before it) and the rest.
    let first = if places < 0 { 0 } else { digits.next().unwrap_or(Some(0))? };
    let mut rest = false;
    for digit in digits {
        rest |= digit? != 0;
    }
    let up = match rounding {
        Rounding::Floor => negative && (first > 0 || rest),
        Rounding::HalfEven => first > 5 || (first == 5 && (rest || value % 2 == 1)),
    };
    let value = value + i64::from(up);
    let value = (value < UNITS_END).then_some(if negative { -value } else { value })?;
    Some((value, first == 0 && !rest))
}

/// What a number is, taken for a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Is(i64),
    /// It has a fraction that is not 0.
    Fraction,
    /// It is none of 64 bits, or the one that stands for null.
    Beyond,
}

/// The value of a number that is whole, however it is written: `5`, `5.00`, `0.5e1`.
pub(super) fn whole(text: &str) -> Whole {
    exact(text).unwrap_or(Whole::Fraction)
}

/// `None` for what is no number.
fn exact(text: &str) -> Option<Whole> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, clamped(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    let mut places = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let (mut value, mut beyond) = (0_i64, false);
    while places > 0 {
        let digit = match digits.next() {
            Some(digit @ b'0'..=b'9') => i64::from(digit - b'0'),
            Some(_) => return None,
            None if value == 0 || beyond => break,
            None => 0,
        };
        match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
            Some(next) => value = next,
            None => beyond = true,
        }
        places -= 1;
    }
    if digits.any(|digit| digit != b'0') {
        return Some(Whole::Fraction);
    }
    Some(match beyond {
        true => Whole::Beyond,
        false => Whole::Is(if negative { -value } else { value }),
    })
}

/// The number that stands in a text, without its plus sign: JSON's grammar, and leading zeros. No
/// thousands marks, no comma, no `0x`, no `NaN`.
pub(super) fn in_text(text: &str) -> Option<&str> {
    let number = text.strip_prefix('+').unwrap_or(text);
    let unsigned = match number.strip_prefix('-') {
        Some(_) if number.len() < text.len() => return None,
        unsigned => unsigned.unwrap_or(number),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(digits)).then_some(number)
}

/// An exponent, far beyond any use but not beyond arithmetic.
fn clamped(exponent: &str) -> Option<i64> {
    const LIMIT: i64 = 1 << 40;
    let digits = exponent.trim_start_matches(['+', '-']);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().map_or(LIMIT, |size: i64| size.min(LIMIT));
    Some(if exponent.starts_with('-') { -size } else { size })
}

/// An integer in integer syntax (no point, no exponent) from `-i64::MAX` to `i64::MAX`.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|value| *value != i64::MIN)
}

/// Whether `text` is in integer syntax.
pub(super) fn is_integer_syntax(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    #[test]
    fn ties_round_to_the_even_neighbour() {
        let micros = |text| scaled(text, 6, Rounding::HalfEven);
        assert_eq!(micros("0.0000005"), Some(0));
        assert_eq!(micros("0.0000015"), Some(2));
        assert_eq!(micros("-0.0000025"), Some(-2));
        assert_eq!(micros("0.00000250000000000000000000000001"), Some(3));
        assert_eq!(micros("1234567.8901234"), Some(1_234_567_890_123));
        assert_eq!(micros("5e-7"), Some(0));
        assert_eq!(micros("15e-7"), Some(2));
        assert_eq!(micros("9e-8"), Some(0));
        assert_eq!(micros("0e999999999999999999999"), Some(0));
        assert_eq!(micros("1e999999999999999999999"), None);
        assert_eq!(micros("1e-999999999999999999999"), Some(0));
        assert_eq!(micros("0.00000000000000000000001e23"), Some(1_000_000));
        assert_eq!(micros("1e11"), Some(100_000_000_000_000_000));
        assert_eq!(micros("1e12"), None);
    }

    #[test]
    fn the_least_of_64_bits_is_beyond_the_range_as_its_neighbours_are() {
        for units in [i64::MIN, i64::MIN + 1, i64::MAX] {
            for from in 0..=2 {
                let kept = rescaled(i128::from(units) * 10_i128.pow(from), from, 0);
                assert!(kept.is_none(), "{units}");
            }
        }
        let least = rescaled(1 - i128::from(UNITS_END), 2, 2).map(|kept| kept.units);
        assert_eq!(least, Some(1 - UNITS_END));
    }

    #[test]
    fn times_are_floored() {
        assert_eq!(scaled("1700000000.1239", 3, Rounding::Floor), Some(1_700_000_000_123));
        assert_eq!(scaled("-0.5", 0, Rounding::Floor), Some(-1));
        assert_eq!(scaled("1.7e9", 3, Rounding::Floor), Some(1_700_000_000_000));
        assert_eq!(scaled_down("1700000000123999", 3), Some(1_700_000_000_123));
        assert_eq!(scaled_down("999.9", 3), Some(0));
        assert_eq!(scaled_down("-1", 3), Some(-1));
    }

    /// `digits * 10^exponent` in units of `10^-scale`, by dividing whole numbers.
    fn naive(digits: i128, exponent: i32, scale: u8) -> (i128, bool) {
        let places = exponent + i32::from(scale);
        let power = |n: i32| (0..n).fold(1_i128, |power, _| power * 10);
        if places >= 0 {
            return (digits * power(places), false);
        }
        let (unit, magnitude) = (power(-places), digits.abs());
        let (whole, rest) = (magnitude / unit, magnitude % unit);
        let up = 2 * rest > unit || (2 * rest == unit && whole % 2 == 1);
        (digits.signum() * (whole + i128::from(up)), rest != 0)
    }

    #[test]
    fn decimals_of_every_scale_are_those_of_whole_numbers_divided() {
        let mut random = SmallRng::seed_from_u64(11);
        let (mut kept, mut rounded, mut beyond) = (0, 0, 0);
        for _ in 0..200_000 {
            let size = random.random_range(1..=18);
            let digits = random.random_range(0..10_i128.pow(size));
            let digits = match random.random_range(0..4) {
                // Halves, where ties are.
                0 => digits / 10 * 10 + 5,
                1 => -digits,
                _ => digits,
            };
            let scale = random.random_range(0..=crate::value::SCALE_MAX);
            let exponent = random.random_range(-16..=6);
            let point = random.random_range(0..=16_usize);
            // The same number with a point somewhere.
            let padded = format!("{:0>width$}", digits.abs(), width = point + 1);
            let (whole, fraction) = padded.split_at(padded.len() - point);
            let sign = if digits < 0 { "-" } else { "" };
            let dot = if point > 0 { "." } else { "" };
            let shift = exponent + i32::try_from(point).unwrap();
            let text = match shift {
                0 => format!("{sign}{whole}{dot}{fraction}"),
                _ => format!("{sign}{whole}{dot}{fraction}e{shift}"),
            };
            let (units, lost) = naive(digits, exponent, scale);
            let expected = (units.abs() < 10_i128.pow(18))
                .then(|| Decimal { units: i64::try_from(units).unwrap(), rounded: lost });
            assert_eq!(decimal(&text, scale), expected, "{text} of scale {scale}");
            if let Ok(from) = u32::try_from(-exponent) {
                assert_eq!(rescaled(digits, from, scale), expected, "{text} of scale {scale}");
            }
            match expected {
                None => beyond += 1,
                Some(Decimal { rounded: true, .. }) => rounded += 1,
                Some(_) => kept += 1,
            }
        }
        assert!(kept > 10_000 && rounded > 10_000 && beyond > 1_000, "{kept} {rounded} {beyond}");
        assert_eq!(rescaled(i128::MAX, 60, 6), Some(Decimal { units: 0, rounded: true }));
        assert_eq!(rescaled(i128::MAX, 0, 12), None);
    }
}
