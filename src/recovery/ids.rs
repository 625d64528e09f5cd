//! By what copies of records are told, as the workers tell it and as files of ids have it.

use super::RecoveryError;
use super::insist::insist;
use super::writer::Writer;
use crate::checkpoint::{
    CheckpointError, IdsOf, IdsReader, IdsWriter, ListedIds, ListedKind, Manifest, PartitionMark,
    StateKeys, StoredObject, mergeable_ids, store,
};
use crate::objects::Objects;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_operators::cut::{ResumedIds, SeenId};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Plan, SourcePlan};
use tidemark_operators::time::EventTime;

/// Ids by partition.
pub(super) type IdsByPartition = BTreeMap<PartitionId, Vec<SeenId>>;

/// How a file says whose the ids of partition `id` are.
fn ids_of(plan: &Plan, id: PartitionId) -> Option<IdsOf> {
    let source = plan.sources.get(usize::from(id.source))?;
    let fields = fields(source)?;
    Some(IdsOf { source: source.name.clone(), partition: id.partition, fields })
}

/// What the ids of a source are made of; `None`: it has none.
fn fields(source: &SourcePlan) -> Option<Vec<String>> {
    let unique = source.unique.as_ref()?;
    let fields = unique.id.iter().filter_map(|at| source.fields.get(*at));
    Some(fields.map(|field| format!("{} {}", field.name, field.ty)).collect())
}

/// Below which time the ids of a partition are held no more; 0: nothing is known.
fn over_below(plan: &Plan, marks: &[PartitionMark], of: (&str, u32)) -> EventTime {
    let source = plan.sources.iter().find(|source| source.name == of.0);
    let Some(unique) = source.and_then(|source| source.unique.as_ref()) else {
        return EventTime::MAX;
    };
    let mark = marks.iter().find(|mark| (mark.source.as_str(), mark.partition) == of);
    let clock = mark.and_then(|mark| mark.clock).unwrap_or(0);
    clock.saturating_sub(unique.held_for())
}

/// Whether all ids of a file are held no more by the partitions as they stand in `manifest`.
fn is_over(plan: &Plan, marks: &[PartitionMark], listed: &ListedIds) -> bool {
    listed
        .partitions
        .iter()
        .all(|(source, partition, latest)| *latest < over_below(plan, marks, (source, *partition)))
}

/// The ids that `manifest` knows of partitions of `plan`. What is made of other fields than it was is
/// another id: those are left out, which is said.
pub(super) fn resume(
    plan: &Plan,
    objects: &dyn Objects,
    manifest: &Manifest,
    keys: Option<&StateKeys>,
) -> Result<ResumedIds, RecoveryError> {
    let (mut all, mut others) = (IdsByPartition::new(), BTreeMap::<String, u64>::new());
    for listed in &manifest.ids {
        for (of, ids) in read_ids(objects, listed, keys)? {
            let source = plan.sources.iter().position(|source| source.name == of.source);
            let Some(source) = source else { continue };
            if fields(&plan.sources[source]).as_ref() != Some(&of.fields) {
                *others.entry(of.source.clone()).or_default() += ids.len() as u64;
                continue;
            }
            let Ok(source) = u16::try_from(source) else { continue };
            let id = PartitionId { source, partition: of.partition };
            all.entry(id).or_default().extend(ids);
        }
    }
    for (source, ids) in others {
        tracing::warn!(
            source,
            ids,
            "the ids that are known are of other fields than `id` of the source names now: copies \
             of records from before this start are events"
        );
    }
    Ok(ResumedIds::new(all))
}

/// All that a file of ids holds.
fn read_ids(
    objects: &dyn Objects,
    listed: &ListedIds,
    keys: Option<&StateKeys>,
) -> Result<Vec<(IdsOf, Vec<SeenId>)>, CheckpointError> {
    let reader = IdsReader::open(objects, listed, keys)?;
    let block = |block| reader.ids(block).map(|(of, ids)| (of.clone(), ids));
    (0..reader.blocks()).map(block).collect()
}

/// A file of ids that is damaged or missing.
struct UnreadableIds {
    name: String,
    error: CheckpointError,
}

impl Writer<'_> {
    /// Writes the ids that have come, and lists them in `next`; makes one of small files of ids where
    /// there are many, and lists no more what is over.
    pub(super) fn write_ids(
        &mut self,
        ids: IdsByPartition,
        next: &mut Manifest,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        let progress = Arc::clone(&self.progress);
        next.ids.retain(|listed| !is_over(&self.plan, &next.partitions, listed));
        if !ids.is_empty() {
            let name = self.name(ListedKind::Ids, 0);
            let mut file = IdsWriter::new(name, self.cipher.as_deref());
            for (id, ids) in ids {
                let Some(of) = ids_of(&self.plan, id) else { continue };
                file.push(&of, &ids)?;
            }
            let (object, listed) = file.finish(0)?;
            insist(&progress, keep_trying, || store(self.objects, &object))?;
            next.ids.push(listed);
        }
        self.unreadable_ids.retain(|name| next.ids.iter().any(|listed| listed.name == *name));
        loop {
            let is_readable = |listed: &&ListedIds| !self.unreadable_ids.contains(&listed.name);
            let readable: Vec<_> = next.ids.iter().filter(is_readable).cloned().collect();
            let Some((level, merged)) = mergeable_ids(&readable) else { return Ok(()) };
            let name = self.name(ListedKind::Ids, 0);
            let merging =
                insist(&progress, keep_trying, || self.merge_ids(&name, level, &merged, next));
            let (object, listed) = match merging? {
                Ok(made) => made,
                Err(UnreadableIds { name, error }) => {
                    // What it holds is missed by the next start; what is in memory is whole.
                    tracing::warn!(
                        %error,
                        "a file of ids cannot be read; it is left as it is, and the next start needs it"
                    );
                    self.unreadable_ids.insert(name);
                    continue;
                }
            };
            insist(&progress, keep_trying, || store(self.objects, &object))?;
            next.ids.retain(|listed| !merged.contains(listed));
            next.ids.push(listed);
        }
    }

    /// One file of several, of those ids that are held still.
    fn merge_ids(
        &self,
        name: &str,
        level: u32,
        merged: &[ListedIds],
        next: &Manifest,
    ) -> Result<Result<(StoredObject, ListedIds), UnreadableIds>, CheckpointError> {
        let mut file = IdsWriter::new(name.to_owned(), self.cipher.as_deref());
        for listed in merged {
            match read_ids(self.objects, listed, self.keys.as_deref()) {
                Ok(blocks) => {
                    for (of, mut ids) in blocks {
                        let whose = (of.source.as_str(), of.partition);
                        let over = over_below(&self.plan, &next.partitions, whose);
                        ids.retain(|id| id.at >= over);
                        file.push(&of, &ids)?;
                    }
                }
                Err(error @ CheckpointError::Objects(_)) => return Err(error),
                Err(error) => {
                    return Ok(Err(UnreadableIds { name: listed.name.clone(), error }));
                }
            }
        }
        file.finish(level).map(Ok)
    }
}
