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
//!
//! Where a manifest lists entities as removed each segment that may have rows of theirs is looked through,
//! and written anew without them. Those that a manifest lists through indexes stay until they are too old.

use super::due::CheckpointProgress;
use crate::checkpoint::{
    BlockCipher, CheckpointError, ForgottenEntity, ForgottenRead, ListedSegment, MANIFESTS_KEPT,
    Manifest, PartitionMark, SegmentReader, StateKeys, merge_segments, mergeable, of_one_schema,
    store,
};
use crate::objects::Objects;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use tidemark_operators::time::EventTime;

/// Segments that are looked through at once for rows of removed entities.
const CLEANED_MAX: usize = 64;

/// See the module.
pub(super) struct Merging {
    objects: Arc<dyn Objects>,
    keys: Option<Arc<StateKeys>>,
    cipher: Option<Arc<BlockCipher>>,
    progress: Arc<CheckpointProgress>,
    underway: Option<Underway>,
    /// Names of segments that cannot be merged, as long as they are listed.
    passed: BTreeSet<String>,
    /// The same of those that cannot be read.
    unreadable: BTreeSet<String>,
    /// By the names of segments that are listed: entities that this manifest, by its sequence number, or one
    /// before it listed as removed have no rows there that are to go. What it does not know is looked
    /// through again.
    clean: BTreeMap<String, u64>,
}

/// A merging that has been begun.
struct Underway {
    /// The sequence number in the names of what it writes.
    sequence: u64,
    outcomes: Receiver<Outcome>,
    /// The manifest whose removed entities it leaves out, by its sequence number.
    of: u64,
}

/// What became of one list of segments.
struct Outcome {
    of: Vec<String>,
    /// `None`: they stay as they are.
    merged: Result<Option<ListedSegment>, MergeError>,
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
        Merging {
            objects,
            keys,
            cipher,
            progress,
            underway: None,
            passed: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            clean: BTreeMap::new(),
        }
    }

    /// Begins to merge what there is to be merged of what `manifest` lists by itself, unless a merging
    /// is under way. `name` names a segment that is to be written.
    pub fn begin(&mut self, manifest: &Manifest, mut name: impl FnMut() -> String) {
        if self.underway.is_some() {
            return;
        }
        let listed = || manifest.segments.iter().map(|segment| &segment.name);
        self.passed.retain(|passed| listed().any(|name| name == passed));
        self.unreadable.retain(|passed| listed().any(|name| name == passed));
        self.clean.retain(|clean, _| listed().any(|name| name == clean));
        let mut lists = mergeable(&manifest.segments, &self.passed);
        lists.extend(self.unclean(manifest, &lists));
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
                let (sequence, of) = (manifest.sequence + 1, manifest.sequence);
                self.underway = Some(Underway { sequence, outcomes, of });
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
            let of = underway.of;
            match underway.outcomes.try_recv() {
                Ok(outcome) => self.list(outcome, of, next),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.underway = None,
            }
        }
    }

    fn list(&mut self, Outcome { of, merged }: Outcome, forgotten: u64, next: &mut Manifest) {
        let merged = match merged {
            Ok(None) => {
                self.clean.extend(of.into_iter().map(|name| (name, forgotten)));
                return;
            }
            Ok(Some(merged)) => merged,
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
                self.unreadable.extend(of.iter().cloned());
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
        let many = if of.len() > 1 { of.len() as u64 } else { 0 };
        self.progress.merged_segments.fetch_add(many, Ordering::Relaxed);
        self.progress.merged_bytes.fetch_add(merged.bytes, Ordering::Relaxed);
        if merged.rows > 0 {
            self.clean.insert(merged.name.clone(), forgotten);
            next.segments.push(merged);
        }
    }

    /// Segments that may have rows of removed entities, each by itself, the oldest first; none of those in
    /// `lists`.
    fn unclean(
        &self,
        manifest: &Manifest,
        lists: &[Vec<ListedSegment>],
    ) -> Vec<Vec<ListedSegment>> {
        let is_merged = |one: &ListedSegment| lists.iter().flatten().any(|of| of.name == one.name);
        let unclean = |segment: &&ListedSegment| {
            let mut removed = manifest.tombstones.iter();
            removed.any(|one| self.may_have(segment, one))
                && !self.unreadable.contains(&segment.name)
                && !is_merged(segment)
        };
        let mut unclean: Vec<&ListedSegment> = manifest.segments.iter().filter(unclean).collect();
        unclean.sort_by_key(|segment| (segment.to, &segment.name));
        unclean.into_iter().take(CLEANED_MAX).map(|segment| vec![segment.clone()]).collect()
    }

    /// Whether `segment` may have rows of `removed` that are to go.
    fn may_have(&self, segment: &ListedSegment, removed: &ForgottenEntity) -> bool {
        let clean = self.clean.get(&segment.name).copied().unwrap_or(0);
        segment.entity == removed.entity && segment.from < removed.before && clean < removed.since
    }

    /// Lists no longer entities in `next` that nothing can bring back, nor up to where partitions were read
    /// that a restart begins behind.
    pub fn settle(&self, next: &mut Manifest) {
        let Manifest { sequence, partitions, segments, indexes, snapshot, tombstones, .. } = next;
        let is_read_again = |read: &ForgottenRead| {
            let is = |mark: &&PartitionMark| {
                (&mark.source, mark.partition) == (&read.source, read.partition)
            };
            partitions.iter().find(is).is_some_and(|mark| mark.reread < read.next)
        };
        tombstones.retain_mut(|removed| {
            removed.read.retain(&is_read_again);
            // The manifests that are kept say it, whichever is the newest that verifies.
            let is_new = *sequence < removed.since.saturating_add(MANIFESTS_KEPT as u64);
            let as_of = snapshot.as_ref().map_or(EventTime::MAX, |snapshot| snapshot.as_of);
            is_new
                || !removed.read.is_empty()
                || as_of <= removed.before
                || segments.iter().any(|segment| self.may_have(segment, removed))
                || indexes.iter().any(|index| index.from < removed.before)
        });
    }

    /// Objects with names from this sequence number on may still be written.
    pub fn writing_from(&self) -> u64 {
        self.underway.as_ref().map_or(u64::MAX, |underway| underway.sequence)
    }
}

impl Merger {
    fn merge(&self, name: String, segments: Vec<ListedSegment>) -> Outcome {
        let all = segments.iter().map(|segment| segment.name.clone()).collect();
        if let [segment] = &segments[..] {
            let merged = self.cleaned(name, segment).map_err(MergeError::from);
            return Outcome { of: all, merged };
        }
        match self.merge_of_one_schema(name, segments) {
            Ok((of, merged)) => Outcome { of, merged: Ok(Some(merged)) },
            Err(error) => Outcome { of: all, merged: Err(error) },
        }
    }

    /// The segment without the rows of removed entities; `None`: it has none of theirs.
    fn cleaned(
        &self,
        name: String,
        segment: &ListedSegment,
    ) -> Result<Option<ListedSegment>, CheckpointError> {
        let (objects, keys) = (&*self.objects, self.keys.as_deref());
        let removed = self.forgotten.iter().filter(|one| one.entity == segment.entity);
        let removed: HashSet<&[u8]> = removed.map(|one| one.id.as_bytes()).collect();
        let reader = SegmentReader::open(objects, segment, keys)?;
        if !reader.ids().iter().any(|id| removed.contains(id)) {
            return Ok(None);
        }
        let (cipher, of) = (self.cipher.as_deref(), std::slice::from_ref(segment));
        let (object, listed) = merge_segments(objects, of, &self.forgotten, name, keys, cipher)?;
        store(objects, &object)?;
        Ok(Some(ListedSegment { merged: segment.merged, ..listed }))
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
