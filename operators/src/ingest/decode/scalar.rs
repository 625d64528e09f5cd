//! Single values by the rules of records, for what stands in for them.

use super::coerce::{self, Converted, Misfit};
use crate::plan::ReadOptions;
use crate::value::{Column, Type, Value, address};

/// A value outside a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A string.
    Text(&'a str),
    /// A number, by its decimal text.
    Number(&'a str),
    /// True or false.
    Bool(bool),
}

/// What a record has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberValue<'a> {
    /// Nothing.
    Null,
    /// A text, a number, true or false.
    Scalar(Scalar<'a>),
    /// A number that is a time, as its schema says: by its text.
    Time(&'a str),
    /// A text that is nothing but a text, as its schema says.
    Label(&'a str),
    /// An array, or an object that is deeper than a path leads, or bytes that are no text.
    Unread,
    /// An object; what is in it follows.
    Object,
}

/// What a field of type `ty` is in a record that has `scalar` there, in the type's own form and to the
/// last digit; `None` for what is none of the type.
pub fn exact_value_of(ty: Type, scalar: Scalar<'_>) -> Option<Value> {
    let reading = ReadOptions { coerce: false, ..ReadOptions::default() };
    let converted = converted(ty, scalar, &reading).ok()?;
    let rounded = matches!(converted, Converted::Rounded(_));
    value(ty, converted).filter(|_| !rounded)
}

/// The value of type `ty` at `row` of a column; `None` where it is null.
pub(crate) fn in_column(ty: Type, column: &Column, row: usize) -> Option<Value> {
    Some(match ty {
        Type::Int => Value::Int(column.int(row)?),
        Type::Decimal(scale) => Value::Decimal(column.int(row)?, scale),
        Type::Timestamp => Value::Timestamp(column.int(row)?),
        Type::Double => Value::Double(column.double(row)?),
        Type::Bool => Value::Bool(column.bool(row)?),
        Type::Text => Value::Text(String::from_utf8(column.bytes(row)?.to_vec()).ok()?),
        Type::Ip => Value::Ip(address(column.bytes(row)?)?),
    })
}

/// What a value in a record is to a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Conversion {
    /// No value: a text that means null, or an empty one.
    Null,
    /// This.
    Value(Value),
    /// Nothing that the field could be.
    Invalid,
}

/// What a field of type `ty` that is read as `reading` says makes of `scalar`.
pub fn conversion(ty: Type, scalar: Scalar<'_>, reading: &ReadOptions) -> Conversion {
    match converted(ty, scalar, reading) {
        Ok(converted) => value(ty, converted).map_or(Conversion::Null, Conversion::Value),
        Err(_) => Conversion::Invalid,
    }
}

fn converted<'t>(
    ty: Type,
    scalar: Scalar<'t>,
    reading: &ReadOptions,
) -> Result<Converted<'t>, Misfit> {
    match scalar {
        Scalar::Text(text) => coerce::text(ty, text, reading),
        Scalar::Number(text) => coerce::number(ty, text, reading),
        Scalar::Bool(value) => coerce::boolean(ty, value, reading),
    }
}

fn value(ty: Type, converted: Converted<'_>) -> Option<Value> {
    Some(match converted {
        Converted::Null => return None,
        Converted::Int(value) | Converted::Rounded(value) => match ty {
            Type::Decimal(scale) => Value::Decimal(value, scale),
            Type::Timestamp => Value::Timestamp(value),
            _ => Value::Int(value),
        },
        // As in a column there is one zero.
        Converted::Double(value) => Value::Double(value + 0.0),
        Converted::Bool(value) => Value::Bool(value),
        Converted::Text(text) => Value::Text(text.into_owned()),
        Converted::Ip(address) => Value::Ip(address),
    })
}
