//! What a value of one kind is as a field of another type, exactly: no large number passes through a
//! double. All of it is a function of the value and the field.

use super::ip;
use super::number::{self, Whole};
use super::time;
use crate::plan::ReadOptions;
use crate::value::Type;
use std::borrow::Cow;
use std::net::IpAddr;

/// The most digits of a whole number that is read as a text.
const ID_DIGITS_MAX: usize = 64;
/// Doubles below this tell all whole numbers apart: `12345.0` was an id, `1e16` may have been another.
const DOUBLE_WHOLE_MAX: i64 = 1 << 53;

/// A value, on its way into a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Converted<'t> {
    Null,
    /// An int, units of a decimal, or ms since the epoch.
    Int(i64),
    /// Units of a decimal that had more digits.
    Rounded(i64),
    Double(f64),
    Bool(bool),
    Text(Cow<'t, str>),
    Ip(IpAddr),
}

/// Why a value is none of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It says nothing that the type could be.
    Type,
    /// It is a number that the type does not hold.
    Range,
}

/// What a text is as a field of type `ty`.
pub(super) fn text<'t>(
    ty: Type,
    text: &'t str,
    reading: &ReadOptions,
) -> Result<Converted<'t>, Misfit> {
    let meant = match reading.coerce && ty != Type::Text {
        true => text.trim_matches(|c: char| c.is_ascii_whitespace()),
        false => text,
    };
    if reading.null_values.iter().any(|null| null == meant) {
        return Ok(Converted::Null);
    }
    match ty {
        Type::Text if text.len() > reading.text_bytes_max => return Err(Misfit::Range),
        Type::Text => return Ok(Converted::Text(text.into())),
        _ if reading.coerce && meant.is_empty() => return Ok(Converted::Null),
        Type::Ip => return ip::read(meant, reading),
        Type::Timestamp => return timestamp(time::of_text(meant, &reading.time), reading),
        _ if !reading.coerce => return Err(Misfit::Type),
        _ => {}
    }
    if ty == Type::Bool && ["true", "false"].iter().any(|word| meant.eq_ignore_ascii_case(word)) {
        return Ok(Converted::Bool(meant.len() == "true".len()));
    }
    match number::in_text(meant) {
        Some(number) => {
            let given = self::number(ty, number, reading)?;
            // Only a number of its own kind is taken from here: none of these is a text.
            Ok(match given {
                Converted::Int(value) => Converted::Int(value),
                Converted::Rounded(value) => Converted::Rounded(value),
                Converted::Double(value) => Converted::Double(value),
                Converted::Bool(value) => Converted::Bool(value),
                Converted::Null | Converted::Text(_) | Converted::Ip(_) => {
                    return Err(Misfit::Type);
                }
            })
        }
        None => Err(Misfit::Type),
    }
}

/// What a number, by its text in JSON's grammar (leading zeros are allowed), is as a field of type
/// `ty`.
pub(super) fn number(
    ty: Type,
    text: &str,
    reading: &ReadOptions,
) -> Result<Converted<'static>, Misfit> {
    match ty {
        Type::Timestamp if !reading.time.unit.is_number() => Err(Misfit::Type),
        Type::Timestamp => {
            let ms = match number::integer(text) {
                Some(value) => time::of_integer(value, &reading.time),
                None => time::of_number(text, &reading.time),
            };
            timestamp(Some(ms.ok_or(Misfit::Range)?), reading)
        }
        Type::Int => match number::integer(text) {
            Some(value) => Ok(Converted::Int(value)),
            None if number::is_integer_syntax(text) => Err(Misfit::Range),
            None if !reading.coerce => Err(Misfit::Type),
            None => whole(text).map(Converted::Int),
        },
        Type::Decimal(scale) => number::decimal(text, scale).map(decimal).ok_or(Misfit::Range),
        Type::Double => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Converted::Double(value)),
            _ => Err(Misfit::Range),
        },
        Type::Bool if reading.coerce => match whole(text) {
            Ok(value @ (0 | 1)) => Ok(Converted::Bool(value == 1)),
            _ => Err(Misfit::Type),
        },
        Type::Text if reading.coerce => {
            id(text).map(|id| Converted::Text(id.to_owned().into())).ok_or(Misfit::Type)
        }
        Type::Bool | Type::Text | Type::Ip => Err(Misfit::Type),
    }
}

/// What true or false is as a field of type `ty`.
pub(super) fn boolean(
    ty: Type,
    value: bool,
    reading: &ReadOptions,
) -> Result<Converted<'static>, Misfit> {
    match ty {
        Type::Bool => Ok(Converted::Bool(value)),
        Type::Text if reading.coerce => {
            Ok(Converted::Text(if value { "true" } else { "false" }.into()))
        }
        _ => Err(Misfit::Type),
    }
}

fn timestamp(ms: Option<i64>, reading: &ReadOptions) -> Result<Converted<'static>, Misfit> {
    match ms {
        Some(ms) if reading.holds_time(ms) => Ok(Converted::Int(ms)),
        Some(_) => Err(Misfit::Range),
        None => Err(Misfit::Type),
    }
}

/// What a decimal is found to be.
pub(super) fn decimal(decimal: number::Decimal) -> Converted<'static> {
    match decimal.rounded {
        true => Converted::Rounded(decimal.units),
        false => Converted::Int(decimal.units),
    }
}

fn whole(text: &str) -> Result<i64, Misfit> {
    match number::whole(text) {
        Whole::Is(value) => Ok(value),
        Whole::Beyond => Err(Misfit::Range),
        Whole::Fraction => Err(Misfit::Type),
    }
}

/// The text of a whole number that is an id: its digits as they are written, without the `.0` that
/// tools write which keep ids in doubles.
fn id(text: &str) -> Option<&str> {
    let digits = match text.split_once('.') {
        None => text,
        Some((whole, fraction)) => {
            let zeros = !fraction.is_empty() && fraction.bytes().all(|b| b == b'0');
            let value = number::integer(whole).filter(|_| zeros)?;
            (value.abs() < DOUBLE_WHOLE_MAX).then_some(whole)?
        }
    };
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    if unsigned.len() > ID_DIGITS_MAX || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(if unsigned == "0" { unsigned } else { digits })
}
