//! Any bytes are the same row, the same invalid fields or the same error with and without the one pass
//! over plain JSON.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz plain`

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::plan::{Arrival, FieldPlan, Invalid, ReadOptions, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::value::Type;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn source(invalid: Invalid, strict_json: bool) -> SourcePlan {
    let fields = [
        ("id", Type::Text),
        ("amount", Type::DECIMAL),
        ("n", Type::Int),
        ("x", Type::Double),
        ("b", Type::Bool),
        ("data.ip", Type::Ip),
        ("data.when", Type::Timestamp),
        ("items.[0].n", Type::Int),
        ("items.[-2].n", Type::Text),
        ("items.[1].[-1]", Type::Text),
        ("a", Type::Text),
        ("a.b", Type::Text),
    ];
    let reading = ReadOptions { invalid, coerce: !strict_json, ..ReadOptions::default() };
    let field = |&(name, ty): &(&str, Type)| FieldPlan { path: path(name), aliases: vec![path(&format!("old.{name}"))], required: name == "id", reading: reading.clone(), ..FieldPlan::new(name, ty) };
    SourcePlan { strict_json, arrival: Arrival::Field(TimeField::new(path("data.read"), TimeUnit::Us)), keys: vec![0], ..SourcePlan::new("fuzz", TimeField::new(path("at"), TimeUnit::Auto), fields.iter().map(field).collect()) }
}

// One record a line: what one of them teaches a decoder must not tell it apart from the other.
fuzz_target!(|bytes: &[u8]| {
    for (invalid, strict) in [(Invalid::Null, false), (Invalid::Reject, true)] {
        let source = source(invalid, strict);
        let mut plain = Decoder::new(&source);
        let mut parser = Decoder::new(&source).by_the_parser_alone();
        let mut rows = [Decoded::default(), Decoded::default()];
        for record in bytes.split(|b| *b == b'\n') {
            let [one, other] = &mut rows;
            assert_eq!(plain.decode(record, one), parser.decode(record, other));
        }
        assert_eq!(rows[0], rows[1]);
    }
});
