//! What serializers put around JSON: the bytes of a schema registry before it, Connect's schema
//! beside it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Without the five bytes that serializers of a schema registry put before JSON: a zero, and the
/// number of a schema. JSON cannot begin so.
#[inline]
pub(crate) fn unframed(record: &[u8]) -> &[u8] {
    match record {
        [0, _, _, _, _, json @ ..] => json,
        _ => record,
    }
}

/// What Connect writes with `schemas.enable`: these two keys, and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<'a> {
    #[serde(rename = "schema")]
    _schema: IgnoredAny,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The payload of JSON that has its schema beside it; anything else as it is.
pub(crate) fn unwrapped(json: &str) -> &str {
    let object = json.trim_ascii_start().starts_with('{');
    if !object || !json.contains("\"payload\"") {
        return json;
    }
    serde_json::from_str::<Wrapped<'_>>(json).map_or(json, |wrapped| wrapped.payload.get())
}

/// The text that a record's key is, without what serializers put around it: of a JSON string what it
/// says; `None` where it is null.
pub(crate) fn key_text(text: &str) -> Option<Cow<'_, str>> {
    let json = unwrapped(text);
    match json.as_bytes().first() {
        Some(b'"') => Some(serde_json::from_str(json).map_or(Cow::Borrowed(json), Cow::Owned)),
        Some(b'n') if json.len() < text.len() => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// The JSON in the value of a record, without what serializers put around it; empty where that is
/// null.
pub(crate) fn payload(value: &[u8]) -> &[u8] {
    let json = unframed(value);
    match std::str::from_utf8(json).map(unwrapped) {
        Ok("null") => &[],
        Ok(payload) => payload.as_bytes(),
        Err(_) => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_bytes_go_only_where_the_first_is_zero() {
        assert_eq!(unframed(b"\0\0\0\0\x07{}"), b"{}");
        assert_eq!(unframed(b"\0\xff\xff\xff\xff"), b"");
        for as_it_is in [&b"{}"[..], b"\0\0\0\0", b"", b"\x01\0\0\0\0{}"] {
            assert_eq!(unframed(as_it_is), as_it_is);
        }
    }

    #[test]
    fn only_a_schema_beside_a_payload_is_taken_away() {
        assert_eq!(unwrapped(r#" {"schema":{"type":"int64"},"payload":7}"#), "7");
        assert_eq!(unwrapped(r#"{"payload":{"id":"a"},"schema":null}"#), r#"{"id":"a"}"#);
        for as_it_is in [
            r#"{"payload":7}"#,
            r#"{"schema":1,"payload":2,"id":3}"#,
            r#"{"schema":1,"payload":2"#,
            r#"["payload"]"#,
            "payload",
            "",
        ] {
            assert_eq!(unwrapped(as_it_is), as_it_is);
        }
    }
}
