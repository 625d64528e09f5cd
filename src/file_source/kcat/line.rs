//! One line of a dump: a record of a topic as `kcat -J` writes it.
//!
//! Keys, values and headers are bytes: what is no UTF-8 stands in the line as it is.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use tidemark_operators::ingest::reader::{RawBatch, RawHeader, RawRecord};
use tidemark_operators::time::EventTime;

/// How much of a line that is none is shown.
const SHOWN_BYTES: usize = 100;

/// See the module. Unknown members are skipped.
#[derive(Debug, serde::Deserialize)]
pub(super) struct DumpedRecord {
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
    #[serde(default)]
    tstype: String,
    ts: Option<i64>,
    #[serde(default)]
    headers: Headers,
    key: Option<RawText>,
    payload: Option<RawText>,
}

/// A JSON string, as bytes.
#[derive(Debug)]
struct RawText(Vec<u8>);

/// Names and values, in order: a list of both in turn, or an object of lists.
#[derive(Debug, Default)]
struct Headers(Vec<(RawText, Option<RawText>)>);

impl DumpedRecord {
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            let shown = line.get(..SHOWN_BYTES).unwrap_or(line).escape_ascii();
            format!("no record as `kcat -J` writes it: {error}: it begins with `{shown}`")
        })
    }

    /// Adds the record, with those of its headers that are wanted.
    pub fn append(self, batch: &mut RawBatch, wanted: &[String]) {
        let offset = self.offset;
        let key = self.key.map(|key| batch.keep(&key.0));
        let value = self.payload.map(|payload| batch.keep(&payload.0));
        for (name, wanted) in wanted.iter().enumerate() {
            let mut newest = self.headers.0.iter().rev();
            if let Some((_, value)) = newest.find(|(name, _)| name.0 == wanted.as_bytes()) {
                let value = value.as_ref().map(|value| batch.keep(&value.0));
                batch.headers.push(RawHeader { offset, name, value });
            }
        }
        let broker_time = self.tstype == "logappend";
        let timestamp = self.ts.filter(|_| broker_time || self.tstype == "create");
        let timestamp = timestamp.and_then(|ts| EventTime::try_from(ts).ok());
        batch.records.push(RawRecord {
            offset,
            key,
            value,
            timestamp,
            broker_time,
            ..RawRecord::default()
        });
    }
}

/// The topic and the partition of a line that begins as kcat begins its lines.
pub(super) fn quick(line: &[u8]) -> Option<(&[u8], u32)> {
    let rest = line.strip_prefix(b"{\"topic\":\"")?;
    let (topic, rest) = rest.split_at(rest.iter().position(|byte| *byte == b'"')?);
    let rest = rest.strip_prefix(b"\",\"partition\":")?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    let partition = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (!topic.contains(&b'\\')).then_some((topic, partition))
}

impl<'de> Deserialize<'de> for RawText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(RawTextVisitor)
    }
}

struct RawTextVisitor;

impl Visitor<'_> for RawTextVisitor {
    type Value = RawText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<RawText, E> {
        Ok(RawText(bytes.to_vec()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawText, E> {
        Ok(RawText(text.as_bytes().to_vec()))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names and values of headers")
    }

    fn visit_unit<E: Error>(self) -> Result<Headers, E> {
        Ok(Headers::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some(name) = seq.next_element::<RawText>()? {
            let value = seq.next_element::<Option<RawText>>()?;
            headers.push((name, value.ok_or_else(|| Error::custom("a header without a value"))?));
        }
        Ok(Headers(headers))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some((name, values)) = map.next_entry::<String, Vec<Option<RawText>>>()? {
            let name = name.into_bytes();
            headers.extend(values.into_iter().map(|value| (RawText(name.clone()), value)));
        }
        Ok(Headers(headers))
    }
}
