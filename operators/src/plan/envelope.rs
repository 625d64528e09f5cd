//! Records of a change log: the row lies in an envelope that says what was done to it.

use std::fmt;

/// What a record of a change log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A row was inserted: `c`.
    Create,
    /// A row was there when the log began: `r`.
    Snapshot,
    /// A row was changed: `u`.
    Update,
    /// A row was deleted: `d`.
    Delete,
    /// A table was emptied: `t`.
    Truncate,
    /// Something was said in the log of the database, of no row: `m`.
    Message,
    /// What none of these is.
    Other,
    /// A record without a value, which lets a compacted topic forget the row.
    Tombstone,
}

impl Operation {
    /// All of them, in the order reports list them.
    pub const ALL: [Operation; 8] = [
        Operation::Create,
        Operation::Snapshot,
        Operation::Update,
        Operation::Delete,
        Operation::Truncate,
        Operation::Message,
        Operation::Other,
        Operation::Tombstone,
    ];

    /// What `op` says.
    pub fn of(op: &[u8]) -> Self {
        let mut known = Operation::ALL.into_iter().filter(|it| it.is_named());
        known.find(|it| it.name().as_bytes() == op).unwrap_or(Operation::Other)
    }

    /// Whether an envelope can say so.
    pub const fn is_named(self) -> bool {
        !matches!(self, Operation::Other | Operation::Tombstone)
    }

    /// What envelopes, jobs, metrics and reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Create => "c",
            Operation::Snapshot => "r",
            Operation::Update => "u",
            Operation::Delete => "d",
            Operation::Truncate => "t",
            Operation::Message => "m",
            Operation::Other => "other",
            Operation::Tombstone => "tombstone",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where Connect puts an envelope in JSON that has its schema beside it.
pub const PAYLOAD: &str = "payload";
/// Where it puts that schema.
pub const SCHEMA: &str = "schema";

/// Records in the envelope of Debezium; it may itself be the `payload` of a record with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopePlan {
    /// The field that reads the operation, an optional text: index into
    /// [`SourcePlan::fields`](super::SourcePlan::fields).
    pub op: usize,
    /// The operations whose records are events; all others are skipped.
    pub ops: Vec<Operation>,
}
