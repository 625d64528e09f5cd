//! What becomes of a record, and why one becomes a dead letter.

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What becomes of a decoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is an event.
    Accepted,
    /// It lies behind the watermark.
    Late {
        /// By so much.
        by: Millis,
        /// By the partition's own records it would have been on time.
        idle_floor: bool,
    },
    /// It lies ahead of its arrival by more than the allowed skew. It moves nothing.
    Future {
        /// By so much.
        ahead: Millis,
    },
    /// A record with its id was accepted before. It moves nothing.
    Duplicate,
    /// It is an event that the state has already, from the files that a job's history was read from.
    History,
}

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
    /// A record with its id was accepted before, and the job keeps such records.
    Duplicate,
}

impl Reason {
    /// All reasons, in the order reports list them.
    pub const ALL: [Reason; 6] = [
        Reason::Late,
        Reason::Future,
        Reason::Malformed,
        Reason::Schema,
        Reason::Tombstone,
        Reason::Duplicate,
    ];

    /// Whether reports leave it out while there are none.
    pub const fn is_rare(self) -> bool {
        matches!(self, Reason::Schema | Reason::Tombstone | Reason::Duplicate)
    }

    /// The name in dead letters, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Late => "late",
            Reason::Future => "future",
            Reason::Malformed => "malformed",
            Reason::Schema => "schema",
            Reason::Tombstone => "tombstone",
            Reason::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
