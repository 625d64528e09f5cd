//! Every type of a writer as every type of a job.

use super::*;

/// A writer's type, the bytes of a value, and what that is as string, int, decimal (text), double,
/// bool, timestamp and ip; `-`: never, so the schema is refused; `!`: malformed, other values are not.
type Pair = (Json, Vec<u8>, [&'static str; 7]);

const TYPES: [Type; 7] =
    [Type::Text, Type::Int, Type::DECIMAL, Type::Double, Type::Bool, Type::Timestamp, Type::Ip];

fn pairs() -> Vec<Pair> {
    let logical = |ty: &str, logical: &str| json!({"type": ty, "logicalType": logical});
    let decimal = |scale: u32| json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": scale});
    let fixed = |size: u32| json!({"type": "fixed", "name": "F", "size": size});
    let mut fixed_decimal = fixed(5);
    fixed_decimal["logicalType"] = json!("decimal");
    fixed_decimal["precision"] = json!(9);
    fixed_decimal["scale"] = json!(2);
    let mut uuid = fixed(16);
    uuid["logicalType"] = json!("uuid");
    let mut duration = fixed(12);
    duration["logicalType"] = json!("duration");
    let n = "-";
    vec![
        (json!("null"), vec![], ["null", "null", "null", "null", "null", "null", "null"]),
        (json!("boolean"), vec![1], ["true", n, n, n, "true", n, n]),
        (json!("int"), long(-7), ["-7", "-7", "-7000000", "-7", "!", "-7", n]),
        (
            json!("long"),
            long(1 << 33),
            ["8589934592", "8589934592", "8589934592000000", "8589934592", "!", "8589934592", n],
        ),
        (
            json!("float"),
            0.1_f32.to_le_bytes().to_vec(),
            ["!", "!", "100000", "0.10000000149011612", "!", "0", n],
        ),
        (
            json!("double"),
            2.5_f64.to_le_bytes().to_vec(),
            ["!", "!", "2500000", "2.5", "!", "2", n],
        ),
        (json!("string"), text("::1"), ["::1", "!", "!", "!", "!", "!", "::1"]),
        (json!("bytes"), text("1.2.3.4"), ["1.2.3.4", n, n, n, n, n, n]),
        (fixed(2), b"ab".to_vec(), ["ab", n, n, n, n, n, n]),
        (
            json!({"type": "enum", "name": "E", "symbols": ["X", "Y"]}),
            long(1),
            ["Y", n, n, n, n, n, n],
        ),
        (logical("int", "date"), long(2), [n, "2", "2000000", "2", n, "172800000", n]),
        (logical("int", "time-millis"), long(2), [n, "2", "2000000", "2", n, n, n]),
        (logical("long", "time-micros"), long(2), [n, "2", "2000000", "2", n, n, n]),
        (
            logical("long", "timestamp-millis"),
            long(1999),
            [n, "1999", "1999000000", "1999", n, "1999", n],
        ),
        (
            logical("long", "timestamp-micros"),
            long(1999),
            [n, "1999", "1999000000", "1999", n, "1", n],
        ),
        (logical("long", "timestamp-nanos"), long(-1), [n, "-1", "-1000000", "-1", n, "-1", n]),
        (logical("long", "local-timestamp-millis"), long(5), [n, "5", "5000000", "5", n, "5", n]),
        (
            logical("long", "local-timestamp-micros"),
            long(5000),
            [n, "5000", "5000000000", "5000", n, "5", n],
        ),
        (logical("long", "nobody-knows"), long(5), ["5", "5", "5000000", "5", "!", "5", n]),
        (logical("string", "uuid"), text("u"), ["u", n, n, n, n, n, "-"]),
        (uuid, (0..16).collect(), ["00010203-0405-0607-0809-0a0b0c0d0e0f", n, n, n, n, n, n]),
        (duration, vec![0; 12], [n, n, n, n, n, n, n]),
        (decimal(2), bytes(&[0x01, 0x00]), ["!", "!", "2560000", "2.56", "!", "2", n]),
        (decimal(0), bytes(&[0xff]), ["-1", "-1", "-1000000", "-1", "!", "-1", n]),
        (
            fixed_decimal,
            vec![0xff, 0xff, 0xff, 0xff, 0x00],
            ["!", "!", "-2560000", "-2.56", "!", "-3", n],
        ),
        (json!({"type": "array", "items": "int"}), long(0), [n; 7]),
        (json!({"type": "map", "values": "int"}), long(0), [n; 7]),
        (json!({"type": "record", "name": "Q", "fields": []}), vec![], [n; 7]),
    ]
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Int(v) | Value::Decimal(v, _) | Value::Timestamp(v) => v.to_string(),
        Value::Double(v) => v.to_string(),
        Value::Bool(v) => v.to_string(),
        Value::Text(v) => v.clone(),
        Value::Ip(v) => v.to_string(),
    }
}

#[test]
fn every_type_is_every_other_or_never() {
    for (ty, bytes, expected) in pairs() {
        for (wanted, expected) in TYPES.into_iter().zip(expected) {
            let source = source(vec![field("x", "x", wanted)]);
            // By itself, beside null on either side, and through a union of several.
            let never = json!({"type": "record", "name": "Never", "fields": []});
            let nulls = [json!(["null", ty]), json!([ty, "null"]), json!(["null", ty, never])];
            let mut written = vec![(ty.clone(), bytes.clone())];
            if ty != "null" {
                let before = |branch: i64| [long(branch), bytes.clone()].concat();
                let [first, second, third] = nulls;
                written.extend([(first, before(1)), (second, before(0))]);
                written.push((third, before(1)));
            }
            for (schema, bytes) in written {
                let schema = record(&[("x", schema)]);
                let got = match decode(&source, &schema, &datum(&[bytes])) {
                    Ok(row) => shown(&row[0]),
                    Err(Refused::Schema(_)) => "-".into(),
                    Err(Refused::Malformed(_)) => "!".into(),
                    Err(error) => panic!("{schema} as {wanted}: {error:?}"),
                };
                // An ip is parsed, so not every string is one: that is for the value to say.
                assert_eq!(got, expected, "{schema} as {wanted}");
            }
        }
    }
}

#[test]
fn decimals_are_exact_and_round_half_to_even() {
    let source = source(vec![field("x", "x", Type::DECIMAL)]);
    let read = |scale: u32, unscaled: &[u8]| {
        let ty =
            json!({"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": scale});
        let row = decode(&source, &record(&[("x", ty)]), &datum(&[bytes(unscaled)]));
        row.map(|row| row[0].clone())
    };
    let micros = |value| Ok(Value::Decimal(value, 6));
    let be = |value: i128| value.to_be_bytes();
    assert_eq!(read(7, &be(5)), micros(0));
    assert_eq!(read(7, &be(15)), micros(2));
    assert_eq!(read(7, &be(25)), micros(2));
    assert_eq!(read(7, &be(-15)), micros(-2));
    assert_eq!(read(7, &be(-25)), micros(-2));
    assert_eq!(read(7, &be(26)), micros(3));
    assert_eq!(read(7, &be(-5)), micros(0));
    assert_eq!(read(44, &be(50_000_000_000_000_000_000_000_000_000_000_000_001)), micros(1));
    assert_eq!(read(44, &be(50_000_000_000_000_000_000_000_000_000_000_000_000)), micros(0));
    assert_eq!(read(45, &be(i128::MAX)), micros(0));
    assert_eq!(read(60, &be(i128::MIN)), micros(0));
    assert_eq!(read(0, &be(999_999_999_999)), micros(999_999_999_999_000_000));
    assert_eq!(read(2, &[]), micros(0), "no bytes are no digits");
    assert_eq!(read(2, &[&[0xff; 30][..], &[0x9c]].concat()), micros(-1_000_000), "padded");
    for (scale, beyond) in [(0, &be(1_000_000_000_000)[..]), (0, &be(i128::MAX)), (50, &[1; 17])] {
        match read(scale, beyond) {
            Err(Refused::Malformed(DecodeError::OutOfRange { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_logical_decimal_of_any_scale_is_a_decimal_of_any_scale_and_says_when_it_was_rounded() {
    for (scale, unscaled, kept, units, rounded) in [
        (2, 1_234_i128, 2, 1_234, false),
        (2, 1_235, 1, 124, true),
        (2, 1_225, 1, 122, true),
        (8, 1_234, 8, 1_234, false),
        (8, 1_234, 12, 12_340_000, false),
        (0, 25_000_000_000, 0, 25_000_000_000, false),
        (12, -1, 0, 0, true),
    ] {
        let source = source(vec![field("x", "x", Type::Decimal(kept))]);
        let ty =
            json!({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale});
        let (mut decoder, mut into) = (AvroDecoder::new(&source), Decoded::default());
        let written = datum(&[bytes(&unscaled.to_be_bytes())]);
        let schema = record(&[("x", ty)]).to_string().into();
        decoder.decode_datum(&schema, &written, None, &mut into).unwrap();
        assert_eq!((into.columns[0].int(0), into.rounded.len() == 1), (Some(units), rounded));
    }
}

#[test]
fn numbers_that_a_field_cannot_hold_are_malformed() {
    for (ty, written, wanted) in [
        (json!("long"), long(i64::MIN), Type::Int),
        (json!("long"), long(1_000_000_000_000), Type::DECIMAL),
        (json!("double"), f64::NAN.to_le_bytes().to_vec(), Type::Double),
        (json!("double"), f64::INFINITY.to_le_bytes().to_vec(), Type::DECIMAL),
        (json!("float"), f32::NAN.to_le_bytes().to_vec(), Type::DECIMAL),
        (json!("double"), 1e12_f64.to_le_bytes().to_vec(), Type::DECIMAL),
        (json!({"type": "int", "logicalType": "date"}), long(1 << 40), Type::Timestamp),
        (json!("string"), bytes(&[0xff]), Type::Text),
        (json!("string"), text("1.2.3"), Type::Ip),
    ] {
        let source = source(vec![field("x", "x", wanted)]);
        let schema = record(&[("x", ty)]);
        malformed(&source, &schema, &datum(&[written]));
    }
}

#[test]
fn the_event_time_is_what_its_type_says_and_else_what_the_job_says() {
    let time = |ty: Json, written: Vec<u8>, unit: TimeUnit| {
        let mut source = source(Vec::new());
        source.time.form.unit = unit;
        source.arrival = Arrival::Field(source.time.clone());
        let schema = json!({"type": "record", "name": "R", "fields": [{"name": "ts", "type": ty}]});
        let (mut decoder, mut into) = (AvroDecoder::new(&source), Decoded::default());
        let read = decoder.decode_datum(&schema.to_string().into(), &written, None, &mut into);
        assert_eq!(into.arrival.first().copied().flatten(), into.time.first().copied());
        read.ok().map(|()| into.time[0] as i64)
    };
    let logical = |ty: &str, logical: &str| json!({"type": ty, "logicalType": logical});
    let units = [TimeUnit::Ms, TimeUnit::S, TimeUnit::Us, TimeUnit::Rfc3339];
    for unit in units {
        for local in ["", "local-"] {
            let at = |name: &str, per_ms: i64| {
                let ty = logical("long", &format!("{local}timestamp-{name}"));
                time(ty, long(T * per_ms + per_ms - 1), unit)
            };
            assert_eq!(at("millis", 1), Some(T));
            assert_eq!(at("micros", 1_000), Some(T));
            assert_eq!(at("nanos", 1_000_000), Some(T));
        }
        let day = time(logical("int", "date"), long(T / 86_400_000), unit);
        assert_eq!(day, Some(T / 86_400_000 * 86_400_000));
        assert_eq!(time(logical("int", "time-millis"), long(T), unit), None);
    }
    let seconds = T / 1_000;
    assert_eq!(time(json!("long"), long(T), TimeUnit::Ms), Some(T));
    assert_eq!(time(json!("int"), long(seconds), TimeUnit::S), Some(T));
    assert_eq!(time(json!("long"), long(T * 1_000 + 999), TimeUnit::Us), Some(T));
    assert_eq!(time(json!("long"), long(T), TimeUnit::Rfc3339), None);
    let fraction = (seconds as f64 + 0.5).to_le_bytes().to_vec();
    assert_eq!(time(json!("double"), fraction, TimeUnit::S), Some(T + 500));
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 3});
    assert_eq!(time(decimal, bytes(&(T + 7).to_be_bytes()), TimeUnit::S), Some(T + 7));
    let rfc3339 = text("2023-11-14T22:13:20.007Z");
    assert_eq!(time(json!("string"), rfc3339.clone(), TimeUnit::Rfc3339), Some(T + 7));
    assert_eq!(time(json!("string"), rfc3339.clone(), TimeUnit::Iso), Some(T + 7));
    assert_eq!(time(json!("string"), rfc3339.clone(), TimeUnit::Auto), Some(T + 7));
    assert_eq!(time(json!("string"), rfc3339, TimeUnit::Ms), None);
    assert_eq!(time(json!("string"), text("1700000000007"), TimeUnit::Ms), Some(T + 7));
    assert_eq!(time(json!("long"), long(T * 1_000_000 + 7), TimeUnit::Ns), Some(T));
    assert_eq!(time(json!("long"), long(T * 1_000 + 7), TimeUnit::Auto), Some(T));
    assert_eq!(time(json!(["null", "long"]), long(0), TimeUnit::Ms), None, "it must be there");
}
