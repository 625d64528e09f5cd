//! A JSON record, taken apart: the values in it, each with its path.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use tidemark_operators::ingest::decode::{MemberValue, Scalar, mended};
use tidemark_operators::plan::path::PARTS_MAX;

/// The members of an object in their order, by their texts. Of a key that is there twice the last
/// decides, as it does when a record is read.
struct ObjectMembers<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for ObjectMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = ObjectMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                let mut places = HashMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    let place = *places.entry(key.clone()).or_insert(members.len());
                    match members.get_mut(place) {
                        Some(known) => known.1 = value,
                        None => members.push((key, value)),
                    }
                }
                Ok(ObjectMembers(members))
            }
        }

        from.deserialize_map(InOrder)
    }
}

/// The members of the object `record` in its order, each name once, by their texts.
///
/// # Errors
/// When it is no JSON object: why.
pub(crate) fn object_members(record: &[u8]) -> Result<Vec<(String, &RawValue)>, String> {
    let text = std::str::from_utf8(record).map_err(|error| error.to_string())?;
    let members = serde_json::from_str::<ObjectMembers<'_>>(text);
    members.map(|members| members.0).map_err(|error| error.to_string())
}

/// Shows `visit` all that is in the object `record`, each thing with its path, in the order of the
/// record.
///
/// # Errors
/// When it is no JSON object: why.
pub fn each(
    record: &[u8],
    visit: &mut dyn FnMut(&[String], MemberValue<'_>),
) -> Result<(), String> {
    let text = std::str::from_utf8(record).map_err(|error| error.to_string())?;
    match serde_json::from_str::<ObjectMembers<'_>>(text) {
        Ok(members) => members.each(&mut Vec::new(), visit),
        Err(error) => match serde_json::from_str::<ObjectMembers<'_>>(&mended(text)) {
            Ok(members) => members.each(&mut Vec::new(), visit),
            Err(_) => return Err(error.to_string()),
        },
    }
    Ok(())
}

impl ObjectMembers<'_> {
    fn each(&self, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], MemberValue<'_>)) {
        for (key, value) in &self.0 {
            path.push(key.clone());
            one(value, path, visit);
            path.pop();
        }
    }
}

fn one(
    value: &RawValue,
    path: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], MemberValue<'_>),
) {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') if path.len() < PARTS_MAX => {
            match serde_json::from_str::<ObjectMembers<'_>>(text) {
                Ok(members) => {
                    visit(path, MemberValue::Object);
                    members.each(path, visit);
                }
                Err(_) => visit(path, MemberValue::Unread),
            }
        }
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) => visit(path, MemberValue::Scalar(Scalar::Text(&text))),
            Err(_) => visit(path, MemberValue::Unread),
        },
        Some(b't' | b'f') => visit(path, MemberValue::Scalar(Scalar::Bool(text == "true"))),
        Some(b'n') => visit(path, MemberValue::Null),
        Some(b'-' | b'0'..=b'9') => visit(path, MemberValue::Scalar(Scalar::Number(text))),
        _ => visit(path, MemberValue::Unread),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(record: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut visit = |path: &[String], what: MemberValue<'_>| {
            found.push(format!("{} {what:?}", path.join(".")))
        };
        each(record.as_bytes(), &mut visit).unwrap();
        found
    }

    #[test]
    fn values_come_in_the_order_of_the_record_and_the_last_of_two_decides() {
        let record = r#"{"b":1,"a":{"x":"\u00e9","y":[1]},"b":2.50,"c":null,"d":true,"e":NaN}"#;
        let expected = [
            "b Scalar(Number(\"2.50\"))",
            "a Object",
            "a.x Scalar(Text(\"é\"))",
            "a.y Unread",
            "c Null",
            "d Scalar(Bool(true))",
            "e Unread",
        ];
        assert_eq!(found(record), expected);
    }

    #[test]
    fn what_is_too_deep_is_not_read_and_costs_no_stack() {
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        let found = found(&deep);
        assert_eq!((found.len(), found.last().unwrap().ends_with("Unread")), (PARTS_MAX, true));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(each(deep.as_bytes(), &mut |_, _| {}), Ok(()));
        for wrong in ["", "[1]", "1", "{\"a\":1", "{\"a\":1} x", "\u{1}"] {
            assert!(each(wrong.as_bytes(), &mut |_, _| {}).is_err(), "{wrong}");
        }
    }
}
