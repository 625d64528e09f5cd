//! What a manifest keeps of the record before the position of a partition.

use serde::{Deserialize, Serialize};
use tidemark_operators::cut::RecordCheck;
use tidemark_operators::time::EventTime;

/// What tells whether a record is still the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRecord {
    /// Its offset.
    pub offset: u64,
    /// Its timestamp, where it has one.
    pub timestamp: Option<EventTime>,
    /// A hash of its value.
    pub checksum: u64,
}

impl From<RecordCheck> for CheckRecord {
    fn from(RecordCheck { offset, timestamp, checksum }: RecordCheck) -> Self {
        CheckRecord { offset, timestamp, checksum }
    }
}

impl From<CheckRecord> for RecordCheck {
    fn from(CheckRecord { offset, timestamp, checksum }: CheckRecord) -> Self {
        RecordCheck { offset, timestamp, checksum }
    }
}
