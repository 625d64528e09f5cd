//! How values read: as JSON shows them.

use tidemark_operators::json::{push_word, quoted};
use tidemark_operators::value::{Cell, Column, Type, Value, address};

/// The value at `row` of a column of type `ty`.
pub(super) fn value(column: &Column, ty: Type, row: usize) -> Value {
    let value = match ty {
        Type::Int => column.int(row).map(Value::Int),
        Type::Decimal(scale) => column.int(row).map(|units| Value::Decimal(units, scale)),
        Type::Timestamp => column.int(row).map(Value::Timestamp),
        Type::Double => column.double(row).map(Value::Double),
        Type::Bool => column.bool(row).map(Value::Bool),
        Type::Text => {
            let text = column.bytes(row).map(String::from_utf8_lossy);
            text.map(|text| Value::Text(text.into_owned()))
        }
        Type::Ip => column.bytes(row).and_then(address).map(Value::Ip),
    };
    value.unwrap_or(Value::Null)
}

/// The value of a table's cell of type `ty`.
pub(super) fn cell(cell: &Cell, ty: Type) -> Value {
    match (cell, ty) {
        (Cell::Null, _) => Value::Null,
        (Cell::Bytes(bytes), Type::Ip) => address(bytes).map_or(Value::Null, Value::Ip),
        (Cell::Bytes(bytes), _) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        (Cell::Word(word), Type::Int) => Value::Int(word.cast_signed()),
        (Cell::Word(word), Type::Timestamp) => Value::Timestamp(word.cast_signed()),
        (Cell::Word(word), Type::Decimal(scale)) => Value::Decimal(word.cast_signed(), scale),
        (Cell::Word(word), Type::Double) => Value::Double(f64::from_bits(*word)),
        (Cell::Word(word), Type::Bool) => Value::Bool(*word != 0),
        (Cell::Word(_), Type::Text | Type::Ip) => Value::Null,
    }
}

/// A value as JSON shows it.
pub(super) fn shown(value: &Value) -> String {
    let (ty, word) = match value {
        Value::Null => return "null".to_owned(),
        Value::Text(text) => return quoted(text),
        Value::Ip(ip) => return quoted(&ip.to_string()),
        Value::Int(value) => (Type::Int, value.cast_unsigned()),
        Value::Timestamp(value) => (Type::Timestamp, value.cast_unsigned()),
        Value::Decimal(value, scale) => (Type::Decimal(*scale), value.cast_unsigned()),
        Value::Double(value) => (Type::Double, value.to_bits()),
        Value::Bool(value) => (Type::Bool, u64::from(*value)),
    };
    let mut out = Vec::new();
    push_word(ty, word, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
