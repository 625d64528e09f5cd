//! Segments, format 1: rows of one entity type's timeline, sealed between two cuts.
//!
//! ```text
//! blocks:   ids.. | values of the first symbol attribute.. | .. | rows.. (65,536 a block)
//! rows:     times | places of entities | filter bits | attribute | attribute | ..
//! content:  entity type, rows, [from, to), filter texts, attributes, how many of what is in each block
//! ```
//!
//! Ids and values of symbols stand once in a segment, and a row says where. A reader holds them and
//! one block of rows; by its first and last time a block is passed over.

mod columns;
mod merge;
mod read;

pub use merge::{
    LARGE_ROWS_MIN, MergedRow, MergedSegments, merge_segments, mergeable, of_one_schema,
};
pub use read::{SegmentReader, verify_segment};

use super::blocks::{ObjectKind, ObjectWriter};
use super::encoding::{BLOCK_ROWS, TEXTS_BYTES_MAX, encode_texts};
use super::{BlockCipher, CheckpointError, SEGMENT_ROWS_MAX, StoredObject};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tidemark_operators::cut::{AttributeValues, Texts, TimelineRows};
use tidemark_operators::time::EventTime;

const KIND: ObjectKind = ObjectKind(*b"TIDESEG\n");

/// An entity type as it was when its rows were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitySchema {
    /// Its name.
    pub entity: String,
    /// The filters whose bits the rows have, by what they are computed from, from the lowest bit on.
    pub filters: Vec<String>,
    /// The same of a filter that every event passes.
    #[serde(default)]
    pub every: String,
    /// The sources that feed it, and the field of each that is the key.
    #[serde(default)]
    pub sources: Vec<String>,
    /// See `sources`.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Its attributes.
    pub attributes: Vec<AttributeSchema>,
}

/// An attribute of an [`EntitySchema`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeSchema {
    /// Its name.
    pub name: String,
    /// Its type, as a job file names it.
    #[serde(rename = "type")]
    pub ty: String,
    /// How it is kept.
    pub storage: String,
    /// What it is computed from.
    #[serde(default)]
    pub identity: String,
}

/// A segment as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedSegment {
    /// The object.
    pub name: String,
    /// The entity type.
    pub entity: String,
    /// How many rows.
    pub rows: u64,
    /// No row is before it.
    pub from: EventTime,
    /// All rows are before it.
    pub to: EventTime,
    /// The object's size.
    pub bytes: u64,
    /// The checksum of all its bytes.
    pub crc32c: u32,
    /// It was merged of others, and is not merged again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merged: bool,
}

/// What a segment says of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentContent {
    /// The entity type.
    pub schema: EntitySchema,
    /// How many rows.
    pub rows: u64,
    /// No row is before it.
    pub from: EventTime,
    /// All rows are before it.
    pub to: EventTime,
    /// How many ids are in each block of them.
    ids: Vec<u32>,
    /// For each attribute how many values are in each block of them; `None`: it has its words in the
    /// rows.
    values: Vec<Option<Vec<u32>>>,
    /// The blocks of rows: how many, the first and the last time.
    blocks: Vec<(u32, EventTime, EventTime)>,
}

/// Makes a segment of the rows that were sealed in `range`, named `name`, and what a manifest lists it
/// by.
///
/// # Errors
/// When the rows are none: columns of different lengths, places where nothing is, times out of order
/// or out of `range`, more than [`SEGMENT_ROWS_MAX`].
pub fn encode_segment(
    name: String,
    schema: EntitySchema,
    range: Range<EventTime>,
    rows: &TimelineRows,
    cipher: Option<&BlockCipher>,
) -> Result<(StoredObject, ListedSegment), CheckpointError> {
    if let Some(why) = unwritable(&schema, &range, rows) {
        return Err(CheckpointError::Unwritable { object: name, why });
    }
    let mut object = ObjectWriter::new(name, cipher);
    let ids = push_texts(&mut object, &rows.ids)?;
    let values = rows.attributes.iter().map(|attribute| match attribute {
        AttributeValues::Words(_) => Ok(None),
        AttributeValues::Symbols { values, .. } => push_texts(&mut object, values).map(Some),
    });
    let values = values.collect::<Result<_, CheckpointError>>()?;
    let mut blocks = Vec::new();
    for from in (0..rows.len()).step_by(BLOCK_ROWS) {
        let places = from..rows.len().min(from + BLOCK_ROWS);
        let times = rows.times.get(places.clone()).unwrap_or_default();
        let ends = times.first().zip(times.last()).map_or((0, 0), |(a, b)| (*a, *b));
        object.push(&columns::encode(rows, places))?;
        blocks.push((count(times.len()), ends.0, ends.1));
    }
    let (entity, total) = (schema.entity.clone(), rows.len() as u64);
    let Range { start: from, end: to } = range;
    let content = SegmentContent { schema, rows: total, from, to, ids, values, blocks };
    let object = object.finish(KIND, content)?;
    let (bytes, crc32c) = (object.size(), object.crc32c());
    let name = object.name.clone();
    Ok((
        object,
        ListedSegment { name, entity, rows: total, from, to, bytes, crc32c, merged: false },
    ))
}

/// What is wrong with rows that are to be written.
fn unwritable(
    schema: &EntitySchema,
    range: &Range<EventTime>,
    rows: &TimelineRows,
) -> Option<String> {
    let len = rows.len();
    if len > SEGMENT_ROWS_MAX {
        return Some(format!("it would have {len} rows, and {SEGMENT_ROWS_MAX} is the most"));
    }
    let is_place = |texts: &Texts| {
        let texts = texts.len();
        move |place: usize| place < texts
    };
    let attribute_is_right = |attribute: &AttributeValues| match attribute {
        AttributeValues::Words(words) => words.len() == len,
        AttributeValues::Symbols { values, places } => {
            let is_place = is_place(values);
            // 0 is null.
            let right = |place: &u32| place.checked_sub(1).is_none_or(|at| is_place(at as usize));
            places.len() == len && places.iter().all(right)
        }
    };
    let is_id = is_place(&rows.ids);
    let wrong = [
        (schema.attributes.len() != rows.attributes.len(), "its attributes are others"),
        (rows.entities.len() != len || rows.bits.len() != len, "its columns differ in length"),
        (!rows.entities.iter().all(|place| is_id(*place as usize)), "an entity has no id"),
        (!rows.attributes.iter().all(attribute_is_right), "an attribute is none"),
        (!rows.times.is_sorted(), "its times are not in order"),
        (rows.times.first().is_some_and(|time| *time < range.start), "a row is before its range"),
        (rows.times.last().is_some_and(|time| *time >= range.end), "a row is behind its range"),
        (i64::try_from(range.end).is_err(), "its range ends too late"),
    ];
    wrong.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why.to_owned())
}

/// Appends blocks of texts; how many are in each.
pub(super) fn push_texts(
    object: &mut ObjectWriter<'_>,
    texts: &Texts,
) -> Result<Vec<u32>, CheckpointError> {
    let mut counts = Vec::new();
    let mut from = 0;
    while from < texts.len() {
        let to = texts_end(texts, from);
        let mut block = Vec::new();
        encode_texts(texts, from, to, &mut block);
        object.push(&block)?;
        counts.push(count(to - from));
        from = to;
    }
    Ok(counts)
}

/// Up to where texts go into a block that begins with the one at `from`: at least one.
pub(super) fn texts_end(texts: &Texts, from: usize) -> usize {
    let (_, ends) = texts.parts();
    let start =
        from.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
    let here = ends.iter().skip(from).take(BLOCK_ROWS);
    let fitting = here.take_while(|end| **end as usize - start <= TEXTS_BYTES_MAX).count();
    from + fitting.max(1)
}

/// At most [`BLOCK_ROWS`].
fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
