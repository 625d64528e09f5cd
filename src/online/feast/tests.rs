//! The bytes that stock Feast wrote, and what is no such byte.

use super::*;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/data/feast/vectors.json");

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    let pairs = text.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn vectors() -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    all["vectors"].as_array().unwrap().clone()
}

fn texted(value: &Value) -> Vec<u8> {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).into_bytes()
}

/// The word of a value in the type that it is written as; `None`: we write none of its type.
fn written(ty: &str, value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match ty {
        "int64" => push_word(Type::Int, value.as_i64()?.cast_unsigned(), &mut out),
        "bool" => push_word(Type::Bool, u64::from(value.as_bool()?), &mut out),
        "string" => push_bytes(Type::Text, value.as_str()?.as_bytes(), &mut out),
        "double" => {
            let double = match value.as_str() {
                Some("-Infinity") => f64::NEG_INFINITY,
                _ => value.as_f64()?,
            };
            push_word(Type::Double, double.to_bits(), &mut out);
        }
        _ => return None,
    }
    Some(out)
}

#[test]
fn keys_fields_and_times_are_those_of_stock_feast_byte_for_byte() {
    let (mut keys, mut stamps) = (0, 0);
    for vector in vectors() {
        let (name, project) = (&vector["name"], vector["project"].as_str().unwrap());
        let view = vector["view"].as_str().unwrap();
        let key = hex(&vector["key_hex"]);
        for field in vector["fields"].as_array().unwrap() {
            let feature = field["feature"].as_str().unwrap();
            assert_eq!(super::field(view, feature).to_vec(), hex(&field["field_hex"]), "{name}");
        }
        assert_eq!(stamp_field(view), hex(&vector["ts_field_hex"]), "{name}");
        let at = &vector["event_timestamp"];
        let (seconds, nanos) = (at["seconds"].as_i64().unwrap(), at["nanos"].as_u64().unwrap());
        let bytes = hex(&vector["ts_value_hex"]);
        if let Ok(seconds) = u64::try_from(seconds) {
            let ms = seconds * 1_000 + nanos / 1_000_000;
            assert_eq!(stamp(&bytes), Some(ms), "{name}");
            if nanos % 1_000_000 == 0 {
                let mut out = Vec::new();
                push_stamp(ms, &mut out);
                assert_eq!(out, bytes, "{name}");
                stamps += 1;
            }
        } else {
            assert_eq!(stamp(&bytes), None, "{name}");
        }
        let entity = vector["entity"].as_array().unwrap();
        let ty = match (entity.as_slice(), entity[0]["type"].as_str().unwrap()) {
            ([_], "string") => Type::Text,
            ([_], "int64") => Type::Int,
            _ => continue,
        };
        let id = texted(&entity[0]["value"]);
        let mut made = key_head(entity[0]["join_key"].as_str().unwrap(), ty);
        let rest = made.len();
        push_id(ty, &id, &mut made);
        assert_eq!(made.len() - rest, id_len(ty, &id), "{name}");
        made.extend_from_slice(project.as_bytes());
        assert_eq!(made, key, "{name}");
        assert_eq!(split_id(ty, &key[rest..]), Some((id, project.as_bytes())), "{name}");
        assert_eq!(project_of(&key), Some(project.as_bytes()), "{name}");
        keys += 1;
    }
    assert_eq!((keys, stamps), (23, 26));
}

#[test]
fn values_are_written_as_stock_feast_writes_them_and_read_back() {
    let (mut same, mut readable) = (0, 0);
    for vector in vectors() {
        for field in vector["fields"].as_array().unwrap() {
            let (ty, value) = (field["type"].as_str().unwrap(), &field["value"]);
            let bytes = hex(&field["value_hex"]);
            if let Some(written) = written(ty, value) {
                assert_eq!(written, bytes, "{field}");
                same += 1;
            }
            let mut text = Vec::new();
            let read = super::read(&bytes, &mut text);
            if value.is_null() {
                assert_eq!((read, text), (StoredValue::Null, Vec::new()), "{field}");
                continue;
            }
            match ty {
                "int32" | "int64" | "string" | "bool" => assert_eq!(text, texted(value), "{field}"),
                "double" | "float" => {
                    let number: f64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                    // Reading the vectors may change the last digit.
                    let told = value.as_f64().unwrap_or(number);
                    assert!(number == told || (number / told - 1.0).abs() < 1e-15, "{field}");
                }
                _ => {
                    assert_eq!(read, StoredValue::Unreadable, "{field}");
                    continue;
                }
            }
            assert_eq!(read, StoredValue::Text, "{field}");
            readable += 1;
        }
    }
    assert_eq!((same, readable), (70, 114));
}

#[test]
fn decimals_and_addresses_are_written_as_they_are_shown() {
    let of = |write: &dyn Fn(&mut Vec<u8>)| {
        let (mut bytes, mut text) = (Vec::new(), Vec::new());
        write(&mut bytes);
        assert_eq!(read(&bytes, &mut text), StoredValue::Text);
        String::from_utf8(text).unwrap()
    };
    for (units, scale, text) in [(33_330_000, 6, "33.33"), (-1, 2, "-0.01"), (500, 2, "5.0")] {
        let word = i64::cast_unsigned(units);
        assert_eq!(of(&|out| push_word(Type::Decimal(scale), word, out)), text);
    }
    let moment = 1_767_484_800_123;
    assert_eq!(of(&|out| push_word(Type::Timestamp, moment, out)), moment.to_string());
    assert_eq!(of(&|out| push_bytes(Type::Text, b"a\xff", out)), "a\u{fffd}");
}

#[test]
fn what_is_no_value_is_told_from_a_null_and_never_trusted() {
    let unreadable: [&[u8]; 12] = [
        b"x",
        b"\x20",
        b"\x20\x80",
        b"\x20\x01\x01",
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x29\0\0",
        b"\x35\0\0\0\0\0",
        b"\x12\x05ab",
        b"\x12\x01ab",
        b"\x12\x01\xff",
        b"\x12",
        b"\x38",
    ];
    for bytes in unreadable {
        let mut text = Vec::new();
        assert_eq!(read(bytes, &mut text), StoredValue::Unreadable, "{bytes:?}");
        assert_eq!(text, b"", "{bytes:?}");
    }
    for null in [&b""[..], b"\x98\x01\0"] {
        assert_eq!(read(null, &mut Vec::new()), StoredValue::Null);
    }
    for none in [&b"\x08"[..], b"\x10\x80\x94\xeb\xdc\x03\x01", b"\x18\x01", b"x"] {
        assert_eq!(stamp(none), None, "{none:?}");
    }
    for none in
        [&b""[..], b"\x01\0\0\0", b"features:card:c1:stats", b"\x01\0\0\0\x02\0\0\0\xff\0\0\0a"]
    {
        assert_eq!(project_of(none), None, "{none:?}");
    }
}

#[test]
fn an_id_that_is_no_number_is_that_of_no_entity_with_numbers() {
    let (mut key, mut number) = (Vec::new(), Vec::new());
    push_id(Type::Int, b"x1", &mut key);
    push_id(Type::Int, b"17", &mut number);
    assert_eq!((key.len(), id_len(Type::Int, b"x1")), (6, 6));
    assert_eq!((number.len(), id_len(Type::Int, b"17")), (12, 12));
    assert_eq!(split_id(Type::Int, &key), None);
}

#[test]
fn a_project_is_named_in_the_signs_that_feast_takes() {
    for (job, project) in
        [("fraud", "fraud"), ("card-risk.v2", "card_risk_v2"), ("_x", "x"), ("é", "tidemark")]
    {
        assert_eq!(project_name(job), project);
    }
}
