//! Events of [forgotten](crate::cut::Forgotten) entities, which are dropped when they come again.

use crate::cut::Forgotten;
use crate::event_batch::EventBatch;
use crate::interner::stable_hash;
use crate::origin::PartitionId;
use std::collections::{BTreeMap, HashMap};

/// The events that are dropped when they come again: those of forgotten entities, of partitions that are
/// read again. It is empty once all partitions have come to where they had been.
///
/// ```
/// use tidemark_operators::cut::Forgotten;
/// use tidemark_operators::forgotten::ForgottenEvents;
/// use tidemark_operators::in_memory::batch;
/// use tidemark_operators::origin::PartitionId;
///
/// let read = vec![(PartitionId { source: 0, partition: 0 }, 2)];
/// let mut forgotten = ForgottenEvents::default();
/// forgotten.add(&Forgotten { id: b"a".to_vec(), before: 0, read });
/// // Offsets 0 to 3.
/// let mut events = batch(&[(10, "a"), (20, "b"), (30, "a"), (40, "b")]);
/// forgotten.drop_from(&mut events);
/// assert_eq!(events.times, [20, 30, 40]);
/// assert!(forgotten.is_empty(), "nothing of the partition comes again");
/// ```
#[derive(Debug, Default)]
pub struct ForgottenEvents {
    /// By the hash of the id.
    entities: HashMap<u64, Vec<Forgotten>>,
    /// For each partition the greatest offset of all.
    until: BTreeMap<PartitionId, u64>,
}

impl ForgottenEvents {
    /// Drops these from now on.
    pub fn add(&mut self, forgotten: &Forgotten) {
        for (partition, offset) in &forgotten.read {
            let until = self.until.entry(*partition).or_insert(0);
            *until = (*until).max(*offset);
        }
        let of_hash = self.entities.entry(stable_hash(&forgotten.id)).or_default();
        match of_hash.iter_mut().find(|entity| entity.id == forgotten.id) {
            Some(entity) => entity.join(forgotten),
            None => of_hash.push(forgotten.clone()),
        }
    }

    /// Whether nothing is dropped any more.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Leaves out of `batch` what is forgotten. Batches of a partition come in the order of its offsets.
    pub fn drop_from(&mut self, batch: &mut EventBatch) {
        if self.is_empty() {
            return;
        }
        let mut keep = Vec::new();
        for (row, hash) in batch.hashes.iter().enumerate() {
            if !self.has(batch, row, *hash) {
                continue;
            }
            keep.resize(batch.len(), true);
            keep.iter_mut().skip(row).take(1).for_each(|keep| *keep = false);
        }
        for origin in &batch.origins {
            let id = PartitionId { source: origin.source, partition: origin.partition };
            // The next one lies behind it.
            if self.until.get(&id).is_some_and(|until| origin.offset.saturating_add(1) >= *until) {
                self.until.remove(&id);
            }
        }
        if !keep.is_empty() {
            batch.retain(&keep);
        }
        if self.until.is_empty() {
            self.entities.clear();
        }
    }

    fn has(&self, batch: &EventBatch, row: usize, hash: u64) -> bool {
        let Some(entities) = self.entities.get(&hash) else { return false };
        let (Some(span), Some(origin)) = (batch.ids.get(row), batch.origins.get(row)) else {
            return false;
        };
        let id = batch.kept(*span);
        let Some(entity) = entities.iter().find(|entity| entity.id == id) else { return false };
        let of = |(partition, _): &&(PartitionId, u64)| {
            (partition.source, partition.partition) == (origin.source, origin.partition)
        };
        entity.read.iter().find(of).is_some_and(|(_, offset)| origin.offset < *offset)
    }
}
