//! Claims about Avro records: what fits what, how schemas may change, and bytes nobody should send.

mod hostile;
mod twin;
mod types;

use super::*;
use crate::ingest::reader::{RawBatch, RawHeader, RawRecord};
use crate::plan::{Arrival, FieldPlan, Format, Place, RecordPart, TimeField, TimeUnit};
use crate::value::{Type, Value};
use serde_json::{Value as Json, json};
use std::cell::Cell;
use std::rc::Rc;

/// 2023-11-14T22:13:20Z
const T: i64 = 1_700_000_000_000;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn field(name: &str, at: &str, ty: Type) -> FieldPlan {
    let (name, path) = (name.to_owned(), path(at));
    FieldPlan { path, required: false, ..FieldPlan::new(&name, ty) }
}

/// A source with `fields`, whose event time is `ts` in ms.
fn source(fields: Vec<FieldPlan>) -> SourcePlan {
    SourcePlan {
        format: Format::Avro,
        ..SourcePlan::new("s", TimeField::new(path("ts"), TimeUnit::Ms), fields)
    }
}

/// A record schema with these fields and the event time at the end.
fn record(fields: &[(&str, Json)]) -> Arc<str> {
    let with_time = fields.iter().cloned().chain([("ts", json!("long"))]);
    let fields: Vec<_> = with_time.map(|(name, ty)| json!({"name": name, "type": ty})).collect();
    json!({"type": "record", "name": "R", "fields": fields}).to_string().into()
}

fn long(value: i64) -> Vec<u8> {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while raw >= 0x80 {
        bytes.push((raw & 0x7f) as u8 | 0x80);
        raw >>= 7;
    }
    bytes.push(raw as u8);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    bytes(value.as_bytes())
}

fn bytes(value: &[u8]) -> Vec<u8> {
    [long(value.len() as i64), value.to_vec()].concat()
}

/// A datum: the parts one after the other, and the event time.
fn datum(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), long(T)].concat()
}

/// The value of `field` at `row`.
fn cell(ty: Type, decoded: &Decoded, field: usize, row: usize) -> Value {
    let column = &decoded.columns[field];
    if !column.valid[row] {
        return Value::Null;
    }
    match ty {
        Type::Int => Value::Int(column.int(row).unwrap()),
        Type::Decimal(scale) => Value::Decimal(column.int(row).unwrap(), scale),
        Type::Timestamp => Value::Timestamp(column.int(row).unwrap()),
        Type::Double => Value::Double(column.double(row).unwrap()),
        Type::Bool => Value::Bool(column.bool(row).unwrap()),
        Type::Text => Value::Text(String::from_utf8(column.bytes(row).unwrap().to_vec()).unwrap()),
        Type::Ip => match column.bytes(row).unwrap() {
            [a, b, c, d] => Value::Ip([*a, *b, *c, *d].into()),
            v6 => Value::Ip(<[u8; 16]>::try_from(v6).unwrap().into()),
        },
    }
}

/// The row of one datum.
fn decode(source: &SourcePlan, schema: &Arc<str>, datum: &[u8]) -> Result<Vec<Value>, Refused> {
    let (mut decoder, mut into) = (AvroDecoder::new(source), Decoded::default());
    decoder.decode_datum(schema, datum, None, &mut into)?;
    let fields = source.fields.iter().enumerate();
    Ok(fields.map(|(at, field)| cell(field.ty, &into, at, 0)).collect())
}

fn incompatible(source: &SourcePlan, schema: &Arc<str>) -> String {
    match decode(source, schema, &[]) {
        Err(Refused::Schema(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn malformed(source: &SourcePlan, schema: &Arc<str>, datum: &[u8]) -> String {
    match decode(source, schema, datum) {
        Err(Refused::Malformed(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn fields_are_found_by_name_whatever_was_added_removed_or_moved() {
    let source = source(vec![field("a", "a", Type::Int), field("b", "b", Type::Text)]);
    let row = vec![Value::Int(7), Value::Text("x".into())];
    let first = record(&[("a", json!("int")), ("b", json!("string"))]);
    assert_eq!(decode(&source, &first, &datum(&[long(7), text("x")])), Ok(row.clone()));
    let added = record(&[
        ("z", json!({"type": "array", "items": "string"})),
        ("b", json!("string")),
        ("y", json!("double")),
        ("a", json!("long")),
    ]);
    let z = [long(1), text("q"), long(0)].concat();
    let second = datum(&[z, text("x"), vec![0; 8], long(7)]);
    assert_eq!(decode(&source, &added, &second), Ok(row));
    let removed = record(&[("a", json!("int"))]);
    assert_eq!(decode(&source, &removed, &datum(&[long(7)])), Ok(vec![Value::Int(7), Value::Null]));
}

#[test]
fn a_required_field_that_a_schema_lacks_refuses_the_schema_unless_it_has_a_default() {
    let mut source = source(vec![field("amount", "data.amount", Type::DECIMAL)]);
    source.fields[0].required = true;
    let schema = record(&[("a", json!("int"))]);
    let why = incompatible(&source, &schema);
    assert!(why.contains("no \"data.amount\", and field \"amount\" is required"), "{why}");
    source.fields[0].default = Some(Value::Decimal(5, 6));
    assert_eq!(decode(&source, &schema, &datum(&[long(1)])), Ok(vec![Value::Decimal(5, 6)]));
    let nullable = record(&[(
        "data",
        json!({"type": "record", "name": "D", "fields": [
            {"name": "amount", "type": ["null", "int"]}
        ]}),
    )]);
    let why = malformed(&source, &nullable, &datum(&[long(0)]));
    assert!(why.contains("field \"amount\" (at \"data.amount\"): required"), "{why}");
    assert_eq!(
        decode(&source, &nullable, &datum(&[long(1), long(3)])),
        Ok(vec![Value::Decimal(3_000_000, 6)])
    );
}

#[test]
fn without_event_time_or_any_key_no_schema_fits() {
    let mut keyed = source(vec![field("card", "card", Type::Text)]);
    keyed.keys = vec![0];
    let why = incompatible(&keyed, &record(&[]));
    assert!(why.contains("none of the entity keys: \"card\""), "{why}");
    let timeless: Arc<str> =
        r#"{"type":"record","name":"R","fields":[{"name":"card","type":"string"}]}"#.into();
    let why = incompatible(&keyed, &timeless);
    assert!(why.contains("no \"ts\", which is the event time"), "{why}");
    let why = incompatible(&keyed, &r#""string""#.into());
    assert!(why.contains("it is no record"), "{why}");
    let why = incompatible(&keyed, &r#"{"type":"recrod"}"#.into());
    assert!(why.contains("unknown type \"recrod\""), "{why}");
}

#[test]
fn an_alias_is_read_where_the_path_before_it_is_not() {
    let mut renamed = source(vec![field("device", "device.id", Type::Text)]);
    renamed.fields[0].aliases = vec![path("dev"), path("old.device")];
    let old = record(&[("dev", json!("string"))]);
    let row = |value: &str| Ok(vec![Value::Text(value.into())]);
    assert_eq!(decode(&renamed, &old, &datum(&[text("a")])), row("a"));
    let device =
        json!({"type": "record", "name": "D", "fields": [{"name": "id", "type": "string"}]});
    let both = record(&[("dev", json!("double")), ("device", device.clone())]);
    // The alias cannot come to its turn: its type is nobody's business.
    assert_eq!(decode(&renamed, &both, &datum(&[vec![1; 8], text("b")])), row("b"));
    let other = json!({"type": "record", "name": "E", "fields": [{"name": "x", "type": "int"}]});
    let sometimes = record(&[("dev", json!("string")), ("device", json!([device, other, "null"]))]);
    let with = |branch: Vec<u8>| decode(&renamed, &sometimes, &datum(&[text("a"), branch]));
    assert_eq!(with([long(0), text("b")].concat()), row("b"));
    assert_eq!(with([long(1), long(9)].concat()), row("a"));
    assert_eq!(with(long(2)), Ok(vec![Value::Null]), "a null on the way is a null");
}

#[test]
fn a_default_stands_in_for_what_is_absent_and_not_for_null() {
    let mut source = source(vec![field("ip", "net.ip", Type::Ip)]);
    source.fields[0].default = Some(Value::Ip([10, 0, 0, 1].into()));
    let default = Ok(vec![Value::Ip([10, 0, 0, 1].into())]);
    assert_eq!(decode(&source, &record(&[]), &datum(&[])), default);
    let net = json!({"type": "record", "name": "N", "fields": [{"name": "ip", "type": "string"}]});
    let nullable = record(&[("net", json!(["null", net]))]);
    assert_eq!(decode(&source, &nullable, &datum(&[long(0)])), Ok(vec![Value::Null]));
    let there = datum(&[long(1), text("::1")]);
    let ip: std::net::IpAddr = "::1".parse().unwrap();
    assert_eq!(decode(&source, &nullable, &there), Ok(vec![Value::Ip(ip)]));
    let mapped = datum(&[long(1), text("::ffff:10.0.0.1")]);
    assert_eq!(decode(&source, &nullable, &mapped), default, "one address, one value");
    let map = record(&[("net", json!({"type": "map", "values": "string"}))]);
    assert_eq!(decode(&source, &map, &datum(&[long(0)])), default, "a key a map lacks is absent");
}

#[test]
fn a_path_leads_through_records_and_maps() {
    let source = source(vec![field("os", "http.headers.os", Type::Text)]);
    let headers = json!({"type": "map", "values": ["null", "string", "long"]});
    let http = json!({"type": "record", "name": "H", "fields": [
        {"name": "verb", "type": {"type": "enum", "name": "V", "symbols": ["GET", "PUT"]}},
        {"name": "headers", "type": headers},
    ]});
    let schema = record(&[("http", json!(["null", http]))]);
    let entry = |key: &str, value: Vec<u8>| [text(key), value].concat();
    let block =
        [entry("a", [long(2), long(77)].concat()), entry("os", [long(1), text("x")].concat())];
    let plain = [long(2), block.concat(), long(0)].concat();
    let sized = [long(-2), long(block.concat().len() as i64), block.concat(), long(0)].concat();
    for headers in [plain, sized] {
        let with = datum(&[long(1), long(0), headers]);
        assert_eq!(decode(&source, &schema, &with), Ok(vec![Value::Text("x".into())]));
    }
    let number = [long(1), entry("os", [long(2), long(5)].concat()), long(0)].concat();
    let read = decode(&source, &schema, &datum(&[long(1), long(0), number]));
    assert_eq!(read, Ok(vec![Value::Text("5".into())]), "a whole number is its digits");
}

#[test]
fn of_a_union_the_value_decides_unless_no_branch_can_fit() {
    let source = source(vec![field("x", "x", Type::DECIMAL)]);
    let union = record(&[("x", json!(["string", "null", "int", "double"]))]);
    let with = |branch: &[Vec<u8>]| decode(&source, &union, &datum(branch));
    assert_eq!(with(&[long(2), long(4)]), Ok(vec![Value::Decimal(4_000_000, 6)]));
    assert_eq!(
        with(&[long(3), 0.1_f64.to_le_bytes().to_vec()]),
        Ok(vec![Value::Decimal(100_000, 6)])
    );
    assert_eq!(with(&[long(1)]), Ok(vec![Value::Null]));
    assert_eq!(with(&[long(0), text("4")]), Ok(vec![Value::Decimal(4_000_000, 6)]));
    let why = malformed(&source, &union, &datum(&[long(0), text("4x")]));
    assert!(why.contains("expected a decimal number within +-1e12, found string"), "{why}");
    let mixed = record(&[("x", json!(["int", "bytes"]))]);
    let why = malformed(&source, &mixed, &datum(&[long(1), text("4")]));
    assert!(why.contains("expected a decimal number within +-1e12, found bytes"), "{why}");
    let why = malformed(&source, &union, &datum(&[long(4)]));
    assert!(why.contains("no such branch, at byte 1"), "{why}");
    let never = record(&[("x", json!(["null", "bytes", {"type": "array", "items": "int"}]))]);
    let why = incompatible(&source, &never);
    assert!(why.contains("it has bytes there"), "{why}");
    let below = record(&[("x", json!({"type": "map", "values": "int"}))]);
    assert!(incompatible(&source, &below).contains("it has a map there"));
}

#[test]
fn types_are_known_by_their_names_wherever_they_were_defined() {
    let source = source(vec![field("to", "to.city", Type::Text)]);
    let place = json!({"type": "record", "name": "Place", "namespace": "geo", "fields": [
        {"name": "city", "type": "string"}
    ]});
    let named = |name: &str| record(&[("from", place.clone()), ("to", json!(["null", name]))]);
    let both = datum(&[text("a"), long(1), text("b")]);
    assert_eq!(decode(&source, &named("geo.Place"), &both), Ok(vec![Value::Text("b".into())]));
    assert!(incompatible(&source, &named("Place")).contains("unknown type \"Place\" at \"to\""));
    let recursive: Arc<str> = json!({"type": "record", "name": "R", "namespace": "n", "fields": [
        {"name": "next", "type": ["null", "R"]},
        {"name": "to", "type": ["null", place]},
        {"name": "others", "type": {"type": "array", "items": "n.R"}},
        {"name": "ts", "type": "long"},
    ]})
    .to_string()
    .into();
    let leaf = datum(&[long(0), long(1), text("x"), long(0)]);
    let inner =
        datum(&[[long(1), leaf.clone()].concat(), long(0), long(2), leaf.repeat(2), long(0)]);
    let outer = datum(&[[long(1), inner].concat(), long(1), text("c"), long(0)]);
    assert_eq!(decode(&source, &recursive, &outer), Ok(vec![Value::Text("c".into())]));
}

/// Answers as told, and counts how often it is asked.
struct Script(Vec<Found>, Rc<Cell<usize>>);

impl Schemas for Script {
    fn schema(&mut self, id: u32) -> Found {
        self.1.set(self.1.get() + 1);
        match self.0.get(usize::try_from(id).unwrap()) {
            Some(found) => found.clone(),
            None => Found::Known(record(&[("a", json!("int"))])),
        }
    }
}

fn wire(number: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes(), datum].concat()
}

#[test]
fn a_number_leads_to_its_schema_which_is_asked_for_once() {
    let source = source(vec![field("a", "a", Type::Int)]);
    let wide = record(&[("b", json!("string")), ("a", json!("long"))]);
    let found = vec![Found::Pending, Found::Unknown("gone".into()), Found::Known(wide)];
    let asked = Rc::new(Cell::new(0));
    let mut schemas = Script(found, Rc::clone(&asked));
    let (mut decoder, mut into) = (AvroDecoder::new(&source), Decoded::default());
    let mut read = |record: &[u8], into: &mut Decoded| {
        decoder.decode_wire(record, None, Some(&mut schemas), into)
    };
    let seven = datum(&[long(7)]);
    assert_eq!(read(&wire(0, &seven), &mut into), Err(Refused::Pending(0)));
    assert_eq!(read(&wire(1, &seven), &mut into), Err(Refused::Schema("schema 1: gone".into())));
    asked.set(0);
    for _ in 0..3 {
        read(&wire(3, &seven), &mut into).unwrap();
        read(&wire(2, &datum(&[text("b"), long(8)])), &mut into).unwrap();
    }
    assert_eq!((asked.get(), into.rows()), (2, 6));
    assert_eq!(into.columns[0].words, [7, 8, 7, 8, 7, 8]);
    // More schemas than are kept: the oldest is asked for again.
    for number in 4..4 + u32::try_from(SCHEMAS_MAX).unwrap() {
        read(&wire(number, &seven), &mut into).unwrap();
    }
    asked.set(0);
    read(&wire(3, &seven), &mut into).unwrap();
    assert_eq!(asked.get(), 1);
    for (record, why) in [
        (&b""[..], "empty"),
        (&b"{\"a\":1}"[..], "its first byte is not 0"),
        (&b"\0\0\0\0"[..], "shorter than the 5 bytes"),
        (&b"\0\x80\0\0\0datum"[..], "the number of its schema is negative"),
        (&b"\0\xff\xff\xff\xff"[..], "the number of its schema is negative"),
    ] {
        match read(record, &mut into) {
            Err(Refused::Malformed(error)) => assert!(error.to_string().contains(why), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let none = decoder.decode_wire(&wire(0, &seven), None, None, &mut into);
    assert_eq!(none, Err(Refused::Schema("schema 0: no schema registry is set".into())));
}

#[test]
fn what_is_beside_a_datum_is_read_beside_it_and_no_schema_needs_to_have_it() {
    let beside = |name: &str, place, path| FieldPlan {
        place,
        path,
        required: true,
        ..field(name, name, Type::Text)
    };
    let mut plan = source(vec![
        beside("card", Place::Key, path("id")),
        beside("device", Place::Header("device".to_owned()), Vec::new()),
        field("a", "a", Type::Int),
    ]);
    plan.time.place = Place::Record(RecordPart::Timestamp);
    plan.time.path = Vec::new();
    plan.keys = vec![0];
    let schema: Arc<str> =
        json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]})
            .to_string()
            .into();
    let batch = RawBatch {
        bytes: br#"{"id":7}phone"#.to_vec(),
        headers: vec![RawHeader { offset: 5, name: 0, value: Some(8..13) }],
        ..RawBatch::default()
    };
    let record = RawRecord {
        offset: 5,
        key: Some(0..8),
        timestamp: u64::try_from(T).ok(),
        ..RawRecord::default()
    };
    let metadata = Metadata { batch: &batch, record: &record, partition: 0 };
    let mut decoder = AvroDecoder::new(&plan);
    let mut into = Decoded::default();
    decoder.decode_datum(&schema, &long(3), Some(metadata), &mut into).unwrap();
    assert_eq!(into.time, [T.cast_unsigned()]);
    let texts = [into.columns[0].bytes(0), into.columns[1].bytes(0)];
    assert_eq!(texts, [Some(&b"7"[..]), Some(&b"phone"[..])]);
    assert_eq!(into.columns[2].int(0), Some(3));
    // Longer than a record may be, a key is as wrong as any value.
    let mut bounded = AvroDecoder::new(&plan).with_record_bytes_max(7);
    let refused = bounded.decode_datum(&schema, &long(3), Some(metadata), &mut into);
    let Err(Refused::Malformed(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("more than record_bytes_max bytes"), "{error}");
    assert_eq!(into.rows(), 1);
}
