//! Rows from text: what CSV and the keys of topics have in common.

use super::address::Prefix;
use super::row::Key;
use crate::ingest::decode::{decimal_text, rfc3339_text};
use crate::plan::Matching;
use crate::time::EventTime;
use crate::value::{Cell, Type, address_bytes, parse_address};

/// How much of a wrong value is shown.
const SHOWN_CHARS: usize = 64;

/// The cell that `text` is in a column of type `ty`. Empty text is null, whatever the type.
///
/// # Errors
/// When it is no value of the type: what it is and what it should be.
pub fn cell(text: &str, ty: Type) -> Result<Cell, String> {
    if text.is_empty() {
        return Ok(Cell::Null);
    }
    let word = match ty {
        Type::Text => return Ok(Cell::Bytes(text.as_bytes().to_vec())),
        Type::Ip => match parse_address(text) {
            Some(address) => return Ok(Cell::Bytes(address_bytes(address))),
            None => None,
        },
        Type::Int => text.parse().ok().filter(|int| *int != i64::MIN).map(i64::cast_unsigned),
        Type::Decimal(scale) => decimal(text, scale).map(i64::cast_unsigned),
        Type::Double => {
            let double = text.parse().ok().filter(|double: &f64| double.is_finite());
            double.map(|double| (double + 0.0).to_bits())
        }
        Type::Bool => match text {
            "true" => Some(1),
            "false" => Some(0),
            _ => None,
        },
        Type::Timestamp => time(text),
    };
    word.map(Cell::Word).ok_or_else(|| wrong(text, ty))
}

fn wrong(text: &str, ty: Type) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    let written = match ty {
        Type::Int => "a whole number of 64 bits",
        Type::Decimal(_) => "a number of at most 18 digits, its decimals included, such as 0.25",
        Type::Double => "a number, such as 0.25",
        Type::Bool => "true or false",
        Type::Timestamp => "a time since 1970 in ms or as in 2026-01-31T00:00:00Z",
        Type::Ip => "an address such as 192.0.2.7",
        Type::Text => "a text",
    };
    format!("\"{shown}\" is no {ty}; write {written}")
}

/// Units of `10^-scale`, rounded half to even.
fn decimal(text: &str, scale: u8) -> Option<i64> {
    // Only what is a number: the exact reading below takes that for granted.
    let number = text.parse::<f64>().is_ok_and(f64::is_finite);
    decimal_text(text, scale).filter(|_| number && !text.starts_with('+'))
}

/// Milliseconds since 1970, or RFC 3339.
fn time(text: &str) -> Option<EventTime> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok().filter(|time| i64::try_from(*time).is_ok()),
        false => rfc3339_text(text).and_then(|time| EventTime::try_from(time).ok()),
    }
}

/// From when on a row is valid: always when `text` is empty.
///
/// # Errors
/// When it is no time since 1970.
pub fn valid_from(text: &str) -> Result<EventTime, String> {
    if text.is_empty() {
        return Ok(0);
    }
    time(text).ok_or_else(|| wrong(text, Type::Timestamp))
}

/// The key that `text` is.
///
/// # Errors
/// When it is empty, no value of the key's type, or no prefix.
pub fn key(text: &str, matching: Matching) -> Result<Key, String> {
    match matching {
        Matching::Prefix => Ok(Prefix::parse(text).map_err(|error| error.to_string())?.key()),
        Matching::Exact(ty) => {
            let cell = match ty {
                // An empty text is a key like any other.
                Type::Text => Cell::Bytes(text.as_bytes().to_vec()),
                _ => cell(text, ty)?,
            };
            let mut word = [0; 8];
            let bytes = cell.dictionary(&mut word).ok_or("it is empty, and a row needs a key")?;
            Ok(bytes.to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> Cell {
        Cell::Word(value.cast_unsigned())
    }

    #[test]
    fn values_are_read_by_their_type() {
        let good = [
            ("0.85", Type::DECIMAL, int(850_000)),
            ("-1", Type::DECIMAL, int(-1_000_000)),
            ("0.0000005", Type::DECIMAL, int(0)),
            ("1e3", Type::DECIMAL, int(1_000_000_000)),
            ("999999999999.999999", Type::DECIMAL, int(crate::value::DECIMAL_UNITS_MAX)),
            ("25000000000", Type::DECIMAL, int(25_000_000_000_000_000)),
            ("12.345", Type::Decimal(2), int(1_234)),
            ("-7", Type::Int, int(-7)),
            ("0.1", Type::Double, Cell::Word(0.1_f64.to_bits())),
            ("true", Type::Bool, Cell::Word(1)),
            ("1767225600000", Type::Timestamp, Cell::Word(1_767_225_600_000)),
            ("2026-01-01T00:00:00Z", Type::Timestamp, Cell::Word(1_767_225_600_000)),
            ("x", Type::Text, Cell::Bytes(b"x".to_vec())),
            ("192.0.2.7", Type::Ip, Cell::Bytes(vec![192, 0, 2, 7])),
            ("::ffff:192.0.2.7", Type::Ip, Cell::Bytes(vec![192, 0, 2, 7])),
            ("", Type::Int, Cell::Null),
        ];
        for (text, ty, cell) in good {
            assert_eq!(super::cell(text, ty), Ok(cell), "{text} as {ty}");
        }
        let bad = [
            ("0,85", Type::DECIMAL),
            ("nan", Type::DECIMAL),
            ("inf", Type::Double),
            ("+1", Type::DECIMAL),
            ("1000000000000", Type::DECIMAL),
            ("1.0", Type::Int),
            ("-9223372036854775808", Type::Int),
            ("yes", Type::Bool),
            ("1969-12-31T23:59:59Z", Type::Timestamp),
            ("-1", Type::Timestamp),
            ("1.2.3", Type::Ip),
        ];
        for (text, ty) in bad {
            let wrong = super::cell(text, ty).unwrap_err();
            assert!(wrong.starts_with(&format!("\"{text}\" is no {ty}; write ")), "{wrong}");
        }
    }

    #[test]
    fn keys_are_the_bytes_of_a_dictionary() {
        assert_eq!(key("", Matching::Exact(Type::Text)), Ok(Vec::new()));
        assert_eq!(key("7", Matching::Exact(Type::Int)), Ok(7_u64.to_le_bytes().to_vec()));
        let v4 = key("192.0.2.7", Matching::Exact(Type::Ip));
        assert_eq!(key("::ffff:192.0.2.7", Matching::Exact(Type::Ip)), v4);
        assert!(key("", Matching::Exact(Type::Int)).is_err());
        assert!(key("", Matching::Prefix).is_err());
    }
}
