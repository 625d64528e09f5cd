//! A dead letter's headers: everything but its key and value, as text. What is not known has no
//! header.

use rdkafka::message::{Header, OwnedHeaders};
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// The names and texts of a letter's headers.
fn pairs(letter: &DeadLetter) -> Vec<(&'static str, String)> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let all = [
        ("reason", Some(letter.reason.name().to_owned())),
        ("source", Some(letter.source.clone())),
        ("topic", letter.topic.clone()),
        ("partition", Some(letter.partition.partition.to_string())),
        ("offset", Some(letter.offset.to_string())),
        ("event_time", number(letter.event_time)),
        ("field_time", number(letter.field_time)),
        ("arrival", number(letter.arrival)),
        ("watermark", Some(letter.watermark.to_string())),
        ("late_by_ms", number(letter.late_by)),
        ("idle_floor", Some(letter.idle_floor.to_string())),
        ("error", letter.error.clone()),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

pub(super) fn of(letter: &DeadLetter) -> OwnedHeaders {
    let pairs = pairs(letter);
    pairs.iter().fold(OwnedHeaders::new_with_capacity(pairs.len()), |headers, (name, text)| {
        headers.insert(Header { key: name, value: Some(text.as_str()) })
    })
}
