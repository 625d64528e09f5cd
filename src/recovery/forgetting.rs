//! Entities that are forgotten: told by their workers, listed by manifests, and known again by a restart.
//!
//! A manifest lists one until nothing can bring it back: segments that may have rows of it are written
//! anew without it, the snapshot is a later one, and no restart reads its events again. The worker tells of
//! it before it hands over anything that rests on it, so no manifest has one without the other.

use super::writer::Writer;
use super::{Recovery, processes};
use crate::checkpoint::{ForgottenEntity, ForgottenRead, Manifest, Manifests};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tidemark_operators::cut::Forgotten;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;

/// Tells what the newest checkpoint says to be forgotten, or why that cannot be told.
pub type ForgottenStatus = Box<dyn Fn() -> Result<Vec<ForgottenEntity>, String> + Send + Sync>;

impl Writer<'_> {
    /// An entity is forgotten: the next manifest says so, and comes at once. So does a snapshot.
    pub(super) fn forget(&mut self, entity: usize, forgotten: &Forgotten) {
        let Some(of) = self.plan.entities.get(entity) else { return };
        self.forgotten.push(stored(&self.plan, &of.name, forgotten));
        self.progress.wanted.store(true, Ordering::Release);
        self.progress.snapshot_wanted.store(true, Ordering::Release);
    }

    /// Lists what is forgotten since, and no longer what nothing can bring back.
    pub(super) fn list_forgotten(&mut self, next: &mut Manifest) {
        let since = next.sequence.saturating_add(1);
        for one in std::mem::take(&mut self.forgotten) {
            next.forget(ForgottenEntity { since, ..one });
        }
        self.merging.settle(next);
    }

    /// The newest manifest is there: whoever waits for it is told.
    pub(super) fn tell_forgotten(&self) {
        // Where nothing is sealed a restart begins from nothing, and knows of none.
        let listed = if self.next.cut > 0 { &self.next.tombstones[..] } else { &[] };
        let mut told = self.progress.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != *listed {
            *told = listed.to_vec();
        }
    }
}

impl Recovery {
    /// What the newest checkpoint says to be forgotten; may be kept.
    pub fn forgotten(&self) -> ForgottenStatus {
        if self.publisher.is_some() {
            let progress = Arc::clone(&self.progress);
            return Box::new(move || {
                Ok(progress.forgotten.lock().unwrap_or_else(PoisonError::into_inner).clone())
            });
        }
        // Manifests are the first process's: they are looked at where they are.
        let (objects, run) = (Arc::clone(&self.objects), processes::run_of(&self.begun));
        Box::new(move || {
            let newest = Manifests::new(&*objects).newest().map_err(|error| error.to_string())?;
            let newest = newest.map(|newest| newest.manifest);
            let own = newest.filter(|newest| processes::run_of(newest) == run && newest.cut > 0);
            Ok(own.map(|newest| newest.tombstones).unwrap_or_default())
        })
    }
}

fn stored(plan: &Plan, entity: &str, forgotten: &Forgotten) -> ForgottenEntity {
    let read = forgotten.read.iter().filter_map(|(id, next)| {
        let source = plan.sources.get(usize::from(id.source))?.name.clone();
        Some(ForgottenRead { source, partition: id.partition, next: *next })
    });
    ForgottenEntity {
        entity: entity.to_owned(),
        id: String::from_utf8_lossy(&forgotten.id).into_owned(),
        before: forgotten.before,
        since: 0,
        read: read.collect(),
    }
}

/// What a restart from `begun` knows to be forgotten of entity `entity` of the plan.
pub(super) fn restored(plan: &Plan, begun: &Manifest, entity: usize) -> Vec<Forgotten> {
    let Some(of) = plan.entities.get(entity) else { return Vec::new() };
    let read = |read: &ForgottenRead| {
        let source = plan.sources.iter().position(|source| source.name == read.source)?;
        let source = u16::try_from(source).ok()?;
        Some((PartitionId { source, partition: read.partition }, read.next))
    };
    let all = begun.tombstones.iter().filter(|one| one.entity == of.name);
    let forgotten = all.map(|one| Forgotten {
        id: one.id.clone().into_bytes(),
        before: one.before,
        read: one.read.iter().filter_map(read).collect(),
    });
    forgotten.collect()
}
