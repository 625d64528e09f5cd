//! Single values by the rules of records, for what stands in for them.

use super::cell::{Fault, Row};
use super::coerce::{self, Converted};
use super::trie::{Leaf, Trie};
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

/// What a field of type `ty` is in a record that has `scalar` there, in the type's own form; `None`
/// for what is none of the type.
pub fn value_of(ty: Type, scalar: Scalar<'_>) -> Option<Value> {
    read(ty, scalar).map(|(value, _)| value)
}

/// The same, and `None` too for a decimal with more digits than the type keeps.
pub fn exact_value_of(ty: Type, scalar: Scalar<'_>) -> Option<Value> {
    read(ty, scalar).filter(|(_, exact)| *exact).map(|(value, _)| value)
}

/// The value, and whether it is to the last digit what is written.
fn read(ty: Type, scalar: Scalar<'_>) -> Option<(Value, bool)> {
    let reading = ReadOptions { coerce: false, ..ReadOptions::default() };
    let leaf = Leaf { field: Some((0, ty)), reading, ..Leaf::new(String::new()) };
    let mut trie = Trie { nodes: Vec::new(), leaves: vec![leaf], choices: 0 };
    let (mut columns, mut faults) = ([Column::default()], Vec::new());
    let mut row = Row::new(&mut trie, &mut columns, &mut [], &mut faults, 0);
    match scalar {
        Scalar::Text(text) => row.put_text(0, text),
        Scalar::Number(text) => row.put_number(0, text),
        Scalar::Bool(value) => row.put_bool(0, value),
    }
    if faults.iter().any(|fault| matches!(fault, Fault::Unreadable { .. })) {
        return None;
    }
    let [column] = columns;
    Some((in_column(ty, &column, 0)?, faults.is_empty()))
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
    let converted = match scalar {
        Scalar::Text(text) => coerce::text(ty, text, reading),
        Scalar::Number(text) => coerce::number(ty, text, reading),
        Scalar::Bool(value) => coerce::boolean(ty, value, reading),
    };
    Conversion::Value(match converted {
        Err(_) => return Conversion::Invalid,
        Ok(Converted::Null) => return Conversion::Null,
        Ok(Converted::Int(value) | Converted::Rounded(value)) => match ty {
            Type::Decimal(scale) => Value::Decimal(value, scale),
            Type::Timestamp => Value::Timestamp(value),
            _ => Value::Int(value),
        },
        Ok(Converted::Double(value)) => Value::Double(value),
        Ok(Converted::Bool(value)) => Value::Bool(value),
        Ok(Converted::Text(text)) => Value::Text(text.into_owned()),
        Ok(Converted::Ip(address)) => Value::Ip(address),
    })
}
