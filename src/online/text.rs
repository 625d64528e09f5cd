//! How a value reads as text, in Redis and in JSON: `true` / `false`, integers, doubles as the
//! shortest decimal that reads back the same (`1.0`, `33.33`, `1e16`), text as it is, an address in
//! its usual notation, a timestamp in ms. Null has no text: an absent field, or `null` in JSON.

use std::io::Write as _;
use tidemark_operators::json::push_json_text;
use tidemark_operators::value::{Type, Value};

pub(crate) use tidemark_operators::json::push_word as word;
pub(crate) use tidemark_operators::value::address;

/// The text of a value, `None` for null.
pub fn text(value: &Value) -> Option<String> {
    let mut out = Vec::new();
    match value {
        Value::Null => return None,
        Value::Text(text) => return Some(text.clone()),
        other => plain(other, &mut out),
    }
    String::from_utf8(out).ok()
}

/// Appends a value as JSON.
pub fn json(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Text(text) => push_json_text(text.as_bytes(), out),
        Value::Ip(ip) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "\"{ip}\"");
        }
        other => plain(other, out),
    }
}

/// Numbers, bools and addresses without quotes.
fn plain(value: &Value, out: &mut Vec<u8>) {
    match *value {
        Value::Int(v) | Value::Timestamp(v) => {
            word(Type::Int, v.cast_unsigned(), out);
        }
        Value::Decimal(v, scale) => word(Type::Decimal(scale), v.cast_unsigned(), out),
        Value::Double(v) => word(Type::Double, v.to_bits(), out),
        Value::Bool(v) => word(Type::Bool, u64::from(v), out),
        Value::Ip(ip) => {
            let _ = write!(out, "{ip}");
        }
        Value::Null | Value::Text(_) => {}
    }
}

/// Appends the text of a text or ip value by its bytes.
pub(crate) fn bytes(ty: Type, bytes: &[u8], out: &mut Vec<u8>) {
    match (ty, address(bytes)) {
        (Type::Ip, Some(ip)) => {
            let _ = write!(out, "{ip}");
        }
        _ => out.extend_from_slice(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(value: &Value) -> (Option<String>, String) {
        let mut out = Vec::new();
        json(value, &mut out);
        (text(value), String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_read_as_the_catalogue_says() {
        let cases = [
            (Value::Double(1.0), "1.0"),
            (Value::Double(33.33), "33.33"),
            (Value::Double(1e16), "1e16"),
            (Value::Double(0.1 + 0.2), "0.30000000000000004"),
            (Value::Int(-7), "-7"),
            (Value::Bool(true), "true"),
            (Value::Bool(false), "false"),
            (Value::Timestamp(1_700_000_000_000), "1700000000000"),
            (Value::Decimal(33_330_000, 6), "33.33"),
        ];
        for (value, expected) in cases {
            assert_eq!(both(&value), (Some(expected.to_owned()), expected.to_owned()));
        }
    }

    #[test]
    fn text_is_as_it_is_in_redis_and_quoted_in_json() {
        let value = Value::Text("a \"b\"\n".to_owned());
        assert_eq!(both(&value), (Some("a \"b\"\n".to_owned()), r#""a \"b\"\n""#.to_owned()));
        let ip = Value::Ip("2001:db8::1".parse().unwrap());
        assert_eq!(both(&ip), (Some("2001:db8::1".to_owned()), "\"2001:db8::1\"".to_owned()));
    }

    #[test]
    fn null_is_absent_in_redis_and_null_in_json() {
        assert_eq!(both(&Value::Null), (None, "null".to_owned()));
    }
}
