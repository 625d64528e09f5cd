//! One dead letter and its line.

use super::DeadLetterError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::verdict::Reason;

/// The line, in the order of its keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LetterLine<'a> {
    source: Cow<'a, str>,
    source_index: u16,
    topic: Option<Cow<'a, str>>,
    partition: u32,
    offset: u64,
    event_time: Option<EventTime>,
    #[serde(default)]
    field_time: Option<EventTime>,
    /// Named `arrived_at` in older files.
    #[serde(default, alias = "arrived_at")]
    arrival: Option<EventTime>,
    watermark: EventTime,
    late_by_ms: Option<Millis>,
    reason: Reason,
    idle_floor: bool,
    error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Bytes::is_base64", with = "text")]
    key: Bytes<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Bytes::is_base64", with = "text")]
    value: Bytes<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// A key or value: text, or left to its `_base64` key.
#[derive(Default)]
enum Bytes<'a> {
    #[default]
    Base64,
    Text(Option<Cow<'a, str>>),
}

impl<'a> Bytes<'a> {
    fn is_base64(&self) -> bool {
        matches!(self, Bytes::Base64)
    }

    /// The two keys of `bytes`.
    fn of(bytes: Option<&'a [u8]>) -> (Self, Option<String>) {
        match bytes.map(|b| (b, std::str::from_utf8(b))) {
            None => (Bytes::Text(None), None),
            Some((_, Ok(text))) => (Bytes::Text(Some(text.into())), None),
            Some((bytes, Err(_))) => (Bytes::Base64, Some(STANDARD.encode(bytes))),
        }
    }

    /// The bytes of two keys.
    fn join(self, base64: Option<String>) -> Result<Option<Vec<u8>>, DeadLetterError> {
        match (self, base64) {
            (Bytes::Text(text), None) => Ok(text.map(|t| t.into_owned().into_bytes())),
            (Bytes::Base64, None) => Ok(None),
            (Bytes::Base64 | Bytes::Text(None), Some(base64)) => {
                let bytes = STANDARD.decode(base64);
                bytes.map(Some).map_err(|e| DeadLetterError::Line(format!("bad base64: {e}")))
            }
            (Bytes::Text(Some(_)), Some(_)) => {
                Err(DeadLetterError::Line("both a text and its base64".to_owned()))
            }
        }
    }
}

mod text {
    use super::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Bytes<'_>, to: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Bytes::Text(text) => text.serialize(to),
            Bytes::Base64 => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes<'static>, D::Error> {
        Ok(Bytes::Text(Option::<String>::deserialize(from)?.map(Into::into)))
    }
}

/// Appends the line of `letter`, with its end.
pub fn encode(letter: &DeadLetter, into: &mut Vec<u8>) {
    let (key, key_base64) = Bytes::of(letter.key.as_deref());
    let (value, value_base64) = Bytes::of(letter.value.as_deref());
    let line = LetterLine {
        source: letter.source.as_str().into(),
        source_index: letter.partition.source,
        topic: letter.topic.as_deref().map(Into::into),
        partition: letter.partition.partition,
        offset: letter.offset,
        event_time: letter.event_time,
        field_time: letter.field_time,
        arrival: letter.arrival,
        watermark: letter.watermark,
        late_by_ms: letter.late_by,
        reason: letter.reason,
        idle_floor: letter.idle_floor,
        error: letter.error.as_deref().map(Into::into),
        key,
        key_base64,
        value,
        value_base64,
    };
    // Neither a vector nor these types can fail to serialise.
    let _ = serde_json::to_writer(&mut *into, &line);
    into.push(b'\n');
}

/// The letter in a line, with or without its end.
///
/// # Errors
/// When the line is not one of a dead-letter file.
pub fn parse(line: &[u8]) -> Result<DeadLetter, DeadLetterError> {
    let line: LetterLine<'_> =
        serde_json::from_slice(line).map_err(|e| DeadLetterError::Line(e.to_string()))?;
    Ok(DeadLetter {
        source: line.source.into_owned(),
        topic: line.topic.map(Cow::into_owned),
        partition: PartitionId { source: line.source_index, partition: line.partition },
        offset: line.offset,
        key: line.key.join(line.key_base64)?,
        value: line.value.join(line.value_base64)?,
        reason: line.reason,
        event_time: line.event_time,
        field_time: line.field_time,
        arrival: line.arrival,
        watermark: line.watermark,
        late_by: line.late_by_ms,
        idle_floor: line.idle_floor,
        error: line.error.map(Cow::into_owned),
    })
}
