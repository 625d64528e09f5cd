//! Every kind of value as every type of a job, written out.

use super::*;
use crate::ingest::decode::avro::{AvroDecoder, Refused};
use crate::plan::Invalid;
use std::sync::Arc;

const TYPES: [Type; 7] =
    [Type::Text, Type::Int, Type::DECIMAL, Type::Double, Type::Bool, Type::Timestamp, Type::Ip];

/// How a value is written in Avro.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Avro {
    Null,
    Bool(bool),
    Long(i64),
    Double(f64),
    Text(&'static str),
    /// Not, or not as the same value.
    No,
}

const NO: Avro = Avro::No;
const BAD: [&str; 7] = ["!"; 7];

/// A value as JSON and as Avro; what it is as string, int, decimal (in micro-units), double, bool,
/// timestamp and ip: `!` for none of them; a string in quotes.
fn table() -> Vec<(&'static str, Avro, [&'static str; 7])> {
    use Avro::{Bool, Double, Long, Null, Text};
    vec![
        ("null", Null, ["null"; 7]),
        ("true", Bool(true), ["'true'", "!", "!", "!", "true", "!", "!"]),
        ("false", Bool(false), ["'false'", "!", "!", "!", "false", "!", "!"]),
        ("0", Long(0), ["'0'", "0", "0", "0", "false", "0", "!"]),
        ("1", Long(1), ["'1'", "1", "1000000", "1", "true", "1", "!"]),
        ("-0", NO, ["'0'", "0", "0", "0", "false", "0", "!"]),
        ("-0.0", Double(-0.0), ["'0'", "0", "0", "0", "false", "0", "!"]),
        ("5", Long(5), ["'5'", "5", "5000000", "5", "!", "5", "!"]),
        ("-7", Long(-7), ["'-7'", "-7", "-7000000", "-7", "!", "-7", "!"]),
        ("5.0", Double(5.0), ["'5'", "5", "5000000", "5", "!", "5", "!"]),
        ("1.0", Double(1.0), ["'1'", "1", "1000000", "1", "true", "1", "!"]),
        ("5.5", Double(5.5), ["!", "!", "5500000", "5.5", "!", "5", "!"]),
        ("1e3", NO, ["!", "1000", "1000000000", "1000", "!", "1000", "!"]),
        ("12345.00", NO, ["'12345'", "12345", "12345000000", "12345", "!", "12345", "!"]),
        (
            "9007199254740991.0",
            Double(9_007_199_254_740_991.0),
            [
                "'9007199254740991'",
                "9007199254740991",
                "!",
                "9007199254740991",
                "!",
                "9007199254740991",
                "!",
            ],
        ),
        (
            "9007199254740992.0",
            Double(9_007_199_254_740_992.0),
            ["!", "9007199254740992", "!", "9007199254740992", "!", "9007199254740992", "!"],
        ),
        (
            "9007199254740993",
            Long(9_007_199_254_740_993),
            [
                "'9007199254740993'",
                "9007199254740993",
                "!",
                "9007199254740992",
                "!",
                "9007199254740993",
                "!",
            ],
        ),
        (
            "9223372036854775807",
            Long(i64::MAX),
            [
                "'9223372036854775807'",
                "9223372036854775807",
                "!",
                "9223372036854776000",
                "!",
                "9223372036854775807",
                "!",
            ],
        ),
        (
            "-9223372036854775808",
            Long(i64::MIN),
            ["'-9223372036854775808'", "!", "!", "-9223372036854776000", "!", "!", "!"],
        ),
        (
            "18446744073709551617",
            NO,
            ["'18446744073709551617'", "!", "!", "18446744073709552000", "!", "!", "!"],
        ),
        (
            "123456789012345678901234567890.0",
            NO,
            ["!", "!", "!", "123456789012345680000000000000", "!", "!", "!"],
        ),
        ("1e400", NO, BAD),
        ("\"\"", Text(""), ["''", "null", "null", "null", "null", "null", "null"]),
        ("\" \\t\"", Text(" \t"), ["' \t'", "null", "null", "null", "null", "null", "null"]),
        ("\"5\"", Text("5"), ["'5'", "5", "5000000", "5", "!", "5", "!"]),
        ("\"5.00\"", Text("5.00"), ["'5.00'", "5", "5000000", "5", "!", "5", "!"]),
        ("\" 5\\n\"", Text(" 5\n"), ["' 5\n'", "5", "5000000", "5", "!", "5", "!"]),
        ("\"+5\"", Text("+5"), ["'+5'", "5", "5000000", "5", "!", "5", "!"]),
        ("\"007\"", Text("007"), ["'007'", "7", "7000000", "7", "!", "7", "!"]),
        ("\"-12.5\"", Text("-12.5"), ["'-12.5'", "!", "-12500000", "-12.5", "!", "-13", "!"]),
        ("\"1e2\"", Text("1e2"), ["'1e2'", "100", "100000000", "100", "!", "100", "!"]),
        ("\"\\u0031\"", Text("1"), ["'1'", "1", "1000000", "1", "true", "1", "!"]),
        ("\"0\"", Text("0"), ["'0'", "0", "0", "0", "false", "0", "!"]),
        (
            "\"9223372036854775808\"",
            Text("9223372036854775808"),
            ["'9223372036854775808'", "!", "!", "9223372036854776000", "!", "!", "!"],
        ),
        ("\"True\"", Text("True"), ["'True'", "!", "!", "!", "true", "!", "!"]),
        ("\"FALSE\"", Text("FALSE"), ["'FALSE'", "!", "!", "!", "false", "!", "!"]),
        ("\"yes\"", Text("yes"), ["'yes'", "!", "!", "!", "!", "!", "!"]),
        ("\"1,000\"", Text("1,000"), ["'1,000'", "!", "!", "!", "!", "!", "!"]),
        ("\"5,5\"", Text("5,5"), ["'5,5'", "!", "!", "!", "!", "!", "!"]),
        ("\"0x10\"", Text("0x10"), ["'0x10'", "!", "!", "!", "!", "!", "!"]),
        ("\"NaN\"", Text("NaN"), ["'NaN'", "!", "!", "!", "!", "!", "!"]),
        ("\"inf\"", Text("inf"), ["'inf'", "!", "!", "!", "!", "!", "!"]),
        ("\"+-5\"", Text("+-5"), ["'+-5'", "!", "!", "!", "!", "!", "!"]),
        ("\".5\"", Text(".5"), ["'.5'", "!", "!", "!", "!", "!", "!"]),
        ("\"5.\"", Text("5."), ["'5.'", "!", "!", "!", "!", "!", "!"]),
        ("\"192.0.2.7\"", Text("192.0.2.7"), ["'192.0.2.7'", "!", "!", "!", "!", "!", "192.0.2.7"]),
        (
            "\" ::FFFF:1.2.3.4 \"",
            Text(" ::FFFF:1.2.3.4 "),
            ["' ::FFFF:1.2.3.4 '", "!", "!", "!", "!", "!", "1.2.3.4"],
        ),
        ("\"\\ud83e \\udd80\"", NO, ["'\u{fffd} \u{fffd}'", "!", "!", "!", "!", "!", "!"]),
        ("NaN", Double(f64::NAN), BAD),
        ("-Infinity", Double(f64::NEG_INFINITY), BAD),
        ("[5]", NO, BAD),
        ("{\"a\":5}", NO, BAD),
    ]
}

fn one(ty: Type, coerce: bool, invalid: Invalid) -> SourcePlan {
    let mut source = source(&[("x", "x", ty, false)], ("ts", TimeUnit::Ms));
    source.keys = Vec::new();
    source.fields[0].reading.coerce = coerce;
    source.fields[0].reading.time.coerce = coerce;
    source.fields[0].reading.invalid = invalid;
    source
}

/// The only cell, and `!` where it could not be read.
fn shown(ty: Type, decoded: &Decoded) -> String {
    let column = &decoded.columns[0];
    let cell = match ty {
        Type::Text => column.bytes(0).map(|text| format!("'{}'", String::from_utf8_lossy(text))),
        Type::Ip => column.bytes(0).map(|ip| crate::value::address(ip).unwrap().to_string()),
        Type::Double => column.double(0).map(|v| v.to_string()),
        Type::Bool => column.bool(0).map(|v| v.to_string()),
        Type::Int | Type::Decimal(_) | Type::Timestamp => column.int(0).map(|v| v.to_string()),
    };
    match (cell, decoded.invalid.as_slice()) {
        (Some(cell), []) => cell,
        (None, []) => "null".to_owned(),
        (None, [invalid]) if (invalid.row, invalid.field) == (0, 0) => "!".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn json(source: &SourcePlan, value: &str) -> Result<String, DecodeError> {
    let decoded = decode(source, format!(r#"{{"x":{value},"ts":{T}}}"#))?;
    Ok(shown(source.fields[0].ty, &decoded))
}

/// `None` where the value has no type of its own, or the schema is refused.
fn avro(source: &SourcePlan, value: Avro) -> Option<Result<String, DecodeError>> {
    let zigzag = |value: i64| {
        let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        while raw >= 0x80 {
            bytes.push((raw & 0x7f) as u8 | 0x80);
            raw >>= 7;
        }
        bytes.push(raw as u8);
        bytes
    };
    let (ty, written) = match value {
        Avro::Null => ("null", Vec::new()),
        Avro::Bool(value) => ("boolean", vec![u8::from(value)]),
        Avro::Long(value) => ("long", zigzag(value)),
        Avro::Double(value) => ("double", value.to_le_bytes().to_vec()),
        Avro::Text(text) => {
            ("string", [zigzag(text.len() as i64), text.as_bytes().to_vec()].concat())
        }
        Avro::No => return None,
    };
    let schema: Arc<str> = json!({"type": "record", "name": "R", "fields": [
        {"name": "x", "type": ty}, {"name": "ts", "type": "long"},
    ]})
    .to_string()
    .into();
    let mut into = Decoded::default();
    let datum = [written, zigzag(T as i64)].concat();
    match AvroDecoder::new(source).decode_datum(&schema, &datum, None, &mut into) {
        Ok(()) => Some(Ok(shown(source.fields[0].ty, &into))),
        Err(Refused::Malformed(error)) => Some(Err(error)),
        Err(_) => None,
    }
}

#[test]
fn every_kind_of_value_is_every_type_as_written_out_in_json_and_in_avro() {
    let (mut cells, mut refused) = (0, 0);
    for (value, written, expected) in table() {
        for (ty, expected) in TYPES.into_iter().zip(expected) {
            let source = one(ty, true, Invalid::Null);
            assert_eq!(json(&source, value).as_deref(), Ok(expected), "{value} as {ty}");
            let strict = json(&one(ty, true, Invalid::Reject), value);
            assert_eq!(strict.is_err(), expected == "!", "{value} as required {ty}: {strict:?}");
            match avro(&source, written) {
                Some(read) => assert_eq!(read.as_deref(), Ok(expected), "{written:?} as {ty}"),
                None if written == Avro::No => {}
                None => {
                    assert_eq!(expected, "!", "{written:?} as {ty} is refused with its schema");
                    refused += 1;
                }
            }
            cells += 1;
        }
    }
    assert!(cells >= 7 * 30 && refused > 10, "{cells} {refused}");
}

#[test]
fn without_coercion_only_the_own_form_of_a_type_is_taken() {
    for (value, written, expected) in table() {
        for (ty, expected) in TYPES.into_iter().zip(expected) {
            let source = one(ty, false, Invalid::Null);
            let number = value.starts_with(['-', '0', '1', '5', '9']) && value != "-Infinity";
            let own = match ty {
                _ if value == "null" => true,
                Type::Text | Type::Ip => value.starts_with('"') && value.trim() == value,
                Type::Bool => matches!(value, "true" | "false"),
                Type::Decimal(_) | Type::Double | Type::Timestamp => number,
                Type::Int => number && !value.contains(['.', 'e']),
            };
            let blank = value.starts_with('"') && value.len() < 7 && expected == "null";
            let outer_space = ty == Type::Ip && value.contains("\" ");
            let expected = if own && !blank && !outer_space { expected } else { "!" };
            assert_eq!(json(&source, value).as_deref(), Ok(expected), "{value} as {ty}");
            if let (Avro::Text(_) | Avro::Bool(_), Some(read)) = (written, avro(&source, written)) {
                assert_eq!(read.as_deref(), Ok(expected), "{written:?} as {ty}");
            }
        }
    }
}

#[test]
fn texts_that_mean_null_are_null_for_every_type() {
    for ty in TYPES {
        let mut source = one(ty, true, Invalid::Null);
        source.fields[0].reading.null_values = vec!["N/A".to_owned(), "-1".to_owned()];
        assert_eq!(json(&source, "\"N/A\"").as_deref(), Ok("null"), "{ty}");
        assert_eq!(json(&source, "\"-1\"").as_deref(), Ok("null"), "{ty}");
        assert_eq!(avro(&source, Avro::Text("N/A")), Some(Ok("null".to_owned())), "{ty}");
    }
    let mut source = one(Type::Text, true, Invalid::Null);
    source.fields[0].reading.null_values = vec!["N/A".to_owned()];
    assert_eq!(json(&source, "\" N/A\"").as_deref(), Ok("' N/A'"), "a string is not trimmed");
}

#[test]
fn an_id_in_a_double_is_read_again_by_its_text_and_from_then_on_at_once() {
    let mut decoder = Decoder::new(&one(Type::Text, true, Invalid::Reject));
    let mut into = Decoded::default();
    for (row, id) in ["12345.0", "12345", "\"12345\"", "12345.0"].into_iter().enumerate() {
        let record = format!(r#"{{"x":{id},"ts":{T}}}"#);
        decoder.decode(record.as_bytes(), &mut into).unwrap();
        assert_eq!(into.columns[0].bytes(row), Some(&b"12345"[..]), "{id}");
    }
}

#[test]
fn words_that_are_no_json_hurt_only_the_field_that_they_stand_in() {
    let source = every_type();
    let with = |value: &str| {
        let record = format!(r#"{{"card_id":"NaN","n":3,"x":{{"y":[{value}]}},"timestamp":{T}}}"#);
        decode(&source, record)
    };
    for word in ["NaN", "Infinity", "-Infinity"] {
        let row = with(word).expect("nothing of it is read");
        assert_eq!(row.columns[0].bytes(0), Some(&b"NaN"[..]));
        assert_eq!(row.columns[2].int(0), Some(3));
    }
    for word in ["Nan", "infinity", "+Infinity", "NaNa", "undefined"] {
        assert!(matches!(with(word), Err(DecodeError::Syntax { .. })), "{word}");
    }
}

#[test]
fn a_number_beyond_doubles_hurts_only_the_field_that_it_stands_for() {
    let mut source = every_type();
    source.fields.iter_mut().for_each(|field| field.reading.invalid = Invalid::Null);
    for members in
        [r#""data":1e999"#, r#""data":{"location":1e999}"#, r#""data":{"source_ip":1e999}"#]
    {
        let row = decode(&source, format!(r#"{{"card_id":"c",{members},"timestamp":{T}}}"#));
        let row = row.unwrap_or_else(|error| panic!("{members}: {error}"));
        assert_eq!(row.columns[0].bytes(0), Some(&b"c"[..]));
        assert!(!row.invalid.is_empty(), "{members}");
    }
}
