//! Rows of entities that somebody watches, handed over as they are sealed.

use crate::entity_log::{EntityLog, RowsCopier};
use crate::origin::Origin;
use crate::plan::EntityPlan;
use crate::probes::WatchedEntities;

/// See the module.
pub(super) struct Watching {
    watched: WatchedEntities,
    copier: RowsCopier,
    origins: Vec<Origin>,
}

impl Watching {
    /// Of entities of `entity`.
    pub fn new(watched: WatchedEntities, entity: &EntityPlan) -> Self {
        Watching { watched, copier: RowsCopier::new(entity), origins: Vec::new() }
    }

    /// Hands over those of the newest rows of `log` that are watched; `origins` says where the newest
    /// rows are from.
    pub fn sealed(&mut self, log: &EntityLog, origins: &[Origin]) {
        let Watching { watched, copier, origins: own } = self;
        let (from, end) = (log.log.end() - origins.len() as u64, log.log.end());
        let mut rows = copier.begin(log);
        own.clear();
        for chunk in log.log.cover(from, end) {
            for seq in chunk.base().max(from)..chunk.end() {
                let id = log.names.entities.bytes(chunk.slot((seq - chunk.base()) as u32));
                // Far fewer than a list takes: those that do not fit belong to nobody who watches.
                if watched.ids.contains(id) && copier.append(log, seq, seq + 1, &mut rows).is_some()
                {
                    own.extend(origins.get((seq - from) as usize));
                }
            }
        }
        if !own.is_empty() {
            watched.rows.take(rows, own);
        }
    }
}
