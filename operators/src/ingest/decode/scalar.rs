//! Single values by the rules of records, for what stands in for them.

use super::cell::{Fault, Row};
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
    let value = match ty {
        Type::Int => Value::Int(column.int(0)?),
        Type::Decimal(scale) => Value::Decimal(column.int(0)?, scale),
        Type::Timestamp => Value::Timestamp(column.int(0)?),
        Type::Double => Value::Double(column.double(0)?),
        Type::Bool => Value::Bool(column.bool(0)?),
        Type::Text => Value::Text(String::from_utf8(column.bytes(0)?.to_vec()).ok()?),
        Type::Ip => Value::Ip(address(column.bytes(0)?)?),
    };
    Some((value, faults.is_empty()))
}
