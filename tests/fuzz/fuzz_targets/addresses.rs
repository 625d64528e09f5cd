//! Any text is an address or none; one that was read is read as the same again, with and without a
//! port; and of a list with one address every way to pick one finds it.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz addresses`

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fmt::Write as _;
use std::net::IpAddr;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::plan::{Arrival, FieldPlan, Format, Framing, Invalid, Keyless, Pick, Place, ReadOptions, SourcePlan, Start, TimeField, TimeUnit};
use tidemark_operators::time::{EARLIEST_DEFAULT, LATEST_DEFAULT};
use tidemark_operators::value::{Type, address};

fn source() -> SourcePlan {
    let private = IpAddr::from([10, 0, 0, 0]);
    let picks =
        [None, Some(Pick::First), Some(Pick::Last), Some(Pick::LastUntrusted(vec![(private, 8)]))];
    let field = |(at, pick): (usize, Option<Pick>)| FieldPlan {
        name: format!("f{at}"),
        place: Place::Value,
        path: vec![format!("f{at}")],
        aliases: Vec::new(),
        ty: Type::Ip,
        required: false,
        default: None,
        reading: ReadOptions { invalid: Invalid::Null, pick, ..ReadOptions::default() },
    };
    SourcePlan {
        name: "fuzz".to_owned(),
        topic: None,
        files: Vec::new(),
        format: Format::Json,
        strict_json: true,
        framing: Framing::None,
        schema_wait: 0,
        start: Start::Earliest,
        time: TimeField::new(vec!["at".to_owned()], TimeUnit::Ms),
        arrival: Arrival::Unknown,
        max_ahead: None,
        earliest: EARLIEST_DEFAULT,
        latest: LATEST_DEFAULT,
        out_of_orderness: 0,
        idle_after: 0,
        hold_max: 0,
        max_future_skew: None,
        fields: picks.into_iter().enumerate().map(field).collect(),
        computed: Vec::new(),
        predicates: Vec::new(),
        keys: Vec::new(),
        keyless: Keyless::Skip,
        unique: None,
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\x1f' => write!(json, "\\u{:04x}", u32::from(c)).expect("a text"),
            c => json.push(c),
        }
    }
    json.push('"');
    json
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
