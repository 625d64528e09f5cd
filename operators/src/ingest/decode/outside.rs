//! What a record has besides its value, on its way into the columns.
//!
//! Each such place is a leaf of the trie that no key of the value leads to, so that what is there is
//! read, coerced and refused as if it were in the value. Paths into the key have an object of their
//! own.

use super::RECORD_BYTES_MAX;
use super::avro::Unit;
use super::cell::Row;
use super::error::DecodeError;
use super::framing::{key_text, unframed, unwrapped};
use super::seed::ObjectSeed;
use super::trie::{Trie, arrival_label, field_label, time_label};
use crate::ingest::reader::{RawBatch, RawRecord};
use crate::plan::{Place, RecordPart, SourcePlan};
use serde::de::DeserializeSeed;

/// A record as its log has it.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// The batch it is in.
    pub batch: &'a RawBatch,
    /// The record.
    pub record: &'a RawRecord,
    /// The number of its partition.
    pub partition: u32,
}

/// Something besides the value that is wanted.
#[derive(Clone, Debug)]
enum Part {
    Key,
    /// Its place among [`SourcePlan::headers`].
    Header(usize),
    Timestamp,
    Partition,
    Offset,
    Topic(String),
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    /// What is wanted, and at which leaf.
    parts: Vec<(Part, usize)>,
    /// The object that the key is, where there are paths into it.
    key: Option<usize>,
    /// The most bytes of a key or a header.
    bytes_max: usize,
}

impl Outside {
    /// What `source` wants besides the value, with leaves in `trie`; `None`: nothing.
    pub fn new(source: &SourcePlan, trie: &mut Trie) -> Option<Self> {
        let headers = source.headers();
        let mut outside = Self { parts: Vec::new(), key: None, bytes_max: RECORD_BYTES_MAX };
        for (index, field) in source.fields.iter().enumerate() {
            let label = field_label(field, &field.path);
            let at = outside.leaf(&field.place, &field.path, label, (&headers, source), trie);
            if let Some(leaf) = at.and_then(|at| trie.leaves.get_mut(at)) {
                leaf.field = Some((index, field.ty));
                leaf.reading = field.reading.clone();
            }
        }
        let (time, arrival) = (&source.time, source.arrival.field());
        let at = outside.leaf(&time.place, &time.path, time_label(time), (&headers, source), trie);
        if let Some(leaf) = at.and_then(|at| trie.leaves.get_mut(at)) {
            leaf.time = Some(time.form.clone());
        }
        if let Some(time) = arrival {
            let label = arrival_label(time);
            let at = outside.leaf(&time.place, &time.path, label, (&headers, source), trie);
            if let Some(leaf) = at.and_then(|at| trie.leaves.get_mut(at)) {
                leaf.arrival = Some(time.form.clone());
            }
        }
        (outside.key.is_some() || !outside.parts.is_empty()).then_some(outside)
    }

    /// Bounds the bytes of a key or a header.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// The leaf at a place; `None` for one in the value.
    fn leaf(
        &mut self,
        place: &Place,
        path: &[String],
        label: String,
        (headers, source): (&[String], &SourcePlan),
        trie: &mut Trie,
    ) -> Option<usize> {
        let part = match place {
            Place::Value => return None,
            Place::Key if !path.is_empty() => {
                let root = *self.key.get_or_insert_with(|| trie.root("the record's key"));
                return trie.leaf(root, path, label);
            }
            Place::Key => Part::Key,
            Place::Header(name) => Part::Header(headers.binary_search(name).ok()?),
            Place::Record(RecordPart::Timestamp) => Part::Timestamp,
            Place::Record(RecordPart::Partition) => Part::Partition,
            Place::Record(RecordPart::Offset) => Part::Offset,
            Place::Record(RecordPart::Topic) => Part::Topic(source.topic.clone()?),
        };
        let leaf = trie.leaf_alone(label);
        self.parts.push((part, leaf));
        Some(leaf)
    }

    /// Puts what the record has into its row. What it does not have stays absent.
    pub fn put(&self, of: Metadata<'_>, row: &mut Row<'_>) {
        let Metadata { batch, record, partition } = of;
        for (part, leaf) in &self.parts {
            let leaf = *leaf;
            match part {
                Part::Key => self.put_key(batch.key(record), leaf, row),
                Part::Header(name) => match batch.header(record, *name) {
                    Some(value) if self.holds(value) => row.put_utf8(leaf, value),
                    Some(_) => row.refuse(leaf, "a header of more than record_bytes_max bytes"),
                    None => {}
                },
                Part::Timestamp => put_number(record.timestamp, leaf, row),
                Part::Partition => put_number(Some(u64::from(partition)), leaf, row),
                Part::Offset => put_number(Some(record.offset), leaf, row),
                Part::Topic(topic) => row.put_text(leaf, topic),
            }
        }
        if let (Some(node), Some(key)) = (self.key, batch.key(record)) {
            self.read_key(key, node, row);
        }
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        bytes.len() <= self.bytes_max
    }

    /// The key as text.
    fn put_key(&self, key: Option<&[u8]>, leaf: usize, row: &mut Row<'_>) {
        let Some(key) = key else { return };
        if !self.holds(key) {
            return row.refuse(leaf, "a key of more than record_bytes_max bytes");
        }
        match std::str::from_utf8(unframed(key)).map(key_text) {
            Ok(Some(text)) => row.put_text(leaf, &text),
            Ok(None) => row.put_null(leaf),
            Err(_) => row.refuse(leaf, "bytes that are not UTF-8"),
        }
    }

    /// The key as the object that it is.
    fn read_key(&self, key: &[u8], node: usize, row: &mut Row<'_>) {
        let refused = |found: &str| DecodeError::WrongType {
            field: "the record's key".to_owned(),
            expected: "a JSON object",
            found: found.to_owned(),
        };
        if !self.holds(key) {
            return row.refuse_object(node, &refused("more than record_bytes_max bytes"));
        }
        let Ok(text) = std::str::from_utf8(unframed(key)) else {
            return row.refuse_object(node, &refused("bytes that are not UTF-8"));
        };
        // By its text, so that no number of it passes through a double.
        let before = std::mem::replace(&mut row.by_text, true);
        let mut json = serde_json::Deserializer::from_str(unwrapped(text));
        let read = ObjectSeed::at(row, node).deserialize(&mut json);
        row.by_text = before;
        if read.and_then(|()| json.end()).is_err() {
            row.refuse_object(node, &refused(&super::error::shown(text)));
        }
    }
}

/// A number that the log says; one that no field could hold is none.
fn put_number(number: Option<u64>, leaf: usize, row: &mut Row<'_>) {
    if let Some(number) = number.and_then(|number| i64::try_from(number).ok()) {
        row.put_int(leaf, number, Unit::PerMs(1));
    }
}
