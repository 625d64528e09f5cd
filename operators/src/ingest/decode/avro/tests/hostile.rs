//! Bytes and schemas that nobody should send.

use super::*;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A schema that has everything, and a datum of it.
pub(super) fn everything() -> (SourcePlan, Arc<str>, Vec<u8>) {
    let mut wanted = source(vec![
        field("card", "card", Type::Text),
        field("amount", "amount", Type::DECIMAL),
        field("ip", "net.ip", Type::Ip),
        field("tag", "tags.a", Type::Int),
        field("deep", "tree.left.value", Type::Double),
    ]);
    wanted.fields[3].aliases = vec![path("tag")];
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2});
    let net = json!({"type": "record", "name": "N", "fields": [{"name": "ip", "type": "string"}]});
    let tree = json!({"type": "record", "name": "T", "fields": [
        {"name": "left", "type": ["null", "T"]},
        {"name": "value", "type": ["double", "float", "null", "int"]},
    ]});
    let schema = record(&[
        ("trees", json!({"type": "array", "items": tree})),
        ("card", json!(["null", "string"])),
        ("amount", decimal),
        ("kind", json!({"type": "enum", "name": "K", "symbols": ["A", "B"]})),
        ("net", json!([net, "null"])),
        ("tags", json!({"type": "map", "values": "long"})),
        ("raw", json!({"type": "fixed", "name": "F", "size": 3})),
        ("tag", json!("int")),
        ("tree", json!("T")),
    ]);
    let tree =
        [long(1), long(0), long(3), long(9), long(0), 1.5_f64.to_le_bytes().to_vec()].concat();
    let trees = [long(-1), long(tree.len() as i64), tree.clone(), long(2), tree.repeat(2), long(0)];
    let tags = [long(2), text("b"), long(-5), text("a"), long(6), long(0)].concat();
    let datum = datum(&[
        trees.concat(),
        [long(1), text("c")].concat(),
        bytes(&[0x27, 0x10]),
        long(1),
        [long(0), text("9.9.9.9")].concat(),
        tags,
        b"abc".to_vec(),
        long(4),
        tree,
    ]);
    (wanted, schema, datum)
}

#[test]
fn everything_can_be_read() {
    let (source, schema, datum) = everything();
    let row = decode(&source, &schema, &datum).unwrap();
    assert_eq!(row[0], Value::Text("c".into()));
    assert_eq!(row[1], Value::Decimal(100_000_000, 6));
    assert_eq!(row[2], Value::Ip([9, 9, 9, 9].into()));
    assert_eq!((&row[3], &row[4]), (&Value::Int(6), &Value::Double(9.0)));
    assert_eq!(Extents::new(&schema).unwrap().of(&[&datum[..], b"more"].concat()), Ok(datum.len()));
}

#[test]
fn what_is_cut_off_or_goes_on_is_malformed() {
    let (source, schema, datum) = everything();
    for length in 0..datum.len() {
        malformed(&source, &schema, &datum[..length]);
    }
    let why = malformed(&source, &schema, &[&datum[..], &[0]].concat());
    assert!(why.contains("it ends before the record does"), "{why}");
    let mut decoder = AvroDecoder::new(&source).with_record_bytes_max(10);
    let long = decoder.decode_datum(&schema, &datum, None, &mut Decoded::default());
    assert!(matches!(long, Err(Refused::Malformed(DecodeError::TooLong { .. }))));
}

#[test]
fn no_count_is_believed() {
    let plain = source(Vec::new());
    let of = |items: Json| record(&[("a", json!({"type": "array", "items": items}))]);
    // Items without bytes take no time, however many there are.
    let empty = json!({"type": "record", "name": "E", "fields": [{"name": "n", "type": "null"}]});
    for items in [json!("null"), empty] {
        let huge = datum(&[long(i64::MAX), long(0)]);
        assert_eq!(decode(&plain, &of(items), &huge), Ok(vec![]));
    }
    for head in [
        long(i64::MAX),
        [long(i64::MIN), long(4)].concat(),
        [long(-1), long(-1)].concat(),
        [long(-1), long(i64::MAX)].concat(),
    ] {
        let (ints, strings) = (of(json!("int")), of(json!("string")));
        malformed(&plain, &ints, &datum(std::slice::from_ref(&head)));
        malformed(&plain, &strings, &datum(&[head]));
    }
    let string = record(&[("s", json!("string"))]);
    for length in [i64::MAX, i64::MIN, -1, 1 << 40] {
        malformed(&plain, &string, &datum(&[long(length)]));
    }
    let big = record(&[("f", json!({"type": "fixed", "name": "F", "size": u64::MAX}))]);
    malformed(&plain, &big, &datum(&[]));
    let eleven = [&[0x80; 10][..], &[1]].concat();
    let why = malformed(&plain, &record(&[("n", json!("long"))]), &eleven);
    assert!(why.contains("more than 64 bits"), "{why}");
    let wide = source(vec![field("n", "n", Type::Int)]);
    let why = malformed(&wide, &record(&[("n", json!("int"))]), &datum(&[long(1 << 31)]));
    assert!(why.contains("more than 32 bits"), "{why}");
}

#[test]
fn nesting_has_a_bound() {
    let plain = source(Vec::new());
    let list =
        json!({"type": "record", "name": "L", "fields": [{"name": "l", "type": ["null", "L"]}]});
    let schema = record(&[("l", list)]);
    let nested = |depth: usize| datum(&[long(1).repeat(depth), long(0)]);
    assert_eq!(decode(&plain, &schema, &nested(100)), Ok(vec![]));
    let why = malformed(&plain, &schema, &nested(100_000));
    assert!(why.contains("nested too deeply"), "{why}");
    let endless = json!({"type": "record", "name": "L", "fields": [{"name": "l", "type": "L"}]});
    let why = malformed(&plain, &record(&[("l", endless)]), &datum(&[]));
    assert!(why.contains("nested too deeply"), "{why}");
    // Types that lie in each other without end to it, by name and by brackets.
    let mut fields = Vec::new();
    for n in 0..3_000 {
        let inner = if n == 0 { json!("int") } else { json!(format!("R{}", n - 1)) };
        let ty = json!({"type": "record", "name": format!("R{n}"), "fields": [
            {"name": "a", "type": inner}, {"name": "b", "type": ["null", "string"]}
        ]});
        fields.push((format!("f{n}"), ty));
    }
    let fields: Vec<_> = fields.iter().map(|(name, ty)| (name.as_str(), ty.clone())).collect();
    let _ = decode(&plain, &record(&fields), &[]);
    let last = source(vec![field("x", "f2999.a.a.a.b", Type::Text)]);
    let _ = decode(&last, &record(&fields), &[]);
    let brackets = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(incompatible(&plain, &brackets.into()).contains("it is not JSON"));
}

/// Every record type has two fields of the one before: written out it would be 2^64 steps.
#[test]
fn what_is_used_often_is_compiled_once() {
    let mut ty = json!("int");
    for n in 0..64 {
        let last = if n == 0 { json!("int") } else { json!(format!("R{}", n - 1)) };
        let one = json!({"name": "a", "type": ty});
        ty = json!({"type": "record", "name": format!("R{n}"), "fields": [
            one, {"name": "b", "type": last}
        ]});
        if n == 40 {
            break;
        }
    }
    let plain = source(Vec::new());
    let why = decode(&plain, &record(&[("x", ty)]), &[0]);
    assert!(why.is_err());
}

/// Unions of records whose fields are unions of records: 14 million ways through them, none of which
/// takes a step at its end.
#[test]
fn branches_of_branches_meet_their_bound() {
    let of = |prefix: &str, names: u32, branches: &Json| -> Vec<_> {
        let fields = match branches {
            Json::Null => json!([]),
            branches => json!([{"name": "b", "type": branches}]),
        };
        let name = |n| json!({"type": "record", "name": format!("{prefix}{n}"), "fields": fields});
        (0..names).map(name).collect()
    };
    let named = |prefix: &str, names: u32| -> Vec<_> {
        (0..names).map(|n| json!(format!("{prefix}{n}"))).collect()
    };
    let schema = record(&[
        ("e", json!(of("E", 600, &Json::Null))),
        ("d", json!(of("D", 150, &json!(named("E", 600))))),
        ("a", json!(of("A", 150, &json!(named("D", 150))))),
    ]);
    let deep = source(vec![field("x", "a.b.b.c", Type::Text)]);
    let why = incompatible(&deep, &schema);
    assert!(why.contains("takes more than 262144 steps"), "{why}");
    let shallow = source(vec![field("x", "a.c", Type::Text)]);
    let first = datum(&[vec![0], vec![0, 0], vec![0, 0, 0]]);
    assert_eq!(decode(&shallow, &schema, &first), Ok(vec![Value::Null]));
}

/// Bytes with some damage: others, cuts, insertions, parts that come again.
fn damaged(rng: &mut SmallRng, bytes: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 40));
        match rng.random_range(0..6) {
            0 => drop(bytes.splice(at..at, [rng.random()])),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            3 => drop(bytes.splice(at..end, pieces[rng.random_range(0..pieces.len())].to_vec())),
            4 => bytes.truncate(at.max(bytes.len() / 2)),
            _ => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        }
    }
    bytes
}

/// How many damaged datums and schemas are read.
const DAMAGED: usize = 15_000;

#[test]
fn a_damaged_datum_is_a_row_or_leaves_no_trace() {
    let (source, schema, datum) = everything();
    let mut rng = SmallRng::seed_from_u64(1);
    let (mut decoder, mut into) = (AvroDecoder::new(&source), Decoded::default());
    let mut extents = Extents::new(&schema).unwrap();
    let huge = [long(i64::MAX), long(i64::MIN), long(-1), vec![0xff; 11], vec![0x80; 9]];
    let huge: Vec<_> = huge.iter().map(Vec::as_slice).collect();
    let (mut rows, mut bad) = (0, 0);
    for _ in 0..DAMAGED {
        let datum = damaged(&mut rng, &datum, &huge);
        match decoder.decode_datum(&schema, &datum, None, &mut into) {
            Ok(()) => {
                rows += 1;
                // What can be read can be skipped, and is as long.
                assert_eq!(extents.of(&datum), Ok(datum.len()), "{datum:?}");
            }
            Err(Refused::Malformed(error)) => {
                bad += 1;
                assert!(error.to_string().len() < 500, "{error}");
            }
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(into.rows(), rows);
        assert!(into.columns.iter().all(|c| c.words.len() == rows && c.valid.len() == rows));
    }
    assert!(rows > DAMAGED / 200 && bad > DAMAGED / 2, "{rows} {bad}");
    assert_eq!(decoder.decode_datum(&schema, &datum, None, &mut into), Ok(()));
}

/// Any part of `tree`, deep ones as likely as others.
fn part<'t>(rng: &mut SmallRng, tree: &'t mut Json) -> &'t mut Json {
    let inner = match tree {
        Json::Array(list) => list.len(),
        Json::Object(object) => object.len(),
        _ => 0,
    };
    if inner == 0 || rng.random_bool(0.15) {
        return tree;
    }
    let at = rng.random_range(0..inner);
    match tree {
        Json::Array(list) => part(rng, &mut list[at]),
        Json::Object(object) => part(rng, object.values_mut().nth(at).unwrap()),
        _ => tree,
    }
}

#[test]
fn a_damaged_schema_is_a_schema_or_says_what_is_wrong() {
    let (source, schema, datum) = everything();
    let mut rng = SmallRng::seed_from_u64(2);
    let words = [
        "null",
        "\"long\"",
        "\"R\"",
        "\"T\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "-1",
        "1e9",
        "\"\"",
        "\"type\":",
        "\"items\":",
        "\"fields\":[]",
        "\"name\":\"T\"",
        "\"size\":99999999999",
        "\"scale\":4000000000",
        "\"array\"",
        "\"namespace\":\"x\"",
        "[\"null\",\"T\"]",
        "{\"type\":\"map\",\"values\":\"R\"}",
    ];
    let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
    let whole: Json = serde_json::from_str(&schema).unwrap();
    let (mut rows, mut schemas, mut bad) = (0, 0, 0);
    for _ in 0..DAMAGED / 3 {
        let text: Arc<str> = if rng.random_bool(0.3) {
            String::from_utf8_lossy(&damaged(&mut rng, schema.as_bytes(), &words)).into()
        } else {
            let mut tree = whole.clone();
            for _ in 0..rng.random_range(1..4) {
                let part = part(&mut rng, &mut whole.clone()).clone();
                *self::part(&mut rng, &mut tree) = part;
            }
            tree.to_string().into()
        };
        match decode(&source, &text, &datum) {
            Ok(_) => rows += 1,
            Err(Refused::Malformed(_)) => bad += 1,
            Err(Refused::Schema(why)) => {
                schemas += 1;
                assert!(why.starts_with("the schema of the file "), "{why}");
            }
            Err(other) => panic!("{other:?}"),
        }
        drop(Extents::new(&text).map(|mut extents| extents.of(&datum)));
    }
    assert!(rows > 100 && schemas > DAMAGED / 10 && bad > 100, "{rows} {schemas} {bad}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_leave_a_trace(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let (source, schema, mut datum) = everything();
        let (mut decoder, mut into) = (AvroDecoder::new(&source), Decoded::default());
        decoder.decode_datum(&schema, &datum, None, &mut into).unwrap();
        for (at, mask) in flips {
            let at = at.index(datum.len());
            datum[at] ^= mask;
        }
        if let Some(cut) = cut {
            datum.truncate(cut.index(datum.len()));
        }
        let before = into.clone();
        let read = decoder.decode_datum(&schema, &datum, None, &mut into);
        let extent = Extents::new(&schema).unwrap().of(&datum);
        match read {
            // Skipping asks less of the bytes than reading.
            Ok(()) => prop_assert_eq!(extent, Ok(datum.len())),
            Err(_) => prop_assert_eq!(&into, &before),
        }
    }

    #[test]
    fn no_schema_makes_it_panic(edits in proptest::collection::vec(
        (any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:nulRT0".to_vec())), 1..4,
    )) {
        let (source, schema, datum) = everything();
        let mut text = schema.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Ok(text) = String::from_utf8(text) {
            let _ = decode(&source, &text.into(), &datum);
        }
    }
}
