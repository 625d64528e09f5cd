//! Records that did not become events, kept whole.

use crate::ingest::reader::PartitionId;
use crate::time::{EventTime, Millis};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a record became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Its time was behind its partition's watermark when it was read.
    Late,
    /// Its event-time field was ahead of its arrival by more than the job allows.
    Future,
    /// It could not be decoded, or lacks what every record must have.
    Malformed,
    /// The schema it was written with is not known, or does not fit the job.
    Schema,
    /// It has no value: a deletion in a compacted topic, and no event.
    Tombstone,
}

impl Reason {
    /// All reasons, in the order reports list them.
    pub const ALL: [Reason; 5] =
        [Reason::Late, Reason::Future, Reason::Malformed, Reason::Schema, Reason::Tombstone];

    /// Whether reports leave it out while there are none.
    pub const fn is_rare(self) -> bool {
        matches!(self, Reason::Schema | Reason::Tombstone)
    }

    /// The name in dead letters, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Late => "late",
            Reason::Future => "future",
            Reason::Malformed => "malformed",
            Reason::Schema => "schema",
            Reason::Tombstone => "tombstone",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One record that did not become an event, with all that is needed to understand and replay it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The source's name in the job.
    pub source: String,
    /// Its Kafka topic, when it has one.
    pub topic: Option<String>,
    /// The partition.
    pub partition: PartitionId,
    /// The record's offset in it.
    pub offset: u64,
    /// The record's key, untouched.
    pub key: Option<Vec<u8>>,
    /// The record's value, untouched; `None` for a null payload.
    pub value: Option<Vec<u8>>,
    /// Why.
    pub reason: Reason,
    /// The time of the event, when it could be read: what it was judged by. Less than `field_time`
    /// where that lay too far ahead of its arrival.
    pub event_time: Option<EventTime>,
    /// What its event-time field says, when it could be read.
    pub field_time: Option<EventTime>,
    /// When it arrived, where that is known and its event time could be read.
    pub arrival: Option<EventTime>,
    /// The partition's watermark when it was read.
    pub watermark: EventTime,
    /// How far it lay behind the watermark (late only).
    pub late_by: Option<Millis>,
    /// Whether an idle floor decided: by the partition's own records it would have been on time.
    pub idle_floor: bool,
    /// What was wrong, for malformed and future records and for those without a schema: names the
    /// field, or the schema.
    pub error: Option<String>,
}

/// Where dead letters go. The implementations write on threads of their own; nothing blocks.
pub trait DeadLetterSink {
    /// Whether another batch of letters can be taken now. While not, the sources are not read:
    /// a letter is never dropped.
    fn has_room(&self) -> bool;

    /// Takes a letter; it must be taken even when there was no room, for the batch being judged.
    fn push(&mut self, letter: DeadLetter);
}
