//! What does a checkpoint cost? Bytes and CPU time an event of what is written at a cut: ten seconds of
//! workload W1 at 20,000 events/s, 100,000 cards, one wide column and four of symbols; and what it costs
//! to read them again.
//!
//! `cargo bench --bench checkpoint`. Sizes are compared with `zstd -1` of the same columns in one piece;
//! the bars are the project's own: at most 1.5 times its bytes, and 60 ns an event. CPU is that of the
//! process (user + system), the median of [`ROUNDS`] rounds.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may fail")]

#[path = "measure/machine.rs"]
mod machine;

use serde_json::Value as Json;
use std::collections::HashMap;
use std::hint::black_box;
use tidemark::checkpoint::{
    AttributeSchema, BlockCipher, EntitySchema, ListedSegment, SegmentReader, StateKeys,
    StoredObject, encode_segment, store,
};
use tidemark::generator::{Options, Profile, write_files};
use tidemark::objects::LocalObjects;
use tidemark::process::cpu_time;
use tidemark_operators::cut::{AttributeValues, Texts, TimelineRows};
use tidemark_operators::value::{address_bytes, parse_address};

const EVENTS: u64 = 200_000;
const ROUNDS: usize = 9;
/// How often a thing is done in a round: its time is short.
const REPEATED: u32 = 5;
const RATIO_MAX: f64 = 1.5;
const ENCODING_NS_MAX: f64 = 60.0;

fn main() {
    println!("machine: {}", machine::machine());
    let rows = rows();
    println!("events: {EVENTS}, {} cards", rows.ids.len());
    let plain = plain(&rows);
    let packed = zstd::bulk::compress(&plain, 1).unwrap().len();
    let zstd_ns = ns_per_event(|| drop(black_box(zstd::bulk::compress(&plain, 1).unwrap())));
    println!(
        "zstd -1 of the columns in one piece: {:.2} B an event, {zstd_ns:.0} ns",
        each(packed)
    );

    let (object, listed) = encoded(&rows, None);
    let ratio = object.bytes.len() as f64 / packed as f64;
    println!(
        "segment: {:.2} B an event, {ratio:.2} times zstd -1 (bar: {RATIO_MAX})",
        each(object.bytes.len())
    );
    let ns = ns_per_event(|| drop(black_box(encoded(&rows, None))));
    println!("encoding: {ns:.0} ns an event (bar: {ENCODING_NS_MAX})");
    let crc = ns_per_event(|| _ = black_box(object.crc32c()));
    println!("  of it the checksum of the whole: {crc:.1} ns");
    let folder =
        std::env::temp_dir().join(format!("tidemark-checkpoint-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let keys = folder.join("keys");
    std::fs::write(&keys, format!("bench {}", "a1".repeat(32))).unwrap();
    let keys = StateKeys::read(&keys).unwrap();
    let cipher = keys.cipher().unwrap();
    let encrypted = ns_per_event(|| drop(black_box(encoded(&rows, Some(&cipher)))));
    println!("encoding and encrypting: {encrypted:.0} ns an event");
    reading(&folder, &object, &listed);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(ratio <= RATIO_MAX, "too many bytes");
    assert!(ns <= ENCODING_NS_MAX, "too slow");
}

fn reading(folder: &std::path::Path, object: &StoredObject, listed: &ListedSegment) {
    let objects = LocalObjects::create(&folder.join("state")).unwrap();
    store(&objects, object).unwrap();
    let read = || {
        let segment = SegmentReader::open(&objects, listed, None).unwrap();
        (0..segment.blocks()).for_each(|block| drop(black_box(segment.rows(block).unwrap())));
    };
    println!("reading: {:.0} ns an event", ns_per_event(read));
}

fn encoded(rows: &TimelineRows, cipher: Option<&BlockCipher>) -> (StoredObject, ListedSegment) {
    let attribute = |name: &str, ty: &str, storage: &str| AttributeSchema {
        name: name.to_owned(),
        ty: ty.to_owned(),
        storage: storage.to_owned(),
        ..AttributeSchema::default()
    };
    let attributes = vec![
        attribute("amount", "decimal", "wide"),
        attribute("country", "string", "symbol"),
        attribute("merchant_id", "string", "symbol"),
        attribute("device_id", "string", "symbol"),
        attribute("ip_address", "ip", "symbol"),
    ];
    let filters = vec!["status = \"declined\"".to_owned()];
    let schema =
        EntitySchema { entity: "card".to_owned(), filters, attributes, ..EntitySchema::default() };
    let (first, last) = (rows.times[0], rows.times[rows.len() - 1]);
    encode_segment("segments/bench".to_owned(), schema, first..last + 1, rows, cipher).unwrap()
}

fn each(bytes: usize) -> f64 {
    bytes as f64 / EVENTS as f64
}

fn ns_per_event(does: impl Fn()) -> f64 {
    let round = || {
        let before = cpu_time();
        (0..REPEATED).for_each(|_| does());
        (cpu_time() - before).as_nanos() as f64 / f64::from(REPEATED) / EVENTS as f64
    };
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// The events as a cut hands them over.
fn rows() -> TimelineRows {
    let path = std::env::temp_dir().join(format!("tidemark-checkpoint-w1-{}", std::process::id()));
    let options = Options {
        profile: Profile::W1,
        events: EVENTS,
        seed: 7,
        cards: 100_000,
        hours: 1,
        ..Options::default()
    };
    write_files(&options, &path, &mut |_| {}).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut events: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.sort_by_key(|event| event["timestamp"].as_u64().unwrap());
    // An hour of them as if it were ten seconds.
    let first = events[0]["timestamp"].as_u64().unwrap();
    let time = |event: &Json| first + (event["timestamp"].as_u64().unwrap() - first) / 360;
    let text = |name: &'static str| {
        move |event: &Json| event[name].as_str().map(|text| text.as_bytes().to_vec())
    };
    let address =
        |event: &Json| event["ip_address"].as_str().and_then(parse_address).map(address_bytes);
    let (ids, entities) = symbols(&events, text("card_id"));
    let cents = |event: &Json| (event["amount"].as_f64().unwrap() * 100.0).round() as i64 * 10_000;
    let of = |(values, places)| AttributeValues::Symbols { values, places };
    TimelineRows {
        times: events.iter().map(time).collect(),
        ids,
        entities: entities.into_iter().map(|place| place - 1).collect(),
        bits: events.iter().map(|event| u64::from(event["status"] == "declined")).collect(),
        attributes: vec![
            AttributeValues::Words(events.iter().map(cents).collect()),
            of(symbols(&events, text("country"))),
            of(symbols(&events, text("merchant_id"))),
            of(symbols(&events, text("device_id"))),
            of(symbols(&events, address)),
        ],
    }
}

/// Values in the order in which they come first, and for each event its place plus one.
fn symbols(events: &[Json], of: impl Fn(&Json) -> Option<Vec<u8>>) -> (Texts, Vec<u32>) {
    let (mut values, mut known) = (Texts::default(), HashMap::new());
    let mut place = |event: &Json| {
        let Some(value) = of(event) else { return 0 };
        *known.entry(value).or_insert_with_key(|value| values.push(value).unwrap() + 1)
    };
    let places = events.iter().map(&mut place).collect();
    (values, places)
}

/// All columns as they are in memory, one behind the other.
fn plain(rows: &TimelineRows) -> Vec<u8> {
    let mut plain = Vec::new();
    let texts = |texts: &Texts, plain: &mut Vec<u8>| {
        let (bytes, ends) = texts.parts();
        plain.extend_from_slice(bytes);
        plain.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
    };
    plain.extend(rows.times.iter().flat_map(|time| time.to_le_bytes()));
    texts(&rows.ids, &mut plain);
    plain.extend(rows.entities.iter().flat_map(|place| place.to_le_bytes()));
    plain.extend(rows.bits.iter().flat_map(|bits| bits.to_le_bytes()));
    for attribute in &rows.attributes {
        match attribute {
            AttributeValues::Words(words) => {
                plain.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            }
            AttributeValues::Symbols { values, places } => {
                texts(values, &mut plain);
                plain.extend(places.iter().flat_map(|place| place.to_le_bytes()));
            }
        }
    }
    plain
}
