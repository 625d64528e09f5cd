//! Entities that are forgotten, and up to where.
//!
//! An entity is forgotten at a place in its own order of events. Every event of an entity goes to one
//! worker, which has those of a partition in the order of their offsets, so what that worker has of each
//! partition says it: of the entity's events those below these offsets are forgotten, and no other. Of what
//! is sealed all is forgotten, and whatever comes later is not before what is sealed: so of rows a time
//! says it. No two workers need to agree.

use crate::origin::PartitionId;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// The most entities that a job may have forgotten and still hold something of on its disks, over all
/// types. More are refused until some of them are gone for good.
pub const FORGOTTEN_MAX: usize = 10_000;

/// Up to where an entity is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Its id.
    pub id: Vec<u8>,
    /// Its rows before this time are gone.
    pub before: EventTime,
    /// Of each of these partitions its events below the offset are gone.
    pub read: Vec<(PartitionId, u64)>,
}

impl Forgotten {
    /// Forgets what either does: the same entity was forgotten twice.
    ///
    /// ```
    /// use tidemark_operators::cut::Forgotten;
    /// use tidemark_operators::origin::PartitionId;
    ///
    /// let partition = |partition| PartitionId { source: 0, partition };
    /// let read = vec![(partition(0), 7), (partition(1), 3)];
    /// let mut first = Forgotten { id: b"a".to_vec(), before: 2_000, read };
    /// first.join(&Forgotten { before: 1_000, read: vec![(partition(1), 9)], ..first.clone() });
    /// assert_eq!(first.before, 2_000);
    /// assert_eq!(first.read, [(partition(0), 7), (partition(1), 9)]);
    /// ```
    pub fn join(&mut self, other: &Forgotten) {
        self.before = self.before.max(other.before);
        for (partition, offset) in &other.read {
            match self.read.iter_mut().find(|(of, _)| of == partition) {
                Some((_, own)) => *own = (*own).max(*offset),
                None => self.read.push((*partition, *offset)),
            }
        }
    }
}
