//! Manifests, format 4: what holds as of a cut, and every object that belongs to it.
//!
//! Format 1 had no ids, format 2 nothing that is lacking, format 3 no history; format 5 is that of records
//! of topics alone. A manifest is text, for people to look into: JSON, and a last line of JSON with its
//! length and CRC32C.

use super::blocks::damage;
use super::{
    CheckRecord, CheckpointError, DamagePlace, ListedIds, ListedSegment, ListedStates, StoredObject,
};
use crate::objects::Objects;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidemark_operators::time::EventTime;

/// The format that is written.
const FORMAT: u32 = 4;
/// That of records of tables that are topics, which older programs know nothing of.
pub(super) const TOPIC_FORMAT: u32 = 5;
/// How long a manifest or an index may be.
pub const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// How many segments a manifest lists by itself; older ones are listed through indexes.
pub const SEGMENTS_LISTED_MAX: usize = 1_000;
/// How many indexes a manifest lists.
pub const INDEXES_LISTED_MAX: usize = 10_000;

/// What holds as of a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its place among all manifests of the store, from 1.
    pub sequence: u64,
    /// How many processes have taken over the state before and with the one that wrote it.
    pub generation: u64,
    /// Who wrote it: a text that no other start of a process has.
    pub writer: String,
    /// Which store this is: a text that no other has, unless it is a copy. Empty: an older program
    /// made it, and nobody has taken it over since.
    #[serde(default)]
    pub store_id: String,
    /// When it was written, by the writer's clock: ms since 1970, UTC.
    pub created_at: u64,
    /// The program's version.
    pub program: String,
    /// The version of the database of time zones.
    pub time_zones: String,
    /// The job's name.
    pub job: String,
    /// For each entity type what feeds it, and what its state is made of.
    pub fingerprint: BTreeMap<String, String>,
    /// The cut: all rows before it are here, and no other.
    pub cut: EventTime,
    /// Where the live clock stood.
    pub live_clock: EventTime,
    /// When that was, by the writer's clock: ms since 1970. 0: an older program wrote it.
    #[serde(default)]
    pub live_clock_at: u64,
    /// Where each partition stands.
    pub partitions: Vec<PartitionMark>,
    /// All rows at and after this time are here, as far as they were ever read: older ones may have
    /// gone. Nothing: an older program wrote it, and has not said.
    #[serde(default)]
    pub rows_from: Option<EventTime>,
    /// What is not as it would be had it been kept from the beginning.
    #[serde(default)]
    pub lacking: Vec<LackingState>,
    /// The newest segments.
    pub segments: Vec<ListedSegment>,
    /// Where older segments are listed.
    pub indexes: Vec<ListedIndex>,
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// By what copies of records are told.
    #[serde(default)]
    pub ids: Vec<ListedIds>,
    /// Positions of what is published after the manifest, by their names.
    pub outbox: BTreeMap<String, Position>,
    /// For each reference table the version that is in effect.
    pub tables: BTreeMap<String, u64>,
    /// Entities that were removed, and are not to come back from older segments.
    pub tombstones: Vec<ForgottenEntity>,
    /// Where the state begins with a history that was read from files; nothing: it does not.
    #[serde(default)]
    pub history: Option<ReadHistory>,
}

/// A history that is read from files, before the topics go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadHistory {
    /// The files, by the name of their source.
    pub files: BTreeMap<String, Vec<String>>,
    /// Where it is to end, where that was said: a multiple of a second.
    pub until: Option<EventTime>,
    /// Whether it is read, and partitions are those of topics.
    pub is_whole: bool,
}

/// The part of a topic's partition whose earlier events are history's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryMark {
    /// The first offset behind it.
    pub end: u64,
    /// Events before this time are history's.
    pub until: EventTime,
}

/// Where a partition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionMark {
    /// The source's name.
    pub source: String,
    /// The partition's number.
    pub partition: u32,
    /// Which topic or file it is, where that can be told: another one may have taken its name.
    pub identity: Option<String>,
    /// The first offset that was ever read.
    pub first_offset: Option<u64>,
    /// The time of the first event that was accepted.
    pub first_accepted: Option<EventTime>,
    /// The next offset to be read.
    pub read: u64,
    /// From which offset on records are read again: all before it are before the cut, or refused.
    pub reread: u64,
    /// The greatest time of its clock.
    pub clock: Option<EventTime>,
    /// The greatest time of an accepted event.
    pub newest: Option<EventTime>,
    /// How many records were accepted.
    pub accepted: u64,
    /// The offsets in `reread..read` of records that were refused: each range with its end left out.
    pub refused: Vec<(u64, u64)>,
    /// The record before `read`.
    pub check: Option<CheckRecord>,
    /// The part of it that is not done with whose earlier events are history's.
    #[serde(default)]
    pub history: Option<HistoryMark>,
}

/// Something of an entity type that a job began to keep when it had had events already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LackingState {
    /// The entity type.
    pub entity: String,
    /// What it is, as identities tell it: a component of its state, or what rows do not have.
    pub what: String,
    /// It knows everything at and after this time.
    pub since: EventTime,
}

/// State as of an earlier cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// That cut.
    pub as_of: EventTime,
    /// Its files.
    pub states: Vec<ListedStates>,
}

/// A position in something that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Position {
    /// A number.
    Number(u64),
    /// Whatever else says it.
    Text(String),
}

/// An entity that was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgottenEntity {
    /// Its type.
    pub entity: String,
    /// Its id.
    pub id: String,
    /// Its rows before this time are gone; later ones are of events that came after it was removed.
    pub before: EventTime,
    /// The first manifest that says so, by its sequence number: what was written before may have such
    /// rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: u64,
    /// Of partitions that a restart may read again from before them, the offsets below which its events
    /// are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<ForgottenRead>,
}

/// Up to where the events of a partition were read when an entity was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgottenRead {
    /// The source's name.
    pub source: String,
    /// The partition's number.
    pub partition: u32,
    /// The next offset.
    pub next: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An index as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedIndex {
    /// The object.
    pub name: String,
    /// How many segments it lists.
    pub segments: u64,
    /// How many rows they have.
    pub rows: u64,
    /// No row of theirs is before it.
    pub from: EventTime,
    /// All rows of theirs are before it.
    pub to: EventTime,
    /// The object's size.
    pub bytes: u64,
    /// The checksum of all its bytes.
    pub crc32c: u32,
}

/// Segments that a manifest lists through another object, which never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentIndex {
    pub segments: Vec<ListedSegment>,
}

impl Manifest {
    /// Lists no longer what has no row at `before` or later.
    pub fn retire(&mut self, before: EventTime) {
        let listed = self.segments.len() + self.indexes.len();
        self.segments.retain(|segment| segment.to > before);
        self.indexes.retain(|index| index.to > before);
        if self.segments.len() + self.indexes.len() < listed {
            self.rows_from = self.rows_from.map(|from| from.max(before));
        }
    }

    /// Lists an entity that is removed, together with what was removed of it before.
    pub fn forget(&mut self, new: ForgottenEntity) {
        let is = |one: &&mut ForgottenEntity| (&one.entity, &one.id) == (&new.entity, &new.id);
        let Some(one) = self.tombstones.iter_mut().find(is) else {
            return self.tombstones.push(new);
        };
        (one.before, one.since) = (one.before.max(new.before), new.since);
        for read in new.read {
            let is = |one: &&mut ForgottenRead| {
                (&one.source, one.partition) == (&read.source, read.partition)
            };
            match one.read.iter_mut().find(is) {
                Some(one) => one.next = one.next.max(read.next),
                None => one.read.push(read),
            }
        }
    }

    /// Takes the oldest segments out, when there are more than one manifest lists, and puts them into
    /// an index named `name`.
    pub(super) fn index_oldest(
        &mut self,
        name: String,
    ) -> Result<Option<StoredObject>, CheckpointError> {
        if self.segments.len() <= SEGMENTS_LISTED_MAX {
            return Ok(None);
        }
        let unwritable = |why: &str| {
            let (object, why) = (name.clone(), why.to_owned());
            CheckpointError::Unwritable { object, why }
        };
        if self.indexes.len() >= INDEXES_LISTED_MAX {
            return Err(unwritable("there are too many segments; shorten the longest window"));
        }
        self.segments.sort_by_key(|segment| segment.to);
        let newer = self.segments.split_off(self.segments.len() - SEGMENTS_LISTED_MAX / 2);
        let segments = std::mem::replace(&mut self.segments, newer);
        let from = segments.iter().map(|segment| segment.from).min().unwrap_or(0);
        let to = segments.iter().map(|segment| segment.to).max().unwrap_or(0);
        let rows = segments.iter().map(|segment| segment.rows).sum();
        let count = segments.len() as u64;
        let object = sealed(name, &SegmentIndex { segments })?;
        self.indexes.push(ListedIndex {
            name: object.name.clone(),
            segments: count,
            rows,
            from,
            to,
            bytes: object.size(),
            crc32c: object.crc32c(),
        });
        Ok(Some(object))
    }
}

/// What a text object holds.
#[derive(Serialize, Deserialize)]
struct Sealed<C> {
    format: u32,
    #[serde(flatten)]
    content: C,
}

/// What every format has.
#[derive(Deserialize)]
struct AnySealed {
    format: u32,
}

/// `content` as an object of text.
pub(super) fn sealed<C: Serialize>(
    name: String,
    content: &C,
) -> Result<StoredObject, CheckpointError> {
    sealed_in(FORMAT, name, content)
}

/// The same in another format.
pub(super) fn sealed_in<C: Serialize>(
    format: u32,
    name: String,
    content: &C,
) -> Result<StoredObject, CheckpointError> {
    let text = serde_json::to_string_pretty(&Sealed { format, content });
    let mut text = match text {
        Ok(text) => text,
        Err(error) => {
            return Err(CheckpointError::Unwritable { object: name, why: error.to_string() });
        }
    };
    text.push('\n');
    text.push_str(&seal(text.as_bytes()));
    if text.len() as u64 > MANIFEST_BYTES_MAX {
        let why = format!("it would be longer than {MANIFEST_BYTES_MAX} bytes");
        return Err(CheckpointError::Unwritable { object: name, why });
    }
    Ok(StoredObject { name, bytes: text.into_bytes() })
}

/// The last line: there is only one way to write it.
fn seal(text: &[u8]) -> String {
    format!("{{\"bytes\": {}, \"crc32c\": \"{:08x}\"}}\n", text.len(), crc32c::crc32c(text))
}

/// Reads an object of text; `None`: there is none of that name.
pub(super) fn unsealed<C: DeserializeOwned>(
    objects: &dyn Objects,
    name: &str,
) -> Result<Option<(C, Vec<u8>)>, CheckpointError> {
    unsealed_in(FORMAT, objects, name)
}

/// The same of one whose newest format is `known`.
pub(super) fn unsealed_in<C: DeserializeOwned>(
    known: u32,
    objects: &dyn Objects,
    name: &str,
) -> Result<Option<(C, Vec<u8>)>, CheckpointError> {
    let Some(bytes) = objects.get_range(name, 0, MANIFEST_BYTES_MAX + 1)? else { return Ok(None) };
    let damaged = |what: &str| damage(objects, name, DamagePlace::Whole, what);
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(damaged(&format!("it is longer than {MANIFEST_BYTES_MAX} bytes")).into());
    }
    let before = bytes.split_last().map_or(&bytes[..], |(_, before)| before);
    let end = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (text, last) = bytes.split_at_checked(end).unwrap_or((&bytes, &[]));
    if last != seal(text).as_bytes() {
        return Err(
            damaged("its last line is not that of the others: it is cut off, or changed").into()
        );
    }
    let wrong = |error: serde_json::Error| damaged(&error.to_string());
    let AnySealed { format } = serde_json::from_slice(text).map_err(wrong)?;
    if format > known {
        let (object, store) = (name.to_owned(), objects.url().to_owned());
        return Err(CheckpointError::Newer { object, store, format, known });
    }
    let Sealed { content, .. } = serde_json::from_slice(text).map_err(wrong)?;
    Ok(Some((content, bytes)))
}
