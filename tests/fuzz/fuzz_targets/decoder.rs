//! Any bytes become one row or one error; an error leaves the rows before it as they were, and a
//! decoder that has seen anything still reads a good record.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz decoder`

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::plan::{Arrival, FieldPlan, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::value::Type;

const GOOD: &[u8] = br#"{"id":"c","at":"2026-01-31T00:00:00Z","n":1,"data":{"ip":"::1"}}"#;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn source() -> SourcePlan {
    let fields = [
        ("id", Type::Text, true),
        ("amount", Type::DECIMAL, false),
        ("n", Type::Int, false),
        ("x", Type::Double, false),
        ("b", Type::Bool, false),
        ("data.ip", Type::Ip, false),
        ("data.when", Type::Timestamp, false),
        ("items.[0].n", Type::Int, false),
        ("items.[-2].n", Type::Text, false),
        ("items.[1].[-1]", Type::Text, false),
    ];
    SourcePlan { arrival: Arrival::Field(TimeField::new(path("data.read"), TimeUnit::Us)), keys: vec![0], ..SourcePlan::new("fuzz", TimeField::new(path("at"), TimeUnit::Rfc3339), fields
            .iter()
            .map(|&(name, ty, required)| FieldPlan { path: path(name), required, ..FieldPlan::new(name, ty) })
            .collect()) }
}

// One record a line: what one of them teaches the decoder must not spoil the next.
fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(&source());
    let mut into = Decoded::default();
    decoder.decode(GOOD, &mut into).expect("a good record");
    for record in bytes.split(|b| *b == b'\n') {
        let before = into.clone();
        match decoder.decode(record, &mut into) {
            Ok(()) => assert_eq!(into.rows(), before.rows() + 1),
            Err(error) => {
                assert_eq!(into, before);
                assert!(error.to_string().len() < 1_000);
            }
        }
        let rows = into.rows();
        assert!(into.columns.iter().all(|c| c.words.len() == rows && c.valid.len() == rows));
    }
    decoder.decode(GOOD, &mut into).expect("a good record, still");
});
