//! `/ready`: whether rows are current.

use serde::Serialize;
use tidemark_operators::time::EventTime;

/// The answer of `/ready`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether every partition has been read up to the end it had at the start.
    pub ready: bool,
    /// What is still missing; `None` once ready.
    pub reason: Option<String>,
    /// Every partition.
    pub partitions: Vec<PartitionReadiness>,
}

/// How far one partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionReadiness {
    /// The source's name in the job.
    pub source: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record to read.
    pub next_offset: u64,
    /// The end the partition had at the start; `None` while unknown, and for sources without one.
    pub end_at_start: Option<u64>,
    /// Its watermark; `None` before the first event.
    pub watermark: Option<EventTime>,
    /// Whether it has been read up to that end.
    pub caught_up: bool,
}
