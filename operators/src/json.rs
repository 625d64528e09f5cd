//! Values as the text that files, Redis and pages show: doubles as the shortest decimal that reads back
//! the same, decimals as the double next to them.

use crate::value::{Column, Type};
use std::io::Write as _;

/// Decimals of fewer digits than this are told apart by doubles: the shortest decimal that reads back as
/// the double next to one is that decimal.
const EXACT_DIGITS: u32 = 15;
/// Below this many places behind the point doubles are written without an exponent.
const PLAIN_PLACES: u32 = 5;

/// Appends an integer.
pub fn push_int(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the value at `row` as JSON: doubles as the shortest decimal that reads back the same.
pub fn push_json(column: &Column, ty: Type, row: usize, out: &mut Vec<u8>) {
    let Some(word) = column.word(row) else {
        return out.extend_from_slice(b"null");
    };
    match ty {
        Type::Text => push_json_text(column.bytes(row).unwrap_or_default(), out),
        Type::Ip => match column.bytes(row).and_then(crate::value::address) {
            Some(address) => {
                // Writing to a vector does not fail.
                let _ = write!(out, "\"{address}\"");
            }
            None => out.extend_from_slice(b"null"),
        },
        _ => push_word(ty, word, out),
    }
}

/// Appends the text of a value by its word, the same wherever values are shown; nothing for text
/// and ip, which are bytes.
pub fn push_word(ty: Type, word: u64, out: &mut Vec<u8>) {
    let double = match ty {
        Type::Int | Type::Timestamp => return push_int(word.cast_signed(), out),
        Type::Bool => {
            return out.extend_from_slice(if word != 0 { b"true" } else { b"false" });
        }
        Type::Double => f64::from_bits(word),
        Type::Decimal(scale) => match push_decimal(word.cast_signed(), scale, out) {
            Ok(()) => return,
            Err(double) => double,
        },
        Type::Text | Type::Ip => return,
    };
    out.extend_from_slice(ryu::Buffer::new().format(double).as_bytes());
}

/// Appends `text` as a JSON string. It came from one, so it is UTF-8.
pub fn push_json_text(text: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    out.extend_from_slice(quoted(&String::from_utf8_lossy(text)).as_bytes());
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends `units` of `10^-scale` as the double next to it is written, from its digits.
///
/// # Errors
/// With that double where the digits are not what is written of it: it is too long, or so small that
/// it is written with an exponent.
fn push_decimal(units: i64, scale: u8, out: &mut Vec<u8>) -> Result<(), f64> {
    let unit = Type::Decimal(scale).unit();
    let size = units.unsigned_abs();
    let (whole, part) = (size / unit.unsigned_abs(), size % unit.unsigned_abs());
    let small = whole == 0 && part != 0 && part.ilog10() + PLAIN_PLACES < u32::from(scale);
    if size >= 10_u64.pow(EXACT_DIGITS) || small {
        return Err(units as f64 / unit as f64);
    }
    if units < 0 {
        out.push(b'-');
    }
    push_int(whole, out);
    out.push(b'.');
    // With a digit in front, so that zeros right behind the point are written too.
    let mut digits = itoa::Buffer::new();
    let part = digits.format(part + unit.unsigned_abs()).as_bytes().get(1..).unwrap_or_default();
    let zeros = part.iter().rev().take_while(|digit| **digit == b'0').count();
    match &part[..part.len() - zeros] {
        [] => out.push(b'0'),
        part => out.extend_from_slice(part),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(units: i64, scale: u8) -> String {
        let mut out = Vec::new();
        push_word(Type::Decimal(scale), units.cast_unsigned(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// By way of the double.
    fn twin(units: i64, scale: u8) -> String {
        let double = units as f64 / Type::Decimal(scale).unit() as f64;
        ryu::Buffer::new().format(double).to_owned()
    }

    #[test]
    fn decimals_are_written_from_their_digits_as_the_doubles_next_to_them() {
        for (units, scale, text) in [
            (5_000_000, 6, "5.0"),
            (-1_050_000, 6, "-1.05"),
            (0, 6, "0.0"),
            (0, 0, "0.0"),
            (17, 0, "17.0"),
            (1, 5, "0.00001"),
            (10, 6, "0.00001"),
            (12, 6, "0.000012"),
            (1, 6, "1e-6"),
            (1, 12, "1e-12"),
            (100, 6, "0.0001"),
            (999_999_999_999_999, 0, "999999999999999.0"),
            (1_000_000_000_000_000, 12, "1000.0"),
            (i64::MIN, 0, "-9.223372036854776e18"),
        ] {
            assert_eq!(written(units, scale), text, "{units} of {scale}");
        }
    }

    proptest! {
        #[test]
        fn digits_and_doubles_read_the_same(
            units in any::<i64>(), shift in 0_u32..64, scale in 0..=crate::value::SCALE_MAX,
        ) {
            let units = units >> shift;
            prop_assert_eq!(written(units, scale), twin(units, scale));
            // Round amounts, of many zeros.
            let round = units % 1_000 * 10_i64.pow(shift % 16);
            prop_assert_eq!(written(round, scale), twin(round, scale));
        }
    }
}
