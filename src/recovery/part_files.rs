//! The objects of workers' parts: a process writes those of its own workers.

use super::RecoveryError;
use super::due::CheckpointProgress;
use super::insist::insist;
use super::schemas::schemas;
use crate::checkpoint::{
    BlockCipher, EntitySchema, ListedKind, ListedSegment, ListedStates, StatesWriter,
    encode_segment, store,
};
use crate::fault;
use crate::objects::Objects;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidemark_operators::cut::{Cut, EntityStates, TimelineRows};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// See the module.
pub(super) struct PartFiles<'a> {
    objects: &'a dyn Objects,
    schemas: Vec<EntitySchema>,
    cipher: Option<Arc<BlockCipher>>,
    progress: Arc<CheckpointProgress>,
    /// Slices of the newest snapshot that are in no file yet, by worker and entity.
    slices: (EventTime, BTreeMap<(usize, usize), Vec<EntityStates>>),
}

impl<'a> PartFiles<'a> {
    /// Of the entity types of `plan`, into `objects`.
    pub fn new(
        objects: &'a dyn Objects,
        plan: &Plan,
        cipher: Option<Arc<BlockCipher>>,
        progress: Arc<CheckpointProgress>,
    ) -> Self {
        PartFiles {
            objects,
            schemas: schemas(plan),
            cipher,
            progress,
            slices: (0, BTreeMap::new()),
        }
    }

    /// Writes rows of an entity type as the segment `name`.
    pub fn segment(
        &self,
        name: String,
        (cut, entity): (Cut, usize),
        rows: &TimelineRows,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<ListedSegment, RecoveryError> {
        let from = rows.times.first().copied().unwrap_or(0);
        let range = Range { start: from, end: cut.at };
        let schema = self.schemas[entity].clone();
        let (object, listed) = encode_segment(name, schema, range, rows, self.cipher.as_deref())?;
        insist(&self.progress, keep_trying, || store(self.objects, &object))?;
        self.progress.row_bytes.fetch_add(listed.bytes, Ordering::Relaxed);
        fault::point("cut.segment");
        Ok(listed)
    }

    /// Takes a slice of the states of an entity type of a worker; with `None`, which says that these
    /// were all, writes their files and tells of them.
    pub fn states(
        &mut self,
        name: &mut dyn FnMut(ListedKind, usize) -> String,
        (of, as_of): ((usize, usize), EventTime),
        states: Option<EntityStates>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<ListedStates>>, RecoveryError> {
        if as_of > self.slices.0 {
            self.slices = (as_of, BTreeMap::new());
        } else if as_of < self.slices.0 {
            return Ok(None);
        }
        match states {
            Some(states) if states.ids.is_empty() => Ok(None),
            Some(states) => {
                self.slices.1.entry(of).or_default().push(states);
                Ok(None)
            }
            None => {
                let slices = self.slices.1.remove(&of).unwrap_or_default();
                self.files(name, (of, as_of), &slices, keep_trying).map(Some)
            }
        }
    }

    /// Writes the slices of an entity type of a worker: those of the same components into one file.
    fn files(
        &self,
        name: &mut dyn FnMut(ListedKind, usize) -> String,
        ((worker, entity), as_of): ((usize, usize), EventTime),
        slices: &[EntityStates],
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Vec<ListedStates>, RecoveryError> {
        let components = |states: &EntityStates| -> Vec<String> {
            states.components.iter().map(|component| component.identity.clone()).collect()
        };
        let mut files = Vec::new();
        for same in slices.chunk_by(|a, b| components(a) == components(b)) {
            let Some(first) = same.first() else { continue };
            let of = self.schemas[entity].entity.clone();
            let (name, cipher) = (name(ListedKind::States, worker), self.cipher.as_deref());
            let mut file = StatesWriter::new(name, of, as_of, components(first), cipher);
            same.iter().try_for_each(|states| file.push(states))?;
            let (object, listed) = file.finish()?;
            insist(&self.progress, keep_trying, || store(self.objects, &object))?;
            self.progress.snapshot_bytes.fetch_add(listed.bytes, Ordering::Relaxed);
            fault::point("cut.states");
            files.push(listed);
        }
        Ok(files)
    }
}
