//! What was generated, in numbers.

use super::{Kind, Record};
use tidemark_operators::time::EventTime;

/// Counts of records that were written somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordTally {
    /// Records of all kinds.
    pub events: u64,
    /// Those that are late.
    pub late: u64,
    /// Those that are malformed.
    pub malformed: u64,
    /// Bytes of their values, with a line end each.
    pub bytes: u64,
    /// Event time of the oldest and of the newest record that is not malformed.
    pub times: Option<(EventTime, EventTime)>,
}

impl RecordTally {
    /// Takes a record into account.
    pub fn count(&mut self, record: &Record<'_>) {
        self.events += 1;
        self.bytes += record.line.len() as u64 + 1;
        self.late += u64::from(record.kind == Kind::Late);
        self.malformed += u64::from(record.kind == Kind::Malformed);
        if record.kind != Kind::Malformed {
            let (oldest, newest) = self.times.unwrap_or((record.time, record.time));
            self.times = Some((oldest.min(record.time), newest.max(record.time)));
        }
    }
}
