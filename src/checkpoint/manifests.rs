//! How manifests follow one another: who may write the next, and what may go.
//!
//! ```text
//! take over:  newest that verifies -> the same with generation + 1, created at the next number (fence)
//! append:     create at the next number -> is there a later one? then another has taken over
//! collect:    keep the last 3 and all that they list -> older manifests go -> what none lists goes
//! ```
//!
//! - Of two that create one number the first stands, so there is one chain whatever processes run.
//! - A process that was stopped for long may create a number that others have passed and collected.
//!   Its look at what is there after that tells it: newer manifests are always there.
//! - What no kept manifest lists goes only when an earlier generation wrote it, or an earlier sequence
//!   number than any that is still being written: what a running process writes stays.

use super::blocks::damage;
use super::manifest::{SegmentIndex, sealed, unsealed};
use super::names::{
    LISTED, ListedKind, MANIFESTS, WrittenBy, manifest_name, manifest_sequence, object_name,
    written_in,
};
use super::{
    CheckpointError, DamagePlace, DamagedObject, ListedSegment, Manifest, ObjectOfRecord,
    VersionRecords, create, store,
};
use crate::fault;
use crate::objects::{Creation, Objects};
use std::collections::{BTreeMap, BTreeSet};

/// How many manifests are kept.
pub const MANIFESTS_KEPT: usize = 3;
/// How often manifests are listed that vanish before they are read.
const LISTINGS_MAX: usize = 8;
/// How often a process tries to take over while others do.
const TAKE_OVERS_MAX: usize = 16;

/// The manifests of a store.
#[derive(Clone, Copy)]
pub struct Manifests<'a> {
    objects: &'a dyn Objects,
}

/// The newest manifest that verifies.
#[derive(Debug)]
pub struct NewestManifest {
    /// It.
    pub manifest: Manifest,
    /// Newer ones that are damaged.
    pub skipped: Vec<DamagedObject>,
    /// The sequence number after all that are there.
    pub next: u64,
}

/// What [`Leader::collect`] has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many manifests.
    pub manifests: u64,
    /// How many other objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<'a> Manifests<'a> {
    /// Those in `objects`.
    pub fn new(objects: &'a dyn Objects) -> Self {
        Manifests { objects }
    }

    /// The sequence numbers of all that are there, ascending; nothing says yet that they verify.
    ///
    /// # Errors
    /// When the store does not tell.
    pub fn sequences(&self) -> Result<Vec<u64>, CheckpointError> {
        let listed = self.objects.list(MANIFESTS)?;
        let mut sequences: Vec<_> =
            listed.iter().filter_map(|listed| manifest_sequence(&listed.name)).collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// The manifest of a sequence number; `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or a newer program wrote it.
    pub fn read(&self, sequence: u64) -> Result<Option<Manifest>, CheckpointError> {
        let name = manifest_name(sequence);
        let Some((manifest, _)) = unsealed::<Manifest>(self.objects, &name)? else {
            return Ok(None);
        };
        if manifest.sequence != sequence {
            let what = format!("it is manifest {}", manifest.sequence);
            return Err(damage(self.objects, &name, DamagePlace::Whole, &what).into());
        }
        Ok(Some(manifest))
    }

    /// The newest that verifies; `None`: there is none at all. Damaged ones that are newer are logged.
    ///
    /// # Errors
    /// When none verifies of those that are there, one cannot be read, or a newer program wrote one.
    pub fn newest(&self) -> Result<Option<NewestManifest>, CheckpointError> {
        let mut vanished = String::new();
        for _ in 0..LISTINGS_MAX {
            let sequences = self.sequences()?;
            let Some(last) = sequences.last() else { return Ok(None) };
            if let Some(newest) = self.newest_of(&sequences)? {
                return Ok(Some(newest));
            }
            // Others have gone on, and collected what was listed.
            vanished = manifest_name(*last);
        }
        let what = "it vanishes, and others with it, while it is read";
        Err(damage(self.objects, &vanished, DamagePlace::Whole, what).into())
    }

    fn newest_of(&self, sequences: &[u64]) -> Result<Option<NewestManifest>, CheckpointError> {
        let next = sequences.last().map_or(1, |last| last.saturating_add(1));
        let mut skipped = Vec::new();
        for sequence in sequences.iter().rev() {
            match self.read(*sequence) {
                Ok(Some(manifest)) => {
                    for damage in &skipped {
                        tracing::warn!("{damage}; manifest {sequence} before it is used");
                    }
                    return Ok(Some(NewestManifest { manifest, skipped, next }));
                }
                Ok(None) => {}
                Err(CheckpointError::Damaged(damage)) => skipped.push(damage),
                Err(other) => return Err(other),
            }
        }
        match skipped.into_iter().next() {
            Some(newest) => Err(newest.into()),
            None => Ok(None),
        }
    }

    /// All segments of a manifest, those that it lists through indexes first.
    ///
    /// # Errors
    /// When an index cannot be read, is missing, or not the one that is listed.
    pub fn segments(&self, manifest: &Manifest) -> Result<Vec<ListedSegment>, CheckpointError> {
        let mut segments = Vec::new();
        for listed in &manifest.indexes {
            let damaged = |what: &str| damage(self.objects, &listed.name, DamagePlace::Whole, what);
            let read = unsealed::<SegmentIndex>(self.objects, &listed.name)?;
            let (index, bytes) = read.ok_or_else(|| damaged("it is missing"))?;
            if bytes.len() as u64 != listed.bytes || crc32c::crc32c(&bytes) != listed.crc32c {
                return Err(damaged("it is not the one that the manifest lists").into());
            }
            segments.extend(index.segments);
        }
        segments.extend(manifest.segments.iter().cloned());
        Ok(segments)
    }

    /// Takes over the state: from here on no process that took it over before can write a manifest.
    /// `first` is what holds where there is no manifest yet; `writer` is a text that no other start of
    /// a process has, `now` the time in ms since 1970.
    ///
    /// # Errors
    /// As [`newest`](Self::newest); when the store does not do it; when others take over all the time.
    pub fn take_over(
        self,
        first: &Manifest,
        writer: &str,
        now: u64,
    ) -> Result<Leader<'a>, CheckpointError> {
        let mut by = String::new();
        for _ in 0..TAKE_OVERS_MAX {
            let newest = self.newest()?;
            let (before, next, skipped) = match newest {
                Some(newest) => (newest.manifest, newest.next, newest.skipped),
                None => (first.clone(), 1, Vec::new()),
            };
            let manifest = Manifest {
                sequence: next,
                generation: before.generation + 1,
                writer: writer.to_owned(),
                store_id: if before.store_id.is_empty() {
                    writer.to_owned()
                } else {
                    before.store_id
                },
                created_at: now,
                ..before
            };
            let leader = Leader { manifests: self, manifest, skipped };
            match leader.create(&leader.manifest) {
                Ok(()) => return Ok(leader),
                Err(CheckpointError::Fenced { by: other, .. }) => by = other,
                Err(other) => return Err(other),
            }
        }
        let (sequence, generation) = (0, 0);
        let store = self.objects.url().to_owned();
        Err(CheckpointError::Fenced { sequence, generation, store, by })
    }
}

/// The process that may write manifests, until another one takes over.
pub struct Leader<'a> {
    manifests: Manifests<'a>,
    /// The last that it wrote.
    manifest: Manifest,
    skipped: Vec<DamagedObject>,
}

impl<'a> Leader<'a> {
    /// The last manifest that it wrote.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Newer manifests that were damaged when it took over.
    pub fn skipped(&self) -> &[DamagedObject] {
        &self.skipped
    }

    /// All segments of its last manifest.
    ///
    /// # Errors
    /// As [`Manifests::segments`].
    pub fn segments(&self) -> Result<Vec<ListedSegment>, CheckpointError> {
        self.manifests.segments(&self.manifest)
    }

    /// Appends a manifest; its sequence number, generation and writer are set here, and the oldest of
    /// too many segments go into an index. When it returns, the manifest is there to stay. After an
    /// error it may be there or not: the same call again says which.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] when another process has taken over; when the store does not do it.
    pub fn append(&mut self, manifest: Manifest) -> Result<(), CheckpointError> {
        let Manifest { sequence, generation, .. } = self.manifest;
        let mut manifest = Manifest {
            sequence: sequence.saturating_add(1),
            generation,
            writer: self.manifest.writer.clone(),
            ..manifest
        };
        let sequence = manifest.sequence;
        let written = WrittenBy { generation, sequence, worker: 0, number: 0 };
        let index = manifest.index_oldest(object_name(ListedKind::Index, written))?;
        if let Some(index) = index {
            store(self.manifests.objects, &index)?;
        }
        self.create(&manifest)?;
        self.manifest = manifest;
        Ok(())
    }

    /// Creates a manifest and looks whether others have gone on without it.
    fn create(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        let objects = self.manifests.objects;
        let object = sealed(manifest_name(manifest.sequence), manifest)?;
        if fault::is_mutant("manifest_overwritten") {
            return Ok(objects.put(&object.name, &object.bytes)?);
        }
        if create(objects, &object)? == Creation::Exists {
            return Err(self.fenced(manifest, "another one with this number"));
        }
        let later = self.manifests.sequences()?.pop().filter(|last| *last > manifest.sequence);
        match later {
            None => Ok(()),
            Some(later) => Err(self.fenced(manifest, &format!("manifest {later}"))),
        }
    }

    fn fenced(&self, manifest: &Manifest, by: &str) -> CheckpointError {
        CheckpointError::Fenced {
            sequence: manifest.sequence,
            generation: manifest.generation,
            store: self.manifests.objects.url().to_owned(),
            by: by.to_owned(),
        }
    }

    /// Deletes what no longer belongs to one of the newest [`MANIFESTS_KEPT`] manifests that verify.
    /// Objects of this process whose names carry `writing_from` or a later sequence number are still
    /// being written, and stay. That something is gone already is no error.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] when another process has taken over; when the store does not do it;
    /// when an index is damaged: then nothing is deleted.
    pub fn collect(&self, writing_from: u64) -> Result<Collected, CheckpointError> {
        let objects = self.manifests.objects;
        let sequences = self.manifests.sequences()?;
        if let Some(later) = sequences.last().filter(|last| **last > self.manifest.sequence) {
            return Err(self.fenced(&self.manifest, &format!("manifest {later}")));
        }
        let kept = self.kept(&sequences)?;
        let listed = self.listed(&kept)?;
        let mut collected = Collected::default();
        let oldest = match kept.len() {
            MANIFESTS_KEPT => kept.last().map_or(0, |manifest| manifest.sequence),
            _ => 0,
        };
        for sequence in sequences.into_iter().filter(|sequence| *sequence < oldest) {
            objects.delete(&manifest_name(sequence))?;
            collected.manifests += 1;
        }
        let Manifest { generation: own, sequence, .. } = self.manifest;
        let writing_from = writing_from.min(sequence.saturating_add(1));
        for folder in LISTED {
            for object in objects.list(folder)? {
                let written = written_in(&object.name);
                let is_left = written.is_some_and(|(generation, sequence)| {
                    generation < own || (generation == own && sequence < writing_from)
                });
                if is_left && !listed.contains(&object.name) {
                    objects.delete(&object.name)?;
                    collected.objects += 1;
                    collected.bytes += object.bytes;
                }
            }
        }
        objects.remove_leftovers()?;
        Ok(collected)
    }

    /// Deletes versions of tables that no longer belong to one of these manifests, and the records of
    /// them, where the job has tables of the names `held`; see [`VersionRecords`]. Says for each of those
    /// which is the first that is needed.
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub fn collect_versions(
        &self,
        held: &BTreeSet<String>,
        object: ObjectOfRecord<'_>,
    ) -> Result<BTreeMap<String, u64>, CheckpointError> {
        let kept = self.kept(&self.manifests.sequences()?)?;
        if let Some(later) = kept.first().filter(|kept| kept.sequence > self.manifest.sequence) {
            return Err(self.fenced(&self.manifest, &format!("manifest {}", later.sequence)));
        }
        let records = VersionRecords::new(self.manifests.objects);
        records.collect(&kept, held, (self.manifest.generation, object))
    }

    /// The newest manifests that verify, of those with these sequence numbers.
    fn kept(&self, sequences: &[u64]) -> Result<Vec<Manifest>, CheckpointError> {
        let mut kept = Vec::new();
        for sequence in sequences.iter().rev() {
            if kept.len() == MANIFESTS_KEPT {
                break;
            }
            match self.manifests.read(*sequence) {
                Ok(manifest) => kept.extend(manifest),
                // It stays: somebody may want to look into it.
                Err(CheckpointError::Damaged(damage)) => tracing::warn!("{damage}"),
                Err(other) => return Err(other),
            }
        }
        Ok(kept)
    }

    /// The names of all objects that they list.
    fn listed(&self, manifests: &[Manifest]) -> Result<BTreeSet<String>, CheckpointError> {
        let mut listed = BTreeSet::new();
        for manifest in manifests {
            listed.extend(self.manifests.segments(manifest)?.into_iter().map(|one| one.name));
            listed.extend(manifest.indexes.iter().map(|one| one.name.clone()));
            let states = manifest.snapshot.iter().flat_map(|snapshot| &snapshot.states);
            listed.extend(states.map(|one| one.name.clone()));
            listed.extend(manifest.ids.iter().map(|one| one.name.clone()));
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod race;
#[cfg(test)]
mod tests;
