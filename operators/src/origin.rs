//! Where records and events come from: a source partition, and a place in it.

use serde::{Deserialize, Serialize};

/// A source partition: the source's place in the job, and the partition's number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId {
    /// Index into [`crate::plan::Plan::sources`].
    pub source: u16,
    /// Kafka partition number, or a file's place in the list.
    pub partition: u32,
}

/// Where an event came from. Within one `ts`, events are ordered by it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Origin {
    /// Index into [`crate::plan::Plan::sources`].
    pub source: u16,
    /// The source partition.
    pub partition: u32,
    /// The offset in it.
    pub offset: u64,
}
