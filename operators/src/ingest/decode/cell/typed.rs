//! Values that come with a type instead of as text.

use super::{Row, expected, wrong};
use crate::ingest::decode::avro::Unit;
use crate::ingest::decode::error::{DecodeError, shown};
use crate::ingest::decode::trie::Leaf;
use crate::plan::TimeUnit;
use crate::value::{DECIMAL_MAX, MICROS, Type};
use std::fmt::Write as _;

/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

impl Row<'_> {
    /// An integer.
    #[inline]
    pub fn put_int(&mut self, leaf: usize, value: i64, unit: Unit) -> Result<(), DecodeError> {
        let leaf = self.leaf(leaf)?;
        if let Some((field, ty)) = leaf.field {
            let word = match ty {
                Type::Int => Some(value),
                Type::Timestamp => to_ms(value, unit, None),
                Type::Decimal => value.checked_mul(MICROS).filter(|m| m.abs() <= DECIMAL_MAX),
                Type::Double => {
                    self.cell(leaf, field, |c| c.push_double(value as f64));
                    return self.put_int_time(leaf, value, unit);
                }
                Type::Bool | Type::Text | Type::Ip => {
                    return Err(wrong(leaf, &format!("number {value}")));
                }
            };
            let word = word.filter(|word| *word != i64::MIN);
            let word = word.ok_or_else(|| out_of_range(leaf, value.to_string()))?;
            self.cell(leaf, field, |c| c.push_int(word));
        }
        self.put_int_time(leaf, value, unit)
    }

    #[inline]
    fn put_int_time(&mut self, leaf: &Leaf, value: i64, unit: Unit) -> Result<(), DecodeError> {
        if leaf.time.is_none() && leaf.arrival.is_none() {
            return Ok(());
        }
        self.put_time(leaf, |written| to_ms(value, unit, Some(written)))
            .map_err(|_| out_of_range(leaf, value.to_string()))
    }

    /// A double.
    pub fn put_double(&mut self, leaf: usize, value: f64) -> Result<(), DecodeError> {
        let leaf = self.leaf(leaf)?;
        match leaf.field {
            Some((field, Type::Double)) if value.is_finite() && !leaf.is_time() => {
                self.cell(leaf, field, |c| c.push_double(value));
                Ok(())
            }
            _ if value.is_finite() => {
                let mut text = ryu::Buffer::new();
                self.put_number_at(leaf, text.format_finite(value))
            }
            _ => Err(out_of_range(leaf, value.to_string())),
        }
    }

    /// A float: as a double the same number, as a decimal the one that its shortest text says.
    pub fn put_float(&mut self, leaf: usize, value: f32) -> Result<(), DecodeError> {
        let known = self.leaf(leaf)?;
        match known.field {
            Some((_, Type::Double)) | None => self.put_double(leaf, f64::from(value)),
            _ if value.is_finite() => {
                let mut text = ryu::Buffer::new();
                self.put_number_at(known, text.format_finite(value))
            }
            _ => Err(out_of_range(known, value.to_string())),
        }
    }

    /// Text that should be UTF-8.
    #[inline]
    pub fn put_utf8(&mut self, leaf: usize, bytes: &[u8]) -> Result<(), DecodeError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.put_text(leaf, text),
            Err(_) => Err(wrong(self.leaf(leaf)?, "bytes that are not UTF-8")),
        }
    }

    /// The 16 bytes of a UUID, as its text.
    pub fn put_uuid(&mut self, leaf: usize, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut text = String::with_capacity(36);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        self.put_text(leaf, &text)
    }

    /// A big-endian integer of `scale` decimals.
    pub fn put_unscaled(
        &mut self,
        leaf: usize,
        bytes: &[u8],
        scale: u32,
    ) -> Result<(), DecodeError> {
        let known = self.leaf(leaf)?;
        let Some(value) = integer(bytes) else {
            return Err(out_of_range(known, format!("a number of {} bytes", bytes.len())));
        };
        if let (Some((field, Type::Decimal)), false) = (known.field, known.is_time()) {
            let micros = micros(value, scale).filter(|m| m.abs() <= DECIMAL_MAX);
            let micros = micros.ok_or_else(|| out_of_range(known, decimal_text(value, scale)))?;
            self.cell(known, field, |c| c.push_int(micros));
            return Ok(());
        }
        self.put_number_at(known, &decimal_text(value, scale))
    }
}

impl Leaf {
    fn is_time(&self) -> bool {
        self.time.is_some() || self.arrival.is_some()
    }
}

fn out_of_range(leaf: &Leaf, found: String) -> DecodeError {
    let (field, expected) = (leaf.label.clone(), expected(leaf));
    DecodeError::OutOfRange { field, expected, found: shown(&found) }
}

/// Milliseconds, floored: as its own type says, else as `written` does, else as they are.
fn to_ms(value: i64, unit: Unit, written: Option<TimeUnit>) -> Option<i64> {
    match (unit, written) {
        (Unit::PerMs(1), _) | (Unit::Plain, None | Some(TimeUnit::Ms)) => Some(value),
        (Unit::PerMs(per_ms), _) => Some(value.div_euclid(per_ms.max(1))),
        (Unit::Days, _) => value.checked_mul(DAY_MS),
        (Unit::Plain, Some(TimeUnit::S)) => value.checked_mul(1_000),
        (Unit::Plain, Some(TimeUnit::Us)) => Some(value.div_euclid(1_000)),
        (Unit::Plain, Some(TimeUnit::Rfc3339)) => None,
    }
}

/// A big-endian integer of two's complement; `None` beyond 128 bits.
fn integer(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let filler = if negative { 0xff } else { 0 };
    let padding = bytes.iter().take_while(|byte| **byte == filler).count();
    let digits = bytes.get(padding..)?;
    if digits.len() > 16 {
        return None;
    }
    let mut whole = [filler; 16];
    whole.get_mut(16 - digits.len()..)?.copy_from_slice(digits);
    let value = i128::from_be_bytes(whole);
    ((value < 0) == negative).then_some(value)
}

/// `value / 10^scale` in millionths, ties to the even neighbour.
fn micros(value: i128, scale: u32) -> Option<i64> {
    if scale <= 6 {
        return i64::try_from(value.checked_mul(10_i128.pow(6 - scale))?).ok();
    }
    // 10^38 fits; from there on what is left of 128 bits is less than a half.
    let Some(divisor) = 10_i128.checked_pow(scale - 6) else {
        return Some(0);
    };
    let (whole, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let up = match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole.rem_euclid(2) == 1,
        std::cmp::Ordering::Greater => true,
    };
    i64::try_from(whole + i128::from(up)).ok()
}

/// `value / 10^scale` as text, without an exponent where there are no decimals.
fn decimal_text(value: i128, scale: u32) -> String {
    if scale == 0 { value.to_string() } else { format!("{value}e-{scale}") }
}
