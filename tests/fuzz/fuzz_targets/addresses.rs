//! Any text is an address or none; one that was read is read as the same again, with and without a
//! port; and of a list with one address every way to pick one finds it.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz addresses`

#![no_main]

#[path = "quoted.rs"]
mod quoted;

use libfuzzer_sys::fuzz_target;
use quoted::quoted;
use std::net::IpAddr;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::plan::{Arrival, FieldPlan, Invalid, Pick, ReadOptions, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::value::{Type, address};

fn source() -> SourcePlan {
    let private = IpAddr::from([10, 0, 0, 0]);
    let picks =
        [None, Some(Pick::First), Some(Pick::Last), Some(Pick::LastUntrusted(vec![(private, 8)]))];
    let field = |(at, pick): (usize, Option<Pick>)| FieldPlan { required: false, reading: ReadOptions { invalid: Invalid::Null, pick, ..ReadOptions::default() }, ..FieldPlan::new(&format!("f{at}"), Type::Ip) };
    SourcePlan { strict_json: true, arrival: Arrival::Unknown, ..SourcePlan::new("fuzz", TimeField::new(vec!["at".to_owned()], TimeUnit::Ms), picks.into_iter().enumerate().map(field).collect()) }
}

/// The address that the text is, and those that are picked of it.
fn read(decoder: &mut Decoder, text: &str) -> Vec<Option<IpAddr>> {
    let text = quoted(text);
    let fields: Vec<_> = (0..4).map(|at| format!("\"f{at}\":{text}")).collect();
    let record = format!("{{\"at\":1767484955000,{}}}", fields.join(","));
    let mut into = Decoded::default();
    decoder.decode(record.as_bytes(), &mut into).expect("a row");
    into.columns.iter().map(|column| address(column.bytes(0)?)).collect()
}

fuzz_target!(|text: &str| {
    let mut decoder = Decoder::new(&source());
    let picked = read(&mut decoder, text);
    for ip in picked.iter().flatten() {
        let with_port = match ip {
            IpAddr::V4(ip) => format!("{ip}:443"),
            IpAddr::V6(ip) => format!("[{ip}]:443"),
        };
        for text in [ip.to_string(), with_port, format!(" {ip} "), format!("10.0.0.1,{ip}")] {
            let list = text.contains(',');
            let again = read(&mut decoder, &text);
            assert_eq!(again[0], Some(*ip).filter(|_| !list), "{text}");
            assert_eq!(again[2], Some(*ip), "{text}");
        }
    }
    if let [Some(ip), rest @ ..] = &picked[..] {
        assert!(rest.iter().all(|other| other.as_ref() == Some(ip)), "{picked:?}");
    }
});
