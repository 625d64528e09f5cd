//! Numbers by their decimal text, exactly.
//!
//! The text is that of a JSON number (the parser has seen to it): `-?int(.frac)?([eE][+-]?exp)?`.

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

/// `text * 10^scale` as an integer; `None` from 10^18 on, and for what is not a number.
pub(super) fn scaled(text: &str, scale: u32, rounding: Rounding) -> Option<i64> {
    short(text.as_bytes(), scale).or_else(|| long(text, i64::from(scale), rounding))
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
    (value < 10_i64.pow(18)).then_some(if negative { -value } else { value })
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
    fn times_are_floored() {
        assert_eq!(scaled("1700000000.1239", 3, Rounding::Floor), Some(1_700_000_000_123));
        assert_eq!(scaled("-0.5", 0, Rounding::Floor), Some(-1));
        assert_eq!(scaled("1.7e9", 3, Rounding::Floor), Some(1_700_000_000_000));
        assert_eq!(scaled_down("1700000000123999", 3), Some(1_700_000_000_123));
        assert_eq!(scaled_down("999.9", 3), Some(0));
        assert_eq!(scaled_down("-1", 3), Some(-1));
    }
}
