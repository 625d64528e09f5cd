//! Values that come with a type instead of as text.

use super::{Row, expected, unit_hint};
use crate::ingest::decode::avro::Unit;
use crate::ingest::decode::coerce::{self, Misfit};
use crate::ingest::decode::error::{DecodeError, shown};
use crate::ingest::decode::number;
use crate::ingest::decode::time;
use crate::ingest::decode::trie::Leaf;
use crate::plan::TimeForm;
use crate::value::{DECIMAL_UNITS_MAX, Type};
use std::fmt::Write as _;

/// The most zeros that are written out behind a number.
const ZEROS_MAX: usize = 64;
/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

impl<'a> Row<'a> {
    /// An integer.
    #[inline]
    pub fn put_int(&mut self, leaf: usize, value: i64, unit: Unit) {
        let Some(leaf) = self.leaves.get(leaf) else { return };
        if let Some((field, ty)) = leaf.field {
            let word = match ty {
                Type::Int => Some(value),
                Type::Timestamp => {
                    let ms = to_ms(value, unit, &leaf.reading.time);
                    ms.filter(|ms| leaf.reading.holds_time(*ms))
                }
                Type::Decimal(_) => {
                    let units = value.checked_mul(ty.unit());
                    units.filter(|units| units.unsigned_abs() <= DECIMAL_UNITS_MAX.unsigned_abs())
                }
                Type::Double => {
                    self.cell(leaf, field, |c| c.push_double(value as f64));
                    return self.put_int_time(leaf, value, unit);
                }
                Type::Bool | Type::Text | Type::Ip => {
                    let mut digits = itoa::Buffer::new();
                    let given = coerce::number(ty, digits.format(value), &leaf.reading);
                    self.put_given(leaf, field, given, || format!("number {value}"));
                    return self.put_int_time(leaf, value, unit);
                }
            };
            match word.filter(|word| *word != i64::MIN) {
                Some(word) => self.cell(leaf, field, |c| c.push_int(word)),
                None => {
                    let mut error = out_of_range(leaf, &value.to_string());
                    if let (DecodeError::OutOfRange { hint, found, .. }, Unit::Plain) =
                        (&mut error, unit)
                    {
                        *hint = unit_hint(leaf, found);
                    }
                    self.fault_field(leaf, field, error);
                }
            }
        }
        self.put_int_time(leaf, value, unit);
    }

    #[inline]
    fn put_int_time(&mut self, leaf: &'a Leaf, value: i64, unit: Unit) {
        if leaf.is_time() && self.put_time(leaf, |form| to_ms(value, unit, form)).is_err() {
            self.fault_time(leaf, out_of_range(leaf, &value.to_string()));
        }
    }

    /// A double.
    pub fn put_double(&mut self, leaf: usize, value: f64) {
        let Some(leaf) = self.leaves.get(leaf) else { return };
        match leaf.field {
            Some((field, Type::Double)) if value.is_finite() && !leaf.is_time() => {
                self.cell(leaf, field, |c| c.push_double(value));
            }
            _ if value.is_finite() => {
                let mut text = ryu::Buffer::new();
                self.put_number_at(leaf, text.format_finite(value));
            }
            _ => self.fault(leaf, out_of_range(leaf, &value.to_string())),
        }
    }

    /// A float: as a double the same number, as any other the one that its shortest text says.
    pub fn put_float(&mut self, leaf: usize, value: f32) {
        let Some(known) = self.leaves.get(leaf) else { return };
        match known.field {
            Some((_, Type::Double)) | None => self.put_double(leaf, f64::from(value)),
            _ if value.is_finite() => {
                let mut text = ryu::Buffer::new();
                self.put_number_at(known, text.format_finite(value));
            }
            _ => self.fault(known, out_of_range(known, &value.to_string())),
        }
    }

    /// Text that should be UTF-8.
    #[inline]
    pub fn put_utf8(&mut self, leaf: usize, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.put_text(leaf, text),
            Err(_) => self.refuse(leaf, "bytes that are not UTF-8"),
        }
    }

    /// The 16 bytes of a UUID, as its text.
    pub fn put_uuid(&mut self, leaf: usize, bytes: &[u8]) {
        self.put_text(leaf, &uuid_text(bytes));
    }

    /// A big-endian integer of `scale` decimals.
    pub fn put_unscaled(&mut self, leaf: usize, bytes: &[u8], scale: u32) {
        let Some(known) = self.leaves.get(leaf) else { return };
        let Some(value) = integer(bytes) else {
            let error = out_of_range(known, &format!("a number of {} bytes", bytes.len()));
            return self.fault(known, error);
        };
        if let (Some((field, Type::Decimal(kept))), false) = (known.field, known.is_time()) {
            let given = number::rescaled(value, scale, kept).map(coerce::decimal);
            let given = given.ok_or(Misfit::Range);
            return self.put_given(known, field, given, || shown(&decimal_text(value, scale)));
        }
        self.put_number_at(known, &decimal_text(value, scale));
    }

    /// A big-endian integer with so many zeros behind it.
    pub fn put_multiple(&mut self, leaf: usize, bytes: &[u8], zeros: u32) {
        let Some(known) = self.leaves.get(leaf) else { return };
        match (integer(bytes), usize::try_from(zeros)) {
            (None | Some(0), _) => self.put_unscaled(leaf, bytes, 0),
            (Some(value), Ok(zeros)) if zeros <= ZEROS_MAX => {
                self.put_number_at(known, &format!("{value}{:0<zeros$}", ""));
            }
            (Some(value), _) => self.put_number_at(known, &format!("{value}e{zeros}")),
        }
    }

    /// A value of a type that is never what is wanted at these leaves.
    #[cold]
    pub fn refuse_all(&mut self, leaves: &[usize], error: &DecodeError) {
        let known = self.leaves;
        for leaf in leaves.iter().filter_map(|leaf| known.get(*leaf)) {
            self.fault(leaf, error.clone());
        }
    }
}

fn out_of_range(leaf: &Leaf, found: &str) -> DecodeError {
    let (field, expected, hint) = (leaf.label.clone(), expected(leaf), String::new());
    DecodeError::OutOfRange { field, expected, found: shown(found), hint }
}

/// Milliseconds, floored: as its own type says, else as the job does.
#[inline]
fn to_ms(value: i64, unit: Unit, form: &TimeForm) -> Option<i64> {
    match unit {
        Unit::PerMs(1) => Some(value),
        Unit::PerMs(per_ms) => Some(value.div_euclid(per_ms.max(1))),
        Unit::Days => value.checked_mul(DAY_MS),
        Unit::Plain => time::of_integer(value, form),
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

/// The 16 bytes of a UUID as it is written.
pub(in crate::ingest::decode) fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A big-endian integer of `scale` decimals as text; `None` where it has more than 128 bits.
pub(in crate::ingest::decode) fn unscaled_text(bytes: &[u8], scale: u32) -> Option<String> {
    integer(bytes).map(|value| decimal_text(value, scale))
}

/// `value / 10^scale` as text: with a point, unless that would be much longer than the digits.
fn decimal_text(value: i128, scale: u32) -> String {
    let places = match usize::try_from(scale) {
        Ok(0) => return value.to_string(),
        Ok(places) if places <= 64 => places,
        _ => return format!("{value}e-{scale}"),
    };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}
