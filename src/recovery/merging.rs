//! Small segments are merged once, on a thread beside the one that writes checkpoints.
//!
//! ```text
//! writer:   commit ── begin ─────────────────────── take, commit ──→ a manifest that lists the merged
//!                        └──→ merging: read, write ────┘
//! ```
//!
//! What was merged belongs to no checkpoint until a manifest lists it in the place of what it was made
//! of, all of which the manifest before must list: else it is left to be collected. So a process may be
//! killed at any moment. One merging at a time, of at most one large segment for each entity type.

use super::due::CheckpointProgress;
use crate::checkpoint::{
    BlockCipher, CheckpointError, ForgottenEntity, ListedSegment, Manifest, StateKeys,
    merge_segments, mergeable, of_one_schema, store,
};
use crate::objects::Objects;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// See the module.
pub(super) struct Merging {
    objects: Arc<dyn Objects>,
    keys: Option<Arc<StateKeys>>,
    cipher: Option<Arc<BlockCipher>>,
    progress: Arc<CheckpointProgress>,
    underway: Option<Underway>,
    /// Names of segments that cannot be merged, as long as they are listed.
    passed: BTreeSet<String>,
}

/// A merging that has been begun.
struct Underway {
    /// The sequence number in the names of what it writes.
    sequence: u64,
    outcomes: Receiver<Outcome>,
}

/// What became of one list of segments.
struct Outcome {
    of: Vec<String>,
    merged: Result<ListedSegment, MergeError>,
}

/// Why segments were not merged.
enum MergeError {
    /// There is nothing to be merged with the first: it is of another schema than those after it.
    Alone,
    Checkpoint(CheckpointError),
}

/// What a merging works with.
struct Merger {
    objects: Arc<dyn Objects>,
    keys: Option<Arc<StateKeys>>,
    cipher: Option<Arc<BlockCipher>>,
    forgotten: Vec<ForgottenEntity>,
}

impl Merging {
    pub fn new(
        objects: Arc<dyn Objects>,
        keys: Option<Arc<StateKeys>>,
        cipher: Option<Arc<BlockCipher>>,
        progress: Arc<CheckpointProgress>,
    ) -> Self {
        Merging { objects, keys, cipher, progress, underway: None, passed: BTreeSet::new() }
    }

    /// Begins to merge what there is to be merged of what `manifest` lists by itself, unless a merging
    /// is under way. `name` names a segment that is to be written.
    pub fn begin(&mut self, manifest: &Manifest, mut name: impl FnMut() -> String) {
        if self.underway.is_some() {
            return;
        }
        let listed = || manifest.segments.iter().map(|segment| &segment.name);
        self.passed.retain(|passed| listed().any(|name| name == passed));
        let lists = mergeable(&manifest.segments, &self.passed);
        if lists.is_empty() {
            return;
        }
        let lists: Vec<_> = lists.into_iter().map(|segments| (name(), segments)).collect();
        let merger = Merger {
            objects: Arc::clone(&self.objects),
            keys: self.keys.clone(),
            cipher: self.cipher.clone(),
            forgotten: manifest.tombstones.clone(),
        };
        let (to, outcomes) = channel();
        let merge = move || {
            for (name, segments) in lists {
                // Who is gone needs no more of them.
                if to.send(merger.merge(name, segments)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("merging".to_owned());
        match thread.spawn(merge) {
            Ok(_) => {
                self.underway = Some(Underway { sequence: manifest.sequence + 1, outcomes });
            }
            Err(error) => {
                tracing::warn!(%error, "segments of checkpoints are not merged: no thread is to be had");
            }
        }
    }

    /// Lists in `next` what has been merged since, in the place of what it was made of.
    pub fn take(&mut self, next: &mut Manifest) {
        loop {
            let Some(underway) = &self.underway else { return };
            match underway.outcomes.try_recv() {
                Ok(outcome) => self.list(outcome, next),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.underway = None,
            }
        }
    }

    fn list(&mut self, Outcome { of, merged }: Outcome, next: &mut Manifest) {
        let merged = match merged {
            Ok(merged) => merged,
            Err(MergeError::Alone) => {
                self.passed.extend(of.into_iter().take(1));
                return;
            }
            Err(MergeError::Checkpoint(error @ CheckpointError::Objects(_))) => {
                tracing::warn!(%error, "segments of checkpoints cannot be merged; it is tried again");
                return;
            }
            Err(MergeError::Checkpoint(error)) => {
                tracing::warn!(%error, "segments of checkpoints cannot be merged; they stay as they are");
                self.passed.extend(of);
                return;
            }
        };
        let is_of = |segment: &ListedSegment| of.contains(&segment.name);
        if next.segments.iter().filter(|segment| is_of(segment)).count() < of.len() {
            // Some have gone into an index or are older than every window: then all stay.
            return;
        }
        next.segments.retain(|segment| !is_of(segment));
        self.progress.merged_segments.fetch_add(of.len() as u64, Ordering::Relaxed);
        self.progress.merged_bytes.fetch_add(merged.bytes, Ordering::Relaxed);
        next.segments.push(merged);
    }

    /// Objects with names from this sequence number on may still be written.
    pub fn writing_from(&self) -> u64 {
        self.underway.as_ref().map_or(u64::MAX, |underway| underway.sequence)
    }
}

impl Merger {
    fn merge(&self, name: String, segments: Vec<ListedSegment>) -> Outcome {
        let all = segments.iter().map(|segment| segment.name.clone()).collect();
        match self.merge_of_one_schema(name, segments) {
            Ok((of, merged)) => Outcome { of, merged: Ok(merged) },
            Err(error) => Outcome { of: all, merged: Err(error) },
        }
    }

    fn merge_of_one_schema(
        &self,
        name: String,
        segments: Vec<ListedSegment>,
    ) -> Result<(Vec<String>, ListedSegment), MergeError> {
        let (objects, keys) = (&*self.objects, self.keys.as_deref());
        let segments = of_one_schema(objects, segments, keys)?;
        if segments.len() < 2 {
            return Err(MergeError::Alone);
        }
        let cipher = self.cipher.as_deref();
        let (object, listed) =
            merge_segments(objects, &segments, &self.forgotten, name, keys, cipher)?;
        store(objects, &object)?;
        Ok((segments.into_iter().map(|segment| segment.name).collect(), listed))
    }
}

impl From<CheckpointError> for MergeError {
    fn from(error: CheckpointError) -> Self {
        MergeError::Checkpoint(error)
    }
}

#[cfg(test)]
mod tests;
