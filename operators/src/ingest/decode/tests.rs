//! Claims about the decoder, most of them against naive twins.

mod coercion;
mod csv;
mod elements;
mod json_suite;
mod plain;
mod strict;

use super::number::{self, Rounding};
use super::*;
use crate::plan::{Arrival, FieldPlan, Format, Invalid, ReadOptions, TimeField, TimeUnit};
use crate::value::{DECIMAL_UNITS_MAX, Type, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn source(fields: &[(&str, &str, Type, bool)], time: (&str, TimeUnit)) -> SourcePlan {
    SourcePlan {
        out_of_orderness: 5_000,
        idle_after: 1_000,
        hold_max: 2_000,
        keys: vec![0],
        ..SourcePlan::new(
            "transactions",
            TimeField::new(path(time.0), time.1),
            fields
                .iter()
                .map(|&(name, at, ty, required)| FieldPlan {
                    path: path(at),
                    required,
                    ..FieldPlan::new(name, ty)
                })
                .collect(),
        )
    }
}

/// A source with a field of every type, two of them nested, and the time declared as a field too.
fn every_type() -> SourcePlan {
    source(
        &[
            ("card", "card_id", Type::Text, false),
            ("amount", "amount", Type::DECIMAL, false),
            ("count", "n", Type::Int, false),
            ("score", "score", Type::Double, false),
            ("chip", "chip", Type::Bool, false),
            ("at", "timestamp", Type::Timestamp, true),
            ("ip", "data.source_ip", Type::Ip, false),
            ("city", "data.location.city", Type::Text, false),
        ],
        ("timestamp", TimeUnit::Ms),
    )
}

fn card(amount_required: bool) -> SourcePlan {
    source(
        &[
            ("card", "card_id", Type::Text, true),
            ("amount", "amount", Type::DECIMAL, amount_required),
            ("country", "country", Type::Text, false),
        ],
        ("timestamp", TimeUnit::Ms),
    )
}

const T: u64 = 1_700_000_000_000;

/// The row of a record, which is the same with and without the one pass over plain JSON.
fn decode(source: &SourcePlan, record: impl AsRef<[u8]>) -> Result<Decoded, DecodeError> {
    let read = |mut decoder: Decoder| {
        let mut into = Decoded::default();
        decoder.decode(record.as_ref(), &mut into).map(|()| into)
    };
    let row = read(Decoder::new(source));
    assert_eq!(row, read(Decoder::new(source).by_the_parser_alone()));
    row
}

fn error(record: impl AsRef<[u8]>) -> String {
    decode(&card(true), record).expect_err("malformed").to_string()
}

fn amount(text: &str) -> Result<i64, DecodeError> {
    let record = format!(r#"{{"card_id":"c","amount":{text},"timestamp":{T}}}"#);
    decode(&card(true), record).map(|d| d.columns[1].int(0).expect("an amount"))
}

#[test]
fn a_record_becomes_one_row() {
    let record = json!({
        "card_id": "c\u{e9}\"1", "amount": 12.5, "n": -3, "score": 0.25, "chip": true, "timestamp": T,
        "unknown": [{"card_id": 1}], "data": {"x": null, "source_ip": "::1", "location": {"city": "X"}},
    });
    let row = decode(&every_type(), record.to_string()).expect("valid");
    assert_eq!(
        (row.rows(), row.time.as_slice(), row.arrival.as_slice()),
        (1, &[T][..], &[None][..])
    );
    assert_eq!(row.columns[0].bytes(0), Some("c\u{e9}\"1".as_bytes()));
    assert_eq!(row.columns[1].int(0), Some(12_500_000));
    assert_eq!(row.columns[2].int(0), Some(-3));
    assert_eq!(row.columns[3].double(0), Some(0.25));
    assert_eq!(row.columns[4].bool(0), Some(true));
    assert_eq!(row.columns[5].int(0), Some(1_700_000_000_000));
    assert_eq!(row.columns[6].bytes(0).map(<[u8]>::len), Some(16));
    assert_eq!(row.columns[7].bytes(0), Some(&b"X"[..]));
}

#[test]
fn every_malformed_input_is_an_error_that_names_the_field() {
    let good = format!(r#"{{"card_id":"c","amount":1.5,"country":"FR","timestamp":{T}}}"#);
    assert!(decode(&card(true), &good).is_ok());
    for cut in 0..good.len() {
        assert!(error(&good[..cut]).contains("not one JSON value"), "cut at {cut}");
    }
    for (from, to, says) in [
        (
            "\"c\"",
            "7.5",
            "\"card\" (at \"card_id\"): expected a string of at most text_bytes_max bytes or a whole number, found number 7.5",
        ),
        ("\"c\"", "null", "\"card\" (at \"card_id\"): required, but missing or null"),
        ("\"card_id\"", "\"car_id\"", "\"card\" (at \"card_id\"): required, but missing or null"),
        ("\"c\"", "[\"c\"]", "found an array"),
        ("\"c\"", "{\"c\":1}", "found an object"),
        ("\"c\"", "\"\\ud8\"", "not one JSON value"),
        ("\"c\"", "\"\"", "none of the entity keys is present"),
        ("1.5", "\"1,5\"", "\"amount\" (at \"amount\"): expected a decimal number within"),
        ("1.5", "1e12", "\"amount\" (at \"amount\"): 1e12 is out of range"),
        ("1.5", "-1000000000000.000001", "is out of range"),
        (
            "1.5",
            "NaN",
            "\"amount\" (at \"amount\"): expected a decimal number within +-1e12, found NaN",
        ),
        ("1.5", "Infinity", "found Infinity"),
        ("1.5", "-Infinity", "found -Infinity"),
        ("1.5", "Inf", "not one JSON value"),
        ("1.5", "01", "not one JSON value"),
        ("1.5", "1.", "not one JSON value"),
        ("1.5", "true", "found true"),
        ("1.5", "{}", "found an object"),
        ("\"timestamp\"", "\"time\"", "event time (at \"timestamp\"): required, but missing"),
        ("1700000000000", "null", "event time (at \"timestamp\"): required, but missing"),
        ("1700000000000", "-62135596800000", "is outside [631152000000, 4102444800000)"),
        ("1700000000000", "253402300799999", "is outside [631152000000, 4102444800000)"),
        ("1700000000000", "631151999999", "is outside"),
        ("1700000000000", "4102444800000", "is outside"),
        ("1700000000000", "1e30", "1e30 is out of range"),
        ("1700000000000", "\"2026-01-31T00:00:00Z\"", "expected a number: milliseconds"),
        ("1700000000000", "false", "found false"),
        ("}", "} x", "trailing characters"),
        ("}", "}{}", "trailing characters"),
        ("\"FR\"", "\"F\u{1}\"", "control character"),
        ("\"FR\"", "'FR'", "not one JSON value"),
        (",\"country\"", ",\"x\":[1,],\"country\"", "not one JSON value"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let text = error(&bad);
        assert!(text.contains(says), "{bad}: {text}");
    }
    for (record, says) in [
        ("", "not one JSON value"),
        ("null", "the record: expected an object, found null"),
        ("[]", "the record is an array, as of several events"),
        ("17", "the record: expected an object, found a number"),
        ("\"x\"", "the record: expected an object, found a string"),
        ("true", "the record: expected an object, found true"),
        ("{}", "required, but missing"),
    ] {
        assert!(error(record).contains(says), "{record}: {}", error(record));
    }
}

#[test]
fn invalid_utf8_is_malformed_even_where_nothing_is_read() {
    let mut record = format!(r#"{{"card_id":"c","amount":1,"timestamp":{T},"note":"zz"}}"#);
    record = record.replace("zz", "\u{80}");
    let mut bytes = record.into_bytes();
    let at = bytes.iter().position(|b| *b == 0xc2).expect("two bytes");
    bytes[at] = 0xff;
    assert_eq!(decode(&card(true), &bytes), Err(DecodeError::NotUtf8 { at }));
}

#[test]
fn a_record_over_the_bound_is_malformed_and_errors_show_little_of_it() {
    let long = "x".repeat(10 << 20);
    let record = format!(r#"{{"card_id":"{long}","amount":1,"timestamp":{T}}}"#);
    assert!(matches!(decode(&card(true), &record), Err(DecodeError::TooLong { .. })));
    let mut into = Decoded::default();
    let mut any_length = card(true);
    any_length.fields[0].reading.text_bytes_max = usize::MAX;
    let mut wide = Decoder::new(&any_length).with_record_bytes_max(usize::MAX);
    wide.decode(record.as_bytes(), &mut into).expect("valid but for its length");
    let mut shows = |record: String| wide.decode(record.as_bytes(), &mut into).expect_err("bad");
    for record in [
        format!(r#"{{"card_id":"c","amount":"{long}","timestamp":{T}}}"#),
        format!(r#"{{"card_id":"c","amount":{},"timestamp":{T}}}"#, "9".repeat(1 << 20)),
        format!(r#"{{"card_id":"{long}"#),
        long.clone(),
        "\u{1F980}".repeat(1000),
    ] {
        let text = shows(record).to_string();
        assert!(text.len() < 400 && !text.contains(&"x".repeat(201)), "{text}");
    }
}

#[test]
fn deep_nesting_neither_overflows_nor_is_taken_for_a_value() {
    let deep = "[".repeat(500_000);
    assert!(error(format!(r#"{{"note":{deep}"#)).contains("not one JSON value"));
    assert!(error(format!(r#"{{"amount":{deep}"#)).contains("not one JSON value"));
    assert!(error(format!(r#"{{"card_id":{deep}"#)).contains("not one JSON value"));
    let closed = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    let record = format!(r#"{{"note":{closed},"card_id":"c","amount":1,"timestamp":{T}}}"#);
    let mut wide = Decoder::new(&card(true)).with_record_bytes_max(usize::MAX);
    assert_eq!(wide.decode(record.as_bytes(), &mut Decoded::default()), Ok(()));
}

#[test]
fn integers_are_whole_and_within_64_bits() {
    let n = |text: &str| {
        let record = format!(r#"{{"card_id":"c","n":{text},"timestamp":{T}}}"#);
        decode(&every_type(), record).map(|d| d.columns[2].int(0)).map_err(|e| e.to_string())
    };
    assert_eq!(n("9223372036854775807"), Ok(Some(i64::MAX)));
    assert_eq!(n("-9223372036854775807"), Ok(Some(-i64::MAX)));
    assert_eq!(n("-0"), Ok(Some(0)));
    assert_eq!(n("null"), Ok(None));
    for text in ["9223372036854775808", "-9223372036854775808", "1000000000000000000000"] {
        assert!(n(text).is_err_and(|e| e.contains("out of range")), "{text}");
    }
    for text in ["1.5", "1e-3", "\"1.5\"", "true"] {
        assert!(n(text).is_err_and(|e| e.contains("expected a whole number")), "{text}");
    }
}

#[test]
fn the_bound_on_decimals_is_inclusive_and_doubles_must_be_finite() {
    assert_eq!(amount("999999999999.999999"), Ok(DECIMAL_UNITS_MAX));
    assert_eq!(amount("-999999999999.9999994"), Ok(-DECIMAL_UNITS_MAX));
    assert_eq!(amount("25e9"), Ok(25_000_000_000_000_000));
    for beyond in ["1e12", "-1000000000000", "999999999999.9999995"] {
        assert!(amount(beyond).is_err(), "{beyond}");
    }
    let score = |text: &str| {
        let record = format!(r#"{{"card_id":"c","score":{text},"timestamp":{T}}}"#);
        decode(&every_type(), record).map(|d| d.columns[3].double(0))
    };
    assert_eq!(score("-0.0").map(|v| v.map(f64::to_bits)), Ok(Some(0)));
    assert_eq!(score("1e-400"), Ok(Some(0.0)));
    assert!(score("1e400").is_err());
}

#[test]
fn times_are_read_by_their_unit_and_floored_to_ms() {
    let read = |unit, text: &str| {
        let source = source(&[("card", "card_id", Type::Text, true)], ("t.at", unit));
        decode(&source, format!(r#"{{"t":{{"at":{text}}},"card_id":"c"}}"#)).map(|d| d.time[0])
    };
    for (unit, text) in [
        (TimeUnit::Ms, "1700000000000"),
        (TimeUnit::Ms, "1700000000000.999"),
        (TimeUnit::Ms, "1.7e12"),
        (TimeUnit::S, "1700000000"),
        (TimeUnit::S, "1700000000.0009"),
        (TimeUnit::Us, "1700000000000999"),
        (TimeUnit::Us, "1700000000000000.5"),
        (TimeUnit::Rfc3339, "\"2023-11-14T22:13:20Z\""),
        (TimeUnit::Rfc3339, "\"2023-11-15T00:13:20.0009999+02:00\""),
        (TimeUnit::Rfc3339, "\"2023-11-14T22:13:2\\u0030Z\""),
    ] {
        assert_eq!(read(unit, text), Ok(T), "{unit:?} {text}");
    }
    assert!(read(TimeUnit::Rfc3339, "1700000000000").is_err());
    assert!(read(TimeUnit::Rfc3339, "\"0001-01-01T00:00:00Z\"").is_err());
    assert!(read(TimeUnit::Rfc3339, "\"9999-12-31T23:59:59Z\"").is_err());
    assert!(read(TimeUnit::S, "\"1700000000s\"").is_err());
    assert_eq!(read(TimeUnit::S, "\"1700000000\""), Ok(T));
    assert_eq!(read(TimeUnit::Ns, "1700000000000999999"), Ok(T));
    assert_eq!(read(TimeUnit::Auto, "1700000000000999999"), Ok(T));
    assert_eq!(read(TimeUnit::Auto, "\"2023-11-14 22:13:20Z\""), Ok(T));
    let seconds = read(TimeUnit::Ms, "1700000000").unwrap_err().to_string();
    assert!(seconds.ends_with("; with unit = \"s\" it is 2023-11-14T22:13:20Z"), "{seconds}");
    let local = read(TimeUnit::Iso, "\"2023-11-14T22:13:20\"").unwrap_err().to_string();
    assert!(local.contains("add zone = \"UTC\""), "{local}");
}

#[test]
fn a_field_that_is_no_time_in_its_unit_names_the_one_that_would_fit() {
    let fields = [("card", "card_id", Type::Text, false), ("born", "born", Type::Timestamp, true)];
    let mut source = source(&fields, ("timestamp", TimeUnit::Ms));
    source.fields[1].reading.times = (631_152_000_000, 4_102_444_800_000);
    source.fields[1].reading.invalid = Invalid::Reject;
    let read = |text: &str| {
        let record = format!(r#"{{"card_id":"c","timestamp":{T},"born":{text}}}"#);
        decode(&source, record).unwrap_err().to_string()
    };
    let s = read("1767484955");
    assert!(s.ends_with("; with unit = \"s\" it is 2026-01-04T00:02:35Z"), "{s}");
    assert!(read("1767484955000000000").contains("with unit = \"ns\" it is 2026"));
    let none = read("5");
    assert!(none.contains("out of range") && !none.contains("with unit"), "{none}");
}

#[test]
fn the_arrival_is_optional_but_not_arbitrary() {
    let mut source = card(false);
    source.arrival = Arrival::Field(TimeField::new(path("read_at"), TimeUnit::S));
    let read = |text: &str| {
        let record = format!(r#"{{"card_id":"c","timestamp":{T},"read_at":{text}}}"#);
        decode(&source, record).map(|d| d.arrival[0])
    };
    assert_eq!(read("1700000001.5"), Ok(Some(T + 1_500)));
    assert_eq!(read("null"), Ok(None));
    assert_eq!(read("-1"), Ok(None), "what no event could have is none");
    let wrong = read("\"x\"").unwrap_err().to_string();
    assert!(wrong.contains("arrival time (at \"read_at\")"), "{wrong}");
}

#[test]
fn an_event_needs_one_of_the_entity_keys() {
    let fields = [("card", "card_id", Type::Text, false), ("user", "user_id", Type::Text, false)];
    let mut source = source(&fields, ("timestamp", TimeUnit::Ms));
    source.keys = vec![0, 1];
    assert!(decode(&source, format!(r#"{{"user_id":"u","timestamp":{T}}}"#)).is_ok());
    let text = decode(&source, format!(r#"{{"user_id":null,"timestamp":{T}}}"#));
    let text = text.expect_err("no key").to_string();
    assert!(text.contains("\"card\" (at \"card_id\"), field \"user\" (at \"user_id\")"), "{text}");
}

#[test]
fn the_last_of_equal_keys_wins_and_objects_start_anew() {
    let record = format!(
        r#"{{"card_id":"first","timestamp":1,"data":{{"source_ip":"1.2.3.4","location":{{"city":"A"}}}},
           "card_id":"last","timestamp":{T},"data":{{"location":{{}}}},"amount":1,"amount":null}}"#
    );
    let row = decode(&every_type(), record).expect("valid");
    assert_eq!(row.columns[0].bytes(0), Some(&b"last"[..]));
    assert_eq!(row.columns[0].bytes, b"last");
    assert_eq!(row.columns[1].int(0), None);
    assert_eq!((row.columns[6].bytes(0), row.columns[7].bytes(0)), (None, None));
}

#[test]
fn a_path_that_is_both_a_value_and_an_object_only_takes_null() {
    for fields in [
        [
            ("card", "id", Type::Text, true),
            ("d", "d", Type::Text, false),
            ("x", "d.x", Type::Int, false),
        ],
        [
            ("card", "id", Type::Text, true),
            ("x", "d.x", Type::Int, false),
            ("d", "d", Type::Text, false),
        ],
    ] {
        let source = source(&fields, ("timestamp", TimeUnit::Ms));
        let read = |d: &str| decode(&source, format!(r#"{{"id":"c","timestamp":{T},"d":{d}}}"#));
        assert!(read("null").is_ok());
        for d in ["\"x\"", "1", "{\"x\":1}", "[]"] {
            assert!(read(d).is_err_and(|e| e.to_string().contains("keys below it")), "{d}");
        }
    }
}

/// `text * 10^6`, half to even, by school arithmetic on a list of digits.
fn naive_micros(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let mut point = i64::try_from(whole.len()).unwrap() + exponent.parse::<i64>().unwrap() + 6;
    while point < 1 {
        digits.insert(0, 0);
        point += 1;
    }
    let point = usize::try_from(point).unwrap();
    while digits.len() < point {
        digits.push(0);
    }
    let (kept, cut) = digits.split_at(point);
    let mut value =
        kept.iter().try_fold(0_i128, |v, d| v.checked_mul(10)?.checked_add(i128::from(*d)))?;
    let half: Vec<u8> = std::iter::once(5).chain(std::iter::repeat(0)).take(cut.len()).collect();
    match cut.cmp(half.as_slice()) {
        std::cmp::Ordering::Greater => value += 1,
        std::cmp::Ordering::Equal if !cut.is_empty() => value += value % 2,
        _ => {}
    }
    let value = i64::try_from(value).ok().filter(|v| *v < 10_i64.pow(18))?;
    Some(if negative { -value } else { value })
}

/// The text of a whole number.
fn naive_id(number: &str) -> Option<Vec<u8>> {
    let whole = number.strip_suffix(".0").unwrap_or(number);
    let small = whole == number || whole.parse::<i64>().ok()?.abs() < 1 << 53;
    let digits = whole.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    let whole = if whole == "-0" { "0" } else { whole };
    (small && digits).then(|| whole.as_bytes().to_vec())
}

/// What the decoder should make of `record`, by way of a value tree.
fn naive(source: &SourcePlan, record: &Json) -> Option<(u64, Vec<Option<Vec<u8>>>)> {
    let find = |path: &[String]| {
        let mut at = record;
        for name in path {
            at = match at {
                Json::Object(map) => map.get(name).unwrap_or(&Json::Null),
                Json::Null => &Json::Null,
                _ => return None,
            };
        }
        Some(at.clone())
    };
    let mut cells = Vec::new();
    for field in &source.fields {
        let value = find(&field.path)?;
        let cell = match (field.ty, &value) {
            (_, Json::Null) if !field.required => None,
            (Type::Text, Json::String(text)) => Some(text.clone().into_bytes()),
            (Type::Ip, Json::String(text)) if !text.trim().is_empty() => {
                Some(match text.trim().parse().ok()? {
                    std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
                    std::net::IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                        Some(ip) => ip.octets().to_vec(),
                        None => ip.octets().to_vec(),
                    },
                })
            }
            (Type::Text, Json::Number(n)) => Some(naive_id(&n.to_string())?),
            (Type::Text, Json::Bool(b)) => Some(b.to_string().into_bytes()),
            (_, Json::String(text)) if text.trim().is_empty() && !field.required => None,
            (Type::Bool, Json::String(text)) => {
                Some(u64::from(text.parse::<bool>().ok()?).to_le_bytes().to_vec())
            }
            (Type::Bool, Json::Number(n)) => {
                let bit = [0.0, 1.0].iter().position(|bit| n.as_f64() == Some(*bit))?;
                Some(u64::try_from(bit).unwrap().to_le_bytes().to_vec())
            }
            (Type::Bool, Json::Bool(b)) => Some(u64::from(*b).to_le_bytes().to_vec()),
            (Type::Timestamp, Json::Number(n)) => {
                let floored = n.as_f64().map(f64::floor).filter(|n| n.abs() < 1e18);
                let ms = n.as_i64().or(floored.map(|n| n as i64));
                Some(ms.filter(|ms| *ms != i64::MIN)?.to_le_bytes().to_vec())
            }
            (Type::Int, Json::Number(n)) => {
                let whole =
                    n.as_f64().filter(|n| n.is_finite() && n.fract() == 0.0 && n.abs() < 9e18);
                let whole = n.as_i64().or(whole.map(|n| n as i64));
                Some(whole.filter(|n| *n != i64::MIN)?.to_le_bytes().to_vec())
            }
            (Type::DECIMAL, Json::Number(n)) => {
                let micros =
                    naive_micros(&n.to_string()).filter(|m| m.abs() <= DECIMAL_UNITS_MAX)?;
                Some(micros.to_le_bytes().to_vec())
            }
            (Type::Double, Json::Number(n)) => {
                Some((n.as_f64()? + 0.0).to_bits().to_le_bytes().to_vec())
            }
            _ => return None,
        };
        cells.push(cell);
    }
    let time = find(&source.time.path)?;
    let time = time.as_u64().or(time.as_f64().filter(|ms| *ms >= 0.0).map(|ms| ms as u64))?;
    let keyed = source.keys.iter().any(|k| cells[*k].as_ref().is_some_and(|id| !id.is_empty()));
    ((source.earliest..source.latest).contains(&time) && keyed).then_some((time, cells))
}

fn cells(source: &SourcePlan, row: usize, decoded: &Decoded) -> (u64, Vec<Option<Vec<u8>>>) {
    let cells = source.fields.iter().zip(&decoded.columns).map(|(field, column)| match field.ty {
        Type::Text | Type::Ip => column.bytes(row).map(<[u8]>::to_vec),
        _ => column.word(row).map(|w| w.to_le_bytes().to_vec()),
    });
    (decoded.time[row], cells.collect())
}

fn scalar() -> BoxedStrategy<Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1000_i64..1000).prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e14..1e14).prop_map(Json::from),
        "[a-z\"\\\\\u{e9}\n]{0,6}".prop_map(Json::from),
        address(),
    ]
    .boxed()
}

/// An address as text, some of IPv4 inside of IPv6.
fn address() -> BoxedStrategy<Json> {
    let mapped = |ip: std::net::Ipv4Addr| ip.to_ipv6_mapped().to_string().into();
    prop_oneof![
        4 => any::<std::net::IpAddr>().prop_map(|ip| ip.to_string().into()),
        1 => any::<std::net::Ipv4Addr>().prop_map(mapped),
    ]
    .boxed()
}

/// A value for a field of [`every_type`]: mostly of its type.
fn value(ty: Type) -> BoxedStrategy<Json> {
    let right = match ty {
        Type::Text => ".{0,8}".prop_map(Json::from).boxed(),
        Type::Ip => address(),
        Type::Bool => any::<bool>().prop_map(Json::from).boxed(),
        Type::Int => any::<i64>().prop_map(Json::from).boxed(),
        Type::Decimal(_) => (-2e12..2e12).prop_map(Json::from).boxed(),
        Type::Double => any::<f64>().prop_map(Json::from).boxed(),
        Type::Timestamp => (T..T + 9).prop_map(Json::from).boxed(),
    };
    prop_oneof![30 => right, 2 => Just(Json::Null), 1 => scalar()].boxed()
}

fn object(fields: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let members: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| proptest::option::weighted(0.9, value.prop_map(move |v| (name, v))))
        .collect();
    let unknown = proptest::collection::vec(("[x-z]{1,3}", scalar()), 0..3);
    (members, unknown)
        .prop_map(|(members, unknown)| {
            let known = members.into_iter().flatten().map(|(name, v)| (name.to_owned(), v));
            Json::Object(known.chain(unknown).collect())
        })
        .boxed()
}

fn record() -> BoxedStrategy<Json> {
    let location = object(vec![("city", value(Type::Text))]);
    let location = prop_oneof![20 => location, 1 => scalar()].boxed();
    let nested = object(vec![("source_ip", value(Type::Ip)), ("location", location)]);
    object(vec![
        ("card_id", value(Type::Text)),
        ("amount", value(Type::DECIMAL)),
        ("n", value(Type::Int)),
        ("score", value(Type::Double)),
        ("chip", value(Type::Bool)),
        ("timestamp", value(Type::Timestamp)),
        ("data", prop_oneof![20 => nested, 1 => scalar()].boxed()),
    ])
}

/// The text of an object with its members in an order drawn from `seed`.
fn shuffled(value: &Json, seed: &mut u64) -> String {
    let Json::Object(map) = value else { return value.to_string() };
    let mut members: Vec<_> = map
        .iter()
        .map(|(name, v)| format!(" {}: {}", Json::from(name.as_str()), shuffled(v, seed)))
        .collect();
    for i in (1..members.len()).rev() {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        members.swap(i, usize::try_from(*seed >> 33).unwrap() % (i + 1));
    }
    format!("{{{}}}", members.join(","))
}

/// A field with two aliases and a default, and one below an object with an alias outside of it.
fn renamed() -> SourcePlan {
    let fields =
        [("amount", "amount", Type::DECIMAL, true), ("city", "to.city", Type::Text, false)];
    let mut source = source(&fields, ("timestamp", TimeUnit::Ms));
    source.fields[0].aliases = vec![path("data.amount"), path("amt")];
    source.fields[0].default = Some(crate::value::Value::Decimal(7, 6));
    source.fields[1].aliases = vec![path("city")];
    source.keys = Vec::new();
    source
}

#[test]
fn of_several_paths_the_first_that_is_there_is_read_in_whatever_order_they_come() {
    let read = |members: &str| {
        let (mut decoder, mut into) = (Decoder::new(&renamed()), Decoded::default());
        let text = format!("{{{members},\"timestamp\":{T}}}");
        decoder.decode(text.as_bytes(), &mut into).map(|()| {
            let city = into.columns[1].bytes(0).map(|b| String::from_utf8_lossy(b).into_owned());
            (into.columns[0].int(0), city)
        })
    };
    let is = |micros: i64, city: Option<&str>| Ok((Some(micros), city.map(str::to_owned)));
    assert_eq!(read(r#""amount":1,"amt":3,"data":{"amount":2}"#), is(1_000_000, None));
    assert_eq!(read(r#""amt":3,"data":{"amount":2}"#), is(2_000_000, None));
    assert_eq!(read(r#""data":{"amount":2},"amt":3"#), is(2_000_000, None));
    assert_eq!(read(r#""data":{},"amt":3"#), is(3_000_000, None));
    assert_eq!(read(r#""data":{"amount":2},"data":{},"amt":3"#), is(3_000_000, None));
    assert_eq!(read(r#""city":"b","to":{"city":"a"}"#), is(7, Some("a")));
    assert_eq!(read(r#""to":{},"city":"b""#), is(7, Some("b")));
    // A null is there: at the path, and on the way to it.
    assert_eq!(read(r#""to":{"city":null},"city":"b""#), is(7, None));
    assert_eq!(read(r#""to":null,"city":"b""#), is(7, None));
    assert_eq!(read(r#""city":"b","to":null"#), is(7, None));
    for null in [r#""amount":null"#, r#""amount":null,"amt":3"#, r#""data":null,"amt":3"#] {
        assert!(matches!(read(null), Err(DecodeError::Missing { .. })), "{null}");
    }
    // What comes too late decides nothing, nor what a later one of the same key corrects.
    assert_eq!(read(r#""amount":1,"amt":"x""#), is(1_000_000, None));
    assert_eq!(read(r#""amt":[1],"amount":1"#), is(1_000_000, None));
    assert_eq!(read(r#""amount":"x","amount":1"#), is(1_000_000, None));
    assert_eq!(read(r#""data":7,"data":{"amount":2}"#), is(2_000_000, None));
    assert!(matches!(read(r#""amount":"x","amt":1"#), Err(DecodeError::WrongType { .. })));
    assert!(matches!(read(r#""data":7,"amt":3"#), Err(DecodeError::WrongType { .. })));
}

/// What a field of type `ty` is in a record that has `scalar` there, in the type's own form.
pub(super) fn value_of(ty: Type, scalar: Scalar<'_>) -> Option<Value> {
    let reading = ReadOptions { coerce: false, ..ReadOptions::default() };
    match conversion(ty, scalar, &reading) {
        Conversion::Value(value) => Some(value),
        Conversion::Null | Conversion::Invalid => None,
    }
}

#[test]
fn a_default_is_a_value_that_a_record_could_have() {
    let is = |ty, scalar, value| assert_eq!(value_of(ty, scalar), value, "{scalar:?} as {ty}");
    is(Type::DECIMAL, Scalar::Number("0.0000015"), Some(Value::Decimal(2, 6)));
    is(Type::DECIMAL, Scalar::Number("1e12"), None);
    is(Type::Decimal(2), Scalar::Number("1e12"), Some(Value::Decimal(100_000_000_000_000, 2)));
    assert_eq!(exact_value_of(Type::DECIMAL, Scalar::Number("0.0000015")), None);
    let exact = exact_value_of(Type::DECIMAL, Scalar::Number("0.0000010"));
    assert_eq!(exact, Some(Value::Decimal(1, 6)));
    is(Type::DECIMAL, Scalar::Text("1"), None);
    is(Type::Int, Scalar::Number("-3"), Some(Value::Int(-3)));
    is(Type::Int, Scalar::Number("3.0"), None);
    is(Type::Double, Scalar::Number("1e3"), Some(Value::Double(1000.0)));
    is(Type::Double, Scalar::Number("inf"), None);
    is(Type::Double, Scalar::Number("nan"), None);
    is(Type::Bool, Scalar::Bool(true), Some(Value::Bool(true)));
    is(Type::Text, Scalar::Text(""), Some(Value::Text(String::new())));
    is(Type::Ip, Scalar::Text("::1"), Some(Value::Ip("::1".parse().unwrap())));
    is(Type::Ip, Scalar::Text("::ffff:1.2.3.4"), Some(Value::Ip([1, 2, 3, 4].into())));
    is(Type::Ip, Scalar::Text("1.2"), None);
    is(Type::Timestamp, Scalar::Number("5"), Some(Value::Timestamp(5)));
}

proptest! {
    #[test]
    fn decimals_are_rounded_as_by_hand(
        text in "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?",
    ) {
        prop_assert_eq!(number::scaled(&text, 6, Rounding::HalfEven), naive_micros(&text), "{}", text);
    }

    #[test]
    fn ties_are_rounded_as_by_hand(whole in 0_u64..1_000_000, zeros in 0_usize..20) {
        let text = format!("0.{whole:06}5{}", "0".repeat(zeros));
        prop_assert_eq!(number::scaled(&text, 6, Rounding::HalfEven), naive_micros(&text), "{}", text);
    }

    #[test]
    fn records_decode_as_by_way_of_a_value_tree(
        records in proptest::collection::vec(record(), 1..12),
        seed in any::<u64>(),
    ) {
        let source = every_type();
        let mut decoder = Decoder::new(&source);
        let (mut into, mut seed) = (Decoded::default(), seed);
        for record in records {
            let text = shuffled(&record, &mut seed);
            let before = into.clone();
            let decoded = decoder.decode(text.as_bytes(), &mut into);
            match (naive(&source, &record), decoded) {
                (Some(twin), Ok(())) => {
                    prop_assert_eq!(into.rows(), before.rows() + 1);
                    prop_assert_eq!(cells(&source, before.rows(), &into), twin, "{}", text);
                }
                (None, Err(_)) => {
                    if before.rows() > 0 {
                        prop_assert_eq!(&into, &before);
                    }
                    prop_assert_eq!(into.rows(), before.rows());
                }
                (twin, decoded) => prop_assert!(false, "{}: {:?} but {:?}", text, twin, decoded),
            }
        }
    }

    #[test]
    fn any_bytes_give_a_row_or_leave_no_trace(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut decoder = Decoder::new(&every_type());
        let mut into = Decoded::default();
        let valid = format!(r#"{{"card_id":"c","data":{{"source_ip":"1.2.3.4"}},"timestamp":{T}}}"#);
        decoder.decode(valid.as_bytes(), &mut into).unwrap();
        let before = into.clone();
        let at = bytes.first().map_or(0, |b| usize::from(*b)) % valid.len();
        let mut record = valid.into_bytes();
        record.splice(at..at, bytes);
        if decoder.decode(&record, &mut into).is_err() {
            prop_assert_eq!(into, before);
        }
    }
}
