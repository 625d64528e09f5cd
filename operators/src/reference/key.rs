//! The key of a row in that of a record.
//!
//! A record's key is the row's as text. One that a serializer has written as JSON is what it says:
//! without the bytes of a schema registry before it, without Connect's schema beside it, without the
//! quotes of a string. One that is an object has the row's key at the table's `key_path`.

use crate::ingest::decode::{key_text, unframed, unwrapped};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// How much of a wrong key is shown.
const SHOWN_CHARS: usize = 64;

/// The row's key, as text, in the key of a record.
///
/// # Errors
/// When it is not there: what the record's key is, and what to do.
pub(super) fn of_row<'a>(key: &'a [u8], path: &[String]) -> Result<Cow<'a, str>, String> {
    let text = std::str::from_utf8(unframed(key)).map_err(|_| "its key is no UTF-8".to_owned())?;
    let json = unwrapped(text);
    if !path.is_empty() {
        return at(json, path);
    }
    if json.starts_with('{') && is_json(json) {
        return Err(format!(
            "its key is the object {}, which no key of a row is: say where in it that is by \
             key_path = \"..\" in the table",
            shown(json)
        ));
    }
    key_text(text).ok_or_else(|| "its key is null".to_owned())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// What is at `path` in the object `json`, as text.
fn at<'a>(json: &'a str, path: &[String]) -> Result<Cow<'a, str>, String> {
    let missing = |why: &str| {
        format!(
            "its key {} has no \"{}\" ({why}), which key_path names",
            shown(json),
            path.join(".")
        )
    };
    let mut found = json;
    for name in path {
        let object: HashMap<Cow<'_, str>, &'a RawValue> = serde_json::from_str(found)
            .map_err(|_| missing("there is no object where it would be"))?;
        found = object.get(name.as_str()).ok_or_else(|| missing("no such name"))?.get();
    }
    scalar(found).ok_or_else(|| missing("null, or no single value"))
}

/// The text that a JSON value is: of a string what it says, of a number or a bool how it is written.
fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' | b't' | b'f' => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

fn shown(json: &str) -> String {
    let mut shown: String = json.chars().take(SHOWN_CHARS).collect();
    if shown.len() < json.len() {
        shown.push_str("..");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(key: &str) -> Result<String, String> {
        of_row(key.as_bytes(), &[]).map(Cow::into_owned)
    }

    fn at_id(key: &str) -> Result<String, String> {
        let path = ["id".to_owned()];
        of_row(key.as_bytes(), &path).map(Cow::into_owned)
    }

    #[test]
    fn a_key_that_is_a_text_is_the_rows_whatever_serializer_wrote_it() {
        for key in ["c1", "\"c1\"", r#"{"schema":{"type":"string"},"payload":"c1"}"#] {
            assert_eq!(plain(key), Ok("c1".to_owned()), "{key}");
            assert_eq!(plain(&format!("\0\0\0\0\x07{key}")), Ok("c1".to_owned()), "{key}");
        }
        for (key, row) in
            [("17", "17"), ("\"a\\u00e9\"", "a\u{e9}"), ("{c1", "{c1"), ("\"c", "\"c")]
        {
            assert_eq!(plain(key), Ok(row.to_owned()));
        }
        let number = r#"{"schema":{"type":"int64"},"payload":12345678901234567890}"#;
        assert_eq!(plain(number), Ok("12345678901234567890".to_owned()));
    }

    #[test]
    fn a_key_that_is_an_object_has_the_rows_at_the_path_or_says_so() {
        let wrapped = r#"{"schema":{"type":"struct"},"payload":{"id":12345678901234567890}}"#;
        assert_eq!(at_id(wrapped), Ok("12345678901234567890".to_owned()));
        assert_eq!(at_id(r#"{"id":"c\"1","x":{}}"#), Ok("c\"1".to_owned()));
        assert_eq!(at_id("\0\0\0\0\x07{\"id\":true}"), Ok("true".to_owned()));
        let nested = ["a".to_owned(), "b".to_owned()];
        let key = of_row(br#"{"a":{"b":1}}"#, &nested);
        assert_eq!(key.unwrap(), "1");
        for (key, why) in [
            (r#"{"ID":1}"#, "no such name"),
            (r#"{"id":null}"#, "null, or no single value"),
            (r#"{"id":{}}"#, "null, or no single value"),
            ("c1", "no object"),
        ] {
            let refused = at_id(key).unwrap_err();
            assert!(refused.contains("has no \"id\"") && refused.contains(why), "{refused}");
        }
        for key in [r#"{"id":1}"#, wrapped] {
            let refused = plain(key).unwrap_err();
            assert!(refused.contains("key_path"), "{refused}");
        }
    }
}
