//! The ids of a partition's events, by value.

use crate::origin::PartitionId;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An id by which a copy of an event's record is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenId {
    /// The time that the event says it is: the lesser of its own and that of its arrival.
    pub at: EventTime,
    /// The first 128 bits of its keyed BLAKE3 hash.
    pub hash: [u8; 16],
    /// In which class its entity is counted.
    pub class: u8,
}

/// What holds the ids of a partition while it is read.
pub(crate) trait HeldIds: std::fmt::Debug {
    /// The ids that have come since this was asked last.
    fn take_new(&mut self) -> Vec<SeenId>;
}

/// The ids that a job which goes on knows, by partition. Its clones share them: a partition's are taken
/// once, by the worker that reads it.
#[derive(Clone, Debug, Default)]
pub struct ResumedIds(Arc<Mutex<BTreeMap<PartitionId, Vec<SeenId>>>>);

impl ResumedIds {
    /// These.
    pub fn new(ids: BTreeMap<PartitionId, Vec<SeenId>>) -> Self {
        ResumedIds(Arc::new(Mutex::new(ids)))
    }

    /// Takes out those of `partition`.
    pub fn take(&self, partition: PartitionId) -> Vec<SeenId> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&partition).unwrap_or_default()
    }
}
