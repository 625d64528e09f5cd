//! Where partitions stand, as the workers tell it and as a manifest has it.

use crate::checkpoint::{HistoryMark, Manifest, PartitionMark as StoredMark};
use crate::fault;
use crate::kafka::FoundTopics;
use std::collections::BTreeMap;
use tidemark_operators::cut::{HistoryOverlap, PartitionMark, Resume};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Plan, SourcePlan};

/// Puts what is told into what is stored. Partitions that nobody has told of stay as they were, but
/// for those of `topics` that are other ones by now.
pub(super) fn put(
    plan: &Plan,
    topics: Option<&FoundTopics>,
    told: BTreeMap<PartitionId, PartitionMark>,
    stored: &mut Vec<StoredMark>,
) {
    let name = |id: PartitionId| {
        plan.sources.get(usize::from(id.source)).map_or("", |source| &source.name)
    };
    for id in topics.iter().flat_map(|topics| topics.others()) {
        stored.retain(|mark| (mark.source.as_str(), mark.partition) != (name(id), id.partition));
    }
    // One that no worker has told of yet begins where reading does, also for the next run.
    let begin = topics.iter().flat_map(|topics| topics.begins.keys());
    let is_stored = |id: &&PartitionId| {
        stored.iter().any(|mark| mark.source == *name(**id) && mark.partition == id.partition)
    };
    let untold = begin.filter(|id| !told.contains_key(id) && !is_stored(id));
    let untold: Vec<_> = untold.map(|id| (*id, PartitionMark::default())).collect();
    for (id, mark) in told.into_iter().chain(untold) {
        let source = name(id);
        // One that nothing was read of yet begins where reading does.
        let begins = topics.and_then(|topics| topics.begins.get(&id)).copied().unwrap_or(0);
        let (read, reread) = match mark.read {
            0 => (begins, begins),
            read => (read, mark.reread),
        };
        let is =
            |stored: &&mut StoredMark| stored.source == source && stored.partition == id.partition;
        let mark = StoredMark {
            source: source.to_owned(),
            partition: id.partition,
            identity: topics.and_then(|topics| topics.ids.get(&id.source)).cloned(),
            first_offset: mark.start,
            first_accepted: Some(mark.first).filter(|first| *first > 0 || mark.accepted > 0),
            read,
            reread,
            clock: mark.clock,
            newest: mark.newest,
            accepted: mark.accepted,
            refused: mark.refused.iter().map(|range| (range.start, range.end)).collect(),
            check: mark.last.map(Into::into),
            history: mark.history.map(|part| HistoryMark { end: part.end, until: part.until }),
        };
        match stored.iter_mut().find(is) {
            Some(held) => *held = mark,
            None => stored.push(mark),
        }
    }
    stored.sort_by(|a, b| (&a.source, a.partition).cmp(&(&b.source, b.partition)));
}

/// The ids of the topics that `manifest` knows, by source of `plan`.
pub(super) fn topic_ids(plan: &Plan, manifest: &Manifest) -> BTreeMap<u16, String> {
    let of = |(at, source): (u16, &SourcePlan)| {
        let mut marks = manifest.partitions.iter().filter(|mark| mark.source == source.name);
        Some((at, marks.find_map(|mark| mark.identity.clone())?))
    };
    (0..).zip(&plan.sources).filter_map(of).collect()
}

/// Where the partitions of `plan` stand that `manifest` knows.
pub(super) fn resume(plan: &Plan, manifest: &Manifest) -> Resume {
    let mark = |stored: &StoredMark| {
        let source = plan.sources.iter().position(|source| source.name == stored.source)?;
        let id = PartitionId { source: u16::try_from(source).ok()?, partition: stored.partition };
        let mark = PartitionMark {
            read: stored.read + u64::from(stored.read > 0 && fault::is_mutant("offset_late")),
            reread: match fault::is_mutant("reread_forgotten") {
                true => stored.read,
                false => stored.reread,
            },
            clock: stored.clock.filter(|_| !fault::is_mutant("clock_forgotten")),
            newest: stored.newest,
            accepted: stored.accepted,
            start: stored.first_offset,
            first: stored.first_accepted.unwrap_or(0),
            refused: match fault::is_mutant("refused_forgotten") {
                true => Vec::new(),
                false => stored.refused.iter().map(|(start, end)| *start..*end).collect(),
            },
            last: stored.check.map(Into::into),
            history: stored.history.map(|part| HistoryOverlap { end: part.end, until: part.until }),
        };
        Some((id, mark))
    };
    let partitions = manifest.partitions.iter().filter_map(mark).collect();
    Resume { at: manifest.cut, partitions, ..Resume::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_file;

    #[test]
    fn a_partition_that_no_worker_has_told_of_is_listed_where_reading_begins() {
        let plan = job_file::load("fraud").unwrap().plan;
        let id = |partition| PartitionId { source: 0, partition };
        let mut topics = FoundTopics::default();
        topics.begins = BTreeMap::from([(id(0), 5), (id(1), 7), (id(2), 9)]);
        let read = PartitionMark { read: 6, reread: 6, ..PartitionMark::default() };
        let mut stored = Vec::new();
        put(&plan, Some(&topics), BTreeMap::from([(id(0), read)]), &mut stored);
        let stands = |stored: &[StoredMark]| -> Vec<_> {
            stored.iter().map(|mark| (mark.partition, mark.read, mark.reread)).collect()
        };
        assert_eq!(stands(&stored), [(0, 6, 6), (1, 7, 7), (2, 9, 9)]);
        // What is known of one stays until its worker says more.
        let read = PartitionMark { read: 12, reread: 11, ..PartitionMark::default() };
        put(&plan, Some(&topics), BTreeMap::from([(id(2), read)]), &mut stored);
        assert_eq!(stands(&stored), [(0, 6, 6), (1, 7, 7), (2, 12, 11)]);
    }
}
