//! Any schema and any bytes become one row or one error; an error leaves the rows before it as they
//! were. The input is a schema, a zero byte, and a datum; without a zero byte it is a datum of a
//! schema that has everything.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz avro`

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tidemark_operators::ingest::decode::Decoded;
use tidemark_operators::ingest::decode::avro::{AvroDecoder, Extents};
use tidemark_operators::plan::{FieldPlan, Format, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::value::Type;

const EVERYTHING: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"id","type":["null","string","bytes"]},
    {"name":"amount","type":[{"type":"bytes","logicalType":"decimal","precision":30,"scale":9},"double"]},
    {"name":"list","type":{"type":"array","items":["null","R","float"]}},
    {"name":"data","type":["null",{"type":"record","name":"D","fields":[
        {"name":"ip","type":"string"},{"name":"next","type":["null","D"]},
        {"name":"tags","type":{"type":"map","values":"int"}},
        {"name":"raw","type":{"type":"fixed","name":"F","size":3}},
        {"name":"kind","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}]},
    {"name":"n","type":["int","boolean"]},
    {"name":"x","type":"float"}]}"#;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn source() -> SourcePlan {
    let fields = [
        ("id", Type::Text),
        ("amount", Type::DECIMAL),
        ("n", Type::Int),
        ("x", Type::Double),
        ("data.ip", Type::Ip),
        ("data.tags.a", Type::Int),
        ("data.next.kind", Type::Text),
    ];
    SourcePlan { format: Format::Avro, ..SourcePlan::new("fuzz", TimeField::new(path("at"), TimeUnit::Ms), fields
            .iter()
            .map(|&(name, ty)| FieldPlan { path: path(name), aliases: vec![path(&format!("old.{name}"))], required: false, ..FieldPlan::new(name, ty) })
            .collect()) }
}

fuzz_target!(|bytes: &[u8]| {
    let (schema, datum) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) if bytes.starts_with(b"{") => {
            let Ok(schema) = std::str::from_utf8(&bytes[..at]) else { return };
            (schema, &bytes[at + 1..])
        }
        _ => (EVERYTHING, bytes),
    };
    let schema: Arc<str> = schema.into();
    let mut decoder = AvroDecoder::new(&source());
    let mut into = Decoded::default();
    let read = decoder.decode_datum(&schema, datum, None, &mut into);
    let rows = usize::from(read.is_ok());
    assert_eq!(into.rows(), rows);
    assert!(into.columns.iter().all(|c| c.words.len() == rows && c.valid.len() == rows));
    // What can be read can be skipped, and is as long.
    if let Ok(mut extents) = Extents::new(&schema) {
        let extent = extents.of(datum);
        assert!(read.is_err() || extent == Ok(datum.len()));
    }
});
