//! Records that did not become events, kept whole.

use crate::origin::PartitionId;
use crate::time::{EventTime, Millis};
use crate::verdict::Reason;
use serde::{Deserialize, Serialize};

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
