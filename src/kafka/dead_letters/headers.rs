//! A dead letter's headers: everything but its key and value, as text. What is not known has no
//! header.

use rdkafka::message::{Header, Headers as _, Message, OwnedHeaders};
use std::collections::HashMap;
use std::str::FromStr;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::verdict::Reason;

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

/// The letter that a record of a topic of letters is; else why it is none.
pub(super) fn letter<M: Message>(record: &M) -> Result<DeadLetter, String> {
    let headers = record.headers().ok_or("it has no headers")?;
    let texts: HashMap<&str, &str> = headers
        .iter()
        .filter_map(|header| Some((header.key, std::str::from_utf8(header.value?).ok()?)))
        .collect();
    let text = |name: &str| texts.get(name).map(|text| (*text).to_owned());
    let reason = texts.get("reason").ok_or("it has no header `reason`")?;
    let reason = Reason::ALL.into_iter().find(|known| known.name() == *reason);
    Ok(DeadLetter {
        source: text("source").unwrap_or_default(),
        topic: text("topic"),
        // The place of a source in its job is not in the headers.
        partition: PartitionId { source: 0, partition: due(&texts, "partition")? },
        offset: due(&texts, "offset")?,
        key: record.key().map(<[u8]>::to_vec),
        value: record.payload().map(<[u8]>::to_vec),
        reason: reason.ok_or("its header `reason` is none that is known")?,
        event_time: number(&texts, "event_time")?,
        field_time: number(&texts, "field_time")?,
        arrival: number(&texts, "arrival")?,
        watermark: due(&texts, "watermark")?,
        late_by: number(&texts, "late_by_ms")?,
        idle_floor: texts.get("idle_floor") == Some(&"true"),
        error: text("error"),
    })
}

fn number<T: FromStr>(texts: &HashMap<&str, &str>, name: &str) -> Result<Option<T>, String> {
    let parse = |text: &&str| text.parse().map_err(|_| format!("its header `{name}` is no number"));
    texts.get(name).map(parse).transpose()
}

fn due<T: FromStr>(texts: &HashMap<&str, &str>, name: &str) -> Result<T, String> {
    number(texts, name)?.ok_or_else(|| format!("it has no header `{name}`"))
}
