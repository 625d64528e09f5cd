//! Any bytes are cut into the same records wherever they are cut before; each becomes one row or one
//! error, and an error leaves the rows before it as they were. The first byte says where to cut, what
//! is up to the first line end is a header.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz csv`

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tidemark_operators::ingest::decode::Decoded;
use tidemark_operators::ingest::decode::csv::{CsvDecoder, Splitter, is_quoted, names};
use tidemark_operators::plan::{Arrival, FieldPlan, Format, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::value::Type;

const HEADER: &str = "at,id,amount";
const GOOD: &[u8] = b"1767484955000,c,\"1\"";

fn source() -> SourcePlan {
    let fields = [("id", Type::Text), ("amount", Type::DECIMAL)];
    SourcePlan { format: Format::Csv { delimiter: b',' }, arrival: Arrival::Unknown, ..SourcePlan::new("fuzz", TimeField::new(vec!["at".to_owned()], TimeUnit::Ms), fields
            .iter()
            .map(|&(name, ty)| FieldPlan { required: false, ..FieldPlan::new(name, ty) })
            .collect()) }
}

/// The records, what is left of the last one, and whether no quote is open in that.
fn cut(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Vec<u8>, bool) {
    let mut splitter = Splitter::new(b',');
    let (mut records, mut begun) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        let mut at = 0;
        while let Some(length) = splitter.end(&piece[at..]) {
            assert!(length > 0);
            begun.extend_from_slice(&piece[at..at + length]);
            records.push(std::mem::take(&mut begun));
            at += length;
        }
        begun.extend_from_slice(&piece[at..]);
    }
    let whole = splitter.finish();
    (records, begun, whole)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let (records, rest, whole) = cut(bytes, usize::from(*piece).max(1));
    let (of_one, left, is_whole) = cut(bytes, usize::MAX);
    assert_eq!((&records, &rest, whole), (&of_one, &left, is_whole));
    let blank = rest.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
    assert!(blank || is_quoted(&rest, b',') != whole);
    let mut decoder = CsvDecoder::new(&source());
    let mut into = Decoded::default();
    let good: Arc<str> = HEADER.into();
    decoder.decode(Some(&good), GOOD, None, &mut into).expect("a good record");
    let any: Option<Arc<str>> = records
        .first()
        .and_then(|first| std::str::from_utf8(first).ok())
        .map(|first| first.trim_end_matches(['\r', '\n']).into());
    if let Some(header) = &any {
        let _ = names(header, b',');
    }
    for header in [Some(&good), any.as_ref(), None] {
        for record in &records {
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let before = into.clone();
            match decoder.decode(header, record, None, &mut into) {
                Ok(()) => assert_eq!(into.rows(), before.rows() + 1),
                Err(_) => assert_eq!(into, before),
            }
        }
    }
    decoder.decode(Some(&good), GOOD, None, &mut into).expect("a good record, still");
    let rows = into.rows();
    assert!(into.columns.iter().all(|c| c.words.len() == rows && c.valid.len() == rows));
});
